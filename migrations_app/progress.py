"""libvirt's job figures as an admin reads them: a percentage that never falls, a rate, and the time left."""

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from hosts.job_stats import JobStats

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a migration: bytes, bytes per second, pages per second, seconds.

    `total_bytes` and `remaining_bytes` are of disks and memory together; the `disk_*` figures are the disks' part of them.
    Disks are copied first, and only when they are does libvirt speak of memory: until then it counts as a whole.
    """

    percent: int = 0
    remaining_bytes: int = 0
    transferred_bytes: int = 0
    total_bytes: int = 0
    rate_bytes: int = 0
    dirty_pages_per_s: int = 0
    page_size_bytes: int = 4096
    iteration: int = 0
    throttle_percent: int = 0
    expected_downtime_ms: int | None = None
    eta_s: int | None = None
    elapsed_ms: int = 0
    disk_total_bytes: int = 0
    disk_remaining_bytes: int = 0
    memory_total_bytes: int = 0

    @property
    def disk_percent(self) -> int:
        """How far the disks are; 100 where none are copied."""
        if not self.disk_total_bytes:
            return 100
        return 100 * (self.disk_total_bytes - self.disk_remaining_bytes) // self.disk_total_bytes

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def advance(before: Progress, stats: JobStats, *, limit_ms: int = 0) -> Progress:
    """The progress after `stats`, given the one before it; `limit_ms` is QEMU's downtime limit.

    Remaining rises again at each round, so percent follows the low-water mark of what remains and never falls; it stays
    at 99 until the job has ended (vdsm does the same). The rate is libvirt's own, or the difference of two samples.
    """
    disk_total = max(before.disk_total_bytes, stats.disk_total_bytes or 0)
    disk_remaining = _or(stats.disk_remaining_bytes, before.disk_remaining_bytes)
    memory_total = stats.memory_total_bytes or before.memory_total_bytes
    total = stats.data_total_bytes or before.total_bytes
    remaining = _or(stats.data_remaining_bytes, before.remaining_bytes)
    if disk_total:
        total = disk_total + memory_total
        begun = bool(stats.memory_total_bytes)
        remaining = disk_remaining + (_or(stats.memory_remaining_bytes, 0) if begun else memory_total)
    transferred = max(before.transferred_bytes, stats.data_processed_bytes or 0)
    elapsed = stats.time_elapsed_ms or before.elapsed_ms
    rate = stats.memory_bps or _rate(before, transferred, elapsed)
    dirty = stats.memory_dirty_pages_per_s or 0
    page = stats.memory_page_size_bytes or before.page_size_bytes
    percent = min(99, 100 * (total - remaining) // total) if total else 0
    return Progress(
        percent=max(before.percent, percent),
        remaining_bytes=remaining,
        transferred_bytes=transferred,
        total_bytes=total,
        rate_bytes=rate,
        dirty_pages_per_s=dirty,
        page_size_bytes=page,
        iteration=stats.memory_iteration or before.iteration,
        throttle_percent=stats.auto_converge_throttle_percent or 0,
        expected_downtime_ms=stats.downtime_ms,
        eta_s=eta_s(remaining_bytes=remaining, rate_bytes=rate, dirty_bytes=dirty * page, limit_ms=limit_ms),
        elapsed_ms=elapsed,
        disk_total_bytes=disk_total,
        disk_remaining_bytes=disk_remaining,
        memory_total_bytes=memory_total,
    )


def _or(said: int | None, before: int) -> int:
    return before if said is None else said


def _rate(before: Progress, transferred: int, elapsed_ms: int) -> int:
    passed_ms = elapsed_ms - before.elapsed_ms
    if passed_ms <= 0:
        return before.rate_bytes
    return (transferred - before.transferred_bytes) * 1000 // passed_ms


def eta_s(*, remaining_bytes: int, rate_bytes: int, dirty_bytes: int, limit_ms: int = 0) -> int | None:
    """Seconds until all is copied; None where the guest writes as fast as its memory is copied.

    What is dirtied while r bytes are copied takes r*d/b more, and so on: r/b * 1/(1 - d/b) = r/(b - d). That goes on only
    down to what QEMU sends within its downtime limit: with the guest stopped, nothing is dirtied any more.
    """
    if remaining_bytes == 0:
        return 0
    last = min(remaining_bytes, rate_bytes * limit_ms // 1000)
    gain = rate_bytes - dirty_bytes
    if rate_bytes <= 0 or (gain <= 0 and last < remaining_bytes):
        return None
    seconds = last / rate_bytes + ((remaining_bytes - last) / gain if gain > 0 else 0)
    return ceil(seconds)
