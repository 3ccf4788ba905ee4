"""Gathers figures in memory and writes them some at a time: a process with 20,000 VMs must not write 2,000 rows a second."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping

from hosts.metrics import store
from hosts.models import HostSeries, VirtualMachine, VmSeries
from hosts.rates import Counters, Mean, Values, rates, with_totals
from hosts.series import FINE, RESOLUTIONS, Resolution

log = logging.getLogger(__name__)

ROWS_PER_S = 300
"""At most so many on average: with up to 3,000 VMs the latest figures are written every 10 s, with 20,000 every 67."""
SOONEST_S = 10.0
COARSE_EVERY = 10
"""The coarser resolutions are written at every tenth turn: all points that came meanwhile go into one row."""
Subject = tuple[str, str]
"""("host", primary key) or ("vm", UUID)."""
FILL_MOST = 3
"""So many slots at most stand for one look: a gap that is longer is shown as one."""


class Recorder:
    """Takes counters from many threads (`note`), and writes points from one (`flush_if_due`). One to a process.

    What it holds is bounded by the VMs that run: of a host the last look, of each resolution a sum, and what waits for
    its turn to be written.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[int, tuple[float, dict[Subject, Counters]]] = {}
        self._open: dict[tuple[Resolution, Subject], tuple[int, Mean]] = {}
        self._pending: dict[Resolution, dict[Subject, dict[int, Values]]] = self._nothing()
        self._turns, self._next = 0, 0.0

    @staticmethod
    def _nothing() -> dict[Resolution, dict[Subject, dict[int, Values]]]:
        return {resolution: defaultdict(dict) for resolution in RESOLUTIONS}

    def note(self, host: int, own: Counters, guests: Mapping[str, Counters], *, now: float | None = None) -> None:
        """What the host with this primary key and its running guests (by UUID) have used until `now` (since 1970)."""
        now = time.time() if now is None else now
        itself: Subject = ("host", str(host))
        looked: dict[Subject, Counters] = {("vm", uuid): counters for uuid, counters in guests.items()}
        with self._lock:
            then, before = self._last.get(host, (now, {}))
            values = {subject: rates(before.get(subject), counters) for subject, counters in looked.items()}
            values[itself] = with_totals(rates(before.get(itself), own), list(values.values()))
            for subject, each in values.items():
                if any(value is not None for value in each):
                    self._add(subject, each, then if subject in before else now, now)
            self._last[host] = now, {**looked, itself: own}

    def forget(self, host: int) -> None:
        """Another process watches this host from now on."""
        with self._lock:
            self._last.pop(host, None)

    def _add(self, subject: Subject, values: Values, then: float, now: float) -> None:
        last = int(now // FINE.step_s)
        # A look that came late stands for the slots that it missed as well.
        first = max(int(then // FINE.step_s) + 1, last - FILL_MOST + 1)
        for slot in range(min(first, last), last + 1):
            self._pending[FINE][subject][slot] = values
        for resolution in RESOLUTIONS[1:]:
            slot = int(now // resolution.step_s)
            opened, gathered = self._open.get((resolution, subject)) or (slot, Mean())
            if opened != slot:
                self._pending[resolution][subject][opened] = gathered.values()
                gathered = Mean()
            gathered.add(values)
            self._open[resolution, subject] = slot, gathered

    def flush_if_due(self) -> None:
        """Write what is pending, if it is time; how often depends on how many VMs there are."""
        if time.monotonic() < self._next:
            return
        rows = self.flush(coarse=self._turns % COARSE_EVERY == COARSE_EVERY - 1)
        self._turns += 1
        self._next = time.monotonic() + max(SOONEST_S, rows / ROWS_PER_S)

    def flush(self, *, coarse: bool = True) -> int:
        """Write all that is pending, of the coarser resolutions only with `coarse`; the number of rows."""
        with self._lock:
            if coarse:
                self._close_old(time.time())
            due = RESOLUTIONS if coarse else (FINE,)
            taken = {resolution: self._pending[resolution] for resolution in due}
            self._pending |= {resolution: defaultdict(dict) for resolution in due}
        rows = sum(self._write(resolution, found) for resolution, found in taken.items())
        if coarse:
            store.prune(time.time())
        return rows

    def _close_old(self, now: float) -> None:
        """What is over goes to what is pending: a VM that is off, or gone, brings nothing that would do so."""
        for (resolution, subject), (slot, gathered) in list(self._open.items()):
            if slot < int(now // resolution.step_s):
                self._pending[resolution][subject][slot] = gathered.values()
                del self._open[resolution, subject]

    def _write(self, resolution: Resolution, found: dict[Subject, dict[int, Values]]) -> int:
        uuids = [name for kind, name in found if kind == "vm"]
        vms: dict[str, int] = {}
        for first in range(0, len(uuids), store.BATCH):
            part = VirtualMachine.objects.filter(uuid__in=uuids[first : first + store.BATCH])
            vms |= {str(uuid): pk for pk, uuid in part.order_by().values_list("pk", "uuid")}
        of_vms = {vms[name]: slots for (kind, name), slots in found.items() if kind == "vm" and name in vms}
        of_hosts = {int(name): slots for (kind, name), slots in found.items() if kind == "host"}
        return store.write(VmSeries, resolution, of_vms) + store.write(HostSeries, resolution, of_hosts)


recorder = Recorder()
"""This process's."""
