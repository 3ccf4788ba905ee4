"""What a host and its guests use, read beside its events, more seldom from one that does not answer."""

import logging
import random
import threading
import time

from django.conf import settings

from hosts import metrics, reach
from hosts.errors import HostError
from hosts.libvirt_client.stats import read_usage
from hosts.models import Host
from hosts.series import FINE
from hosts.watcher.aside import Aside
from hosts.watcher.pace import pace

log = logging.getLogger(__name__)

EVERY_S = float(FINE.step_s)
LONGEST_PAUSE_S = 300.0
SLOTS = threading.BoundedSemaphore(64)
"""So many looks at once in a process; they keep no database connection. A host that hangs holds one for as long as its
call may take, 15 s, and after some failures in a row for that long in LONGEST_PAUSE_S only: so it takes no turn from others."""


class UsageLook:
    """The looks at one host; on connections of their own, since they ask QEMU, and one that hangs must not hold up the events.

    Set `disks_answer` to False while some share of the host does not answer: then nothing is asked that looks at images.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._aside = Aside(f"usage {host.name}", self._look, SLOTS)
        self._failures = 0
        self.disks_answer = True
        # By lot, so that a process with many hosts does not ask them all in the same second.
        self.due = time.monotonic() + random.uniform(0, EVERY_S)
        """When the next look is to begin, by time.monotonic()."""

    def ask_if_due(self, now: float) -> None:
        """Have the host looked at, if it is time."""
        if now < self.due:
            return
        every_s = EVERY_S * pace.factor
        self.due += every_s * ((now - self.due) // every_s + 1)
        if self._failures:
            self.due = max(self.due, now + pause_s(self._failures))
        if settings.METRICS_DAYS:
            self._aside.ask()

    def stop(self) -> None:
        """Look no more; what runs now is left to its time limits."""
        self._aside.stop()

    def _look(self) -> None:
        try:
            with reach.libvirt(self._host) as connection:
                usage = read_usage(connection, disks=self.disks_answer)
        except HostError as error:
            self._failures += 1
            log.info("figures of %s were not read: %s", self._host.name, error)
        else:
            self._failures = 0
            metrics.recorder.note(self._host.pk, usage.host, usage.guests)


def pause_s(failures: int) -> float:
    """From one look to the next after so many failures in a row: 20, 40, 80 … 300 seconds."""
    return min(EVERY_S * 2.0**failures, LONGEST_PAUSE_S)
