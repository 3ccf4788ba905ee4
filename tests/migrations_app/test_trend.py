"""What the samples tell: the rate over some seconds, the rounds, and since when none of them got ahead."""

from migrations_app.trend import Sample, Trend

MIB = 1024 * 1024


def sample(at_ms: int, remaining: float, sent: float, *, iteration: int = 1, throttle: int = 0) -> Sample:
    """Memory in MiB."""
    return Sample(at_ms, int(remaining * MIB), int(sent * MIB), 0, iteration, throttle)


def test_the_rate_is_the_mean_of_the_last_seconds() -> None:
    trend = Trend.of([sample(at, 100, at / 100) for at in range(0, 20_000, 200)])
    assert trend.rate_bytes == 10 * MIB
    assert trend.round_ms == 0 and Trend().rate_bytes == 0


def test_a_round_begins_when_the_dirty_pages_are_counted() -> None:
    rows = [
        sample(0, 250, 0),
        sample(200, 120, 90),
        sample(400, 60, 120, iteration=2),
        sample(600, 40, 140, iteration=2),
    ]
    trend = Trend.of(rows)
    assert (trend.rounds, trend.round_bytes, trend.round_at_ms) == (1, 60 * MIB, 400)
    after = Trend.of([*rows, sample(800, 59, 180, iteration=3), sample(1000, 50, 240, iteration=4)])
    assert (after.rounds, after.before_bytes, after.low_bytes, after.low_round) == (3, 59 * MIB, 50 * MIB, 3)


def test_a_remainder_that_is_hardly_lower_is_not_ahead() -> None:
    rows = [sample(n * 1000, left, n * 20, iteration=n) for n, left in [(1, 250), (2, 60), (3, 58), (4, 61), (5, 59)]]
    assert (Trend.of(rows).low_at_ms, Trend.of(rows).rounds) == (2000, 4)


def test_when_the_throttle_changed_is_kept() -> None:
    trend = Trend.of(
        [sample(0, 9, 0), sample(200, 9, 1), sample(400, 9, 1, throttle=20), sample(600, 9, 1, throttle=20)]
    )
    assert trend.throttled_at_ms == 400


def test_a_worker_that_was_away_for_long_still_knows_the_rate() -> None:
    trend = Trend.of([sample(0, 500, 0), sample(200, 490, 10), sample(60_000, 400, 610)])
    assert trend.rate_bytes == 600 * MIB * 1000 // 59_800
