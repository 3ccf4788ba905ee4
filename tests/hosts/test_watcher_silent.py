"""Hosts that take a connection and never answer cost the others nothing, and the console only a few threads."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from hosts import reach
from hosts.errors import TimedOut
from hosts.libvirt_client import unanswered
from hosts.libvirt_client.connection import Target, open_connection
from hosts.models import HostState, VirtualMachine
from hosts.watcher import Watcher
from tests import build
from tests.console import eventually

SILENT = 30


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A real socket that accepts everybody and says nothing."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for each in held:
        each.close()


def test_thirty_silent_hosts_delay_no_event_of_another_on_the_test_driver(
    transactional_db: None, silent_port: int
) -> None:
    for number in range(SILENT):
        build.host(f"silent{number}", uri=f"qemu+tcp://127.0.0.1:{silent_port}/x{number}", state=HostState.NEW)
    host = build.host("t", uri="test:///default", state=HostState.NEW)
    watcher = Watcher()
    watcher.start()
    try:
        state = VirtualMachine.objects.filter(name="test").values_list("state", flat=True)
        eventually(lambda: list(state.all()) == ["running"], timeout_s=5, what="the guest", every_s=0.01)
        with reach.libvirt(host) as connection:
            connection.find_by_name("test").suspend(timeout_s=5)
            began = time.monotonic()
            eventually(lambda: list(state.all()) == ["paused"], timeout_s=5, what="the event", every_s=0.01)
            assert time.monotonic() - began < 1
            connection.find_by_name("test").resume(timeout_s=5)
    finally:
        watcher.stop(timeout_s=1)
        reach.forget(host)


def test_a_silent_host_is_given_no_more_than_a_few_threads(silent_port: int) -> None:
    target = Target("silent", f"qemu+tcp://127.0.0.1:{silent_port}/system")
    before = threading.active_count()
    for _ in range(unanswered.MOST + 3):
        with pytest.raises(TimedOut):
            open_connection(target, timeout_s=0.2)
    assert threading.active_count() - before <= unanswered.MOST + 1
