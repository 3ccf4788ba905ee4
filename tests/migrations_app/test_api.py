"""The REST API of migrations: shapes, who may what, and that nothing is stored from bad input."""

import json
from typing import Any

import pytest
from django.test import Client

from hosts.models import ApiToken, AuditEvent, HostGroup, HostState
from migrations_app.models import Migration
from migrations_app.plan import Options
from migrations_app.serializers import MigrationSerializer
from migrations_app.snapshot import snapshot
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
API = "/api/v1/migrations"


class Caller:
    """Calls the API with a user's token."""

    def __init__(self, role: str | None, *, scope: HostGroup | None = None) -> None:
        self.user = build.user(f"u-{role}", role=role, scope=scope)
        self.client = Client(headers={"authorization": f"Bearer {ApiToken.issue(user=self.user)}"})

    def __call__(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body) if body is not None else ""
        return self.client.generic(method, f"{API}{path}", data=data, content_type="application/json")


@pytest.fixture
def operator() -> Caller:
    return Caller("operator")


ROUTES = [
    ("GET", ""),
    ("POST", ""),
    ("POST", "/preflight"),
    ("GET", "/{pk}"),
    ("PATCH", "/{pk}"),
    ("POST", "/{pk}/cancel"),
    ("POST", "/{pk}/postcopy"),
    ("POST", "/{pk}/pause-guest"),
    ("POST", "/{pk}/resume-guest"),
    ("POST", "/{pk}/raise-pause"),
    ("POST", "/{pk}/resolve"),
]
ACTS = [route for route in ROUTES if route[0] != "GET"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_is_answered_without_a_token(method: str, path: str) -> None:
    path = path.format(pk=build.migration().pk)
    assert Client().generic(method, f"{API}{path}").status_code == 401


def body_for(guest: Any, **given: Any) -> dict[str, Any]:
    return {"vm": str(guest.uuid), "destination": "h2", **given}


@pytest.mark.parametrize(("method", "path"), ACTS)
def test_a_viewer_may_not_act(method: str, path: str) -> None:
    migration = build.migration()
    before = snapshot(migration)
    body = {**body_for(migration.vm), "bandwidth_mib": 5, "choice": "look_again"}
    assert Caller("viewer")(method, path.format(pk=migration.pk), body).status_code == 403
    migration.refresh_from_db()
    assert (migration.state, migration.tuning, migration.cancel_requested) == (before["state"], {}, None)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "{pk}" in route[1]])
def test_a_migration_between_hosts_of_others_is_not_there(method: str, path: str) -> None:
    site = build.group("site-a")
    build.host("ours", groups=(site,))
    migration = build.migration()
    caller = Caller("operator", scope=site)
    assert caller(method, path.format(pk=migration.pk), {"choice": "x", "bandwidth_mib": 1}).status_code == 404
    assert caller("GET").json() == {"items": [], "count": 0}


def test_hosts_and_guests_of_others_can_not_be_named_in_a_start() -> None:
    site = build.group("site-a")
    ours, theirs = build.host("h1", groups=(site,)), build.host("h2")
    caller = Caller("operator", scope=site)
    mine, other = build.vm("mine", on=ours), build.vm("other", on=theirs)
    for body, field in ((body_for(mine), "destination"), (body_for(other, destination="h1"), "vm")):
        answer = caller("POST", "", body)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert not Migration.objects.exists()


def test_a_start_answers_201_with_the_fields_of_the_design(operator: Caller) -> None:
    vm = build.vm(on=build.host("h1"))
    build.host("h2")
    answer = operator("POST", "", body_for(vm, options={"unsafe": True, "bandwidth_mib": 20}, reason="OPS-7"))
    shown = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"{API}/{shown['id']}"
    assert (shown["state"], shown["source"], shown["destination"], shown["reason"]) == ("queued", "h1", "h2", "OPS-7")
    assert shown["options"] == Options(unsafe=True, bandwidth_mib=20).to_dict()
    assert [step["name"] for step in shown["steps"]] == ["check", "copy", "switch_over", "verify", "define", "clean_up"]
    wanted = {"id", "state", "steps", "progress", "downtime_ms", "total_ms", "ping", "error", "command"}
    assert wanted <= set(shown)
    assert operator("GET", f"/{shown['id']}").json()["vm"] == str(vm.uuid)
    assert AuditEvent.objects.get().source == "api"


