"""How a mount's server answered over the last hours: two small charts, drawn by the server so that they work without script."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from django.template import Library

from hosts.models import MountSample

register = Library()
WIDTH, HEIGHT = 360, 44
GAP_S = 150.0
"""Two samples that lie further apart are not joined: nobody looked in between."""
POINTS = 180


@register.inclusion_tag("components/_mount_traces.html")
def mount_traces(samples: Iterable[MountSample]) -> dict[str, Any]:
    """Latency and throughput of `samples`, in order of their times."""
    samples = list(samples)
    if len(samples) < 2:
        return {"samples": samples}
    latencies = [sample.latency_ms for sample in samples if sample.latency_ms is not None]
    reads, writes = rates(samples, "read_bytes"), rates(samples, "written_bytes")
    busiest = max((rate for _, rate in (*reads, *writes)), default=0.0)
    start, end = samples[0].at.timestamp(), samples[-1].at.timestamp()
    top = max(latencies, default=0.0)
    answers = [(sample.at.timestamp(), sample.latency_ms) for sample in samples]
    return {
        "samples": samples,
        "width": WIDTH,
        "height": HEIGHT,
        "since": samples[0].at,
        "now_ms": samples[-1].latency_ms,
        "top_ms": top,
        "silent": len(samples) - len(latencies),
        "latency": line(answers, start, end, top),
        "lost": lost_marks(answers, start, end),
        "read": line(reads, start, end, busiest),
        "written": line(writes, start, end, busiest),
        "read_now": reads[-1][1] if reads else None,
        "written_now": writes[-1][1] if writes else None,
        "busiest": busiest,
    }


def rates(samples: Sequence[MountSample], name: str) -> list[tuple[float, float]]:
    """Bytes per second between each two samples; none over a new mount, whose count began anew."""
    found = []
    for before, after in pairwise(samples):
        old, new, seconds = getattr(before, name), getattr(after, name), (after.at - before.at).total_seconds()
        if old is not None and new is not None and new >= old and 0 < seconds <= GAP_S:
            found.append((after.at.timestamp(), (new - old) / seconds))
    return found


def line(points: Sequence[tuple[float, float | None]], start: float, end: float, top: float) -> str:
    """An SVG path through `points`, broken where one is missing; of many points the highest of each few."""
    step = max(1, len(points) // POINTS)
    path, before = [], None
    for first in range(0, len(points), step):
        few = points[first : first + step]
        values = [value for _, value in few if value is not None]
        at = few[-1][0]
        if not values:
            before = None
            continue
        x = (at - start) / max(end - start, 1.0) * WIDTH
        y = HEIGHT - 2 - max(values) / (top or 1.0) * (HEIGHT - 6)
        joined = before is not None and at - before <= GAP_S * step
        path.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
        before = at
    return "".join(path)


def lost_marks(points: Sequence[tuple[float, float | None]], start: float, end: float) -> str:
    """A stroke at each look that got no answer."""
    marks = (at for at, value in points if value is None)
    return "".join(f"M{(at - start) / max(end - start, 1.0) * WIDTH:.1f} {HEIGHT}V0" for at in marks)
