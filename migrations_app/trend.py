"""Where a copy is going: the rate, the rounds, and since when it no longer gets ahead. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

RATE_WINDOW_MS = 5_000
"""The rate is the mean of so long: libvirt's own figure swings by half right after the dirty pages were counted."""
RATE_LEAST_MS = 1_500
"""Before that the rate is not known: the first bytes come slowly, while QEMU looks at empty pages."""
AHEAD = 0.95
"""A round gets ahead when it leaves at most this share of the lowest remainder so far."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at libvirt's job; `remaining_bytes` and the dirty rate are of the memory alone."""

    at_ms: int
    remaining_bytes: int
    transferred_bytes: int
    dirty_bytes_per_s: int = 0
    iteration: int = 0
    throttle_percent: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """What the samples so far tell. Times in ms since libvirt was asked.

    A round begins when QEMU counts the dirty pages: `round_bytes` remained then, `before_bytes` at the count before.
    `low_bytes` is the lowest such remainder, reached at `low_at_ms`; `rounds` counts them. `throttled_at_ms` is when the
    throttle last changed.
    """

    now: Sample = Sample(0, 0, 0)
    rounds: int = 0
    round_bytes: int = 0
    round_at_ms: int = 0
    before_bytes: int = 0
    low_bytes: int = 0
    low_at_ms: int = 0
    low_round: int = 0
    throttled_at_ms: int = 0
    window: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Trend":
        trend = cls()
        for sample in samples:
            trend = advance(trend, sample)
        return trend

    @property
    def rate_bytes(self) -> int:
        """Bytes per second over the last seconds; 0 where it is not known yet."""
        if len(self.window) < 2:
            return 0
        (first_ms, first), (last_ms, last) = self.window[0], self.window[-1]
        return (last - first) * 1000 // (last_ms - first_ms) if last_ms - first_ms >= RATE_LEAST_MS else 0

    @property
    def remaining_ms(self) -> float:
        """How long it takes to send what remains now; infinite where nothing is sent."""
        return self.now.remaining_bytes * 1000 / self.rate_bytes if self.rate_bytes > 0 else float("inf")

    @property
    def round_ms(self) -> float:
        """How long it takes to send what remained when this round began."""
        return self.round_bytes * 1000 / self.rate_bytes if self.rate_bytes > 0 else float("inf")

    @property
    def low_ms(self) -> float:
        """The same for the lowest remainder of all rounds."""
        return self.low_bytes * 1000 / self.rate_bytes if self.rate_bytes > 0 else float("inf")


def advance(before: Trend, sample: Sample) -> Trend:
    """The trend after one more sample."""
    after = replace(before, now=sample, window=_window(before.window, sample))
    if sample.throttle_percent != before.now.throttle_percent:
        after = replace(after, throttled_at_ms=sample.at_ms)
    # The first count is that of the whole memory; a round with nothing left is the switch-over itself.
    if sample.iteration > max(1, before.now.iteration) and sample.remaining_bytes:
        after = _new_round(after, sample)
    return after


def _window(before: tuple[tuple[int, int], ...], sample: Sample) -> tuple[tuple[int, int], ...]:
    kept = tuple(point for point in before if point[0] >= sample.at_ms - RATE_WINDOW_MS) or before[-1:]
    return (*kept, (sample.at_ms, sample.transferred_bytes))


def _new_round(trend: Trend, sample: Sample) -> Trend:
    left = sample.remaining_bytes
    trend = replace(
        trend, rounds=trend.rounds + 1, before_bytes=trend.round_bytes, round_bytes=left, round_at_ms=sample.at_ms
    )
    if trend.rounds == 1 or left <= trend.low_bytes * AHEAD:
        trend = replace(trend, low_bytes=left, low_at_ms=sample.at_ms, low_round=trend.rounds)
    return trend
