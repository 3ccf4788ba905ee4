"""The first page: what needs a look, and each host at a glance."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from hosts import access, filters, holds
from hosts.http import HtmxHttpRequest, is_fragment
from hosts.models import Host, HostState, Mount, MountState
from hosts.models.inventory import ACTIVE_STATES
from hosts.views.rows import BAD_MOUNTS, with_counts

SHOWN_HOSTS = 24
SHOWN_OF_A_KIND = 5
"""Of one kind of trouble; the lists show them all."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that a person should look at, and where."""

    tone: str
    title: str
    text: str
    url: str


@require_safe
def overview(request: HtmxHttpRequest) -> HttpResponse:
    hosts, vms = access.hosts_for(request.user), filters.shown_vms(request.user)
    mounts = access.mounts_for(request.user).select_related("host")
    context = {
        "hosts": with_counts(hosts.order_by(F("state").desc(), "name")[:SHOWN_HOSTS]),
        "host_count": hosts.count(),
        "online": hosts.filter(state=HostState.ONLINE).count(),
        "vm_count": vms.count(),
        "running": vms.filter(state__in=ACTIVE_STATES).count(),
        "mount_count": mounts.count(),
        "healthy": mounts.filter(state=MountState.HEALTHY).count(),
        "attention": [*attention(hosts, vms, mounts)],
        "may_manage": access.may(request.user, access.MANAGE),
    }
    return render(request, "hosts/_overview.html" if is_fragment(request) else "hosts/overview.html", context)


def attention(hosts: QuerySet[Host], vms: Any, mounts: QuerySet[Mount]) -> Iterator[Attention]:
    """What needs a look, the worst first. `vms` carries the annotations of access and inventory."""
    yield from guests_on_two_hosts(vms)
    for host in hosts.filter(state=HostState.UNREACHABLE)[:SHOWN_OF_A_KIND]:
        text = " ".join(f"{part.rstrip('.')}." for part in (host.error, host.hint) if part)
        yield Attention("error", f"{host.name} is unreachable", text, host.get_absolute_url())
    for mount in mounts.filter(state__in=BAD_MOUNTS)[:SHOWN_OF_A_KIND]:
        title = f"{mount.target} on {mount.host.name}: {mount.get_state_display()}"
        yield Attention("warning", title, mount.detail or mount.source, reverse("hosts:mounts", args=[mount.host.name]))
    transient = vms.filter(
        placements__present=True, placements__persistent=False, placements__state__in=ACTIVE_STATES
    ).distinct()
    # The half that a migration has begun at its destination is transient too, and no reason to worry.
    for vm in transient.exclude(uuid__in=holds.held_vms())[:SHOWN_OF_A_KIND]:
        text = "It has no definition on its host: it vanishes when it shuts down. Define it."
        yield Attention("warning", f"{vm.name} is transient", text, vm.get_absolute_url())
    stale = vms.filter(placements__present=True, placements__stale=True).distinct()
    for vm in stale[:SHOWN_OF_A_KIND]:
        places = ", ".join(row.host.name for row in vm.shown_placements if row.stale)
        text = f"A leftover definition on {places}; the guest lives on {vm.host}. It can't be started from there."
        yield Attention("info", f"{vm.name} has a stale copy", text, vm.get_absolute_url())


def guests_on_two_hosts(vms: Any) -> Iterator[Attention]:
    for vm in vms.filter(running_copies__gt=1).exclude(uuid__in=holds.held_vms())[:SHOWN_OF_A_KIND]:
        places = " and ".join(row.host.name for row in vm.shown_placements if row.is_active)
        text = f"Active on {places}: two guests write to the same disks. Force one of them off at once."
        yield Attention("error", f"{vm.name} runs on two hosts", text, vm.get_absolute_url())
