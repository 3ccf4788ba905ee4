"""Tell every open page: the only way from the rows to the browsers."""

import asyncio
import logging
import threading
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def publish(
    topic: str,
    *,
    fragments: list[str] | None = None,
    data: dict[str, Any] | None = None,
    hosts: list[int | None] | None = None,
) -> None:
    """Send one event to the pages that listen to `topic`, once the current transaction has committed.

    With `fragments`, each template is rendered from `data` alone and swapped in by its root's id; without, the page is
    told that `topic` changed and reads itself again. `hosts` are the ids of the hosts that it is about: only who may see
    one of them gets it (None: everybody who listens). An event is a whole picture, never a difference: it may be lost.
    """
    message: dict[str, Any] = {"type": "live.event", "topic": topic, "fragments": fragments or [], "data": data or {}}
    if hosts is not None:
        message["hosts"] = [host for host in hosts if host is not None]
    transaction.on_commit(lambda: _send(topic, message))


def _send(topic: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    future = asyncio.run_coroutine_threadsafe(layer.group_send(topic, message), _sending_loop())
    future.add_done_callback(_report)


def _report(future: Any) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.warning("a live event was not sent: %s", error)


def _sending_loop() -> asyncio.AbstractEventLoop:
    """One loop per process for all sends: with Redis a loop per call would open a connection per call."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="live-sender", daemon=True).start()
    return _loop
