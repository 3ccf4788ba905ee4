"""The queue's page and API: what one sees of it, moving, priorities, limits; by plain forms and by htmx."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hosts.models import ApiToken, AuditEvent, Host
from migrations_app import admission
from migrations_app.models import Migration, QueueLimits
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
QUEUE = "/migrations/queue/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def line(count: int = 4, *, by: str = "alice") -> list[Migration]:
    """Migrations in the queue, of which two have a place."""
    h1 = Host.objects.filter(name="h1").first() or build.host("h1", memory_free_mib=8192)
    h2 = Host.objects.filter(name="h2").first() or build.host("h2", memory_free_mib=8192)
    given: dict[str, Any] = {"state": State.QUEUED, "started": None, "username": by}
    rows = [build.migration(build.vm(f"{by}{n}", on=h1), to=h2, **given) for n in range(count)]
    admission.fill()
    return rows


def test_the_page_shows_places_and_the_line_with_its_reasons() -> None:
    rows = line()
    page = signed_in(build.user("vera", role="viewer")).get(QUEUE).content.decode()
    assert f'id="place-{rows[0].pk}"' in page and f'id="waiting-{rows[2].pk}"' in page
    assert f"A place on h1: 2 of 2 leave it, see #{rows[0].pk}, #{rows[1].pk}" in page
    assert "2 of 2" in page and "requeue" not in page, "a viewer moves nothing"


def test_an_empty_queue_says_so() -> None:
    page = signed_in(build.user("vera", role="viewer")).get(QUEUE).content.decode()
    assert "Nothing moves and nothing waits" in page and "Nobody waits" in page


def test_others_hosts_are_not_shown() -> None:
    line()
    site = build.group("site-b")
    build.host("h9", groups=(site,))
    stranger = build.user("stan", role="operator", scope=site)
    page = signed_in(stranger).get(QUEUE).content.decode()
    assert "alice" not in page and "/hosts/h1/" not in page
    found = api(stranger)("GET", "queue").json()
    assert (found["running"], found["waiting"], found["hosts"], found["queue"]) == (0, 0, [], [])


def test_a_plain_form_moves_and_goes_back_and_htmx_gets_the_page() -> None:
    rows = line()
    client = signed_in(build.user("olga", role="operator"))
    url = reverse("migrations:requeue", args=[rows[3].pk])
    answer = client.post(url, {"where": "up"})
    assert (answer.status_code, answer["Location"]) == (303, QUEUE)
    assert AuditEvent.objects.get().action == "move up in the queue"
    answer = client.post(url, {"priority": "10"}, headers={"hx-request": "true"})
    page = answer.content.decode()
    assert answer.status_code == 200 and "high" in page
    assert page.index(f"waiting-{rows[3].pk}") < page.index(f"waiting-{rows[2].pk}")


@pytest.mark.parametrize(("given", "status"), [({"where": "away"}, 422), ({"priority": "x"}, 422), ({}, 422)])
def test_bad_input_moves_nothing(given: dict[str, str], status: int) -> None:
    row = line()[3]
    answer = signed_in(build.user("olga", role="operator")).post(reverse("migrations:requeue", args=[row.pk]), given)
    assert answer.status_code == status
    row.refresh_from_db()
    assert (row.priority, row.position) == (0, 0)


def test_what_has_started_can_not_be_moved_any_more() -> None:
    row = line()[0]
    answer = signed_in(build.user("olga", role="operator")).post(
        reverse("migrations:requeue", args=[row.pk]), {"where": "front"}
    )
    assert answer.status_code == 409 and "does not wait any more" in answer.content.decode()


def test_an_admin_sets_the_limits_and_nobody_else() -> None:
    admin = signed_in(build.user("anna", role="admin"))
    given = {"per_source": "3", "per_destination": "3", "per_link": "3", "overall": "9"}
    assert admin.post(f"{QUEUE}limits/", {**given, "overall": "-1"}).status_code == 422
    assert QueueLimits.current().overall == 20
    assert admin.post(f"{QUEUE}limits/", given).status_code == 303
    assert QueueLimits.current().overall == 9
    assert signed_in(build.user("olga", role="operator")).post(f"{QUEUE}limits/", given).status_code == 403


def api(user: User) -> Any:
    client = Client(headers={"authorization": f"Bearer {ApiToken.issue(user=user)}"})

    def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body) if body is not None else ""
        return client.generic(method, f"/api/v1/{path}", data=data, content_type="application/json")

    return call


def test_the_api_tells_and_changes_the_same() -> None:
    rows = line()
    call = api(build.user("anna", role="admin"))
    found = call("GET", "queue").json()
    assert found["hosts"][0]["leaving"] == {"limit": 2, "running": [rows[0].pk, rows[1].pk], "waiting": 2}
    assert [one["id"] for one in found["queue"]] == [rows[2].pk, rows[3].pk]
    assert call("POST", f"migrations/{rows[3].pk}/move", {"where": "front"}).status_code == 202
    assert [one["id"] for one in call("GET", "queue").json()["queue"]] == [rows[3].pk, rows[2].pk]
    assert call("PATCH", f"migrations/{rows[2].pk}", {"priority": 50}).json()["priority"] == 50
    assert call("PATCH", f"migrations/{rows[2].pk}", {"priority": 50, "bandwidth_mib": 1}).status_code == 400
    assert call("PATCH", f"migrations/{rows[0].pk}", {"priority": 5}).status_code == 409
    assert call("PATCH", "queue", {"per_source": 5}).json()["limits"]["per_source"] == 5
    for body in ({}, {"per_link": 0}, {"overall": "many"}):
        assert call("PATCH", "queue", body).status_code == 400
    assert call("POST", f"migrations/{rows[2].pk}/cancel").json()["state"] == "cancelled"


def test_the_history_tells_that_some_wait() -> None:
    line()
    page = signed_in(build.user("vera", role="viewer")).get("/migrations/").content.decode()
    assert "2 migrations wait in the queue" in page


def test_the_page_of_many_waiting_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    line(30)
    client = signed_in(build.user("olga", role="operator"))
    client.get(QUEUE)
    with django_assert_max_num_queries(40):
        client.get(QUEUE)
