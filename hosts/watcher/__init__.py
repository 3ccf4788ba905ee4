"""Keeps the rows true: one thread per host listens to its events, a lease per host keeps two processes from doing it twice."""

import logging
import os
import random
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from hosts import jobs
from hosts.models import Host
from hosts.watcher.database import own_database
from hosts.watcher.host_watch import HostWatch

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)
"""A watcher that has not renewed for this long has died: another one takes its hosts."""
TICK_S = 1.0
"""How often hosts that were added, changed or removed are looked for."""
SWEEP_EVERY_S = 2.0


class Watcher:
    """Watches every host that no other process watches, and calls the sweeps. `start` once, `stop` once."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:50]}:{os.getpid()}:{random.getrandbits(24):06x}"
        self._watches: dict[int, HostWatch] = {}
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._loop, args=(work, pause_s), name=name, daemon=True)
            for work, pause_s, name in (
                (self._supervise, TICK_S, "watcher"),
                (sweep_once, SWEEP_EVERY_S, "sweeper"),
            )
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """End all threads and give the leases back; a host that does not answer is left to its time limit."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)
        for watch in self._watches.values():
            watch.stop()
        for watch in self._watches.values():
            watch.join(timeout_s / 5)
        with own_database():
            Host.objects.filter(watcher=self.name).update(watcher="", watcher_heartbeat=None)

    @property
    def is_alive(self) -> bool:
        """Whether both of its own loops run."""
        return all(thread.is_alive() for thread in self._threads)

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
        """Claim what nobody watches, renew what works, start and stop threads to match."""
        now = timezone.now()
        unwatched = Q(watcher="") | Q(watcher_heartbeat=None) | Q(watcher_heartbeat__lt=now - LEASE)
        Host.objects.filter(unwatched).exclude(watcher=self.name).update(watcher=self.name, watcher_heartbeat=now)
        mine = {host.pk: host for host in Host.objects.filter(watcher=self.name)}
        for pk, watch in list(self._watches.items()):
            if pk not in mine or not watch.fits(mine[pk]):
                watch.stop()
                del self._watches[pk]
        for pk, host in mine.items():
            if pk not in self._watches:
                self._watches[pk] = HostWatch(host)
                self._watches[pk].start()
            self._watches[pk].note_request(host.sync_requested)
        Host.objects.filter(watcher=self.name, watcher_heartbeat__lt=now - LEASE / 3).update(watcher_heartbeat=now)


def sweep_once() -> None:
    """Call every registered sweep; one that fails does not keep the others from running."""
    for sweep in list(jobs.SWEEPS):
        try:
            sweep()
        except Exception:
            log.exception("sweep %s failed and is tried again", getattr(sweep, "__qualname__", sweep))


def is_watched(now: datetime | None = None) -> bool:
    """Whether some process keeps the hosts' rows current (or there is no host to watch)."""
    fresh = (now or timezone.now()) - LEASE
    return not Host.objects.exists() or Host.objects.filter(watcher_heartbeat__gte=fresh).exists()
