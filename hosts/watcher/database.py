"""How a thread of the watcher uses the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

_turns = threading.BoundedSemaphore(16)
"""Of hundreds of threads so many use the database at once: PostgreSQL allows 100 connections unless told otherwise."""


@contextmanager
def own_database() -> Iterator[None]:
    """Give this thread's database connections back at the end: hundreds of threads must not each keep one."""
    try:
        yield
    finally:
        connections.close_all()


@contextmanager
def turn() -> Iterator[None]:
    """The same, and wait for a turn first. Ask no host inside: one that hangs would take a turn from all others."""
    with _turns, own_database():
        yield


_spare = threading.Semaphore(2)
"""So many turns may be for definitions: after a start the states of all hosts come before those."""


@contextmanager
def spare_turn() -> Iterator[bool]:
    """A turn for what can wait, if there is one: whoever stood in line for it would miss events meanwhile."""
    if not _spare.acquire(blocking=False):
        yield False
        return
    try:
        with turn():
            yield True
    finally:
        _spare.release()
