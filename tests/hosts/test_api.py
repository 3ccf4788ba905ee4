"""The REST API of hosts, storage and guests: shapes, who may what, and that nothing is stored from bad input."""

import json
from functools import partial
from typing import Any

import pytest
from django.test import Client

from hosts.models import ApiToken, AuditEvent, Host, HostGroup
from tests import build

pytestmark = pytest.mark.django_db
API = "/api/v1"


class Caller:
    """Calls the API with a user's token."""

    def __init__(self, role: str | None, *, scope: HostGroup | None = None, name: str = "") -> None:
        self.user = build.user(name or f"u-{role}", role=role, scope=scope)
        self.client = Client(headers={"authorization": f"Bearer {ApiToken.issue(user=self.user)}"})

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.client.generic(method, f"{API}/{path}", data=_json(body), content_type="application/json")


def _json(body: dict[str, Any] | None) -> str:
    return json.dumps(body) if body is not None else ""


@pytest.fixture
def admin() -> Caller:
    return Caller("admin")


@pytest.fixture
def viewer() -> Caller:
    return Caller("viewer")


ROUTES = [
    ("GET", "hosts"),
    ("POST", "hosts"),
    ("GET", "hosts/h1"),
    ("PATCH", "hosts/h1"),
    ("DELETE", "hosts/h1"),
    ("POST", "hosts/h1/refresh"),
    ("GET", "hosts/h1/pools"),
    ("GET", "hosts/h1/pools/images/volumes"),
    ("GET", "hosts/h1/mounts"),
    ("POST", "hosts/h1/mounts"),
    ("DELETE", "hosts/h1/mounts/1"),
    ("GET", "exports?server=198.51.100.2"),
    ("GET", "vms"),
    ("GET", "vms/{vm}"),
    ("POST", "vms/{vm}/start"),
    ("POST", "vms/{vm}/shutdown"),
    ("POST", "vms/{vm}/reboot"),
    ("POST", "vms/{vm}/destroy"),
    ("POST", "vms/{vm}/define"),
    ("POST", "vms/{vm}/undefine-stale"),
    ("POST", "vms/{vm}/adopt"),
    ("GET", "audit"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_is_answered_without_a_token(method: str, path: str) -> None:
    vm = build.vm("web", on=build.host("h1"))
    path = path.format(vm=vm.uuid)
    assert Client().generic(method, f"{API}/{path}").status_code == 401
    wrong = Client(headers={"authorization": "Bearer kvmc_wrong"})
    assert wrong.generic(method, f"{API}/{path}").status_code == 401


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] != "GET" or "exports" in route[1]])
def test_a_viewer_may_not_act(method: str, path: str, viewer: Caller) -> None:
    h1 = build.host("h1")
    vm = build.vm("web", on=h1)
    build.mount(on=h1, pk=1)
    answer = viewer(
        method, path.format(vm=vm.uuid), {"name": "h9", "uri": "qemu:///system"} if method != "GET" else None
    )
    assert answer.status_code == 403
    assert not AuditEvent.objects.exists()
    assert list(Host.objects.values_list("name", flat=True)) == ["h1"]


@pytest.mark.parametrize(("method", "path"), [("GET", path) for method, path in ROUTES if method == "GET"])
def test_who_has_no_role_sees_nothing(method: str, path: str) -> None:
    h1 = build.host("h1")
    build.pool(on=h1)
    vm = build.vm("web", on=h1)
    answer = Caller(None)(method, path.format(vm=vm.uuid))
    if "/" in path:
        assert answer.status_code == 404
    elif "exports" in path:
        assert answer.status_code == 403
    else:
        assert answer.json() == {"items": [], "count": 0}


def test_rights_on_a_group_reach_its_hosts_and_the_guests_on_them_only() -> None:
    group = build.group("site-a")
    ours, theirs = build.host("ours", groups=(group,)), build.host("theirs")
    mine, other = build.vm("mine", on=ours), build.vm("other", on=theirs, also_defined_on=(ours,))
    caller = Caller("operator", scope=group)
    assert [item["name"] for item in caller("GET", "hosts").json()["items"]] == ["ours"]
    assert [item["name"] for item in caller("GET", "vms").json()["items"]] == ["mine"]
    assert caller("GET", "hosts/theirs").status_code == 404
    assert caller("GET", f"vms/{mine.uuid}").status_code == 200
    assert caller("GET", f"vms/{other.uuid}").status_code == 404
    assert caller("POST", f"vms/{other.uuid}/destroy").status_code == 404
    assert caller("PATCH", "hosts/ours", {"maintenance": True}).status_code == 403


