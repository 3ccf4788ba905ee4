"""Keeps the rows true: one thread per host listens to its events; several processes share the hosts (sharing.py)."""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable

from hosts import jobs, metrics
from hosts.models import Host
from hosts.watcher import sharing
from hosts.watcher.database import own_database
from hosts.watcher.host_watch import HostWatch
from hosts.watcher.pace import pace
from hosts.watcher.sharing import LEASE, is_watched

__all__ = ["LEASE", "Watcher", "is_watched", "sweep_once"]

log = logging.getLogger(__name__)

TICK_S = 1.0
"""How often hosts that were added, changed or removed are looked for."""
SWEEP_EVERY_S = 2.0


class Watcher:
    """Watches every host that no other process watches, and calls the sweeps. `start` once, `stop` once."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:50]}:{os.getpid()}:{random.getrandbits(24):06x}"
        self._watches: dict[int, HostWatch] = {}
        self._stopping = threading.Event()
        self._supervisor, self._sweeper, self._writer = (
            threading.Thread(target=self._loop, args=(work, pause_s), name=name, daemon=True)
            for work, pause_s, name in (
                (self._supervise, TICK_S, "watcher"),
                (sweep_once, SWEEP_EVERY_S, "sweeper"),
                (metrics.recorder.flush_if_due, SWEEP_EVERY_S, "figures"),
            )
        )

    def start(self) -> None:
        for thread in (self._supervisor, self._sweeper, self._writer):
            thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Give the hosts to the others at once, then end all threads; one that waits for a host is left to its time limit."""
        until = time.monotonic() + timeout_s
        self._stopping.set()
        self._supervisor.join(timeout_s)
        for watch in self._watches.values():
            watch.stop()
        with own_database():
            sharing.leave(self.name)
        for thread in (self._sweeper, self._writer):
            thread.join(timeout_s)
        for watch in self._watches.values():
            watch.join(max(until - time.monotonic(), 0))
        with own_database():
            metrics.recorder.flush()

    @property
    def is_alive(self) -> bool:
        """Whether both of its own loops run."""
        return self._supervisor.is_alive() and self._sweeper.is_alive()

    @property
    def watched(self) -> list[int]:
        """The ids of the hosts that it watches now."""
        return list(self._watches)

    def _loop(self, work: Callable[[], None], pause_s: float) -> None:
        while not self._stopping.is_set():
            try:
                with own_database():
                    work()
            except Exception:
                # The database may be away for a while; the loop must outlive that.
                log.exception("%s failed and is tried again", threading.current_thread().name)
            self._stopping.wait(pause_s)

    def _supervise(self) -> None:
        """Renew, take or give up hosts, and start and stop threads to match."""
        pace.note()
        sharing.renew(self.name)
        sharing.balance(self.name)
        mine = Host.objects.filter(watcher=self.name).only("uri", "ssh", "sync_requested").in_bulk()
        for pk, watch in list(self._watches.items()):
            if pk not in mine or not watch.fits(mine[pk]):
                watch.stop()
                metrics.recorder.forget(pk)
                del self._watches[pk]
        for pk, host in Host.objects.in_bulk([pk for pk in mine if pk not in self._watches]).items():
            self._watches[pk] = HostWatch(host)
            self._watches[pk].start()
        for pk, watch in self._watches.items():
            watch.note_request(mine[pk].sync_requested)


def sweep_once() -> None:
    """Call every registered sweep; one that fails does not keep the others from running."""
    for sweep in list(jobs.SWEEPS):
        try:
            sweep()
        except Exception:
            log.exception("sweep %s failed and is tried again", getattr(sweep, "__qualname__", sweep))
