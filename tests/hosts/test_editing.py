"""Changes of a VM on libvirt's test driver, which changes definitions, memory and vCPUs for real and plugs no devices."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from hosts import actions, editing, holds
from hosts.domain_xml import Domain
from hosts.errors import HostError, InvalidInput, Refused
from hosts.libvirt_client.domain import Guest
from hosts.models import AuditEvent, Host, Placement, StoragePool
from tests import build
from tests.hosts.nodes import SHUT_OFF, write_node
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, do, on, outcome, web

pytestmark = pytest.mark.django_db
NIC = {"kind": "bridge", "source": "br0", "mac": "52:54:00:aa:bb:02"}


def change(act: str, host: Host, /, **given: Any) -> str:
    return editing.CHANGES[act](vm=web(), host=host, actor=ACTOR, **given)


def defined(host: Host) -> Domain:
    return Domain.parse(actions.read_definitions(vm=web(), host=host).persistent)


def test_memory_and_vcpus_of_a_guest_that_is_off_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    assert change("memory", h1, memory_mib=1024) == ""
    assert change("vcpus", h1, vcpus=4) == ""
    assert (defined(h1).memory_mib, defined(h1).current_memory_mib, defined(h1).vcpus) == (1024, 1024, 4)
    assert outcome() == ("set vCPUs", "succeeded") and web().vcpus == 4


def test_what_a_running_guest_can_have_now_and_what_waits_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    assert change("memory", h1, memory_mib=256) == ""
    assert "At next start" in change("memory", h1, memory_mib=1024)
    assert change("vcpus", h1, vcpus=1) == ""
    assert "started with room for 2" in change("vcpus", h1, vcpus=3)
    live = Domain.parse(actions.read_definitions(vm=web(), host=h1).running)
    assert (live.current_memory_mib, live.vcpus) == (256, 1)
    assert (defined(h1).memory_mib, defined(h1).vcpus) == (1024, 3)
    do("destroy", h1)
    do("start", h1)
    live = Domain.parse(actions.read_definitions(vm=web(), host=h1).running)
    assert (live.current_memory_mib, live.vcpus) == (1024, 3)


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("memory", {"memory_mib": 15}, "memory_mib"),
        ("memory", {"memory_mib": 8193}, "memory_mib"),
        ("vcpus", {"vcpus": 0}, "vcpus"),
        ("vcpus", {"vcpus": 5}, "vcpus"),
        ("rename", {"name": "a/b"}, "name"),
        ("rename", {"name": ""}, "name"),
        ("rename", {"name": "x" * 64}, "name"),
        ("add-nic", {**NIC, "kind": "user"}, "kind"),
        ("add-nic", {**NIC, "source": "br0; reboot"}, "source"),
        ("add-nic", {**NIC, "source": "a-name-too-long-for-linux"}, "source"),
        ("add-nic", {**NIC, "mac": "53:54:00:aa:bb:02"}, "mac"),
        ("add-nic", {**NIC, "mac": "52:54:00:00:00:01"}, "mac"),
        ("add-nic", {**NIC, "model": "ne2k"}, "model"),
        ("add-disk", {"pool": "nosuch", "volume": "a"}, "pool"),
        ("insert", {"target": "sda", "pool": "nosuch", "volume": "a"}, "pool"),
    ],
)
def test_what_makes_no_sense_is_refused_alike_before_a_host_is_asked(
    name: str, given: dict[str, Any], field: str, client: Client
) -> None:
    vm = build.vm("web", on=build.host("h1"))
    with pytest.raises(InvalidInput) as refusal:
        editing.CHANGES[name](vm=vm, host=vm.host, actor=ACTOR, **given)
    assert refusal.value.field == field
    client.force_login(build.user("olga", role="operator"))
    answer = client.post(f"/api/v1/vms/{vm.uuid}/{name}", given, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert client.post(f"/vms/{vm.uuid}/hardware/{name}/", given).status_code == 422
    assert not AuditEvent.objects.exists()


def test_a_guest_is_renamed_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    change("rename", h1, name="web-2")
    assert (web().name, defined(h1).name, outcome()) == ("web-2", "web-2", ("rename", "succeeded"))


def test_a_guest_that_runs_or_whose_name_is_taken_is_not_renamed_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    with pytest.raises(Refused, match="only what is off"):
        change("rename", h1, name="web-2")
    build.vm("db", on=build.host("h9"))
    with pytest.raises(Refused, match="on h9 is named db already"):
        change("rename", h1, name="db")
    assert web().name == "web"


def test_a_guest_that_another_host_has_too_is_not_renamed_on_the_test_driver(node: NodeMaker) -> None:
    h1, _ = node("h1", state=SHUT_OFF), node("h2", state=SHUT_OFF)
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="h2 has a copy of web"):
        change("rename", h1, name="web-2")
    away = build.host("away", uri="qemu+tcp://127.0.0.1:1/system")
    Placement.objects.filter(host__name="h2").update(host=away)
    with pytest.raises(Refused, match="away does not answer"):
        change("rename", h1, name="web-2")
    assert web().name == "web"


def test_disks_are_added_and_removed_on_the_test_driver(pool: StoragePool) -> None:
    h1 = pool.host
    assert change("add-disk", h1, pool="images", volume="data.qcow2") == ""
    disk = defined(h1).disks[-1]
    assert (disk.target, disk.source, disk.driver_format, disk.cache) == (
        "vdb",
        "/mnt/images/data.qcow2",
        "qcow2",
        "none",
    )
    with pytest.raises(Refused, match="it is a disk of web on h1"):
        change("add-disk", h1, pool="images", volume="data.qcow2")
    change("remove-disk", h1, target="vdb")
    assert [one.target for one in defined(h1).disks] == ["vda"]
    assert pool.volumes.filter(name="data.qcow2").exists()
    with pytest.raises(Refused, match="no disk vdb"):
        change("remove-disk", h1, target="vdb")


def test_a_drive_is_added_filled_and_emptied_on_the_test_driver(client: Client, pool: StoragePool) -> None:
    h1 = pool.host
    client.force_login(build.user("olga", role="operator"))
    url = f"/vms/{WEB}/hardware/"
    assert "This VM has no drive" in client.get(url).content.decode()
    assert client.post(f"{url}add-drive/").status_code == 303
    assert outcome() == ("add CD-ROM drive", "succeeded")
    drive = defined(h1).disks[-1]
    assert (drive.target, drive.device, drive.source) == ("sda", "cdrom", "")
    page = client.get(url).content.decode()
    assert "has one CD-ROM drive more" in page and "One drive more, empty" in page
    change("insert", h1, target="sda", pool="images", volume="data.qcow2")
    assert defined(h1).disks[-1].source == "/mnt/images/data.qcow2"
    change("remove-disk", h1, target="sda")


def test_a_drive_of_a_running_vm_comes_at_next_start_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    answer = client.post(f"/api/v1/vms/{WEB}/add-drive", {}, content_type="application/json")
    assert answer.status_code == 200 and answer.json()["at_next_start"].startswith(
        "At next start: what runs could not be changed"
    )
    looked = editing.look(vm=web(), host=h1)
    assert [(part.device.target, part.when) for part in looked.disks] == [("vda", ""), ("sda", "at next start")]


def test_a_new_volume_is_made_and_goes_again_where_libvirt_refuses_the_disk_on_the_test_driver(
    pool: StoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = pool.host
    change("add-disk", h1, pool="images", volume="new.qcow2", new_gib=1)
    assert defined(h1).disks[-1].source == "/mnt/images/new.qcow2"
    monkeypatch.setattr("hosts.editing.disks.disk_xml", lambda **_: "<disk type='nonsense'/>")
    with pytest.raises(HostError):
        change("add-disk", h1, pool="images", volume="other.qcow2", new_gib=1)
    assert not pool.volumes.filter(name="other.qcow2").exists()
    assert AuditEvent.objects.filter(action="add disk").latest("pk").outcome in ("refused", "failed")


def test_a_volume_of_a_vm_on_another_host_is_not_attached_on_the_test_driver(pool: StoragePool, tmp_path: Path) -> None:
    build.mount(on=pool.host, target="/mnt/images")
    uri = write_node(tmp_path / "h3.xml", {"db": uuid.uuid4()}, disk="/srv/i/data.qcow2")
    build.mount(on=build.host("h3", uri=uri), target="/srv/i")
    with pytest.raises(Refused, match="it is a disk of db on h3"):
        change("add-disk", pool.host, pool="images", volume="data.qcow2")
    assert len(defined(pool.host).disks) == 1
    Host.objects.filter(name="h3").delete()


def test_interfaces_are_added_and_removed_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    change("add-nic", h1, **NIC)
    assert defined(h1).interfaces[0].mac == NIC["mac"] and defined(h1).interfaces[0].source == "br0"
    with pytest.raises(Refused, match="no active network named nosuch"):
        change("add-nic", h1, kind="network", source="nosuch")
    change("remove-nic", h1, mac=NIC["mac"])
    assert NIC["mac"] not in [nic.mac for nic in defined(h1).interfaces]


def test_what_can_not_be_plugged_comes_at_next_start_on_the_test_driver(node: NodeMaker) -> None:
    """The test driver plugs nothing: as a real libvirt refuses what a machine can't have while it runs."""
    h1 = node("h1")
    assert change("add-nic", h1, **NIC).startswith("At next start: what runs could not be changed")
    looked = editing.look(vm=web(), host=h1)
    assert [(part.device.mac, part.when) for part in looked.nics] == [(NIC["mac"], "at next start")]
    assert change("remove-nic", h1, mac=NIC["mac"]) == "" and not defined(h1).interfaces


