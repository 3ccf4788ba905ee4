"""Work on a host that may hang without holding up its events."""

import logging
import threading
from collections.abc import Callable

from hosts.watcher.database import own_database

log = logging.getLogger(__name__)

STORAGE_SLOTS = threading.BoundedSemaphore(32)
"""So many at once in a process: after a start all hosts want it together, and each keeps a database connection."""


class Aside:
    """Runs `work` in a thread of its own whenever it was asked for: one at a time, none forgotten."""

    def __init__(self, name: str, work: Callable[[], None], slots: threading.BoundedSemaphore) -> None:
        self._name, self._work, self._slots = name, work, slots
        self._wanted, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have it run soon; from one thread only."""
        self._wanted.set()
        if not self._thread or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Run no more; what runs now is left to its time limits."""
        self._stopping.set()

    def _run(self) -> None:
        while self._wanted.is_set() and not self._stopping.is_set():
            with self._slots, own_database():
                self._wanted.clear()
                try:
                    self._work()
                except Exception:
                    # It only looks; the next look may find the database or the host in a better state.
                    log.exception("%s failed", self._name)
