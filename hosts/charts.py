"""From series to lines: where the points of a small picture lie. Pure arithmetic; templates draw."""

from collections.abc import Sequence

Points = Sequence[float | None]


def top_of(*series: Points) -> float:
    """The largest value of all, or 0."""
    return max((value for points in series for value in points if value is not None), default=0.0)


def lines(points: Points, *, width: float, height: float, top: float) -> list[str]:
    """The `points` of SVG polylines that draw the series from left to right, 0 at the bottom and `top` at the top.

    Where a value is unknown the line is broken; one that stands alone becomes a short stroke.
    """
    step = width / max(len(points) - 1, 1)
    found: list[list[str]] = [[]]
    for index, value in enumerate(points):
        if value is None:
            found.append([])
            continue
        y = height - height * min(max(value / top, 0), 1) if top > 0 else height
        found[-1].append(f"{index * step:.1f},{y:.1f}")
    return [" ".join(part if len(part) > 1 else [part[0], _beside(part[0], step)]) for part in found if part]


def _beside(point: str, step: float) -> str:
    x, y = point.split(",")
    return f"{float(x) + min(step, 2):.1f},{y}"


def thinned(points: Points, *, count: int) -> list[float | None]:
    """At most `count` points, each the mean of what it stands for."""
    size = max(1, -(-len(points) // count))
    groups = [
        [value for value in points[index : index + size] if value is not None] for index in range(0, len(points), size)
    ]
    return [sum(group) / len(group) if group else None for group in groups]
