"""What moves right now, as lines over the map of hosts, and in words below it."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hosts import fleet_map
from hosts.http import HtmxHttpRequest
from migrations_app import snapshot, states
from migrations_app.models import Migration

SHOWN = 100
BEND = 0.18
"""How far a line bows, as a share of its length, so that two guests that change places are two lines."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A move on the map: its path, and where on it the guest is by now."""

    migration: Migration
    path: str
    x: float
    y: float


@require_safe
def map_moves(request: HtmxHttpRequest) -> HttpResponse:
    found = fleet_map.of_user(request.user)
    places = found.centres()
    moving = snapshot.visible(request.user).filter(state__in=states.DRIVEN).order_by("pk")
    fields = ("pk", "vm_name", "source_id", "source_name", "destination_id", "destination_name", "state", "progress")
    shown = list(moving.only(*fields)[:SHOWN])
    ends = [(one, places.get(one.source_id or 0), places.get(one.destination_id or 0)) for one in shown]
    lines = [line(one, start, end) for one, start, end in ends if start and end]
    context = {"map": found, "moving": shown, "lines": lines, "more": max(0, moving.count() - len(shown))}
    return render(request, "migrations_app/_map_moves.html", context)


def line(migration: Migration, start: Point, end: Point) -> Line:
    """The bow from `start` to `end`, and the point on it at the migration's own percentage."""
    over = ((start[0] + end[0]) / 2 + (start[1] - end[1]) * BEND, (start[1] + end[1]) / 2 + (end[0] - start[0]) * BEND)
    at = min(max((migration.progress or {}).get("percent") or 0, 0), 100) / 100
    x, y = ((1 - at) ** 2 * a + 2 * at * (1 - at) * b + at**2 * c for a, b, c in zip(start, over, end, strict=True))
    bow = " ".join(f"{value:.1f}" for value in (*over, *end))
    return Line(migration, f"M{start[0]:.1f} {start[1]:.1f}Q{bow}", round(x, 1), round(y, 1))
