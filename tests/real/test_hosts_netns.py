"""Hosts on the lab: each way a connection fails in the admin's words, and an inventory that follows virsh at once."""

import time
from pathlib import Path
from typing import Any

import pytest

from hosts import actions, reach
from hosts.errors import (
    AuthenticationRefused,
    ConnectionRefused,
    HostError,
    HostKeyChanged,
    InvalidInput,
    LibvirtNotRunning,
    NameUnresolved,
    Refused,
)
from hosts.models import Host, HostState, VirtualMachine
from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.real.keys import ACTOR, authorise, trust

pytestmark = pytest.mark.real


@pytest.mark.django_db
def test_from_an_unknown_key_to_a_stored_host_step_by_step(netns_lab: Lab, own_keys: None) -> None:
    lab_host = netns_lab.host("kvm-1")
    first = actions.test_connection(name="kvm-1", uri=lab_host.uri)
    assert (first.ok, first.key_state, first.hostname, first.port) == (False, "unknown", lab_host.address, 22)
    listed = lab_host.run(["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.split()[1]
    assert listed in [key.fingerprint_sha256 for key in first.host_keys]
    with pytest.raises(Refused, match="does not present a key with that fingerprint"):
        actions.trust_host_key(hostname=first.hostname, port=22, fingerprints=["SHA256:other"], actor=ACTOR)
    actions.trust_host_key(hostname=first.hostname, port=22, fingerprints=[listed], actor=ACTOR)
    second = actions.test_connection(name="kvm-1", uri=lab_host.uri)
    assert second.key_state == "known"
    assert isinstance(second.error, AuthenticationRefused)
    with pytest.raises(AuthenticationRefused):
        actions.add_host(name="kvm-1", uri=lab_host.uri, actor=ACTOR)
    assert not Host.objects.exists()
    authorise(netns_lab, "kvm-1")
    third = actions.test_connection(name="kvm-1", uri=lab_host.uri)
    assert third.ok
    assert third.info is not None
    assert third.info.hostname == "kvm-1"
    host = actions.add_host(name="kvm-1", uri=lab_host.uri, actor=ACTOR)
    host.refresh_from_db()
    assert (host.state, host.hostname, host.libvirt_version) == (HostState.ONLINE, "kvm-1", "9.0.0")
    assert host.cpus > 0
    assert host.memory_mib > 0


@pytest.mark.django_db
def test_a_changed_host_key_stops_everything_also_for_a_script(netns_lab: Lab, own_keys: None) -> None:
    lab_host = netns_lab.host("kvm-1")
    other = actions.test_connection(name="kvm-2", uri=netns_lab.host("kvm-2").uri).host_keys
    reach.keyring().trust(lab_host.address, 22, other)
    found = actions.test_connection(name="kvm-1", uri=lab_host.uri)
    assert (found.ok, found.key_state) == (False, "changed")
    assert isinstance(found.error, HostKeyChanged)
    options = {"accept_new_host_key": True, "require_connection": False}
    host = actions.add_host(name="kvm-1", uri=lab_host.uri, actor=ACTOR, **options)
    host.refresh_from_db()
    assert host.state == HostState.UNREACHABLE
    assert "key" in host.error
    assert reach.keyring().known(lab_host.address, 22) == list(other)


def _wrong_address(lab: Lab, uri: str) -> str:
    return uri.format(address=lab.host("kvm-1").address)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("qemu+ssh://root@no-such-host.invalid/system", NameUnresolved),
        ("qemu+ssh://root@{address}:1/system", ConnectionRefused),
        ("qemu+tcp://{address}:1/system", ConnectionRefused),
    ],
)
def test_a_wrong_address_is_told_in_words_before_anything_is_stored(
    uri: str, error: type[HostError], netns_lab: Lab, own_keys: None
) -> None:
    found = actions.test_connection(name="h", uri=_wrong_address(netns_lab, uri))
    assert isinstance(found.error, error), found.error
    assert found.error.hint
    with pytest.raises(error):
        actions.add_host(name="h", uri=_wrong_address(netns_lab, uri), actor=ACTOR)
    assert not Host.objects.exists()


@pytest.mark.django_db
def test_a_stopped_libvirtd_is_told_apart_from_a_host_that_is_away(
    netns_lab: Lab, netns_guest: GuestFactory, own_keys: None
) -> None:
    trust(netns_lab, "kvm-1")
    netns_lab.host("kvm-1").kill_libvirtd()
    found = actions.test_connection(name="kvm-1", uri=netns_lab.host("kvm-1").uri)
    assert isinstance(found.error, LibvirtNotRunning)
    assert "kvm-1" in str(found.error)
    assert "systemctl start" in found.error.hint


@pytest.mark.django_db
def test_one_machine_is_not_added_twice_by_two_addresses(netns_lab: Lab, own_keys: None) -> None:
    trust(netns_lab, "kvm-1")
    actions.add_host(name="kvm-1", uri=netns_lab.host("kvm-1").uri, actor=ACTOR)
    assert "no encryption" in actions.test_connection(name="x", uri=netns_lab.host("kvm-1").tcp_uri).warnings[0]
    with pytest.raises(InvalidInput, match="same machine as kvm-1"):
        actions.add_host(name="again", uri=netns_lab.host("kvm-1").tcp_uri, actor=ACTOR)
    again = actions.add_host(name="again", uri=netns_lab.host("kvm-1").tcp_uri, actor=ACTOR, require_connection=False)
    again.refresh_from_db()
    assert (again.state, again.placements.count()) == (HostState.UNREACHABLE, 0)
    assert "same machine" in again.error


