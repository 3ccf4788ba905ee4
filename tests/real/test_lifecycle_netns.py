"""A real guest on a real libvirtd and QEMU: what the test driver can't show of plugging, snapshots and shutting down."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import actions, editing, making, pools, reach
from hosts.errors import Refused
from hosts.making import running
from hosts.models import AuditEvent, Host, Shutdown, StoragePool, VirtualMachine
from tests import build
from tests.lab.fixtures import GuestFactory
from tests.lab.guest import answers_ping
from tests.lab.guest_xml import LOCAL_FOLDER
from tests.lab.lab import Lab
from tests.lab.process import wait_for
from tests.real.keys import ACTOR, authorise, trust_key

pytestmark = pytest.mark.real
NIC, LATER = "52:54:00:aa:bb:0c", "52:54:00:aa:bb:0d"
CATCH = """
for try in $(seq 1000); do
    for pid in $(pgrep -x qemu-img); do
        [ -s "$1" ] && tr '\\0' ' ' <"/proc/$pid/cmdline" | grep -q "$1" && kill -STOP "$pid" && echo "$pid" && exit
    done
    sleep 0.01
done
exit 1
"""
"""Stops the qemu-img that writes the file $1 as soon as something is written, and prints its id."""
TERM_IS_PENDING = 1 << 14
"""In SigPnd and ShdPnd of proc(5): signal 15 waits until the process goes on."""


@pytest.fixture
def host(netns_lab: Lab, own_keys: None, settings: Any, tmp_path: Path) -> Iterator[Host]:
    """kvm-1 with a pool over a folder of its own."""
    reach.keyring.cache_clear()
    authorise(netns_lab, "kvm-1")
    trust_key(netns_lab, "kvm-1")
    lab_host = netns_lab.host("kvm-1")
    clean = 'virsh pool-destroy local; virsh pool-undefine local; rm -f "$1"/extra.qcow2'
    lab_host.run(["sh", "-c", f"{clean}; mkdir -p {LOCAL_FOLDER}", "lab", LOCAL_FOLDER], check=False)
    row = build.host("kvm-1", uri=lab_host.uri)
    actions.refresh_host(row)
    pools.define(host=row, name="local", kind="dir", target=LOCAL_FOLDER, actor=ACTOR)
    yield row
    lab_host.run(["sh", "-c", clean, "lab", LOCAL_FOLDER], check=False)


@pytest.mark.timeout(400)
def test_a_guest_is_changed_kept_brought_back_and_shut_down(
    netns_lab: Lab, netns_guest: GuestFactory, host: Host
) -> None:
    spec = netns_guest("edited", disk_folder=LOCAL_FOLDER)
    lab_host = netns_lab.host("kvm-1")
    actions.refresh_host(host)
    vm = VirtualMachine.objects.get(name="edited")

    def change(act: str, /, **given: Any) -> str:
        return editing.CHANGES[act](vm=vm, host=host, actor=ACTOR, **given)

    def state() -> str:
        return lab_host.virsh("domstate", "edited").strip()

    # A disk and an interface are plugged into what runs, and into the definition.
    assert change("add-disk", pool="local", volume="extra.qcow2", new_gib=1) == ""
    assert change("add-nic", kind="bridge", source="br0", mac=NIC) == ""
    for more in ((), ("--inactive",)):
        assert f"{LOCAL_FOLDER}/extra.qcow2" in lab_host.virsh("domblklist", "edited", *more)
        assert NIC in lab_host.virsh("domiflist", "edited", *more)
    with pytest.raises(Refused, match="it is a disk of edited on kvm-1"):
        pools.delete(volume=StoragePool.objects.get(name="local").volumes.get(name="extra.qcow2"), actor=ACTOR)
    later = change("add-nic", kind="bridge", source="nosuch0", mac=LATER)
    assert later.startswith("At next start") and "nosuch0" in later
    assert LATER in lab_host.virsh("domiflist", "edited", "--inactive")
    assert change("remove-nic", mac=LATER) == ""
    for gone in (change("remove-disk", target="vdb"), change("remove-nic", mac=NIC)):
        assert gone == "" or "has not yet" in gone
    assert "extra.qcow2" not in lab_host.virsh("domblklist", "edited", "--inactive")
    assert "room for 1" in change("vcpus", vcpus=2)

    # Its memory and disk are kept, and it goes on from there, although it was forced off in between.
    actions.create_snapshot(vm=vm, host=host, name="before", actor=ACTOR)
    kept = actions.snapshots(vm=vm, host=host)[0]
    assert (kept.name, kept.state, kept.has_memory, kept.external) == ("before", "running", True, False)
    actions.destroy(vm=vm, host=host, actor=ACTOR)
    actions.revert_to_snapshot(vm=vm, host=host, name="before", actor=ACTOR)
    assert state() == "running"
    wait_for(lambda: answers_ping(spec.address), timeout_s=60, what="the guest to answer again")
    actions.delete_snapshot(vm=vm, host=host, name="before", actor=ACTOR)
    assert lab_host.virsh("snapshot-list", "edited", "--name").strip() == ""

    # It has a minute, and listens to its power button.
    actions.shutdown(vm=vm, host=host, limit_s=60, actor=ACTOR)

    def is_off() -> bool:
        actions.refresh_host(host)
        actions.look_after_shutdowns()
        return not Shutdown.objects.exists()

    wait_for(is_off, timeout_s=60, what="the guest to shut down")
    assert state() == "shut off"
    assert AuditEvent.objects.get(action="shut down").detail.startswith("off after")
    assert change("rename", name="edited-2") == ""
    assert change("memory", memory_mib=192) == "" and change("boot-order", devices=["vda"]) != ""
    lab_host.virsh("start", "edited-2")
    assert "2" in lab_host.virsh("vcpucount", "edited-2", "--live", "--current")
    lab_host.virsh("destroy", "edited-2")
    change("add-disk", pool="local", volume="extra.qcow2")
    vm.refresh_from_db()

    # A clone is the same to the byte, and shares neither disks nor addresses.
    row = making.clone(vm=vm, host=host, name="copied", actor=ACTOR)
    running.drive(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error) == ("done", "")
    for old, new in (("edited", "copied"), ("extra", "copied-vdb")):
        lab_host.run(["qemu-img", "compare", f"{LOCAL_FOLDER}/{old}.qcow2", f"{LOCAL_FOLDER}/{new}.qcow2"])
    assert spec.mac not in lab_host.virsh("domiflist", "copied") and spec.mac in lab_host.virsh("domiflist", "edited-2")
    both = ["local/copied.qcow2", "local/copied-vdb.qcow2"]
    copied = VirtualMachine.objects.get(name="copied")
    assert editing.delete(vm=copied, host=host, confirm="copied", volumes=both, actor=ACTOR) == ""

    # One made from an image starts; the image is an empty one, so no more than its firmware runs.
    row = making.create(
        host=host, name="made", memory_mib=64, vcpus=1, medium="image", pool="local", volume="extra.qcow2", disk_gib=2,
        nic_kind="bridge", nic_source="br0", actor=ACTOR,
    )  # fmt: skip
    running.drive(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error) == ("done", "")
    made = VirtualMachine.objects.get(name="made")
    actions.start(vm=made, host=host, actor=ACTOR)
    assert lab_host.virsh("domstate", "made").strip() == "running"
    actions.destroy(vm=made, host=host, actor=ACTOR)
    assert editing.delete(vm=made, host=host, confirm="made", volumes=["local/made.qcow2"], actor=ACTOR) == ""
    left = editing.delete(vm=vm, host=host, confirm="edited-2", volumes=["local/extra.qcow2"], actor=ACTOR)
    assert left == "" and "edited-2" not in lab_host.virsh("list", "--all", "--name")
    assert lab_host.run(["test", "-e", f"{LOCAL_FOLDER}/extra.qcow2"], check=False).returncode == 1
    assert lab_host.run(["test", "-e", spec.image]).returncode == 0


@pytest.mark.django_db(transaction=True)  # the copying has threads of its own, which see only what is committed
@pytest.mark.timeout(200)
def test_a_clone_is_cancelled_in_the_middle_of_its_copying(
    netns_lab: Lab, netns_guest: GuestFactory, host: Host
) -> None:
    """libvirt has begun the copy and waits for qemu-img: that is ended, and no half file stays."""
    netns_guest("whole", disk_folder=LOCAL_FOLDER, data_mib=256)
    lab_host = netns_lab.host("kvm-1")
    lab_host.virsh("destroy", "whole")
    actions.refresh_host(host)
    vm = VirtualMachine.objects.get(name="whole")
    original = lab_host.run(["sha256sum", f"{LOCAL_FOLDER}/whole-data.qcow2"]).stdout

    row = making.clone(vm=vm, host=host, name="half", actor=ACTOR)
    worker = threading.Thread(target=running.drive, args=(row.pk,))
    worker.start()
    pid = lab_host.run(["sh", "-c", CATCH, "catch", f"{LOCAL_FOLDER}/half-vdb.qcow2"]).stdout.strip()
    row.refresh_from_db()
    assert (row.state, row.doing) == ("running", "Copying half-vdb.qcow2")
    half = int(lab_host.run(["stat", "--format", "%b", f"{LOCAL_FOLDER}/half-vdb.qcow2"]).stdout)
    assert 0 < half < int(lab_host.run(["stat", "--format", "%b", f"{LOCAL_FOLDER}/whole-data.qcow2"]).stdout)
    with pytest.raises(Refused, match="being cloned as half"):
        actions.start(vm=vm, host=host, actor=ACTOR)
    making.cancel(build=row, actor=ACTOR)

    def is_told() -> bool:
        lines = lab_host.run(["cat", f"/proc/{pid}/status"]).stdout.splitlines()
        pending = [line.split()[1] for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
        return any(int(word, 16) & TERM_IS_PENDING for word in pending)

    wait_for(is_told, timeout_s=30, what="the worker to end qemu-img")
    lab_host.run(["kill", "-CONT", pid])
    worker.join(timeout=60)
    row.refresh_from_db()
    assert (row.state, row.error, row.hint) == ("cancelled", "", "")
    assert lab_host.run(["sh", "-c", f"ls {LOCAL_FOLDER} | grep half"], check=False).stdout == ""
    assert "half" not in lab_host.virsh("list", "--all", "--name")
    assert lab_host.run(["sha256sum", f"{LOCAL_FOLDER}/whole-data.qcow2"]).stdout == original
    assert AuditEvent.objects.get(action="clone VM").outcome == "cancelled"
    actions.start(vm=vm, host=host, actor=ACTOR)
    assert lab_host.virsh("domstate", "whole") == "running"
