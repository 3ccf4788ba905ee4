"""Attempts to connect that got no answer: libvirt has no time limit for them, and each one keeps a thread and a socket.

They end by themselves once the host answers, closes or is found dead by TCP, so a host that accepts and says nothing may
hold a few, and no more.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import Future
from typing import Any

MOST = 4
ANYWAY_EVERY_S = 600.0
"""One more is let through this often: a host that lost its power at the wrong moment never ends the earlier ones."""

_lock = threading.Lock()
_attempts: dict[str, list[Future[Any]]] = defaultdict(list)
_last: dict[str, float] = {}


def may_try(uri: str) -> bool:
    """Whether another attempt at `uri` is worth its thread."""
    with _lock:
        _attempts[uri] = [attempt for attempt in _attempts[uri] if not attempt.done()]
        return len(_attempts[uri]) < MOST or time.monotonic() - _last[uri] > ANYWAY_EVERY_S


def note(uri: str, attempt: Future[Any]) -> None:
    """`attempt` at `uri` was given up, and is still under way."""
    with _lock:
        _attempts[uri].append(attempt)
        _last[uri] = time.monotonic()
