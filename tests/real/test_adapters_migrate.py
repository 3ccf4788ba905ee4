"""A guest's way from host to host through the adapter alone: what the call raises, what the figures say."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from hosts.domain_digest import definition_digest
from hosts.errors import (
    Busy,
    DomainNotFound,
    HostError,
    MigrationCancelled,
    MigrationFailed,
    Refused,
    Unreachable,
    UnsafeMigration,
)
from hosts.libvirt_client import events
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from hosts.libvirt_client.events import Event
from hosts.ping import Pinger
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.lab.process import wait_for
from tests.real.adapters import *  # noqa: F403 - fixtures

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
Connect = Callable[[str], Connection]
FLAGS = ["live", "peer2peer", "persist_dest", "abort_on_error", "unsafe"]


class Call:
    """A migrate call in a thread, and how it ended."""

    def __init__(self, guest: Guest, lab: Lab, *, flags: list[str], destination: str = "kvm-2") -> None:
        self.error: HostError | None = None
        self._arguments: tuple[Any, ...] = (
            lab.host(destination).uri,
            {"uri": f"tcp://{lab.host(destination).address}"},
            flags,
        )
        self._guest = guest
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._guest.migrate(*self._arguments)
        except HostError as error:
            self.error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> HostError | None:
        self._thread.join(60)
        assert self.is_over, "the migrate call did not return"
        return self.error


@pytest.fixture
def slow(netns_lab: Lab, netns_guest: GuestFactory, connect: Connect) -> Callable[..., tuple[Call, Guest]]:
    """Start to migrate a busy guest over a slow link; the call, and the guest on a second connection."""

    def start(*more: str) -> tuple[Call, Guest]:
        spec = netns_guest(dirty_mib=60, memory_mib=256)
        netns_lab.host("kvm-1").shape(160)
        call = Call(connect("kvm-1").find_by_name(spec.name), netns_lab, flags=[*FLAGS, *more])
        watched = connect("kvm-1").find_by_name(spec.name)
        wait_for(
            lambda: (watched.job_stats().data_processed_bytes or 0) > 2**20, timeout_s=20, what="the copy to begin"
        )
        return call, watched

    return start


def test_a_guest_moves_and_both_hosts_agree(netns_lab: Lab, netns_guest: GuestFactory, connect: Connect) -> None:
    spec = netns_guest()
    source, destination = connect("kvm-1"), connect("kvm-2")
    left: list[Event] = []
    arrived: list[Event] = []
    events.subscribe(source, left.append)
    events.subscribe(destination, arrived.append)
    guest = source.find_by_name(spec.name)
    digest = definition_digest(guest.xml(inactive=True))
    with Pinger(spec.address, 0.05) as pinger:
        wait_for(lambda: pinger.summary().received > 3, timeout_s=10, what="the guest to answer ping")
        assert Call(guest, netns_lab, flags=FLAGS).wait() is None
        answered = pinger.summary().received
        wait_for(lambda: pinger.summary().received > answered + 3, timeout_s=10, what="the guest to answer ping again")
    there = destination.find_by_name(spec.name)
    assert guest.state() == ("shut off", "migrated") and there.state() == ("running", "migrated")
    assert there.is_persistent() and guest.job_stats().kind == "none"
    assert definition_digest(there.xml(inactive=True)) == digest
    final = guest.job_stats(completed=True)
    assert (final.kind, final.operation, final.memory_remaining_bytes) == ("completed", "migration_out", 0)
    assert final.downtime_ms and final.time_elapsed_ms and final.data_processed_bytes
    assert there.job_stats(completed=True).operation == "migration_in"
    assert guest.job_stats(completed=True).downtime_ms == final.downtime_ms, "asked twice, answered twice"
    assert (pinger.summary().longest_gap_ms or 0) < 5000 and pinger.error == ""
    wait_for(lambda: "job_completed" in [event.kind for event in left], timeout_s=2, what="the job-completed event")
    completed = next(event for event in left if event.kind == "job_completed")
    assert completed.stats and completed.stats.downtime_ms == final.downtime_ms
    assert ("stopped", "migrated") in [(event.what, event.detail) for event in left]
    assert ("started", "migrated") in [(event.what, event.detail) for event in arrived]
    assert "migration_iteration" in [event.kind for event in left]
    assert netns_lab.heartbeat(spec.name).whole


def test_managed_direct_moves_a_guest_where_the_source_can_not(
    netns_guest: GuestFactory, connect: Connect, netns_lab: Lab
) -> None:
    spec = netns_guest()
    source, destination = connect("kvm-1"), connect("kvm-2")
    guest = source.find_by_name(spec.name)
    parameters = {"uri": f"tcp://{netns_lab.host('kvm-2').address}"}
    guest.migrate(destination, parameters, ["live", "persist_dest", "undefine_source", "unsafe"])
    assert destination.find_by_name(spec.name).state() == ("running", "migrated")
    with pytest.raises(DomainNotFound, match=f"kvm-1 does not know {spec.name}"):
        guest.state()


def test_storage_that_libvirt_does_not_know_as_shared_needs_unsafe(
    netns_guest: GuestFactory, netns_lab: Lab, connect: Connect
) -> None:
    guest = connect("kvm-1").find_by_name(netns_guest().name)
    error = Call(guest, netns_lab, flags=[flag for flag in FLAGS if flag != "unsafe"]).wait()
    assert isinstance(error, UnsafeMigration) and error.vm == guest.name
    assert guest.state() == ("running", "restored")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("qemu+tcp://{address}:1/system", "Connection refused"),
        ("qemu+ssh://no-such-host.invalid/system", "resolve"),
        ("qemu+ssh://nobody@{address}/system", "Permission denied"),
    ],
)
def test_a_destination_that_the_source_can_not_reach_leaves_the_guest_where_it_is(
    netns_guest: GuestFactory, netns_lab: Lab, connect: Connect, uri: str, said: str
) -> None:
    guest = connect("kvm-1").find_by_name(netns_guest().name)
    destination = uri.format(address=netns_lab.host("kvm-2").address)
    with pytest.raises(MigrationFailed, match=said) as failed:
        guest.migrate(destination, {}, FLAGS)
    assert f"virsh -c {destination} hostname" in failed.value.hint
    assert guest.state()[0] == "running"


def test_a_running_job_is_watched_steered_and_cancelled(
    slow: Callable[..., tuple[Call, Guest]], connect: Connect
) -> None:
    call, guest = slow()
    stats = guest.job_stats()
    assert stats.is_active and stats.operation == "migration_out" and stats.memory_page_size_bytes == 4096
    assert stats.memory_total_bytes and stats.memory_total_bytes > 256 * 2**20
    guest.set_max_downtime(700)
    assert guest.max_downtime_ms() == 700
    guest.set_max_speed(4)
    wait_for(lambda: (guest.job_stats().memory_bps or 0) < 6 * 2**20, timeout_s=15, what="the copy to slow down")
    with pytest.raises(Busy, match=guest.name):
        guest.migrate("qemu+ssh://kvm-2/system", {}, FLAGS)
    guest.abort()
    error = call.wait()
    # libvirt 9.0 at times loses the reason when it closes its connection to the destination
    assert isinstance(error, MigrationCancelled) or "lost the reason" in str(error)
    assert guest.state()[0] == "running" and guest.job_stats().kind == "none"
    with pytest.raises(DomainNotFound):
        connect("kvm-2").find_by_name(guest.name)
    with pytest.raises(Refused, match="no job is active"):
        guest.abort()


def test_post_copy_lets_the_guest_go_on_at_the_destination_before_its_memory(
    slow: Callable[..., tuple[Call, Guest]], netns_lab: Lab, connect: Connect
) -> None:
    call, guest = slow("postcopy")
    guest.start_postcopy()
    wait_for(lambda: guest.state() == ("paused", "post-copy"), timeout_s=10, what="the switch to post-copy")
    with pytest.raises(Refused, match="post-copy"):
        guest.abort()
    netns_lab.host("kvm-1").unshape()
    assert call.wait() is None
    assert guest.state() == ("shut off", "migrated")
    assert connect("kvm-2").find_by_name(guest.name).state()[0] == "running"
    assert (guest.job_stats(completed=True).postcopy_requests or 0) > 0


def test_a_destination_that_dies_in_mid_copy_is_a_failed_migration(
    slow: Callable[..., tuple[Call, Guest]], netns_lab: Lab
) -> None:
    call, guest = slow()
    netns_lab.host("kvm-2").kill_libvirtd()
    error = call.wait()
    assert isinstance(error, MigrationFailed)
    assert guest.state()[0] == "running"


def test_a_source_that_dies_in_mid_copy_says_nothing_of_the_outcome(
    slow: Callable[..., tuple[Call, Guest]], netns_lab: Lab, connect: Connect
) -> None:
    call, guest = slow()
    netns_lab.host("kvm-1").kill_libvirtd()
    error = call.wait()
    assert isinstance(error, Unreachable) and error.host == "kvm-1"
    with pytest.raises(Unreachable):
        guest.state()
    netns_lab.host("kvm-1").start_libvirtd()
    assert connect("kvm-1").find_by_name(guest.name).state()[0] == "running"


def test_a_kept_definition_is_marked_and_removed(netns_guest: GuestFactory, netns_lab: Lab, connect: Connect) -> None:
    spec = netns_guest()
    guest = connect("kvm-1").find_by_name(spec.name)
    digest = definition_digest(guest.xml(inactive=True))
    assert Call(guest, netns_lab, flags=FLAGS).wait() is None
    guest.set_metadata("<k:stale xmlns:k='urn:kvmconsole:domain:1' on='kvm-2'/>")
    assert "stale" in (guest.metadata() or "") and definition_digest(guest.xml(inactive=True)) == digest
    guest.unmark_stale()
    assert guest.metadata() is None
    guest.undefine()
    with pytest.raises(DomainNotFound):
        connect("kvm-1").find_by_name(spec.name)
    assert connect("kvm-2").find_by_name(spec.name).state()[0] == "running"
