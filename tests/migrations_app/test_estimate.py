"""The arithmetic of pre-copy: what converges, what needs help, what never will; and that more room never makes it worse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.estimate import Known, Means, copy, error_percent, estimate, with_disks

MIB = 1024 * 1024


def known(*, used: int = 256, dirty: int | None = 0, rate: int | None = 100) -> Known:
    """A guest of 256 MiB; rates in MiB/s."""
    return Known(
        memory_used_bytes=used * MIB,
        memory_bytes=256 * MIB,
        dirty_bytes_per_s=None if dirty is None else dirty * MIB,
        rate_bytes_per_s=None if rate is None else rate * MIB,
        rate_from="pair",
    )


def test_an_idle_guest_takes_one_round() -> None:
    found = estimate(known(), Means())
    assert (found.verdict, found.converges, found.rounds) == ("converges", True, 1)
    assert found.total_s == pytest.approx(256 / 100 + 1 + 0.05, abs=0.06)
    assert found.downtime_ms == 50


def test_what_is_written_meanwhile_makes_rounds_and_downtime() -> None:
    found = estimate(known(dirty=50), Means())
    # 256, 128, 64, 32 MiB are sent; the 16 that then remain fit into 300 ms.
    assert found.rounds == 4 and found.verdict == "converges"
    assert found.total_s == pytest.approx((256 + 128 + 64 + 32 + 16) / 100 + 1 + 0.05, abs=0.06)
    assert found.downtime_ms == 210


TABLE = [
    ("unknown", None, known(rate=None), Means()),
    ("unknown", None, known(dirty=None), Means()),
    ("will_not", False, known(dirty=120), Means()),
    ("needs_help", False, known(dirty=120), Means(may_postcopy=True)),
    ("needs_help", False, known(dirty=120), Means(may_throttle=True)),
    ("needs_help", False, known(dirty=20, rate=20), Means(max_pause_ms=25_000)),
    ("will_not", False, known(dirty=20, rate=20), Means(max_pause_ms=15_000)),
    ("needs_help", False, known(dirty=120), Means(may_throttle=True, throttle=(0.05, 0.2))),
    ("will_not", False, known(dirty=20), Means(bandwidth_bytes_per_s=10 * MIB)),
]


@pytest.mark.parametrize(("verdict", "converges", "facts", "means"), TABLE)
def test_the_verdict_says_what_it_rests_on(verdict: str, converges: bool | None, facts: Known, means: Means) -> None:
    found = estimate(facts, means)
    assert (found.verdict, found.converges) == (verdict, converges)
    assert found.because
    if verdict == "will_not":
        assert found.total_s is None and "MiB/s" in found.because


@given(
    used=st.integers(1, 256),
    dirty=st.integers(0, 200),
    rate=st.integers(1, 200),
    downtime_ms=st.integers(10, 5000),
    more_ms=st.integers(0, 5000),
)
def test_a_longer_downtime_never_makes_a_copy_longer(
    used: int, dirty: int, rate: int, downtime_ms: int, more_ms: int
) -> None:
    facts = known(used=used, dirty=dirty, rate=rate)
    short = copy(facts, rate=rate * MIB, dirty=dirty * MIB, downtime_ms=downtime_ms)
    long = copy(facts, rate=rate * MIB, dirty=dirty * MIB, downtime_ms=downtime_ms + more_ms)
    assert not short.ends or (long.ends and long.seconds <= short.seconds)
    assert not long.ends or long.remaining_bytes <= rate * MIB * (downtime_ms + more_ms) / 1000


@pytest.mark.parametrize(("expected", "actual", "percent"), [(3, 2, 50), (1, 2, -50), (None, 2, None), (2, 0, None)])
def test_the_error_is_in_percent_of_what_came(expected: float | None, actual: float, percent: int | None) -> None:
    assert error_percent(expected=expected, actual=actual) == percent


def test_what_does_not_fit_into_the_time_allowed_will_not() -> None:
    found = estimate(known(), Means(finish_within_s=2))
    assert found.verdict == "will_not" and "longer than the 2 s allowed" in found.because
    assert estimate(known(), Means(finish_within_s=5)).verdict == "converges"


def test_disks_that_are_copied_add_their_time() -> None:
    alone = estimate(known(rate=50), Means())
    both = with_disks(alone, 1000 * MIB)
    assert alone.total_s and both.total_s == pytest.approx(alone.total_s + 20, abs=0.2)
    assert "1000 MiB" in both.because and both.verdict == alone.verdict
    assert with_disks(alone, 0) == alone