def test_the_documented_fields_are_those_that_are_sent() -> None:
    assert set(MigrationSerializer().fields) == set(snapshot(build.migration()))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"vm": "web"}, 400),
        ({"vm": "00000000-0000-0000-0000-000000000000"}, 422),
        ({"destination": "h9; reboot"}, 422),
        ({"destination": ["h2"]}, 400),
        ({"options": {"live": "yes"}}, 422),
        ({"options": {"liv": True}}, 422),
        ({"options": {"bandwidth_mib": -1}}, 422),
        ({"options": {"bandwidth_mib": True}}, 422),
        ({"options": {"on_timeout": "explode"}}, 422),
        ({"options": []}, 400),
        ({"ping_address": "web.example.net"}, 400),
        ({"reason": "x" * 301}, 400),
    ],
)
def test_bad_input_is_a_problem_and_nothing_is_stored(given: dict[str, Any], status: int, operator: Caller) -> None:
    vm = build.vm(on=build.host("h1"))
    build.host("h2")
    for path in ("", "/preflight"):
        answer = operator("POST", path, body_for(vm, **given))
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/problem+json"
    assert not Migration.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_second_start_of_the_same_vm_is_refused(operator: Caller) -> None:
    first = build.migration()
    answer = operator("POST", "", body_for(first.vm))
    assert answer.status_code == 409
    assert f"see #{first.pk}" in answer.json()["detail"]
    assert Migration.objects.count() == 1


def test_preflight_says_what_blocks_and_changes_nothing(operator: Caller) -> None:
    vm = build.vm(on=build.host("h1", uri="test:///does/not/exist"))
    build.host("h2", uri="test:///does/not/exist")
    shown = operator("POST", "/preflight", body_for(vm)).json()
    assert shown["blocked"] is True
    assert {"name", "title", "level", "message", "fix", "fix_act", "fix_arg"} == set(shown["checks"][0])
    assert shown["estimate"]["verdict"] == "unknown" and shown["estimate"]["total_s"] is None
    assert shown["command"].startswith("virsh -c")
    assert not Migration.objects.exists()


def test_a_preflight_without_a_destination_is_one_of_all_hosts(operator: Caller) -> None:
    vm = build.vm(on=build.host("h1", uri="test:///does/not/exist"))
    build.host("h2", uri="test:///does/not/exist")
    build.host("h3", state=HostState.UNREACHABLE, error="no route to host")
    shown = operator("POST", "/preflight", {"vm": str(vm.uuid), "options": {"unsafe": True}}).json()["destinations"]
    assert {host["name"] for host in shown} == {"h2", "h3"}
    assert all(host["blocked"] and host["checks"] and host["estimate"]["verdict"] for host in shown)
    silent = next(host for host in shown if host["name"] == "h3")
    assert any("no route to host" in check["message"] for check in silent["checks"])
    assert not Migration.objects.exists()


def test_the_list_filters_and_pages(operator: Caller) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    done = build.migration(build.vm("web", on=h1), to=h2, state=State.COMPLETED)
    build.migration(build.vm("db", on=h1), to=h2)
    assert operator("GET").json()["count"] == 2
    for query in ("?state=completed", f"?vm={done.vm_uuid}", "?vm=web"):
        assert [item["id"] for item in operator("GET", query).json()["items"]] == [done.pk]
    assert operator("GET", "?host=h3").json() == {"items": [], "count": 0}
    assert len(operator("GET", "?page_size=1").json()["items"]) == 1


def test_cancel_and_tune_reach_the_row(operator: Caller) -> None:
    migration = build.migration()
    assert operator("PATCH", f"/{migration.pk}", {"bandwidth_mib": 40}).json()["tuning"] == {"bandwidth_mib": 40}
    assert operator("PATCH", f"/{migration.pk}", {}).status_code == 400
    assert operator("PATCH", f"/{migration.pk}", {"bandwidth_mib": 0}).status_code == 400
    assert operator("PATCH", f"/{migration.pk}", {"max_downtime_ms": 10**9}).status_code == 422
    answer = operator("POST", f"/{migration.pk}/cancel")
    assert answer.status_code == 202
    assert answer.json()["can_cancel"] is False
    assert answer.json()["cancel_requested"]


def test_what_is_not_possible_now_is_409_and_says_why(operator: Caller) -> None:
    migration = build.migration(state=State.VERIFYING)
    for act in ("cancel", "postcopy", "pause-guest", "resume-guest", "raise-pause"):
        answer = operator("POST", f"/{migration.pk}/{act}")
        assert answer.status_code == 409
        assert answer.json()["detail"]
    answer = operator("POST", f"/{migration.pk}/resolve", {"choice": "resume_at_source"})
    assert answer.status_code == 409
