"""Connections to real libvirtds, what they tell, and how they end."""

import subprocess
import time
from collections.abc import Callable, Iterator
from os import getpid

import pytest

from hosts.domain_xml import Domain
from hosts.errors import ConnectionRefused, LibvirtNotRunning, Refused, TimedOut, Unreachable
from hosts.libvirt_client import events
from hosts.libvirt_client.connection import Connection, Target, open_connection
from hosts.libvirt_client.events import Event
from hosts.ssh import SshKeyring
from tests.lab.fixtures import GuestFactory, mend
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.process import wait_for
from tests.real.adapters import *  # noqa: F403 - fixtures
from tests.real.adapters import target

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
Connect = Callable[[str], Connection]


@pytest.fixture
def host(netns_lab: Lab) -> Iterator[LabHost]:
    yield netns_lab.host("kvm-1")
    mend(netns_lab)


def ssh_children() -> list[str]:
    """The ssh processes that libvirt started for connections of this process."""
    argv = ["pgrep", "-a", "-P", str(getpid()), "ssh"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    return [line for line in lines if "virt-ssh-helper" in line]


def test_two_hosts_say_what_they_are(netns_lab: Lab, connect: Connect) -> None:
    first, second = connect("kvm-1").info(), connect("kvm-2").info()
    assert (first.hostname, second.hostname) == ("kvm-1", "kvm-2")
    assert first.host_uuid and first.host_uuid != second.host_uuid
    assert first.libvirt_version == second.libvirt_version == "9.0.0"
    assert first.hypervisor_version.startswith("7.2.")
    assert 0 < first.memory_free_mib < first.memory_mib


def test_a_guest_is_listed_as_virsh_lists_it(netns_lab: Lab, netns_guest: GuestFactory, connect: Connect) -> None:
    spec = netns_guest()
    connection = connect("kvm-1")
    domain = next(domain for domain in connection.domains() if domain.name == spec.name)
    assert (domain.state, domain.reason, domain.persistent, domain.autostart, domain.managed_save) == (
        "running",
        "restored",
        True,
        False,
        False,
    )
    assert domain.uuid == netns_lab.host("kvm-1").virsh("domuuid", spec.name)
    assert domain.live_xml and domain.persistent_xml
    read = Domain.parse(domain.live_xml)
    assert read.disks[0].source == f"/mnt/kvm/{spec.name}.qcow2" and read.disks[0].cache == "none"
    assert read.blockers() == ()
    netns_lab.host("kvm-1").virsh("autostart", spec.name)
    assert connection.domain_state(domain.uuid).autostart


def test_the_guests_cpu_and_machine_are_accepted_or_not(netns_guest: GuestFactory, connect: Connect) -> None:
    spec = netns_guest()
    domain = Domain.parse(connect("kvm-1").find_by_name(spec.name).xml())
    where = {"emulator": domain.emulator, "arch": domain.arch, "machine": domain.machine, "domain_type": "qemu"}
    there = connect("kvm-2")
    assert "<domainCapabilities>" in there.domain_capabilities(**where)
    with pytest.raises(Refused, match="pc-nope"):
        there.domain_capabilities(**{**where, "machine": "pc-nope"})
    assert there.compare_cpu(domain.cpu_xml, **where)[0] in ("identical", "superset")
    cpu = "<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Server</model></cpu>"
    verdict, why = there.compare_cpu(cpu, **where)
    assert verdict == "incompatible" and why


def test_a_start_in_virsh_is_an_event_within_a_second(
    netns_lab: Lab, netns_guest: GuestFactory, connect: Connect
) -> None:
    spec = netns_guest()
    seen: list[Event] = []
    events.subscribe(connect("kvm-1"), seen.append)
    host = netns_lab.host("kvm-1")
    host.virsh("destroy", spec.name)
    host.virsh("start", spec.name)
    wait_for(
        lambda: ("started", "booted") in [(event.what, event.detail) for event in seen],
        timeout_s=1,
        what="the event of the start",
    )
    assert ("lifecycle", spec.name, "stopped", "destroyed") in [
        (event.kind, event.name, event.what, event.detail) for event in seen
    ]


def test_the_dirty_rate_of_a_busy_guest_is_measured(netns_guest: GuestFactory, connect: Connect) -> None:
    guest = connect("kvm-1").find_by_name(netns_guest(dirty_mib=60, memory_mib=256).name)
    assert guest.dirty_rate() is None
    guest.start_dirty_rate(1)
    wait_for(lambda: guest.dirty_rate() is not None, timeout_s=20, what="the dirty rate")
    rate = guest.dirty_rate()
    assert rate and rate.mib_per_s > 0 and rate.pages_per_s == rate.mib_per_s * 256 and rate.seconds == 1


def test_a_libvirtd_that_dies_breaks_the_connection_at_once_and_is_named(
    host: LabHost, keyring: SshKeyring, connect: Connect
) -> None:
    connection = connect("kvm-1")
    reasons: list[str] = []
    connection.on_close(reasons.append)
    host.kill_libvirtd()
    wait_for(lambda: reasons, timeout_s=2, what="the notice that the connection broke")
    assert not connection.is_alive()
    with pytest.raises(Unreachable):
        connection.info()
    with pytest.raises(LibvirtNotRunning, match="kvm-1"):
        open_connection(target(host, keyring), timeout_s=15)
    with pytest.raises(ConnectionRefused, match="kvm-1"):
        open_connection(Target("kvm-1", host.tcp_uri), timeout_s=15)
    host.start_libvirtd()
    assert connect("kvm-1").info().hostname == "kvm-1"


def test_a_host_that_vanishes_is_given_up_after_twenty_seconds(host: LabHost, connect: Connect) -> None:
    connection = connect("kvm-1")
    reasons: list[str] = []
    connection.on_close(reasons.append)
    host.cut("machine")
    started = time.monotonic()
    with pytest.raises(Unreachable):
        connection.domain_names(timeout_s=60)
    assert time.monotonic() - started < 25
    assert reasons == ["keepalive timeout"] and not connection.is_alive()


def test_a_monitor_that_hangs_costs_one_call_and_one_connection(
    host: LabHost, netns_guest: GuestFactory, connect: Connect
) -> None:
    spec = netns_guest()
    connection = connect("kvm-1")
    guest = connection.find_by_name(spec.name)
    host.freeze(spec.name)
    try:
        assert guest.state()[0] == "running"
        assert [name.name for name in connection.domain_names()] == [spec.name]
        assert [domain.name for domain in connection.domains()] == [spec.name]
        with pytest.raises(TimedOut):
            guest.suspend(timeout_s=2)
        assert not connection.is_alive()
        assert connect("kvm-1").find_by_name(spec.name).state()[0] == "running"
    finally:
        host.thaw(spec.name)


def test_no_ssh_process_outlives_its_connection(host: LabHost, keyring: SshKeyring) -> None:
    before = len(ssh_children())
    for end in ("closed", "hung", "killed"):
        connection = open_connection(target(host, keyring), timeout_s=15)
        events.subscribe(connection, lambda event: None)
        assert len(ssh_children()) == before + 1
        if end == "hung":
            with pytest.raises(TimedOut):
                connection.call(lambda: time.sleep(1), timeout_s=0.1)
        if end == "killed":
            host.kill_libvirtd()
        connection.close()
        wait_for(lambda: len(ssh_children()) == before, timeout_s=5, what=f"the ssh of a {end} connection to be gone")