def test_a_guest_that_does_not_let_go_is_said_to_have_it_still(
    node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest that never lets go is put into libvirt's mouth: the test driver unplugs nothing."""
    h1 = node("h1")
    monkeypatch.setattr(Guest, "unplug", lambda self, device, **_: None)
    monkeypatch.setattr("hosts.editing.changing.LET_GO_S", 0.1)
    assert "has not yet" in change("remove-disk", h1, target="vda")
    assert not defined(h1).disks
    assert [part.when for part in editing.look(vm=web(), host=h1).disks] == ["until next start"]


def test_the_boot_order_comes_with_the_next_start_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    assert change("boot-order", h1, devices=["vda"]) == "At next start."
    assert editing.look(vm=web(), host=h1).boot == ("vda",)


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("memory", {"memory_mib": 1024}),
    ("vcpus", {"vcpus": 3}),
    ("rename", {"name": "web-2"}),
    ("boot-order", {"devices": ["vda"]}),
    ("add-nic", NIC),
    ("remove-nic", {"mac": NIC["mac"]}),
    ("remove-disk", {"target": "vda"}),
    ("eject", {"target": "sda"}),
    ("add-drive", {}),
]


@pytest.mark.parametrize(("name", "given"), CHANGES)
def test_a_leftover_one_that_a_migration_holds_and_saved_memory_are_not_changed_on_the_test_driver(
    name: str, given: dict[str, Any], node: NodeMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1 = node("h1")
    before = actions.read_definitions(vm=web(), host=h1).persistent
    with monkeypatch.context() as patch:
        patch.setattr(holds, "HOLDS", [lambda host, vm: "migration #7 moves it" if vm else ""])
        with pytest.raises(Refused, match="migration #7"):
            change(name, h1, **given)
    do("save", h1)
    with pytest.raises(Refused, match="has saved memory of web"):
        change(name, h1, **given)
    do("discard-save", h1)
    node("h2")
    actions.refresh_host(h1)
    assert on(h1).stale
    with pytest.raises(Refused, match="leftover"):
        change(name, h1, **given)
    assert actions.read_definitions(vm=web(), host=h1).persistent == before


def test_the_page_changes_and_says_what_waits_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    h1 = node("h1")
    client.force_login(build.user("olga", role="operator"))
    url = f"/vms/{WEB}/hardware/"
    assert "vda" in client.get(url).content.decode()
    assert client.post(f"{url}memory/", {"memory_mib": "1024"}).status_code == 303
    assert "At next start: it was started with 512 MiB" in client.get(url).content.decode()
    assert client.post(f"{url}boot-order/", {"boot-0": "vda"}).status_code == 303
    assert client.post(f"{url}boot-order/", {"boot-0": "nosuch"}).status_code == 422
    wrong = client.post(f"{url}add-disk/", {"existing": "", "bus": "virtio"})
    assert wrong.status_code == 422 and "Choose a volume that is there" in wrong.content.decode()
    asked = client.get(f"{url}remove-disk/?target=vda").content.decode()
    assert f"virsh detach-disk {WEB} vda" in asked and "Its volume stays" in asked and "/mnt/kvm/web.qcow2" in asked
    assert client.get(f"{url}memory/").status_code == 405 and client.get(f"{url}nosuch/").status_code == 404
    assert client.post(f"{url}remove-disk/", {"target": "vda"}).status_code == 303
    assert not defined(h1).disks


def test_the_api_says_what_waits_on_the_test_driver(client: Client, node: NodeMaker) -> None:
    node("h1")
    client.force_login(build.user("olga", role="operator"))
    url = f"/api/v1/vms/{WEB}"
    found = client.post(f"{url}/vcpus", {"vcpus": 3}, content_type="application/json").json()
    assert "At next start" in found["at_next_start"] and found["vm"]["name"] == "web"
    found = client.post(f"{url}/vcpus", {"vcpus": 99}, content_type="application/json")
    assert (found.status_code, found.json()["field"]) == (422, "vcpus")
