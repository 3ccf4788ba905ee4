"""Fixtures of the tests of hosts."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts import inventory, live, reach
from hosts.models import Host
from tests import build
from tests.hosts.nodes import RUNNING, write_node
from tests.hosts.web_node import WEB, NodeMaker

LiveEvents = Callable[[], list[dict[str, Any]]]


class RecordingLayer:
    """Stands where the channel layer is, at the very end of the way: what would go to the browsers is kept in order."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        assert group == message["topic"]
        self.events.append(message)


@pytest.fixture
def live_events(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> Iterator[LiveEvents]:
    """Call it for the events since the last call, those of what has been "committed" in the test's transaction."""
    layer = RecordingLayer()
    monkeypatch.setattr(live, "get_channel_layer", lambda: layer)
    capture = django_capture_on_commit_callbacks(execute=True)
    capture.__enter__()

    def take() -> list[dict[str, Any]]:
        nonlocal capture
        capture.__exit__(None, None, None)
        # Sends are queued in one loop, so this is done after them.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), live._sending_loop()).result(timeout=5)
        events, layer.events = layer.events, []
        capture = django_capture_on_commit_callbacks(execute=True)
        capture.__enter__()
        return events

    yield take
    capture.__exit__(None, None, None)


@pytest.fixture
def node(db: None, tmp_path: Path) -> Iterator[NodeMaker]:
    """Makes a host of the test driver that has the guest `web`, and reads its inventory."""
    hosts: list[Host] = []

    def make(name: str, *, state: str = RUNNING) -> Host:
        host = build.host(name, uri=write_node(tmp_path / f"{name}.xml", {"web": WEB}, state=state))
        hosts.append(host)
        with reach.libvirt(host) as connection:
            inventory.sync_host(host, connection)
        return host

    yield make
    for host in hosts:
        reach.forget(host)
