"""How good were the estimates? What was expected beside what came, and where that lies in a picture. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from migrations_app.estimate import error_percent

WIDTH, HEIGHT, MARGIN = 560, 360, 64
"""The picture's size in SVG units, and the room for the figures at its axes."""
STEPS = (1, 2, 5)
"""Ticks within each power of ten."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One migration's figure, in any unit: what was expected and what came."""

    label: str
    expected: float
    actual: float

    @property
    def error_percent(self) -> int | None:
        return error_percent(expected=self.expected, actual=self.actual)


@dataclass(frozen=True, slots=True)
class Dot:
    """A pair in the picture."""

    x: float
    y: float
    pair: Pair


@dataclass(frozen=True, slots=True)
class Tick:
    """A figure of an axis, and how far along it stands."""

    value: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Expected to the right, what came upwards, both on the same logarithmic scale: on the diagonal it was right."""

    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    median_error_percent: int | None


def picture(pairs: Sequence[Pair]) -> Picture | None:
    """Where the pairs lie; None where there is none to show."""
    shown = [pair for pair in pairs if pair.expected > 0 and pair.actual > 0]
    if not shown:
        return None
    values = [value for pair in shown for value in (pair.expected, pair.actual)]
    low, high = _edges(min(values), max(values))

    def along(value: float) -> float:
        return (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))

    def x(value: float) -> float:
        return round(MARGIN + along(value) * (WIDTH - 2 * MARGIN), 1)

    def y(value: float) -> float:
        return round(HEIGHT - MARGIN - along(value) * (HEIGHT - 2 * MARGIN), 1)

    return Picture(
        dots=tuple(Dot(x(pair.expected), y(pair.actual), pair) for pair in shown),
        ticks=tuple(Tick(value, x(value), y(value)) for value in _ticks(low, high)),
        median_error_percent=median_error(shown),
    )


def median_error(pairs: Sequence[Pair]) -> int | None:
    """The median of how far off they were, in percent of what came, whichever way."""
    errors = [abs(pair.error_percent) for pair in pairs if pair.error_percent is not None]
    return round(median(errors)) if errors else None


def _edges(low: float, high: float) -> tuple[float, float]:
    """The ticks around all values; never the same."""
    below = [step * 10.0**power for power in range(-6, 9) for step in STEPS if step * 10.0**power <= low]
    above = [step * 10.0**power for power in range(-6, 9) for step in STEPS if step * 10.0**power >= high]
    first, last = (below or [low])[-1], (above or [high])[0]
    return (first, last) if first < last else (first / 2, last * 2)


def _ticks(low: float, high: float) -> list[float]:
    ticks = [step * 10.0**power for power in range(-6, 9) for step in STEPS]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
