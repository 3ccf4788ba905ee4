"""The command palette's list: what is found, in which order, and who is offered what."""

import pytest
from django.test import Client

from hosts.models import Host
from tests import build

PART = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


def found(user: str = "admin", *, q: str = "", **scope: object) -> list[str]:
    """The titles that `q` finds, in order."""
    client = Client()
    client.force_login(build.user(f"{user}-of-palette", role=user, **scope))  # type: ignore[arg-type]
    answer = client.get("/find/", {"q": q}, headers=PART)
    assert answer.status_code == 200
    return [choice.title for _, choices in answer.context["groups"] for choice in choices]


@pytest.fixture
def h1() -> Host:
    host = build.host("kvm-1")
    build.vm("web", on=host, mac="52:54:00:00:00:aa")
    build.vm("web-db", on=host)
    return host


def test_an_act_and_a_name_lead_to_the_form_for_each_vm_of_that_name(h1: Host) -> None:
    assert found(q="migrate web")[:2] == ["Migrate web…", "Migrate web-db…"]


def test_an_act_may_be_cut_short(h1: Host) -> None:
    assert found(q="mig web-db")[0] == "Migrate web-db…"


def test_a_name_finds_its_guest_and_what_can_be_done_with_the_first(h1: Host) -> None:
    assert found(q="web") == ["web", "web-db", "Migrate web…", "Schedule web…", "Console of web", "Definition of web"]


def test_a_host_is_found_with_its_acts_where_no_guest_has_the_name(h1: Host) -> None:
    Host.objects.create(name="spare", uri="qemu+ssh://root@spare.example.net/system", state="online")
    assert found(q="spare")[:2] == ["spare", "Empty spare…"]


def test_a_mac_finds_the_guest_as_its_list_does(h1: Host) -> None:
    assert found(q="00:00:aa")[0] == "web"


def test_a_number_finds_its_migration(h1: Host) -> None:
    row = build.migration(build.vm("moved", on=h1), to=build.host("kvm-2"))
    assert found(q=f"#{row.pk}")[0] == f"#{row.pk} moved"


def test_nothing_typed_lists_the_pages_that_one_may_open(h1: Host) -> None:
    assert {"VMs", "Queue", "Add host", "Audit"} <= set(found())
    assert not {"Add host", "Audit"} & set(found("viewer"))


def test_a_viewer_is_offered_no_act(h1: Host) -> None:
    assert found("viewer", q="web") == ["web", "web-db", "Definition of web"]
    assert found("operator", q="migrate web")[0] == "Migrate web…"


def test_who_operates_other_hosts_finds_nothing_of_these(h1: Host) -> None:
    elsewhere = build.group("site-b")
    build.host("other", groups=(elsewhere,))
    assert found("operator", q="web", scope=elsewhere) == []


def test_the_list_takes_no_more_statements_with_more_guests(h1: Host, django_assert_max_num_queries: object) -> None:
    for number in range(30):
        build.vm(f"web-{number}", on=h1)
    client = Client()
    client.force_login(build.user("olga", role="operator"))
    with django_assert_max_num_queries(22):  # type: ignore[operator]
        assert client.get("/find/", {"q": "web"}, headers=PART).content.count(b'role="option"') >= 6


def test_what_was_typed_is_escaped(h1: Host) -> None:
    client = Client()
    client.force_login(build.user("olga", role="operator"))
    answer = client.get("/find/", {"q": "<script>alert(1)"}, headers=PART)
    assert b"<script>" not in answer.content and b"&lt;script&gt;" in answer.content


def test_without_script_it_is_a_page_of_links(h1: Host) -> None:
    client = Client()
    client.force_login(build.user("olga", role="operator"))
    text = client.get("/find/", {"q": "migrate web"}).content.decode()
    assert "<html" in text and 'role="option"' not in text and "Migrate web…" in text
