"""Points into rows: batched upserts, and what is too old away."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice

from django.conf import settings
from django.db import transaction

from hosts.models import Host, HostSeries, VirtualMachine, VmSeries
from hosts.rates import Values
from hosts.series import RESOLUTIONS, Resolution, patch

BATCH = 100
"""Subjects in one transaction: SQLite lets nobody else write meanwhile."""
MODELS: tuple[type[VmSeries] | type[HostSeries], ...] = (VmSeries, HostSeries)
Points = Mapping[int, Mapping[int, Values]]
"""By primary key of the VM or host, by slot."""


def write(model: type[VmSeries] | type[HostSeries], resolution: Resolution, points: Points) -> int:
    """Put the points into their chunks, three statements for each BATCH of subjects; the number of rows written."""
    written, pending = 0, iter(points.items())
    while batch := dict(islice(pending, BATCH)):
        chunks: dict[tuple[int, int], dict[int, Values]] = defaultdict(dict)
        for pk, slots in batch.items():
            for slot, values in slots.items():
                start, index = resolution.place(slot)
                chunks[pk, start][index] = values
        with transaction.atomic():
            subjects: type[VirtualMachine] | type[Host] = VirtualMachine if model is VmSeries else Host
            there = set(subjects._default_manager.filter(pk__in=batch).order_by().values_list("pk", flat=True))
            starts = {start for _, start in chunks}
            known = model._default_manager.filter(of__in=batch, step_s=resolution.step_s, start__in=starts)
            # Two processes may have figures of one VM, around a move; in one order, so that neither waits for the other.
            known = known.select_for_update().order_by("of", "start")
            packed = {(row.of_id, row.start): bytes(row.points) for row in known}
            rows = [
                model(
                    of_id=pk,
                    step_s=resolution.step_s,
                    start=start,
                    points=patch(packed.get((pk, start), b""), found, count=resolution.points),
                )
                for (pk, start), found in sorted(chunks.items())
                if pk in there
            ]
            model._default_manager.bulk_create(
                rows,  # type: ignore[arg-type]
                update_conflicts=True,
                unique_fields=["of", "step_s", "start"],
                update_fields=["points"],
            )
        written += len(rows)
    return written


def kept() -> Iterator[tuple[Resolution, int]]:
    """Each resolution that is kept, and for how many seconds: KVMCONSOLE_METRICS_DAYS bounds them all."""
    most_s = settings.METRICS_DAYS * 86_400
    for resolution in RESOLUTIONS:
        yield resolution, min(resolution.shown_s, most_s)


def prune(now: float) -> int:
    """Delete the chunks that are too old by now (seconds since 1970); how many they were."""
    gone = 0
    for model in MODELS:
        for resolution, keep_s in kept():
            oldest = int(now) - keep_s - resolution.chunk_s
            gone += model._default_manager.filter(step_s=resolution.step_s, start__lt=oldest).delete()[0]
    return gone
