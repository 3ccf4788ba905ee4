"""The figures of a VM or host as charts, a part of its page that reads itself again."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from django.views.decorators.http import require_safe

from hosts.charts import Points, lines, thinned, top_of
from hosts.http import HtmxHttpRequest, host_for
from hosts.metrics import History, history
from hosts.models import Host, VirtualMachine
from hosts.templatetags.units import UNKNOWN, bytes_
from hosts.views.of_vm import vm_for

WIDTH, HEIGHT, POINTS, ROWS = 360, 72, 180, 12
NEWEST = 12
"""So many points back, two minutes, a figure still counts as what is used now."""
SPANS = {"hour": _("Last hour"), "day": _("Last day"), "fortnight": _("Last 14 days"), "year": _("Last year")}
READ_AGAIN_S = {"hour": 10, "day": 60}
"""The others change too little to be read again while one looks."""
PICTURES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("CPU", (("cpu", "CPU"),)),
    (_("Memory"), (("memory", _("Memory")),)),
    (_("Disk"), (("disk_read", _("read")), ("disk_write", _("written")))),
    (_("Network"), (("net_rx", _("received")), ("net_tx", _("sent")))),
)


@require_safe
def of_vm(request: HtmxHttpRequest, uuid: UUID) -> HttpResponse:
    vm = vm_for(request, uuid)
    return render(request, "hosts/_metrics.html", charts_of(vm, request))


@require_safe
def of_host(request: HtmxHttpRequest, name: str) -> HttpResponse:
    return render(request, "hosts/_metrics.html", charts_of(host_for(request, name), request))


def charts_of(of: VirtualMachine | Host, request: HtmxHttpRequest) -> dict[str, Any]:
    """What _metrics.html needs; the span is `?span=`, the last hour where that names none."""
    wanted = request.GET.get("span", "")
    span = wanted if wanted in SPANS else "hour"
    found = history(of, span)
    if isinstance(of, VirtualMachine):
        cpus, url = of.vcpus or 1, reverse("hosts:vm-metrics", args=[of.uuid])
    else:
        cpus, url = of.cpus or 1, reverse("hosts:host-metrics", args=[of.name])
    return {
        "metrics_url": url,
        "span": span,
        "span_label": gettext(SPANS[span]),
        "figure_is": gettext("now") if span == "hour" else gettext("on average"),
        "read_again_s": READ_AGAIN_S.get(span),
        "spans": {name: gettext(label) for name, label in SPANS.items()},
        "empty": found.is_empty,
        "charts": [_chart(title, parts, found, cpus=cpus, of=of) for title, parts in PICTURES],
        "rows": _rows(found, cpus),
        "of_guests": isinstance(of, Host),
        "view_box": f"0 0 {WIDTH} {HEIGHT}",
    }


def _chart(
    title: str, parts: tuple[tuple[str, str], ...], found: History, *, cpus: int, of: VirtualMachine | Host
) -> dict[str, Any]:
    series = [(name, label, thinned(found.columns[name], count=POINTS)) for name, label in parts]
    top = top_of(*(points for _, _, points in series))
    if title == "CPU":
        top = float(cpus)
    elif title == "Memory":
        top = max(top, of.memory_mib * 2.0**20)
    drawn = [
        {
            "label": gettext(label),
            "figure": _words(name, _figure(found, name), cpus),
            "lines": lines(points, width=WIDTH, height=HEIGHT, top=top),
        }
        for name, label, points in series
    ]
    return {"title": gettext(title), "series": drawn, "top": _words(parts[0][0], top, cpus) if top else ""}


def _figure(found: History, metric: str) -> float | None:
    """What stands beside the line: of the hour the newest that is known, if it is not much older than the page; of longer
    spans, whose newest point is a mean already, the mean."""
    points: Points = found.columns[metric]
    if found.span != "hour":
        return thinned(points, count=1)[0]
    return next((value for value in reversed(points[-NEWEST:]) if value is not None), None)


def _words(metric: str, value: float | None, cpus: int) -> str:
    if value is None:
        return UNKNOWN
    if metric == "cpu":
        return f"{100 * value / cpus:.0f} %"
    return bytes_(value) if metric == "memory" else f"{bytes_(value)}/s"


def _rows(found: History, cpus: int) -> list[dict[str, Any]]:
    """A dozen rows for who reads figures and not lines, the newest first."""
    columns = {name: thinned(points, count=ROWS) for name, points in found.columns.items()}
    count = len(columns["cpu"])
    step_s = found.step_s * (-(-len(found.columns["cpu"]) // ROWS))
    rows: list[dict[str, Any]] = [
        {
            "at": datetime.fromtimestamp(found.start + index * step_s, tz=UTC),
            "cells": [_words(name, columns[name][index], cpus) for name in columns],
        }
        for index in range(count)
    ]
    return [row for row in reversed(rows) if any(cell != UNKNOWN for cell in row["cells"])]
