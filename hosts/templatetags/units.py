"""Figures and times in words: the only place, with the adapters, where units are converted.

A space inside a figure is a no-break space. What is None, empty or no number is shown as a dash: unknown is not zero.
"""

import math
from datetime import UTC, datetime

from django.template import Library
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = Library()

UNKNOWN = "–"
SPACE = "\N{NO-BREAK SPACE}"
BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
MIB = 1024 * 1024
Figure = int | float | str | None


def number(value: object) -> float | None:
    """`value` as a finite number, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        figure = float(value)
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None


def _three_digits(figure: float) -> str:
    """`figure` with at most one decimal, and none from 100 on or where it is whole."""
    text = f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.1f}"
    return text.removesuffix(".0")


@register.filter(name="bytes")
def bytes_(value: Figure) -> str:
    """A number of bytes in binary units: 1610612736 → "1.5 GiB"."""
    figure = number(value)
    if figure is None:
        return UNKNOWN
    power = 0
    while abs(figure) >= 1023.5 and power < len(BINARY_UNITS) - 1:
        figure /= 1024
        power += 1
    return f"{_three_digits(figure)}{SPACE}{BINARY_UNITS[power]}"


@register.filter
def mib(value: Figure) -> str:
    """A number of MiB in binary units: 4096 → "4 GiB"."""
    figure = number(value)
    return UNKNOWN if figure is None else bytes_(figure * MIB)


@register.filter
def rate(value: Figure) -> str:
    """Bytes per second, always in MiB/s with one decimal so that the figure does not jump: "118.4 MiB/s"."""
    figure = number(value)
    return UNKNOWN if figure is None else f"{figure / MIB:.1f}{SPACE}MiB/s"


@register.filter
def ms(value: Figure) -> str:
    """Milliseconds: 240 → "240 ms", 1830 → "1.83 s", 0.4 → "0.4 ms"; from a minute on as `duration`."""
    figure = number(value)
    if figure is None:
        return UNKNOWN
    if abs(figure) >= 60_000:
        return duration(figure / 1000)
    if abs(figure) >= 999.5:
        return f"{figure / 1000:.2f}{SPACE}s"
    return f"{figure:.0f}{SPACE}ms" if abs(figure) >= 10 or figure == int(figure) else f"{figure:.1f}{SPACE}ms"


@register.filter
def duration(value: Figure) -> str:
    """Seconds in the two largest units: 0.42 → "0.4 s", 72 → "1 min 12 s", 3700 → "1 h 1 min", 90000 → "1 d 1 h"."""
    figure = number(value)
    if figure is None:
        return UNKNOWN
    if abs(figure) < 9.95:
        return f"{figure:.1f}".removesuffix(".0") + f"{SPACE}s"
    seconds = round(figure)
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    largest = next(i for i, (_, size) in enumerate(sizes) if seconds >= size)
    parts: list[str] = []
    for unit, size in sizes[largest : largest + 2]:
        count, seconds = divmod(seconds, size)
        if count or not parts:
            parts.append(f"{count}{SPACE}{unit}")
    return sign + SPACE.join(parts)


@register.filter
def percent(value: Figure) -> str:
    """A share of 100, rounded down, so that 100 % means all of it: 99.96 → "99 %"."""
    figure = number(value)
    return UNKNOWN if figure is None else f"{math.floor(figure)}{SPACE}%"


def moment(value: object) -> datetime | None:
    """`value` (an aware datetime, or ISO 8601 text) as a datetime; without a zone it counts as UTC."""
    if isinstance(value, str):
        try:
            value = parse_datetime(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


@register.filter
def when(value: datetime | str | None) -> str | SafeString:
    """A moment as a `<time>` in UTC, which page.js turns into the reader's own zone."""
    at = moment(value)
    if at is None:
        return UNKNOWN
    at = at.astimezone(UTC)
    iso = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format_html('<time datetime="{}" data-local>{} UTC</time>', iso, f"{at:%Y-%m-%d %H:%M:%S}")
