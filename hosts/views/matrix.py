"""Shares by hosts, and the one share on the one host that was clicked: how it is there, beside how others have it."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Count, Min
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from hosts import access, share_matrix, sharing
from hosts.forms import MountForm
from hosts.http import HtmxHttpRequest, is_fragment
from hosts.models import Host, HostGroup, SharingProof
from hosts.mount_options import TITLES, asked
from hosts.share_matrix import Cell, Row

HOSTS_PER_PAGE = 24
"""More columns than this nobody reads; the group is what chooses them."""


@require_safe
def matrix(request: HtmxHttpRequest) -> HttpResponse:
    """`?group=` chooses the hosts, `?source=` and `?on=` the cell that is shown below the matrix."""
    hosts = access.hosts_for(request.user).order_by("name")
    groups = HostGroup.objects.filter(hosts__in=access.hosts_for(request.user)).distinct()
    group = request.GET.get("group", "")
    if group:
        hosts = hosts.filter(groups__name=group)
    page = Paginator(hosts, HOSTS_PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = shown = list(page.object_list)
    operable = set(access.hosts_for(request.user, access.OPERATE).values_list("pk", flat=True))
    found = share_matrix.rows_of(request.user, shown)
    proven = _proven(shown)
    context: dict[str, Any] = {
        "tab": "matrix",
        "group": group,
        "groups": groups.values_list("name", flat=True),
        "page": page,
        "rows": [_shown(row, group, operable, proven) for row in found],
        "may_operate": bool(operable),
    }
    if request.GET.get("source"):
        context["chosen"] = _chosen(request, found, operable)
    return render(request, "hosts/_matrix.html" if is_fragment(request) else "hosts/matrix.html", context)


@dataclass
class Proven:
    """What is known of the pairs of some hosts at a path: how many came to which outcome, and when the oldest was shown."""

    counts: Counter[str] = field(default_factory=Counter)
    oldest: datetime | None = None


def _proven(hosts: list[Host]) -> dict[str, Proven]:
    """By path, what is known of pairs of `hosts`: one statement."""
    proven: dict[str, Proven] = defaultdict(Proven)
    rows = SharingProof.objects.filter(writer__in=hosts, reader__in=hosts).order_by().values_list("path", "outcome")
    for path, outcome, count, oldest in rows.annotate(count=Count("pk"), oldest=Min("at")):
        proven[path].counts[outcome] = count
        proven[path].oldest = min(oldest, proven[path].oldest or oldest)
    return proven


def _shown(row: Row, group: str, operable: set[int], proven: dict[str, Proven]) -> dict[str, Any]:
    """A row with what its button would do."""
    lacking = [cell for cell in row.lacking if cell.host.pk in operable]
    persists = [cell.mount.is_kept for cell in row.cells if cell.is_here and cell.mount]
    values = {
        "source": row.source,
        "target": row.target,
        "options": asked(row.usual) if any(row.usual.values()) else "",
        "on": group,
    }
    if persists and sum(persists) * 2 > len(persists):
        values["persist"] = "on"
    known = proven.get(row.target, Proven())
    return {
        "row": row,
        "link": urlencode({"group": group, "source": row.source}),
        "lacking": lacking,
        "same": known.counts["same"],
        "pairs": known.counts.total(),
        "oldest": (timezone.now() - known.oldest).total_seconds() if known.oldest else None,
        "values": values,
        "form": f"{reverse('hosts:group-mounts')}?{urlencode(values)}",
    }


def _chosen(request: HtmxHttpRequest, found: list[Row], operable: set[int]) -> dict[str, Any]:
    source, name = request.GET["source"], request.GET.get("on", "")
    row = next((row for row in found if row.source == source), None)
    cell = next((cell for cell in row.cells if cell.host.name == name), None) if row else None
    if row is None or cell is None:
        raise Http404(f"No such share and host here: {source} on {name}")
    back = f"{reverse('hosts:matrix')}?{request.GET.urlencode()}#cell"
    here = cell.mount if cell.is_here or cell.state == share_matrix.OTHER_SOURCE else None
    context: dict[str, Any] = {
        "row": row,
        "cell": cell,
        "mount": here,
        "proofs": list(sharing.proofs_of(cell.host, request.user, here.target)) if here else [],
        "samples": list(here.samples.all()) if here else [],
        "may_operate": cell.host.pk in operable,
        "back": back,
        "compared": _compared(row, cell),
    }
    if not (here and here.is_mounted):
        initial = {"source": row.source, "target": (here and here.target) or row.target}
        initial["options"] = asked(row.usual) if any(row.usual.values()) else ""
        context["form"] = MountForm(initial=initial)
    return context


def _columns(row: Row) -> list[str]:
    """The options that are worth a column: the first ones always, the others where hosts differ in them."""
    differing = {difference.name for cell in row.cells for difference in cell.differs}
    return [name for name in TITLES if name in differing or name in ("vers", "access", "failure", "nconnect")]


def _compared(row: Row, chosen: Cell) -> list[dict[str, Any]]:
    """Each host that has the share with its options, the chosen one first; `odd` where most have another."""
    columns = _columns(row)
    here = sorted(
        (cell for cell in row.cells if cell.is_here and cell.mount and cell.mount.is_mounted),
        key=lambda cell: (cell is not chosen, cell.host.name),
    )
    lines = []
    for cell in here:
        assert cell.mount
        values = share_matrix.options_of(cell.mount)
        odd = {difference.name for difference in cell.differs}
        cells = [{"title": TITLES[name], "value": values[name], "odd": name in odd} for name in columns]
        lines.append({"cell": cell, "values": cells})
    return lines