@pytest.mark.django_db
def test_a_guest_of_both_hosts_starts_on_one_only(
    netns_lab: Lab, netns_guest: GuestFactory, own_keys: None, tmp_path: Path
) -> None:
    hosts = {}
    for name in ("kvm-1", "kvm-2"):
        trust(netns_lab, name)
        hosts[name] = actions.add_host(name=name, uri=netns_lab.host(name).uri, actor=ACTOR)
    spec = netns_guest()
    xml = netns_lab.host("kvm-1").virsh("dumpxml", "--inactive", spec.name)
    netns_lab.host("kvm-2").run(["virsh", "define", "/dev/stdin"], input_text=xml)
    for host in hosts.values():
        actions.refresh_host(host)
    vm = VirtualMachine.objects.get(uuid=spec.uuid)
    assert (vm.host, vm.state) == (hosts["kvm-1"], "running")
    with pytest.raises(Refused, match="leftover"):
        actions.start(vm=vm, host=hosts["kvm-2"], actor=ACTOR)
    vm.placements.update(stale=False)
    with pytest.raises(Refused, match="is running on kvm-1"):
        actions.start(vm=vm, host=hosts["kvm-2"], actor=ACTOR)
    netns_lab.host("kvm-2").cut("machine")
    reach.forget(hosts["kvm-2"])
    actions.destroy(vm=vm, host=hosts["kvm-1"], actor=ACTOR)
    began = time.monotonic()
    with pytest.raises(Refused, match="kvm-2 does not answer, so nothing proves"):
        actions.start(vm=vm, host=hosts["kvm-1"], actor=ACTOR)
    assert time.monotonic() - began < 12
    netns_lab.host("kvm-2").heal()
    actions.start(vm=vm, host=hosts["kvm-1"], actor=ACTOR)
    vm.refresh_from_db()
    assert (vm.host, vm.state) == (hosts["kvm-1"], "running")
    facts = vm.placements.get(host=hosts["kvm-1"]).facts
    assert [(disk["source"], disk["cache"]) for disk in facts["disks"]] == [(spec.image, "none")]
    assert [nic["mac"] for nic in facts["interfaces"]] == [spec.mac]
    actions.undefine_stale(vm=vm, host=hosts["kvm-2"], actor=ACTOR)
    assert spec.name not in netns_lab.host("kvm-2").virsh("list", "--all", "--name")


def test_what_virsh_does_is_in_the_inventory_within_a_second(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    console.vm(spec.name)
    virsh = netns_lab.host("kvm-1").virsh
    uuid = spec.uuid

    def within_a_second(what: str, field: str, value: Any) -> None:
        eventually(lambda: console.api("GET", f"vms/{uuid}")[field] == value, timeout_s=1.0, what=what, every_s=0.02)

    virsh("suspend", spec.name)
    within_a_second("the guest to be paused", "state", "paused")
    virsh("resume", spec.name)
    within_a_second("the guest to run again", "state", "running")
    virsh("undefine", spec.name)
    within_a_second("the guest to be transient", "persistent", False)
    answer = console.api("POST", f"vms/{uuid}/define", {})
    assert answer["persistent"] is True
    assert spec.name in virsh("list", "--all", "--persistent", "--name")
    virsh("destroy", spec.name)
    within_a_second("the guest to be off", "state", "shut off")
    virsh("undefine", spec.name)
    eventually(
        lambda: console.api("GET", f"vms/{uuid}", expect=(200, 404)).get("status") == 404,
        timeout_s=1.0,
        what="the guest to be gone",
    )


def test_a_host_that_goes_away_and_comes_back_is_told_and_blocks_nobody(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    console.vm(spec.name)
    lab_host = netns_lab.host("kvm-1")

    def host() -> Any:
        return console.api("GET", "hosts/kvm-1")

    lab_host.kill_libvirtd()
    away = eventually(lambda: (h := host())["state"] == "unreachable" and h, timeout_s=3, what="kvm-1 to be away")
    assert away["error"]
    assert away["hint"]
    assert away["retry_at"]
    assert console.api("GET", f"vms/{spec.uuid}")["state"] == "unknown"
    began = time.monotonic()
    console.api("GET", "hosts")
    assert time.monotonic() - began < 1
    lab_host.start_libvirtd()
    eventually(lambda: host()["state"] == "online", timeout_s=10, what="kvm-1 to be back")
    eventually(
        lambda: console.api("GET", f"vms/{spec.uuid}")["state"] == "running", timeout_s=3, what="the guest to run"
    )


def test_a_host_that_falls_silent_is_given_up_and_the_other_one_stays_current(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(host="kvm-2")
    console.vm(spec.name)
    netns_lab.host("kvm-1").cut("machine")
    netns_lab.host("kvm-2").virsh("suspend", spec.name)
    eventually(
        lambda: console.api("GET", f"vms/{spec.uuid}")["state"] == "paused",
        timeout_s=1.0,
        what="kvm-2's guest to be paused",
        every_s=0.02,
    )
    eventually(
        lambda: console.api("GET", "hosts/kvm-1")["state"] == "unreachable", timeout_s=40, what="kvm-1 to be given up"
    )
    netns_lab.host("kvm-1").heal()
    console.api("POST", "hosts/kvm-1/refresh")
    eventually(lambda: console.api("GET", "hosts/kvm-1")["state"] == "online", timeout_s=15, what="kvm-1 to be back")
