"""The bar never falls, stays below 100 until the end, and the time left is honest."""

from hypothesis import given
from hypothesis import strategies as st

from hosts.job_stats import JobStats
from migrations_app.progress import Progress, advance, eta_s

MIB = 1024 * 1024


def stats(
    remaining: int, *, total: int = 1000 * MIB, processed: int = 0, elapsed_ms: int = 0, bps: int = 0
) -> JobStats:
    return JobStats(
        kind="unbounded",
        data_total_bytes=total,
        data_remaining_bytes=remaining,
        data_processed_bytes=processed,
        time_elapsed_ms=elapsed_ms,
        memory_bps=bps or None,
    )


@given(st.lists(st.integers(0, 1000 * MIB), min_size=1, max_size=50))
def test_percent_never_falls_and_never_says_100(remaining: list[int]) -> None:
    progress, seen = Progress(), []
    for value in remaining:
        progress = advance(progress, stats(value))
        seen.append(progress.percent)
    assert seen == sorted(seen)
    assert seen[-1] <= 99


def test_a_rate_is_worked_out_where_libvirt_says_none() -> None:
    first = advance(Progress(), stats(900 * MIB, processed=100 * MIB, elapsed_ms=1000))
    second = advance(first, stats(800 * MIB, processed=150 * MIB, elapsed_ms=1500))
    assert second.rate_bytes == 100 * MIB


def test_time_left_counts_what_is_dirtied_meanwhile() -> None:
    assert eta_s(remaining_bytes=100, rate_bytes=20, dirty_bytes=0) == 5
    assert eta_s(remaining_bytes=100, rate_bytes=20, dirty_bytes=10) == 10


def test_there_is_no_time_left_to_tell_when_the_guest_outruns_the_copy() -> None:
    assert eta_s(remaining_bytes=100, rate_bytes=20, dirty_bytes=20) is None


def test_missing_keys_keep_the_last_figures() -> None:
    before = advance(Progress(), stats(900 * MIB, processed=100 * MIB, elapsed_ms=1000))
    after = advance(before, JobStats(kind="unbounded"))
    assert (after.remaining_bytes, after.total_bytes) == (before.remaining_bytes, before.total_bytes)


def test_how_far_the_guest_is_slowed_down_is_as_libvirt_says_it() -> None:
    slowed = advance(Progress(), JobStats(kind="unbounded", auto_converge_throttle_percent=30))
    assert slowed.throttle_percent == 30
    assert advance(slowed, JobStats(kind="unbounded")).throttle_percent == 0


def of_disks(disk: int, memory: int | None) -> JobStats:
    """160 MiB of disks and, once that has begun, 90 MiB of memory; what remains of each."""
    return JobStats(
        kind="unbounded",
        disk_total_bytes=160 * MIB,
        disk_remaining_bytes=disk,
        memory_total_bytes=90 * MIB if memory is not None else 0,
        memory_remaining_bytes=memory or 0,
        data_total_bytes=160 * MIB + (90 * MIB if memory is not None else 0),
        data_remaining_bytes=disk + (memory or 0),
    )


def test_copied_disks_leave_room_in_the_bar_for_the_memory_that_comes_after() -> None:
    begun = Progress(disk_total_bytes=150 * MIB, disk_remaining_bytes=150 * MIB, memory_total_bytes=90 * MIB)
    half = advance(begun, of_disks(80 * MIB, None))
    assert (half.percent, half.disk_percent, half.remaining_bytes) == (32, 50, 170 * MIB)
    done = advance(half, of_disks(0, None))
    assert (done.percent, done.disk_percent) == (64, 100)
    memory = advance(done, of_disks(0, 45 * MIB))
    assert (memory.percent, memory.remaining_bytes) == (82, 45 * MIB)


@given(st.lists(st.tuples(st.integers(0, 160 * MIB), st.none() | st.integers(0, 90 * MIB)), min_size=1, max_size=40))
def test_percent_over_disks_and_memory_never_falls(samples: list[tuple[int, int | None]]) -> None:
    progress, seen = Progress(memory_total_bytes=90 * MIB), []
    for disk, memory in samples:
        progress = advance(progress, of_disks(disk, memory))
        seen.append(progress.percent)
    assert seen == sorted(seen) and seen[-1] <= 99


def test_time_left_ends_with_what_fits_into_the_downtime() -> None:
    assert eta_s(remaining_bytes=100, rate_bytes=20, dirty_bytes=10, limit_ms=2000) == 2 + 6
    assert eta_s(remaining_bytes=30, rate_bytes=20, dirty_bytes=40, limit_ms=2000) == 2
    assert eta_s(remaining_bytes=100, rate_bytes=20, dirty_bytes=40, limit_ms=2000) is None
    assert eta_s(remaining_bytes=100, rate_bytes=0, dirty_bytes=0, limit_ms=2000) is None
