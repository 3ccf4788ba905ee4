"""Shared storage over all hosts: which share is mounted where, and the pools that libvirt has on it."""

from django.db.models import Count, F, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hosts import access, filters
from hosts.http import HtmxHttpRequest, filled, is_fragment, page_of
from hosts.models import NOT_AS_WANTED, MountState

SHOWN_SHARES = 30


@require_safe
def storage(request: HtmxHttpRequest) -> HttpResponse:
    """Tab `mounts` (the default) or `pools`; filter, sort and page are in the query string."""
    tab = "pools" if request.GET.get("tab") == "pools" else "mounts"
    found: filters.MountFilter | filters.PoolFilter
    if tab == "pools":
        rows = access.pools_for(request.user).select_related("host").annotate(volume_count=Count("volumes"))
        found = filters.PoolFilter(filled(request), rows)
    else:
        found = filters.MountFilter(filled(request), access.mounts_for(request.user).select_related("host"))
    context = {
        "tab": tab,
        "page": page_of(request, found.qs),
        "filter": found,
        "filtered": any(request.GET.get(name) for name in ("q", "state", "host", "active", "source")),
        "states": MountState.choices,
        "hosts": access.hosts_for(request.user).values_list("name", flat=True),
        "shares": shares(request) if tab == "mounts" else [],
        "default_sort": "host",
        "operable": access.hosts_for(request.user, access.OPERATE).order_by("name"),
    }
    return render(request, "hosts/_storage.html" if is_fragment(request) else "hosts/storage.html", context)


@require_safe
def alert(request: HtmxHttpRequest) -> HttpResponse:
    """What running VMs have lost, as it stands on every page (its context is every page's)."""
    return render(request, "components/_storage_alert.html")


def shares(request: HtmxHttpRequest) -> list[dict[str, object]]:
    """Each share with how many hosts have it, and where it lies: a guest migrates only between hosts that have it alike."""
    hosts = access.hosts_for(request.user).count()
    rows = access.mounts_for(request.user).order_by().values("source")
    counted = rows.annotate(
        listed=Count("host", distinct=True),
        healthy=Count("host", filter=Q(state=MountState.HEALTHY), distinct=True),
        bad=Count("host", filter=Q(state__in=NOT_AS_WANTED), distinct=True),
        targets=Count("target", distinct=True),
    ).order_by(F("listed").desc(), "source")
    return [{**row, "hosts": hosts} for row in counted[:SHOWN_SHARES]]