def test_a_copy_on_a_host_that_one_may_not_see_is_not_named() -> None:
    group = build.group("site-a")
    ours, theirs = build.host("ours", groups=(group,)), build.host("theirs")
    vm = build.vm("mine", on=ours, also_defined_on=(theirs,))
    shown = Caller("viewer", scope=group)("GET", f"vms/{vm.uuid}").json()
    assert [placement["host"] for placement in shown["placements"]] == ["ours"]


def test_a_guest_has_the_fields_of_the_design(admin: Caller) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    vm = build.vm("web", on=h1, also_defined_on=(h2,), address="198.51.100.20")
    item = admin("GET", "vms?host=h1&state=running&q=web&page=1").json()["items"][0]
    shown = {"uuid": str(vm.uuid), "name": "web", "state": "running", "host": "h1", "persistent": True}
    assert {key: item[key] for key in shown} == shown
    assert (item["memory_mib"], item["vcpus"], item["address"], item["conflict"]) == (512, 2, "198.51.100.20", False)
    wanted = [("h1", "running", True, False), ("h2", "shut off", True, True)]
    assert [(p["host"], p["state"], p["persistent"], p["stale"]) for p in item["placements"]] == wanted
    detail = admin("GET", f"vms/{vm.uuid}").json()
    assert detail["facts"]["disks"][0]["source"] == "/mnt/kvm/web.qcow2"
    assert detail["held"] == ""


@pytest.mark.parametrize("count", [3, 40])
def test_the_list_of_guests_takes_as_many_statements_for_40_as_for_3(
    count: int, admin: Caller, django_assert_max_num_queries: Any
) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    for number in range(count):
        build.vm(f"vm{number}", on=h1, also_defined_on=(h2,))
    with django_assert_max_num_queries(12):
        assert admin("GET", "vms").json()["count"] == count


def test_a_host_that_can_not_be_reached_is_stored_with_state_and_error(admin: Caller) -> None:
    answer = admin("POST", "hosts", {"name": "kvm-9", "uri": "qemu+tcp://127.0.0.1:1/system", "groups": ["site-a"]})
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["name"], shown["state"], shown["groups"]) == ("kvm-9", "unreachable", ["site-a"])
    assert shown["error"]
    assert shown["hint"]
    event = AuditEvent.objects.get(action="add host")
    assert (event.username, event.source, event.outcome) == ("u-admin", "api", "succeeded")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "h 1", "uri": "qemu+ssh://root@h1/system"},
        {"name": "-h1", "uri": "qemu+ssh://root@h1/system"},
        {"name": "h1", "uri": "qemu+ssh://root@h1/system?command=/bin/sh"},
        {"name": "h1", "uri": "qemu+ssh://root@-oProxyCommand=x/system"},
        {"name": "h1", "uri": "qemu+ssh://root@h1;reboot/system"},
        {"name": "h1", "uri": "test:///default"},
        {"name": "h1", "uri": "qemu+ssh://root@h1/system", "ssh": "root@h1 -oProxyCommand=x"},
        {"name": "h1", "uri": "qemu+ssh://root@h1/system", "migration_address": "$(id)"},
        {"name": "h1", "uri": "qemu+ssh://root@h1/system", "peer_uri": "http://h1"},
        {"uri": "qemu+ssh://root@h1/system"},
    ],
)
def test_bad_input_for_a_host_is_refused_and_nothing_is_stored(body: dict[str, Any], admin: Caller) -> None:
    answer = admin("POST", "hosts", body)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert not Host.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_host_is_changed_and_put_into_maintenance(admin: Caller) -> None:
    build.host("h1")
    answer = admin("PATCH", "hosts/h1", {"migration_address": "198.51.100.3", "maintenance": True})
    assert answer.status_code == 200
    assert (answer.json()["migration_address"], answer.json()["maintenance"]) == ("198.51.100.3", True)
    assert sorted(AuditEvent.objects.values_list("action", flat=True)) == ["begin maintenance", "edit host"]


