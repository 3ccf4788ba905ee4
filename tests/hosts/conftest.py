"""Fixtures of the tests of hosts."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hosts import actions, inventory, live, pools, reach
from hosts.errors import DomainNotFound
from hosts.models import Host, StoragePool
from hosts.moving_images import guests
from tests import build
from tests.hosts.nodes import RUNNING, write_node
from tests.hosts.web_node import ACTOR, WEB, NodeMaker

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


@pytest.fixture
def pool(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoragePool]:
    """Of the test driver's host that lives as long as this process, with the guest web off there.

    There is no qemu-img that could look into the driver's volumes.
    """
    monkeypatch.setattr(guests, "chains", lambda host, paths: {})
    h1 = build.host("h1", uri="test:///default")
    with reach.libvirt(h1) as connection:
        connection.define(
            f"<domain type='test'><name>web</name><uuid>{WEB}</uuid><memory>524288</memory><os><type>hvm</type></os>"
            "<devices><disk type='file' device='disk'><source file='/mnt/kvm/web.qcow2'/><target dev='vda'/></disk>"
            "</devices></domain>"
        )
    actions.refresh_host(h1)
    pools.define(host=h1, name="images", kind="dir", target="/mnt/images", actor=ACTOR)
    row = StoragePool.objects.get(host=h1, name="images")
    pools.create(pool=row, name="data.qcow2", format="qcow2", capacity_bytes=2**30, actor=ACTOR)
    yield row
    with reach.libvirt(h1) as connection, suppress(DomainNotFound):
        connection.guest(str(WEB)).delete()
    for volume in row.volumes.all():
        pools.delete(volume=volume, actor=ACTOR)
    pools.POOL_ACTS["undefine"](pool=row, actor=ACTOR)
    reach.forget(h1)
