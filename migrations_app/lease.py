"""Who drives a migration: an owner that beats every second, from a thread of its own."""

import logging
import os
import socket
import threading
import uuid
from types import TracebackType

from django.db import close_old_connections, connections

from migrations_app import record

log = logging.getLogger(__name__)
BEAT_S = 1.0


def new_owner() -> str:
    """A name for one drive of one migration, which says whose it is."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"


class Lease:
    """Beats for a migration while the block runs; `lost` once another has taken it over."""

    def __init__(self, pk: int, owner: str) -> None:
        self._pk, self._owner = pk, owner
        self._over = threading.Event()
        self.lost = False
        self._thread = threading.Thread(target=self._beat, name=f"lease {pk}", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=5)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            close_old_connections()
            try:
                self.lost = not record.beat(self._pk, owner=self._owner)
            except Exception:
                # The database may be away for a moment; the lease tells by itself when it was too long.
                log.exception("no heartbeat for migration %s", self._pk)
            if self.lost:
                break
        connections.close_all()
