"""How a thread of the watcher uses the database."""

import threading
from collections.abc import Callable, Iterator
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


class Line:
    """Turns for what can wait, a few at once. Nobody stands in it: who gets none goes on with its other work, and is woken
    when one is free, whoever asked first before all others."""

    def __init__(self, at_once: int) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._waiting: dict[object, Callable[[], None]] = {}

    @contextmanager
    def turn(self, who: object, wake: Callable[[], None]) -> Iterator[bool]:
        """A turn at the database, if one is free; else `wake` is called, from another thread, as soon as one may be."""
        if not self._enter(who, wake):
            yield False
            return
        try:
            with turn():
                yield True
        finally:
            self._leave()

    def forget(self, who: object) -> None:
        """It wants no turn any more."""
        with self._lock:
            self._waiting.pop(who, None)

    def _enter(self, who: object, wake: Callable[[], None]) -> bool:
        with self._lock:
            if not self._free:
                self._waiting.setdefault(who, wake)
                return False
            self._free -= 1
            self._waiting.pop(who, None)
            return True

    def _leave(self) -> None:
        with self._lock:
            self._free += 1
            wake = next(iter(self._waiting.values()), None)
        if wake:
            wake()


definitions_line = Line(4)
"""So many turns may be for definitions: after a start the states of all hosts come before those."""
