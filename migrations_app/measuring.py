"""What is measured for estimates: how fast a guest writes to its memory, and how fast the hosts copied before."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from hosts import reach
from hosts.errors import HostError
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, VirtualMachine
from migrations_app import states
from migrations_app.estimate import BASE_DOWNTIME_MS, LEAST_BASE_MS, OVERHEAD_S, Known
from migrations_app.models import DirtyRateSample, Migration

log = logging.getLogger(__name__)
MEASURE_S = 1
"""QEMU's shortest time of a dirty rate measurement (qapi/migration.json, calc-dirty-rate)."""
COLLECT_S = 2.5
"""How long after its start a measurement is waited for."""
FRESH_FOR = timedelta(minutes=5)
"""How long a measurement is used again: guests change what they do, but not from one look at the page to the next."""
KEPT = 20
"""Samples that are kept of each guest."""
LAST = 5
"""So many past migrations say how fast the next will be."""
LEAST_BYTES = 16 * 1024 * 1024
"""A migration that copied less says nothing of the rate."""


@dataclass
class Measurement:
    """One guest's dirty rate, measured while other things are asked; never while any job works on the guest."""

    vm: VirtualMachine
    may_begin: bool
    begun: bool = False
    under_way: bool = False

    def begin(self, connection: Connection) -> None:
        """Called with the source's connection once it is known that no job is under way."""
        try:
            guest = connection.guest(str(self.vm.uuid))
            self.under_way = guest.is_measuring()
            if self.may_begin and not self.under_way:
                guest.start_dirty_rate(MEASURE_S)
                self.begun = True
        except HostError as error:
            log.info("the dirty rate of %s can't be measured: %s", self.vm.name, error)

    def collect(self, source: Host) -> None:
        """Wait until it is over, also where another process began it, and keep what it says."""
        if not (self.begun or self.under_way):
            return
        limit = time.monotonic() + COLLECT_S
        try:
            with reach.libvirt(source) as connection:
                guest = connection.guest(str(self.vm.uuid))
                while guest.is_measuring() and time.monotonic() < limit:
                    time.sleep(0.05)
                rate = guest.dirty_rate() if self.begun else None
        except HostError:
            return  # the estimate then says that it does not know
        if rate is not None:
            keep(self.vm, mib_per_s=rate.mib_per_s, seconds=rate.seconds)


def keep(vm: VirtualMachine, *, mib_per_s: int, seconds: int) -> None:
    """Store a measurement, and let the oldest go."""
    DirtyRateSample.objects.create(vm_uuid=vm.uuid, mib_per_s=mib_per_s, seconds=seconds)
    rows = DirtyRateSample.objects.filter(vm_uuid=vm.uuid).order_by("-at", "-pk")
    rows.filter(pk__in=list(rows.values_list("pk", flat=True)[KEPT:])).delete()


def fresh(vm: VirtualMachine) -> DirtyRateSample | None:
    """The last measurement, if it is not older than FRESH_FOR."""
    return DirtyRateSample.objects.filter(vm_uuid=vm.uuid, at__gte=timezone.now() - FRESH_FOR).first()


def known(vm: VirtualMachine, source: Host, destination: Host, *, memory_used_mib: int | None) -> Known:
    """All that an estimate needs."""
    mib = 1024 * 1024
    sample = fresh(vm)
    between = _past(source=source, destination=destination)
    rate, rate_from = _rate(between), "pair"
    if rate is None:
        rate, rate_from = _rate(_past(source=source)), "source"
    done = [migration for migration in between if migration.state == states.State.COMPLETED]
    bases = [m.downtime_ms - m.estimate["memory_ms"] for m in done if m.downtime_ms and m.estimate.get("memory_ms")]
    overheads = [found for m in done if (found := _overhead_s(m)) is not None]
    return Known(
        memory_used_bytes=min(memory_used_mib or vm.memory_mib, vm.memory_mib) * mib,
        memory_bytes=vm.memory_mib * mib,
        sent_share=_sent_share(vm),
        dirty_bytes_per_s=sample.mib_per_s * mib if sample else None,
        dirty_age_s=round((timezone.now() - sample.at).total_seconds()) if sample else None,
        rate_bytes_per_s=rate,
        rate_from=rate_from if rate else "",
        base_downtime_ms=max(LEAST_BASE_MS, round(median(bases))) if bases else BASE_DOWNTIME_MS,
        overhead_s=round(median(overheads), 2) if overheads else OVERHEAD_S,
    )


def _past(**where: Any) -> list[Migration]:
    """The last migrations over that way that copied something and had no limit of their own."""
    rows: QuerySet[Migration] = Migration.objects.filter(state__in=states.TERMINAL, launched__isnull=False, **where)
    found: list[Migration] = []
    for migration in rows.only(*_COLUMNS).order_by("-finished")[: 4 * LAST]:
        limited = migration.options.get("bandwidth_mib") or migration.tuning.get("bandwidth_mib")
        if not limited and _copied(migration)[0] >= LEAST_BYTES and len(found) < LAST:
            found.append(migration)
    return found


_COLUMNS = ("state", "options", "tuning", "progress", "downtime_ms", "started", "finished", "estimate")


def _copied(migration: Migration) -> tuple[int, int]:
    """Bytes, and milliseconds of libvirt's job."""
    progress = migration.progress
    return progress.get("transferred_bytes") or 0, progress.get("elapsed_ms") or 0


def _rate(migrations: list[Migration]) -> int | None:
    """Bytes per second, the median of the last migrations."""
    rates = [copied * 1000 // elapsed for copied, elapsed in map(_copied, migrations) if elapsed > 0]
    return round(median(rates)) if rates else None


def _sent_share(vm: VirtualMachine) -> float:
    """How much of the memory that this guest used was sent the last times: QEMU's own and empty pages are not."""
    rows = Migration.objects.filter(vm_uuid=vm.uuid, state=states.State.COMPLETED, transferred_bytes__gt=0)
    rows = rows.filter(disks=[])  # what was sent with disks says nothing of the memory
    last = [(m.transferred_bytes or 0, m.estimate.get("memory_used_bytes")) for m in rows.only(*_SENT)[:LAST]]
    shares = [sent / used for sent, used in last if used]
    return round(min(1.0, median(shares)), 3) if shares else 1.0


_SENT = ("transferred_bytes", "estimate")


def _overhead_s(migration: Migration) -> float | None:
    """What the console and the hosts needed besides libvirt's job."""
    _, elapsed_ms = _copied(migration)
    if not (migration.started and migration.finished and elapsed_ms):
        return None
    return max(0.0, (migration.finished - migration.started).total_seconds() - elapsed_ms / 1000)
