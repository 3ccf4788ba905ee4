"""From libvirt's ever-growing counters to rates."""

from __future__ import annotations

from dataclasses import dataclass, field

METRICS = ("cpu", "memory", "disk_read", "disk_write", "net_rx", "net_tx")
"""cpu in CPUs in use (1.0: one of them all the time), memory in bytes in use, the others in bytes/s."""
COUNTED = ("cpu", "disk_read", "disk_write", "net_rx", "net_tx")
LONGEST_S = 60.0
"""Counters that lie further apart say nothing about any moment between them."""

Values = tuple[float | None, ...]
"""One value for each of METRICS; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a guest or a host has used in all until `at` (seconds, by any clock that only goes forward): cpu in CPU seconds,
    the others in bytes; `memory` is in use now. None where the host does not tell.

    `run` differs when the counters begin anew, as after the guest's restart.
    """

    at: float
    run: str
    cpu: float | None = None
    memory: float | None = None
    disk_read: float | None = None
    disk_write: float | None = None
    net_rx: float | None = None
    net_tx: float | None = None


def rates(before: Counters | None, now: Counters) -> Values:
    """What was used per second between the two. A counter that fell has begun anew: its rate is not known."""
    elapsed_s = now.at - before.at if before else 0.0
    comparable = before is not None and before.run == now.run and 0 < elapsed_s <= LONGEST_S

    def rate(name: str) -> float | None:
        if name not in COUNTED:
            value: float | None = getattr(now, name)
            return value
        first, last = getattr(before, name, None), getattr(now, name)
        if not comparable or first is None or last is None or last < first:
            return None
        return float(last - first) / elapsed_s

    return tuple(rate(name) for name in METRICS)


def with_totals(own: Values, guests: list[Values]) -> Values:
    """A host's values, with what its guests do to disks and network added up: libvirt tells that of guests alone."""

    def total(index: int) -> float | None:
        known = [value for each in guests if (value := each[index]) is not None]
        return sum(known) if known else None

    return own[:2] + tuple(total(index) for index in range(2, len(METRICS)))


@dataclass(slots=True)
class Mean:
    """The average of each metric over the moments at which it is known; holds sums, not the moments."""

    sums: list[float] = field(default_factory=lambda: [0.0] * len(METRICS))
    counts: list[int] = field(default_factory=lambda: [0] * len(METRICS))

    def add(self, values: Values) -> None:
        for index, value in enumerate(values):
            if value is not None:
                self.sums[index] += value
                self.counts[index] += 1

    def values(self) -> Values:
        return tuple(total / count if count else None for total, count in zip(self.sums, self.counts, strict=True))
