"""The watcher: events become rows, leases change hands, and what goes away is tried again, slower each time."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hosts import inventory, jobs, reach
from hosts.models import Host, HostState, VirtualMachine, WatcherProcess
from hosts.watcher import LEASE, Watcher, is_watched
from hosts.watcher.host_watch import backoff_s
from tests import build
from tests.console import eventually
from tests.hosts.nodes import write_node

WAIT = timedelta(seconds=2.5)
GONE = "qemu+tcp://127.0.0.1:1/system"


@pytest.fixture
def watcher(transactional_db: None) -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    if watcher.is_alive:
        watcher.stop()


@pytest.fixture
def test_host(transactional_db: None) -> Iterator[Host]:
    """libvirt's test driver, whose state all connections of this process share."""
    host = build.host("t", uri="test:///default", state=HostState.NEW)
    yield host
    reach.forget(host)


def the_guest() -> VirtualMachine | None:
    return VirtualMachine.objects.filter(name="test").first()


def wait_for(answer: Callable[[], Any], what: str, timeout_s: float = 5) -> Any:
    return eventually(answer, timeout_s=timeout_s, what=what, every_s=0.01)


def test_back_off_doubles_from_one_second_to_a_minute() -> None:
    assert [backoff_s(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_an_event_is_in_the_rows_at_once_on_the_test_driver(watcher: Watcher, test_host: Host) -> None:
    watcher.start()
    wait_for(lambda: (vm := the_guest()) and vm.state == "running", "the guest to be listed")
    with reach.libvirt(test_host) as connection:
        connection.find_by_name("test").suspend(timeout_s=5)
        began = time.monotonic()
        wait_for(lambda: (vm := the_guest()) and vm.state == "paused", "the guest to be paused")
        assert time.monotonic() - began < 1
        connection.find_by_name("test").resume(timeout_s=5)
    wait_for(lambda: (vm := the_guest()) and vm.state == "running", "the guest to run")
    test_host.refresh_from_db()
    assert (test_host.state, test_host.watcher) == (HostState.ONLINE, watcher.name)
    assert is_watched()


def test_a_host_that_is_away_holds_up_no_other_on_the_test_driver(watcher: Watcher, test_host: Host) -> None:
    away = build.host("away", uri=GONE, state=HostState.NEW)
    watcher.start()
    wait_for(the_guest, "the other host's guest")
    wait_for(lambda: Host.objects.get(pk=away.pk).state == HostState.UNREACHABLE, "the host to be unreachable")
    row = Host.objects.get(pk=away.pk)
    assert row.error
    assert row.hint
    assert row.retry_at is not None


def test_hosts_are_picked_up_and_let_go_while_it_runs_on_the_test_driver(watcher: Watcher, tmp_path: Path) -> None:
    watcher.start()
    host = build.host("late", uri="test:///default", state=HostState.NEW)
    wait_for(the_guest, "the new host's guest", timeout_s=3)
    inventory.forget_host(host)  # as the page does: it waits for what is being written
    wait_for(lambda: not watcher.watched, "the watch to end", timeout_s=3)


def test_a_request_to_sync_ends_a_back_off_on_the_test_driver(watcher: Watcher, tmp_path: Path) -> None:
    host = build.host("h", uri=f"test://{tmp_path}/node.xml", state=HostState.NEW)
    watcher.start()
    wait_for(lambda: (at := Host.objects.get(pk=host.pk).retry_at) and at > timezone.now() + WAIT, "a longer wait", 12)
    write_node(tmp_path / "node.xml", {"web": uuid.uuid4()})
    Host.objects.filter(pk=host.pk).update(sync_requested=timezone.now())
    wait_for(lambda: Host.objects.get(pk=host.pk).state == HostState.ONLINE, "the host to be back", timeout_s=2)


def test_a_second_watcher_takes_over_only_when_the_heartbeat_has_lapsed_on_the_test_driver(
    watcher: Watcher, test_host: Host
) -> None:
    other = WatcherProcess.objects.create(name="another:1:abc")
    Host.objects.filter(pk=test_host.pk).update(watcher=other.name)
    watcher.start()
    time.sleep(1.5)
    assert Host.objects.get(pk=test_host.pk).watcher == other.name
    assert the_guest() is None
    WatcherProcess.objects.filter(pk=other.pk).update(heartbeat=timezone.now() - LEASE - timedelta(seconds=1))
    wait_for(the_guest, "the host to be taken over", timeout_s=3)
    assert Host.objects.get(pk=test_host.pk).watcher == watcher.name


def test_stop_gives_the_leases_back_on_the_test_driver(watcher: Watcher, test_host: Host) -> None:
    watcher.start()
    wait_for(the_guest, "the guest")
    watcher.stop()
    assert Host.objects.get(pk=test_host.pk).watcher == ""
    assert not WatcherProcess.objects.exists()
    assert not watcher.is_alive


def test_a_sweep_that_fails_keeps_no_other_from_running(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fails() -> None:
        calls.append("fails")
        raise RuntimeError("poisoned row")

    monkeypatch.setattr(jobs, "SWEEPS", [fails, lambda: calls.append("works")])
    watcher.start()
    wait_for(lambda: calls.count("works") >= 2, "two sweeps", timeout_s=6)
    assert calls.count("fails") >= 2
