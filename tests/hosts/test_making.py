"""Clones and new VMs: made whole or not at all, and what is copied is neither started nor changed meanwhile."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from hosts import actions, editing, making, pools, reach
from hosts.domain_xml import Domain
from hosts.errors import HostError, InvalidInput, Refused
from hosts.lease import new_owner
from hosts.libvirt_client.connection import Connection
from hosts.making import cancelling, running
from hosts.models import AuditEvent, Host, Placement, StoragePool, VirtualMachine, VmBuild
from tests import build
from tests.hosts.nodes import SHUT_OFF
from tests.hosts.web_node import ACTOR, WEB, NodeMaker, do, on, web

pytestmark = pytest.mark.django_db
NEW: dict[str, Any] = {
    "name": "new",
    "memory_mib": 512,
    "vcpus": 1,
    "medium": "iso",
    "pool": "images",
    "volume": "data.qcow2",
    "disk_gib": 2,
    "nic_kind": "bridge",
    "nic_source": "br0",
}


@pytest.fixture
def ready(pool: StoragePool) -> Any:
    """The guest web, off, with one disk in the pool; what is made of it goes afterwards."""
    change = {"vm": web(), "host": pool.host, "actor": ACTOR}
    editing.remove_disk(**change, target="vda")
    editing.add_disk(**change, pool="images", volume="data.qcow2")
    yield pool
    with reach.libvirt(pool.host) as connection:
        for found in connection.domain_names():
            if found.name in ("copy", "new"):
                connection.guest(found.uuid).delete()


def clone(host: Host, name: str = "copy") -> VmBuild:
    return making.clone(vm=web(), host=host, name=name, actor=ACTOR)


def definition(host: Host, name: str) -> Domain:
    vm = VirtualMachine.objects.get(name=name, host=host)
    return Domain.parse(actions.read_definitions(vm=vm, host=host).persistent)


def names(pool: StoragePool) -> list[str]:
    return sorted(pool.volumes.values_list("name", flat=True))


def test_a_clone_has_its_own_disks_and_identity_on_the_test_driver(ready: StoragePool) -> None:
    row = clone(ready.host)
    assert (row.state, AuditEvent.objects.get(action="clone VM").outcome) == ("running", "pending")
    running.drive(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error, row.percent) == ("done", "", 100)
    made = definition(ready.host, "copy")
    assert (made.uuid, made.disks[0].source) == (str(row.uuid), "/mnt/images/copy.qcow2")
    assert definition(ready.host, "web").disks[0].source == "/mnt/images/data.qcow2"
    assert names(ready) == ["copy.qcow2", "data.qcow2"]
    assert AuditEvent.objects.get(action="clone VM").outcome == "succeeded"
    copy = VirtualMachine.objects.get(name="copy")
    assert (copy.state, copy.host) == ("shut off", ready.host)


def test_what_is_being_copied_is_not_touched_on_the_test_driver(ready: StoragePool) -> None:
    clone(ready.host)
    for act in ("start", "undefine-stale", "no-autostart"):
        with pytest.raises(Refused, match="it is being cloned as copy"):
            do(act, ready.host)
    with pytest.raises(Refused, match="it is being cloned as copy"):
        editing.set_memory(vm=web(), host=ready.host, memory_mib=256, actor=ACTOR)
    assert "copy is being made on h1" in running.why_held(ready.host, None)
    running.drive(VmBuild.objects.get().pk)
    assert running.why_held(ready.host, web()) == ""


def test_one_clone_of_a_name_at_a_time_on_the_test_driver(ready: StoragePool) -> None:
    row = clone(ready.host)
    VmBuild.objects.filter(pk=row.pk).update(source=None)
    with pytest.raises(Refused, match="named copy is being made already"):
        clone(ready.host)
    VmBuild.objects.all().delete()


def test_a_disk_in_no_pool_is_not_cloned_on_the_test_driver(pool: StoragePool) -> None:
    with pytest.raises(Refused, match="is in no active pool") as refusal:
        clone(pool.host)
    assert "Define a pool over /mnt/kvm" in refusal.value.hint and not VmBuild.objects.exists()


def test_only_what_is_proven_off_everywhere_is_cloned_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1")
    with pytest.raises(Refused, match="half-written"):
        clone(h1)
    do("save", h1)
    with pytest.raises(Refused, match="has saved memory"):
        clone(h1)
    do("discard-save", h1)
    node("h2")
    actions.refresh_host(h1)
    assert on(h1).stale
    with pytest.raises(Refused, match="leftover"):
        clone(h1)
    Placement.objects.update(stale=False)
    with pytest.raises(Refused, match="web is running on h2"):
        clone(h1)
    assert not VmBuild.objects.exists()


def test_a_name_is_taken_once_on_the_test_driver(node: NodeMaker) -> None:
    h1 = node("h1", state=SHUT_OFF)
    build.vm("db", on=build.host("h9"))
    with pytest.raises(Refused, match="named db already"):
        clone(h1, "db")
    with pytest.raises(InvalidInput):
        clone(h1, "a/b")


def test_what_fails_leaves_nothing_behind_on_the_test_driver(
    ready: StoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = clone(ready.host)

    def refuse(self: Connection, xml: str, **_: Any) -> None:
        raise HostError("no room in /etc/libvirt", host=self.host)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "define", refuse)
        running.drive(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "no room in /etc/libvirt")
    assert names(ready) == ["data.qcow2"] and not VirtualMachine.objects.filter(name="copy").exists()
    assert AuditEvent.objects.get(action="clone VM").outcome == "failed"
    with pytest.raises(HostError):  # the pool of the test host is real: its volume is still the guest's
        pools.delete(volume=ready.volumes.get(name="data.qcow2"), actor=ACTOR)


def test_a_volume_that_came_meanwhile_is_not_ours_to_delete_on_the_test_driver(ready: StoragePool) -> None:
    row = clone(ready.host)
    pools.create(pool=ready, name="copy.qcow2", format="qcow2", capacity_bytes=2**30, actor=ACTOR)
    ready.volumes.filter(name="copy.qcow2").delete()  # the rows don't know of it yet
    running.drive(row.pk)
    row.refresh_from_db()
    assert row.state == "failed" and "has a volume named copy.qcow2 already" in row.error
    assert names(ready) == ["copy.qcow2", "data.qcow2"]


def test_what_a_vm_was_defined_with_is_not_deleted_on_the_test_driver(
    ready: StoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The definition is stored, but its answer is lost: the volumes are the new VM's, and are asked about."""
    row = clone(ready.host)
    define = Connection.define

    def lose_the_answer(self: Connection, xml: str, **more: Any) -> None:
        define(self, xml, **more)
        raise HostError("no answer", host=self.host)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "define", lose_the_answer)
        running.drive(row.pk)
    row.refresh_from_db()
    assert row.state == "failed" and "Left behind: images/copy.qcow2" in row.hint
    assert names(ready) == ["copy.qcow2", "data.qcow2"]


