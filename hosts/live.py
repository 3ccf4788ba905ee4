"""Tell every open page: the only way from the rows to the browsers."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def publish(
    topic: str,
    *,
    fragments: Sequence[str] = (),
    leaves: Sequence[str] = (),
    leaves_for: int | None = None,
    data: Callable[[], dict[str, Any]] | None = None,
    hosts: list[int | None] | None = None,
) -> None:
    """Send one event to the pages that listen to `topic`, once the current transaction has committed.

    With `fragments`, each template is rendered from what `data` returns alone and swapped in by its root's id; without,
    the page is told that `topic` changed and reads itself again. `data` is called after the commit, and only where a page
    may listen. `hosts` are the ids of the hosts that it is about: only who may see one of them gets it (None: everybody
    who listens). An event is a whole picture, never a difference: it may be lost.

    `leaves` are templates of a few words (`data-leaf`) that pages put in place at once, before they read themselves again;
    only who may see the host `leaves_for` gets them, with None who may see all hosts.
    """
    message: dict[str, Any] = {"type": "live.event", "topic": topic, "fragments": [*fragments]}
    if leaves:
        message |= {"leaves": [*leaves], "leaves_for": leaves_for}
    if hosts is not None:
        message["hosts"] = [host for host in hosts if host is not None]

    def send() -> None:
        if is_heard(topic):
            _send(topic, {**message, "data": data() if data else {}})

    transaction.on_commit(send)


def is_heard(topic: str) -> bool:
    """Whether a page may listen to `topic`; false only where the channel layer knows that none does."""
    hears = getattr(get_channel_layer(), "hears", None)
    return hears is None or bool(hears(topic))


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
