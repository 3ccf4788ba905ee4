"""Fixtures of the tests of hosts."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hosts import live

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
