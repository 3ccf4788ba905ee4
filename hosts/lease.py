"""Who works on a row: an owner that beats every second from a thread of its own, while the work shows signs of life."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.db import close_old_connections, connections
from django.db.models import Q, QuerySet
from django.utils import timezone

log = logging.getLogger(__name__)
BEAT_S = 1.0
SILENT_S = 600.0
"""Work that has not asked for so long whether it still has its lease hangs: others may take over. Each of its questions
to hosts has a limit of a minute at most, and it asks between them."""


def new_owner() -> str:
    """A name for one turn of work, which says whose it is: host, where its process ids count, process."""
    return f"{socket.gethostname()[:24]}/{_where()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"


def is_dead(owner: str) -> bool:
    """Whether `owner` was a process of this machine that is proven to be gone, so that nobody need wait for its lease."""
    place, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if place.rpartition("/")[2] != _where() or not pid.isdigit():
        return False
    return not Path("/proc", pid).exists()


def unowned(silence: timedelta) -> Q:
    """Rows that nobody works on: never taken up, given back, or their owner has been silent for so long."""
    return Q(owner="") | Q(heartbeat=None) | Q(heartbeat__lt=timezone.now() - silence)


def abandoned(rows: QuerySet[Any], silence: timedelta) -> list[int]:
    """The keys of those of `rows` that nobody works on; one whose owner is proven to be gone is taken from it at once."""
    for owner in rows.exclude(owner="").values_list("owner", flat=True):
        if is_dead(owner):
            rows.filter(owner=owner).update(owner="", heartbeat=None)
    return list(rows.filter(unowned(silence)).values_list("pk", flat=True))


def in_thread(name: str, work: Callable[[], object]) -> None:
    """Do `work` in a thread of its own, which keeps no database connection."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    threading.Thread(target=run, name=name, daemon=True).start()


@cache
def _where() -> str:
    """This boot of this machine, and the namespace in which its process ids count (pid_namespaces(7))."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    return f"{boot[:8]}.{Path('/proc/self/ns/pid').stat().st_ino}"


class Lease:
    """Calls `beat` (False: the lease was lost) every second while the block runs; `is_lost` once it is another's."""

    def __init__(self, what: str, beat: Callable[[], bool]) -> None:
        self._what, self._renew = what, beat
        self._over = threading.Event()
        self._lost = False
        self._seen = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name=f"lease {what}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=5)

    def is_lost(self) -> bool:
        """Whether another has it now; to ask is a sign of life."""
        self._seen = time.monotonic()
        return self._lost

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            if time.monotonic() - self._seen > SILENT_S:
                log.error("%s: its work has hung for %d s and gives up its lease", self._what, SILENT_S)
                self._lost = True
                break
            close_old_connections()
            try:
                self._lost = not self._renew()
            except Exception:
                # The database may be away for a moment; the lease tells by itself when it was too long.
                log.exception("no heartbeat for %s", self._what)
            if self._lost:
                break
        connections.close_all()
