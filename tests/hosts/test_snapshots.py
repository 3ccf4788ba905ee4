"""Snapshots: what they keep, what they lose, and that none of them starts a guest that runs elsewhere."""

from collections.abc import Callable

import pytest
from django.test import Client

from hosts import actions, holds
from hosts.errors import InvalidInput, Refused
from hosts.models import AuditEvent, Host, Placement
from hosts.views.snapshots import tree
from tests import build
from tests.hosts.nodes import SHUT_OFF
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, do, on, outcome, web

pytestmark = pytest.mark.django_db


def create(host: Host, name: str, **more: str) -> None:
    actions.create_snapshot(vm=web(), host=host, name=name, actor=ACTOR, **more)


def revert(host: Host, name: str) -> None:
    actions.revert_to_snapshot(vm=web(), host=host, name=name, actor=ACTOR)


def delete(host: Host, name: str) -> None:
    actions.delete_snapshot(vm=web(), host=host, name=name, actor=ACTOR)


def names(host: Host) -> list[str]:
    return [found.name for found in actions.snapshots(vm=web(), host=host)]


def test_a_guest_goes_back_to_what_it_was_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    create(h1, "running", description="before the upgrade")
    do("destroy", h1)
    create(h1, "off")
    found = actions.snapshots(vm=web(), host=h1)
    assert [(one.name, one.state, one.parent, one.current, one.has_memory, one.starts_guest) for one in found] == [
        ("running", "running", "", False, True, True),
        ("off", "shutoff", "running", True, False, False),
    ]
    assert found[0].description == "before the upgrade"
    assert [(root.snapshot.name, [child.snapshot.name for child in root.children]) for root in tree(found)] == [
        ("running", ["off"])
    ]
    revert(h1, "running")
    assert (on(h1).state, outcome()) == ("running", ("revert to snapshot", "succeeded"))
    revert(h1, "off")
    assert on(h1).state == "shut off"
    delete(h1, "running")
    assert (names(h1), outcome()) == (["off"], ("delete snapshot", "succeeded"))
    assert AuditEvent.objects.latest("at", "pk").target == "VM web on h1: running"


@pytest.mark.parametrize("act", [revert, delete, lambda host, name: create(host, "more")])
def test_a_leftovers_disks_are_the_living_guests_on_the_test_driver(
    act: Callable[[Host, str], None], node: NodeMaker
) -> None:
    h1 = node("h1", state=SHUT_OFF)
    create(h1, "before")
    node("h2")
    assert on(h1).stale
    with pytest.raises(Refused, match="leftover"):
        act(h1, "before")
    assert (on(h1).state, names(h1)) == ("shut off", ["before"])


@pytest.mark.parametrize("act", [revert, delete, lambda host, name: create(host, "more")])
def test_nothing_is_done_to_disks_that_another_host_writes_to_on_the_test_driver(
    act: Callable[[Host, str], None], node: NodeMaker
) -> None:
    """The row does not know it: the other host is asked."""
    h1 = node("h1", state=SHUT_OFF)
    create(h1, "before")
    node("h2")
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="web is running on h2"):
        act(h1, "before")
    assert (on(h1).state, names(h1)) == ("shut off", ["before"])


def test_a_host_that_does_not_answer_proves_nothing_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    create(h1, "before")
    do("destroy", h1)
    away = build.host("away", uri="qemu+tcp://127.0.0.1:1/system")
    Placement.objects.create(vm=web(), host=away, state="shut off", persistent=True)
    with pytest.raises(Refused, match="away does not answer"):
        revert(h1, "before")
    assert on(h1).state == "shut off"


def test_a_host_in_maintenance_is_not_reverted_into_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    create(h1, "before")
    do("destroy", h1)
    h1.maintenance = True
    with pytest.raises(Refused, match="in maintenance"):
        revert(h1, "before")
    assert on(h1).state == "shut off"


def test_saved_memory_does_not_fit_older_disks_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    create(h1, "before")
    do("save", h1)
    with pytest.raises(Refused, match="has saved memory of web"):
        revert(h1, "before")
    assert on(h1).managed_save
    do("discard-save", h1)
    revert(h1, "before")
    assert on(h1).state == "running"


@pytest.mark.parametrize("act", [revert, delete, lambda host, name: create(host, "more")])
def test_a_migration_holds_snapshots_off_on_the_test_driver(
    act: Callable[[Host, str], None], node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = node("h1")
    create(h1, "before")
    monkeypatch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
    with pytest.raises(Refused, match="migration #7 moves it"):
        act(h1, "before")
    assert names(h1) == ["before"]


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "-x", "x" * 64, "a\n"])
def test_a_name_that_makes_no_sense_is_refused_before_a_host_is_asked(name: str) -> None:
    vm = build.vm("web", on=build.host("h1"))
    with pytest.raises(InvalidInput) as refusal:
        actions.create_snapshot(vm=vm, host=vm.host, name=name, actor=ACTOR)
    assert refusal.value.field == "name" and not AuditEvent.objects.exists()


def test_a_name_is_used_once_and_an_unknown_one_is_named_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    create(h1, "before")
    with pytest.raises(Refused, match="named before already"):
        create(h1, "before")
    with pytest.raises(Refused, match="no snapshot named nosuch on h1"):
        revert(h1, "nosuch")
    with pytest.raises(Refused, match="no snapshot named nosuch on h1"):
        delete(h1, "nosuch")


def test_the_page_asks_what_will_be_lost_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    url = f"/vms/{WEB}/snapshots/"
    assert "No snapshots" in client.get(url).content.decode()
    assert client.post(url, {"name": "a b", "kind": "memory"}).status_code == 422
    assert client.post(url, {"name": "before", "kind": "memory"}).status_code == 303
    page = client.get(url).content.decode()
    assert "before" in page and "does not migrate" in page
    asked = client.get(f"{url}before/revert/").content.decode()
    assert "All that was written to its disks since" in asked and f"virsh snapshot-revert {WEB} before" in asked
    assert client.get(f"{url}nosuch/revert/").status_code == 404
    assert client.post(f"{url}before/revert/").status_code == 303
    assert client.post(f"{url}before/delete/").status_code == 303
    assert names(h1) == []


def test_the_api_creates_lists_reverts_and_deletes_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    url = f"/api/v1/vms/{WEB}/snapshots"
    bad = client.post(url, {"name": "a/b"}, content_type="application/json")
    assert (bad.status_code, bad.json()["field"]) == (422, "name")
    assert client.post(url, {"name": "before"}, content_type="application/json").status_code == 201
    found = client.get(url).json()
    assert (found["count"], found["items"][0]["name"], found["items"][0]["has_memory"]) == (1, "before", True)
    answer = client.post(f"{url}/before/revert", {}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    assert client.delete(f"{url}/before").status_code == 204
    assert names(h1) == []
