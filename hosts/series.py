"""Series of figures, packed: of each hour, day, fortnight and year a point every 10 s, minute, 10 minutes and 2 hours.

A chunk is a fixed number of points of one resolution, and one row. It holds a column for each of METRICS, one after the
other, as half-precision floats: 12 bytes a point, exact to 0.05 %.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from hosts.rates import METRICS, Values

UNITS = {"cpu": 1.0, "memory": 2.0**30, **dict.fromkeys(METRICS[2:], 2.0**20)}
"""What 1.0 stands for in a packed column: half precision ends at 65,504."""
LARGEST = 65504.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """A point each `step_s`, `points` of them in a chunk; shown as `name`, over `shown_s`."""

    name: str
    step_s: int
    points: int
    shown_s: int

    @property
    def chunk_s(self) -> int:
        return self.step_s * self.points

    def place(self, slot: int) -> tuple[int, int]:
        """Where the point of this slot (seconds since 1970 // step_s) lies: its chunk's first second, and which in it."""
        index = slot % self.points
        return (slot - index) * self.step_s, index


FINE = Resolution("hour", 10, 60, 3600)
MINUTES = Resolution("day", 60, 120, 86_400)
COARSE = Resolution("fortnight", 600, 144, 14 * 86_400)
YEAR = Resolution("year", 7200, 84, 366 * 86_400)
RESOLUTIONS = (FINE, MINUTES, COARSE, YEAR)
"""A VM has 7, 13, 15 and 54 rows of them at most: 105 kB."""


def patch(packed: bytes, points: Mapping[int, Values], *, count: int) -> bytes:
    """A chunk of `count` points with these put in, by index; `packed` is what it was, or empty."""
    values = list(struct.unpack(f"<{count * len(METRICS)}e", packed)) if packed else [math.nan] * count * len(METRICS)
    for index, point in points.items():
        for column, (name, value) in enumerate(zip(METRICS, point, strict=True)):
            if value is not None:
                values[column * count + index] = min(value / UNITS[name], LARGEST)
    return struct.pack(f"<{count * len(METRICS)}e", *values)


def column(packed: bytes, metric: str, *, count: int) -> list[float | None]:
    """The points of one metric in a chunk; None where there is none."""
    unit = UNITS[metric]
    found = struct.unpack_from(f"<{count}e", packed, METRICS.index(metric) * count * 2)
    return [None if math.isnan(value) else value * unit for value in found]
