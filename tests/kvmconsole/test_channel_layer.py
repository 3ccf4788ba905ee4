"""The layer of an embedded console: many at once, for days, and no old news."""

import asyncio
import time

import pytest

from kvmconsole.channel_layer import ThreadSafeInMemoryLayer

pytestmark = pytest.mark.asyncio


async def joined(layer: ThreadSafeInMemoryLayer) -> str:
    channel: str = await layer.new_channel()
    await layer.group_add("vms", channel)
    return channel


async def test_a_burst_of_more_than_a_hundred_events_arrives_whole_and_in_order() -> None:
    layer = ThreadSafeInMemoryLayer()
    channels = [await joined(layer) for _ in range(3)]
    for number in range(500):
        await layer.group_send("vms", {"type": "live.event", "number": number})
    for channel in channels:
        assert [(await layer.receive(channel))["number"] for _ in range(500)] == list(range(500))


async def test_a_socket_that_has_been_open_for_days_still_hears() -> None:
    layer = ThreadSafeInMemoryLayer()
    channel = await joined(layer)
    layer.groups["vms"][channel] = time.time() - 30 * 86_400
    reading = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    await layer.group_send("vms", {"type": "live.event"})
    assert await asyncio.wait_for(reading, 2) == {"type": "live.event"}
    assert layer.hears("vms")


async def test_what_nobody_read_in_time_is_forgotten_and_the_socket_is_not() -> None:
    layer = ThreadSafeInMemoryLayer()
    channel = await joined(layer)
    layer.expiry = -1
    await layer.group_send("vms", {"type": "live.event", "number": 1})
    layer.expiry = 60
    await layer.group_send("vms", {"type": "live.event", "number": 2})
    assert (await layer.receive(channel))["number"] == 2
    assert layer.hears("vms")


async def test_a_full_queue_drops_for_its_own_socket_alone(caplog: pytest.LogCaptureFixture) -> None:
    layer = ThreadSafeInMemoryLayer(capacity=2)
    slow, quick = await joined(layer), await joined(layer)
    for number in range(3):
        await layer.group_send("vms", {"type": "live.event", "number": number})
        assert (await layer.receive(quick))["number"] == number
    assert [(await layer.receive(slow))["number"] for _ in range(2)] == [0, 1]
    assert "was dropped" in caplog.text
