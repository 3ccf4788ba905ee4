"""How good the estimates are: what was expected beside what came, of the last migrations."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hosts.http import HtmxHttpRequest
from migrations_app import snapshot
from migrations_app.accuracy import HEIGHT, MARGIN, WIDTH, Pair, picture
from migrations_app.models import LARGE, Migration
from migrations_app.states import State

SHOWN = 100


@require_safe
def estimates(request: HtmxHttpRequest) -> HttpResponse:
    """The last completed migrations that had an estimate."""
    done = snapshot.visible(request.user).filter(state=State.COMPLETED, estimate__total_s__isnull=False)
    rows = [row for row in done.defer(*LARGE).order_by("-finished")[:SHOWN] if row.estimate.get("total_s")]
    totals = [Pair(_label(row), row.estimate["total_s"] * 1000, row.took_ms or 0) for row in rows]
    downtimes = [
        Pair(_label(row), row.estimate["downtime_ms"], row.downtime_ms)
        for row in rows
        if row.estimate.get("downtime_ms") and row.downtime_ms
    ]
    context: dict[str, Any] = {
        "rows": list(zip(rows, totals, strict=True)),
        "total": picture(totals),
        "downtime": picture(downtimes),
        "size": {"width": WIDTH, "height": HEIGHT, "low": MARGIN, "right": WIDTH - MARGIN, "bottom": HEIGHT - MARGIN},
    }
    return render(request, "migrations_app/estimates.html", context)


def _label(migration: Migration) -> str:
    return f"{migration.vm_name} #{migration.pk}"
