"""New hosts first: while some wait to be seen for the first time, what can wait of the others does.

A process that dies leaves all its hosts to another at once. Their states take that one a connection and nine calls each; the
definitions of their guests, figures, mounts and pools take ten times as long, and are hardly ever out of date.
"""

import threading
import time

LONGEST_S = 60.0
"""After the last host that came: a few that are neither seen nor fail must not keep the rest from the others for longer."""


class Arrivals:
    """Who was begun to be watched and not seen yet. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected = set[object]()
        self._until = 0.0

    def expect(self, who: object) -> None:
        """From now on it is waited for."""
        with self._lock:
            self._expected.add(who)
            self._until = time.monotonic() + LONGEST_S

    def forget(self, who: object) -> None:
        """It was seen, has failed, or is watched no more."""
        with self._lock:
            self._expected.discard(who)

    def are_expected(self) -> bool:
        """Whether what can wait should."""
        return bool(self._expected) and time.monotonic() < self._until


arrivals = Arrivals()
"""This process's."""
