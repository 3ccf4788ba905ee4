"""Deleting a VM: typed, only here, only off; its volumes stay unless they are named, and none that others use goes."""

import uuid
from pathlib import Path

import pytest
from django.test import Client

from hosts import actions, editing, holds, reach
from hosts.errors import HostError, InvalidInput, Refused
from hosts.models import AuditEvent, Host, Placement, StoragePool
from tests import build
from tests.hosts.nodes import SHUT_OFF, write_node
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, do, on, outcome, web

pytestmark = pytest.mark.django_db
VOLUME = "images/data.qcow2"


def delete(host: Host, *, confirm: str = "web", volumes: tuple[str, ...] = ()) -> str:
    return editing.delete(vm=web(), host=host, confirm=confirm, volumes=volumes, actor=ACTOR)


def is_defined(host: Host) -> bool:
    with reach.libvirt(host) as connection:
        return any(found.uuid == str(WEB) for found in connection.domain_names())


def attach(pool: StoragePool) -> None:
    editing.add_disk(vm=web(), host=pool.host, pool="images", volume="data.qcow2", actor=ACTOR)


def test_a_vm_goes_with_all_that_libvirt_keeps_of_it_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    actions.create_snapshot(vm=web(), host=h1, name="before", actor=ACTOR)
    do("save", h1)
    assert delete(h1) == ""
    assert not is_defined(h1) and not on(h1).present and outcome() == ("delete VM", "succeeded")


@pytest.mark.parametrize("confirm", ["", "Web", "web ", "db"])
def test_its_name_is_typed_alike_at_page_and_api_on_the_test_driver(
    confirm: str, client: Client, node: NodeMaker
) -> None:
    h1 = node("h1", state=SHUT_OFF)
    with pytest.raises(InvalidInput) as refusal:
        delete(h1, confirm=confirm)
    assert refusal.value.field == "confirm"
    client.force_login(build.user("olga", role="operator"))
    answer = client.delete(f"/api/v1/vms/{WEB}?confirm={confirm.replace(' ', '%20')}")
    assert (answer.status_code, answer.json()["field"]) == (422, "confirm")
    if confirm != "web ":  # a form drops blanks around what is typed
        assert client.post(f"/vms/{WEB}/delete/", {"confirm": confirm}).status_code == 422
    assert is_defined(h1) and not AuditEvent.objects.exists()


def test_what_runs_is_not_deleted_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    with pytest.raises(Refused, match="web is active on h1"):
        delete(h1)
    assert on(h1).state == "running"


def test_a_leftover_is_removed_as_one_on_the_test_driver(node: NodeMaker) -> None:
    h1, _ = node("h1", state=SHUT_OFF), node("h2")
    with pytest.raises(Refused, match="leftover"):
        delete(h1)
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="web is running on h2"):
        delete(h1)
    assert is_defined(h1)


def test_one_that_another_host_has_or_may_have_stays_on_the_test_driver(node: NodeMaker) -> None:
    h1, _ = node("h1", state=SHUT_OFF), node("h2", state=SHUT_OFF)
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="h2 has web too"):
        delete(h1)
    away = build.host("away", uri="qemu+tcp://127.0.0.1:1/system")
    Placement.objects.filter(host__name="h2").update(host=away)
    with pytest.raises(Refused, match="away does not answer"):
        delete(h1)
    assert is_defined(h1)


def test_a_migration_holds_it_on_the_test_driver(node: NodeMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    h1 = node("h1", state=SHUT_OFF)
    monkeypatch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
    with pytest.raises(Refused, match="migration #7"):
        delete(h1)
    assert is_defined(h1)


def test_volumes_stay_unless_they_are_named_on_the_test_driver(pool: StoragePool) -> None:
    attach(pool)
    assert delete(pool.host) == ""
    assert not is_defined(pool.host) and pool.volumes.filter(name="data.qcow2").exists()


def test_named_volumes_go_on_the_test_driver(pool: StoragePool) -> None:
    attach(pool)
    assert delete(pool.host, volumes=(VOLUME,)) == ""
    assert not is_defined(pool.host) and not pool.volumes.filter(name="data.qcow2").exists()


def test_a_volume_that_is_no_disk_of_it_does_not_go_with_it_on_the_test_driver(pool: StoragePool) -> None:
    with pytest.raises(InvalidInput, match="no volume of a disk of web"):
        delete(pool.host, volumes=(VOLUME,))
    assert is_defined(pool.host) and pool.volumes.filter(name="data.qcow2").exists()


def test_a_volume_that_another_vm_uses_keeps_all_of_it_on_the_test_driver(pool: StoragePool, tmp_path: Path) -> None:
    attach(pool)
    build.mount(on=pool.host, target="/mnt/images")
    uri = write_node(tmp_path / "h3.xml", {"db": uuid.uuid4()}, state=SHUT_OFF, disk="/srv/i/data.qcow2")
    build.mount(on=build.host("h3", uri=uri), target="/srv/i")
    with pytest.raises(Refused, match="it is a disk of db on h3"):
        delete(pool.host, volumes=(VOLUME,))
    assert is_defined(pool.host) and pool.volumes.filter(name="data.qcow2").exists()
    Host.objects.filter(name="h3").delete()


def test_a_volume_that_can_not_be_deleted_is_named_and_the_vm_is_gone(
    pool: StoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the test driver, whose pool is made to refuse."""
    attach(pool)

    def refuse(**_: object) -> None:
        raise HostError("the disk is read-only")

    with monkeypatch.context() as patch:
        patch.setattr("hosts.pools.delete", refuse)
        assert delete(pool.host, volumes=(VOLUME,)) == "data.qcow2 was not deleted: the disk is read-only"
    assert not is_defined(pool.host)


def test_the_page_offers_what_may_go_and_asks_for_the_name_on_the_test_driver(
    client: Client, pool: StoragePool
) -> None:
    attach(pool)
    client.force_login(build.user("olga", role="operator"))
    url = f"/vms/{WEB}/delete/"
    page = client.get(url).content.decode()
    assert VOLUME in page and f"virsh undefine {WEB}" in page and "It is in no pool of this host." in page
    assert client.post(url, {"confirm": "web", "volumes": ["images/nosuch"]}).status_code == 422
    assert client.post(url, {"confirm": "web", "volumes": [VOLUME]}).status_code == 303
    assert not is_defined(pool.host) and not pool.volumes.exists()


def test_the_api_deletes_on_the_test_driver(client: Client, pool: StoragePool) -> None:
    attach(pool)
    client.force_login(build.user("olga", role="operator"))
    answer = client.delete(f"/api/v1/vms/{WEB}?confirm=web&volume={VOLUME}")
    assert (answer.status_code, answer.json()) == (200, {"left": ""})
    assert not is_defined(pool.host) and not pool.volumes.exists()