def test_a_worker_that_died_leaves_nothing_behind_on_the_test_driver(ready: StoragePool) -> None:
    row = clone(ready.host)
    pools.clone(volume=ready.volumes.get(name="data.qcow2"), name="copy.qcow2", actor=ACTOR)
    dead = new_owner().rsplit(":", 2)[0] + ":999999:dead"
    VmBuild.objects.filter(pk=row.pk).update(owner=dead, made=["images/copy.qcow2"])
    running.sweep()
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "The console ended while it was at work.")
    assert names(ready) == ["data.qcow2"] and running.why_held(ready.host, web()) == ""


def test_what_somebody_started_meanwhile_is_no_clone_on_the_test_driver(ready: StoragePool) -> None:
    """As with virsh, which knows nothing of what the console is at."""
    row = clone(ready.host)
    with reach.libvirt(ready.host) as connection:
        connection.guest(str(WEB)).create()
    running.drive(row.pk)
    with reach.libvirt(ready.host) as connection:
        connection.guest(str(WEB)).destroy()
    row.refresh_from_db()
    assert row.state == "failed" and "may be torn" in row.error
    assert names(ready) == ["data.qcow2"]


def test_a_new_vm_from_a_medium_and_from_an_image_on_the_test_driver(ready: StoragePool) -> None:
    for more, source in (({}, "/mnt/images/data.qcow2"), ({"medium": "image", "disk_gib": None}, "")):
        row = making.create(host=ready.host, actor=ACTOR, **{**NEW, **more})
        running.drive(row.pk)
        row.refresh_from_db()
        assert (row.state, row.error) == ("done", "")
        made = definition(ready.host, "new")
        assert [disk.source for disk in made.disks] == ["/mnt/images/new.qcow2", source]
        assert (made.memory_mib, made.interfaces[0].source, made.graphics[0].type) == (512, "br0", "vnc")
        assert ready.volumes.get(name="new.qcow2").capacity_bytes == (1 if more else 2) * 2**30
        vm = VirtualMachine.objects.get(uuid=row.uuid)
        editing.delete(vm=vm, host=ready.host, confirm="new", volumes=["images/new.qcow2"], actor=ACTOR)
        assert names(ready) == ["data.qcow2"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"memory_mib": 1}, "memory_mib"),
        ({"vcpus": 999}, "vcpus"),
        ({"volume": "nosuch"}, "volume"),
        ({"nic_source": "br0;reboot"}, "nic_source"),
        ({"system": "nosuch"}, "system"),
        ({"disk_gib": None}, "disk_gib"),
        ({"disk_gib": 0}, "disk_gib"),
    ],
)
def test_what_makes_no_sense_is_refused_alike(
    wrong: dict[str, Any], field: str, client: Client, pool: StoragePool
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        making.create(host=pool.host, actor=ACTOR, **{**NEW, **wrong})
    assert refusal.value.field == field
    client.force_login(build.user("olga", role="operator"))
    given = {**NEW, **wrong, "host": "h1"}
    answer = client.post("/api/v1/vm-builds", given, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    typed = {key: "" if value is None else value for key, value in given.items()}
    assert client.post("/hosts/h1/new-vm/", {**typed, "system": typed.get("system", "linux")}).status_code == 422
    assert not VmBuild.objects.exists()


def test_the_pages_begin_and_show_how_far_it_is_on_the_test_driver(client: Client, ready: StoragePool) -> None:
    client.force_login(build.user("olga", role="operator"))
    assert "virt-clone" in client.get(f"/vms/{WEB}/clone/").content.decode()
    assert client.post(f"/vms/{WEB}/clone/", {"name": "a/b"}).status_code == 422
    begun = client.post(f"/vms/{WEB}/clone/", {"name": "copy"})
    row = VmBuild.objects.get()
    assert (begun.status_code, begun["Location"]) == (303, row.get_absolute_url())
    assert "<progress" in client.get(row.get_absolute_url()).content.decode()
    running.drive(row.pk)
    assert "It is defined and off" in client.get(row.get_absolute_url()).content.decode()
    page = client.get("/hosts/h1/new-vm/").content.decode()
    assert "images/data.qcow2" in page and "Windows" in page
    form = {**NEW, "volume": "images/data.qcow2", "system": "linux", "disk_gib": "2"}
    assert client.post("/hosts/h1/new-vm/", form).status_code == 303
    assert client.get("/vms/new/").status_code == 302
    running.drive(VmBuild.objects.latest("pk").pk)


def test_the_api_begins_and_tells_on_the_test_driver(client: Client, ready: StoragePool) -> None:
    client.force_login(build.user("olga", role="operator"))
    answer = client.post(f"/api/v1/vms/{WEB}/clone", {"name": "copy"}, content_type="application/json")
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    running.drive(answer.json()["id"])
    found = client.get(f"/api/v1/vm-builds/{answer.json()['id']}").json()
    assert (found["state"], found["percent"], found["name"]) == ("done", 100, "copy")


def test_a_clone_that_is_cancelled_leaves_nothing_behind_on_the_test_driver(
    client: Client, ready: StoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for while its disk is copied: the copy that is there by then goes, and the original may start again."""
    row = clone(ready.host)
    client.force_login(build.user("olga", role="operator"))
    asked_at = f"{row.get_absolute_url()}cancel/"
    copy, answers = pools.clone, []

    def ask_meanwhile(**given: Any) -> None:
        copy(**given)
        asks = client.get(asked_at).content.decode()
        assert "Stop making copy on h1?" in asks and "images/copy.qcow2" in asks
        answers.append(client.post(asked_at).status_code)
        page = client.get(row.get_absolute_url()).content.decode()
        assert "It is being cancelled" in page and asked_at not in page
        assert names(ready) == ["copy.qcow2", "data.qcow2"]

    with monkeypatch.context() as patch:
        patch.setattr(pools, "clone", ask_meanwhile)
        running.drive(row.pk)
    row.refresh_from_db()
    assert (answers, row.state, row.error, row.hint) == ([303], "cancelled", "", "")
    assert names(ready) == ["data.qcow2"] and not VirtualMachine.objects.filter(name="copy").exists()
    assert AuditEvent.objects.get(action="clone VM").outcome == "cancelled"
    assert AuditEvent.objects.get(action="cancel making of VM").outcome == "succeeded"
    assert "It was cancelled" in client.get(row.get_absolute_url()).content.decode()
    assert running.why_held(ready.host, web()) == ""


def test_a_clone_is_cancelled_before_it_begins_and_not_after_its_end_on_the_test_driver(
    client: Client, ready: StoragePool
) -> None:
    client.force_login(build.user("olga", role="operator"))
    row = clone(ready.host)
    answer = client.post(f"/api/v1/vm-builds/{row.pk}/cancel")
    assert answer.status_code == 202 and answer.json()["cancel_requested"]
    assert client.post(f"/api/v1/vm-builds/{row.pk}/cancel").status_code == 202  # twice is once
    running.drive(row.pk)
    assert client.get(f"/api/v1/vm-builds/{row.pk}").json()["state"] == "cancelled"
    assert names(ready) == ["data.qcow2"]
    late = clone(ready.host)
    running.drive(late.pk)
    refused = client.post(f"/api/v1/vm-builds/{late.pk}/cancel")
    assert refused.status_code == 409 and "no longer being made" in refused.json()["detail"]
    assert AuditEvent.objects.filter(action="cancel making of VM", outcome="refused").count() == 1


def test_what_a_cancelled_clone_can_t_take_away_is_named_on_the_test_driver(
    ready: StoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = clone(ready.host)
    pools.clone(volume=ready.volumes.get(name="data.qcow2"), name="copy.qcow2", actor=ACTOR)
    dead = new_owner().rsplit(":", 2)[0] + ":999999:dead"
    VmBuild.objects.filter(pk=row.pk).update(owner=dead, made=["images/copy.qcow2"])
    making.cancel(build=row, actor=ACTOR)

    def refuse(**_: Any) -> None:
        raise HostError("no answer", host="h1")

    with monkeypatch.context() as patch:
        patch.setattr(pools, "delete", refuse)
        running.sweep()
    row.refresh_from_db()
    assert (row.state, row.hint) == ("cancelled", "Left behind: images/copy.qcow2; delete it by hand.")


def test_only_the_qemu_img_that_writes_the_copy_is_ended(tmp_path: Path) -> None:
    """The shell that runs on a host, against real programs with the name and the arguments that libvirt gives qemu-img."""
    program = tmp_path / "qemu-img"
    program.symlink_to(sys.executable)
    ours, other = (str(tmp_path / f"{name} of 'web'.qcow2") for name in ("copy", "other"))

    def writer(path: str) -> subprocess.Popen[bytes]:
        convert = ["convert", "-f", "qcow2", "-O", "qcow2", "/mnt/data.qcow2", path]
        return subprocess.Popen([str(program), "-c", "print(flush=True); input()", *convert], stdin=-1, stdout=-1)

    with writer(ours) as first, writer(other) as second:
        for one in (first, second):
            assert one.stdout and one.stdout.readline()  # it runs
        said = subprocess.run(
            ["sh", "-c", cancelling.STOP, "stop", ours], capture_output=True, text=True, check=True, timeout=20
        )
        assert (said.stdout.split(), first.wait(timeout=20)) == ([str(first.pid)], -signal.SIGTERM)
        assert second.poll() is None
        again = subprocess.run(["sh", "-c", cancelling.STOP, "stop", ours], capture_output=True, text=True, timeout=20)
        assert (again.returncode, again.stdout) == (0, "")
        second.terminate()
