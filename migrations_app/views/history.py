"""What was moved, when, by whom and how well; what moves now; and all of it as CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from hosts import access
from hosts.http import HtmxHttpRequest, filled
from migrations_app import snapshot, states
from migrations_app.filters import MigrationFilter
from migrations_app.models import LARGE, Migration

PER_PAGE = 50
CARDS = 12
"""At most so many cards of migrations under way; the table below holds them all."""
CSV_COLUMNS = (
    "id",
    "vm_name",
    "vm_uuid",
    "source_name",
    "destination_name",
    "username",
    "reason",
    "state",
    "created",
    "started",
    "finished",
    "waited_ms",
    "total_ms",
    "downtime_ms",
    "transferred_bytes",
    "ping_sent",
    "ping_lost",
    "ping_longest_gap_ms",
    "second_ping_lost",
    "second_ping_longest_gap_ms",
    "arp_lost",
    "arp_longest_gap_ms",
    "tcp_lost",
    "tcp_longest_gap_ms",
    "error",
    "command",
)

PROBES = {"second": "ping", "arp": "arp", "tcp": "tcp"}
"""The beginning of a column's name, and the probe of continuity.py that it is about."""


@require_safe
def history(request: HtmxHttpRequest) -> HttpResponse:
    """The history, filtered, sorted and paged by the query string, below what is under way."""
    seen = snapshot.visible(request.user)
    filtered = MigrationFilter(filled(request), queryset=seen.defer(*LARGE))
    moving = seen.filter(state__in=states.ACTIVE).exclude(state=states.State.QUEUED)
    active = moving.defer("live_xml", "source_xml", "before").prefetch_related("steps", "timeline")
    count, waiting = active.count(), seen.filter(state=states.State.QUEUED).count()
    context = {
        "waiting": waiting,
        "waiting_title": ngettext(
            "{count} migration waits in the queue", "{count} migrations wait in the queue", waiting
        ).format(count=waiting),
        "queue_url": reverse("migrations:queue"),
        "filter": filtered,
        "is_filtered": any(value for key, value in request.GET.items() if key not in ("sort", "page")),
        "page": Paginator(filtered.qs, PER_PAGE).get_page(request.GET.get("page")),
        "active": [snapshot.snapshot(migration) for migration in active[:CARDS]],
        "more_active": max(0, count - CARDS),
        "default_sort": "-created",
        "may_operate": access.may_anywhere(request.user, access.OPERATE),
    }
    return render(request, "migrations_app/list.html", context)


@require_safe
def running(request: HtmxHttpRequest) -> HttpResponse:
    """The rail's count of migrations under way."""
    return render(request, "migrations_app/_running.html")


@require_safe
def export(request: HtmxHttpRequest) -> HttpResponse:
    """The history as CSV, with the filter of the page."""
    seen = snapshot.visible(request.user).defer(*LARGE)
    rows = MigrationFilter(filled(request), queryset=seen).qs
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    writer.writerows(csv_row(migration) for migration in rows.iterator())
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="migrations.csv"'
    return response


def csv_row(migration: Migration) -> list[Any]:
    return list(_csv_cells(migration))


def _csv_cells(migration: Migration) -> Iterator[Any]:
    probes = {probe["name"]: probe for probe in migration.continuity.get("probes", [])}
    for column in CSV_COLUMNS:
        name, _, figure = column.partition("_")
        if column.startswith("ping_"):
            value: Any = migration.ping.get(column.removeprefix("ping_"))
        elif name in PROBES:
            value = probes.get(PROBES[name], {}).get(figure.removeprefix("ping_"))
        else:
            value = getattr(migration, column)
        value = value.isoformat(timespec="milliseconds") if hasattr(value, "isoformat") else value
        yield harmless(value) if isinstance(value, str) else value


def harmless(text: str) -> str:
    """`text` as a spreadsheet shows it instead of running it: a formula begins with one of these (OWASP, CSV injection)."""
    return f"'{text}" if text.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