def test_a_second_host_of_the_same_name_or_address_is_refused(admin: Caller) -> None:
    h1 = build.host("h1")
    for body in ({"name": "H1", "uri": "qemu+ssh://root@x/system"}, {"name": "h2", "uri": h1.uri}):
        assert admin("POST", "hosts", body).status_code == 422
    assert Host.objects.count() == 1


def test_removing_a_host_removes_what_only_it_knew(admin: Caller) -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    both, only = build.vm("both", on=h1, also_defined_on=(h2,)), build.vm("only", on=h1)
    assert admin("DELETE", "hosts/h1").status_code == 204
    assert admin("GET", f"vms/{only.uuid}").status_code == 404
    assert admin("GET", f"vms/{both.uuid}").json()["host"] == "h2"


@pytest.mark.parametrize(
    "body",
    [
        {"source": "nas:/a", "target": "/"},
        {"source": "nas:/a", "target": "/mnt/../etc"},
        {"source": "nas:/a", "target": "/etc"},
        {"source": "nas:/a b", "target": "/mnt"},
        {"source": "nas:/a'", "target": "/mnt"},
        {"source": "nas;id:/a", "target": "/mnt"},
        {"source": "/dev/sda1", "target": "/mnt"},
        {"source": "nas:/a", "target": "/mnt", "options": "vers=4.2;id"},
        {"target": "/mnt"},
    ],
)
def test_bad_input_for_a_mount_is_refused_before_anything_runs(body: dict[str, Any], admin: Caller) -> None:
    build.host("h1")
    answer = admin("POST", "hosts/h1/mounts", body)
    assert answer.status_code in (400, 422)
    assert not AuditEvent.objects.exists()
    assert admin("GET", "hosts/h1/mounts").json()["count"] == 0


@pytest.mark.parametrize("server", ["", "nas;id", "-a", "$(id)", "a b"])
def test_a_bad_server_name_is_never_asked_for_its_exports(server: str, admin: Caller) -> None:
    answer = admin("GET", f"exports?server={server}".replace(" ", "%20").replace(";", "%3B"))
    assert answer.status_code == 422


def test_what_does_not_exist_is_a_problem_in_json(admin: Caller) -> None:
    for path in ("hosts/h7", "vms/00000000-0000-4000-8000-000000000000", "hosts/h7/mounts"):
        answer = admin("GET", path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["status"] == 404


def test_only_who_manages_all_reads_what_others_did(admin: Caller, viewer: Caller) -> None:
    build.host("h1")
    admin("PATCH", "hosts/h1", {"maintenance": True})
    assert admin("GET", "audit?action=maintenance").json()["count"] == 1
    assert viewer("GET", "audit").json()["count"] == 0


def test_notes_and_tags_are_set_by_operators_and_only_these(client: Client) -> None:
    host = build.host("h1", groups=(build.group("here"),))
    vm = build.vm("web", on=host)
    client.force_login(build.user("olga", role="operator", scope=build.group("here")))
    for path in (f"/api/v1/vms/{vm.uuid}", "/api/v1/hosts/h1"):
        patch = partial(client.patch, path, content_type="application/json")
        answer = patch({"note": "Loud\nfan", "tags": ["Prod", "db", "prod"]})
        assert (answer.status_code, answer.json()["note"], answer.json()["tags"]) == (200, "Loud\nfan", ["db", "prod"])
        assert patch({"tags": []}).json()["note"] == "Loud\nfan"
        assert client.get(path).json()["tags"] == []
        for wrong in ({"tags": ["two words"]}, {"tags": ["<b>"]}, {"note": "x" * 2001}, {"tags": "web"}):
            refused = patch({"note": "lost", **wrong} if "note" not in wrong else wrong)
            assert refused.status_code in (400, 422), wrong
            assert client.get(path).json()["note"] == "Loud\nfan"
    assert client.patch("/api/v1/hosts/h1", {"note": "x", "ssh": "root@h1"}, "application/json").status_code == 403
    assert client.patch("/api/v1/hosts/h1", {}, "application/json").status_code == 403
    assert AuditEvent.objects.filter(action="describe VM", outcome="succeeded").count() == 2
