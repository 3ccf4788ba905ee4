"""SQLite lets one write at a time; who waits looks again every so often, and gives up unlucky after 20 s. In a process whose
threads watch hundreds of hosts that was "database is locked" while the file was free. Here its threads queue up instead."""

from __future__ import annotations

import threading
from collections import defaultdict

from django.db.backends.sqlite3 import base

_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By the name of the database."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes its turn before a transaction begins. It is a courtesy, not a guard: SQLite's own lock still holds, between
    processes as well, so who has waited in vain as long as for that one goes on to it."""

    _turn: threading.Lock | None = None

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

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._give_way()

    def _give_way(self) -> None:
        turn, self._turn = self._turn, None
        if turn:
            turn.release()
