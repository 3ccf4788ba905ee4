"""How often a process looks at its hosts by itself: more seldom while it computes nearly all the time.

Python lets one thread of a process compute at a time. With more hosts than it has time for, looks that nobody asked for would
keep events, new connections and each other waiting; so they come more seldom, until there is time to spare.
"""

import time

BUSY, IDLE = 0.75, 0.55
"""Of one processor: above the one looks become more seldom, below the other they come back."""
STEP, MOST = 1.1, 10.0


class Pace:
    """`factor` times the usual pause lies between two looks; `note` is called about once a second, by one thread."""

    def __init__(self) -> None:
        self.factor = 1.0
        self._share = 0.0
        self._last = time.monotonic(), time.process_time()

    def note(self) -> None:
        """Look how much this process has computed since the last call."""
        (then, used), self._last = self._last, (time.monotonic(), time.process_time())
        now, used_now = self._last
        if now - then <= 0:
            return
        # Over some seconds: a burst is no reason.
        self._share += ((used_now - used) / (now - then) - self._share) * 0.2
        if self._share > BUSY:
            self.factor = min(self.factor * STEP, MOST)
        elif self._share < IDLE:
            self.factor = max(self.factor / STEP, 1.0)


pace = Pace()
"""This process's."""
