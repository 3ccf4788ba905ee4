"""Django's SQLite for many threads, each of which gives its connection back soon: they queue up for writing, and a connection
that was given back serves the next thread.

SQLite lets one write at a time; who waits looks again every so often, and gives up unlucky after 20 s. In a process whose
threads watch hundreds of hosts that was "database is locked" while the file was free. And each new connection reads the
whole schema first: 3 ms of processor time, measured with 90 tables, where a question takes 0.3.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from django.db.backends.sqlite3 import base

KEPT = 16
"""So many connections wait for a thread at most; each keeps a file open and some pages of it."""
File = tuple[int, int] | None
"""Device and number of a file; None where there is none."""
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By the name of the database."""
_idle: defaultdict[str, list[tuple[File, Any]]] = defaultdict(list)
"""What was given back, by the name of the database, with the file that it is of."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes its turn before a transaction begins. It is a courtesy, not a guard: SQLite's own lock still holds, between
    processes as well, so who has waited in vain as long as for that one goes on to it."""

    _turn: threading.Lock | None = None
    _file: File = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """One that was given back, if it is of the file that has the name now; else a new one."""
        name = str(self.settings_dict["NAME"])
        self._cursors: WeakSet[Any] = WeakSet()
        self._file = _file_of(name)
        while self._file:
            try:
                file, found = _idle[name].pop()
            except IndexError:
                break
            if file == self._file:
                found.execute("PRAGMA foreign_keys = ON")
                return found
            found.close()
        new = super().get_new_connection(conn_params)
        self._file = _file_of(name)
        return new

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        self._cursors.add(cursor)
        return cursor

    def _close(self) -> None:
        try:
            if not self._give_back():
                super()._close()  # type: ignore[misc]
        finally:
            self._give_way()

    def _give_back(self) -> bool:
        """Leave the connection to the next thread, unless it is in a transaction, or enough wait already."""
        idle = _idle[str(self.settings_dict["NAME"])]
        if not self._file or self.in_atomic_block or self.connection.in_transaction or len(idle) >= KEPT:
            return False
        # An answer that was not read to its end would hold the connection in the past.
        for cursor in list(self._cursors):
            cursor.close()
        idle.append((self._file, self.connection))
        return True

    def _start_transaction_under_autocommit(self) -> None:
        turn = _turns[str(self.settings_dict["NAME"])]
        if turn.acquire(timeout=float(self.settings_dict["OPTIONS"].get("timeout", 5))):
            self._turn = turn
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._give_way()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._give_way()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._give_way()

    def _give_way(self) -> None:
        turn, self._turn = self._turn, None
        if turn:
            turn.release()


def _file_of(name: str) -> File:
    with suppress(OSError):
        found = Path(name).stat()
        return found.st_dev, found.st_ino
    return None
