"""Rows into series, for pages and API."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from hosts.charts import thinned
from hosts.models import Host, HostSeries, VirtualMachine, VmSeries
from hosts.rates import METRICS
from hosts.series import FINE, RESOLUTIONS, Resolution, column

SPARK_POINTS = 30
SPARK_STEP = 6
"""Points of FINE to one of a spark line: a minute."""
SPANS = {resolution.name: resolution for resolution in RESOLUTIONS}


@dataclass(frozen=True, slots=True)
class History:
    """`columns[metric]` has a point each `step_s` from `start` (seconds since 1970) on, None where nothing is known."""

    span: str
    start: int
    step_s: int
    columns: dict[str, list[float | None]]

    @property
    def is_empty(self) -> bool:
        return all(value is None for points in self.columns.values() for value in points)


def history(of: VirtualMachine | Host, span: str, *, now: float | None = None) -> History:
    """The figures of the last "hour", "day" or "fortnight", in one statement."""
    resolution = SPANS[span]
    first, last = _range(resolution, resolution.shown_s, now)
    model = VmSeries if isinstance(of, VirtualMachine) else HostSeries
    chunks = _chunks(model, resolution, [of.pk], first).get(of.pk, {})
    columns = {metric: _joined(chunks, resolution, metric, first, last) for metric in METRICS}
    return History(span, first * resolution.step_s, resolution.step_s, columns)


def sparks(
    model: type[VmSeries] | type[HostSeries], pks: Collection[int], *, now: float | None = None
) -> dict[int, list[float | None]]:
    """CPUs in use by primary key over the last half hour, a point each minute, in one statement for all."""
    first, last = _range(FINE, SPARK_POINTS * SPARK_STEP * FINE.step_s, now)
    return {
        pk: thinned(_joined(chunks, FINE, "cpu", first, last), count=SPARK_POINTS)
        for pk, chunks in _chunks(model, FINE, pks, first).items()
    }


def _range(resolution: Resolution, seconds: int, now: float | None) -> tuple[int, int]:
    """The first slot and the one after the last."""
    last = int((time.time() if now is None else now) // resolution.step_s) + 1
    return last - seconds // resolution.step_s, last


def _chunks(
    model: type[VmSeries] | type[HostSeries], resolution: Resolution, pks: Collection[int], first: int
) -> dict[int, dict[int, bytes]]:
    rows = model._default_manager.filter(
        of__in=pks, step_s=resolution.step_s, start__gte=resolution.place(first)[0]
    ).values_list("of", "start", "points")
    found: dict[int, dict[int, bytes]] = {}
    for pk, start, points in rows:
        found.setdefault(pk, {})[start] = bytes(points)
    return found


def _joined(chunks: dict[int, bytes], resolution: Resolution, metric: str, first: int, last: int) -> list[float | None]:
    points: list[float | None] = [None] * (last - first)
    for start, packed in chunks.items():
        offset = start // resolution.step_s - first
        for index, value in enumerate(column(packed, metric, count=resolution.points)):
            if 0 <= offset + index < len(points):
                points[offset + index] = value
    return points
