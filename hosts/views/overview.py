"""The first page: what needs a look, and each host at a glance."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from hosts import access, filters
from hosts.http import HtmxHttpRequest, is_fragment
from hosts.models import NOT_AS_WANTED, Host, HostState, Mount, MountState, VirtualMachine
from hosts.models.inventory import ACTIVE_STATES
from hosts.views.rows import with_counts

SHOWN_HOSTS = 12
SHOWN_OF_A_KIND = 5
"""Of one kind of trouble; the lists show them all."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that a person should look at, and where."""

    tone: str
    title: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """All of one kind: how many, where they are listed, and the first of them."""

    title: str
    count: int
    url: str
    items: list[Attention]


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
        **mounts.aggregate(mount_count=Count("pk"), healthy=Count("pk", filter=Q(state=MountState.HEALTHY))),
        "troubles": [one for one in troubles(hosts, vms, mounts) if one.count],
        "may_manage": access.may(request.user, access.MANAGE),
    }
    return render(request, "hosts/_overview.html" if is_fragment(request) else "hosts/overview.html", context)


def troubles(hosts: QuerySet[Host], vms: QuerySet[VirtualMachine], mounts: QuerySet[Mount]) -> Iterator[Trouble]:
    """What needs a look, the worst first; a kind of which there is none is left out."""
    away = hosts.filter(state=HostState.UNREACHABLE)
    bad_url = f"{reverse('hosts:storage')}?{urlencode({'state': list(NOT_AS_WANTED)}, doseq=True)}"
    vm_list = reverse("hosts:vms")
    found = {kind: filters.needing(vms, kind) for kind, _ in filters.ATTENTION}
    yield Trouble("VMs on two hosts", found["two-hosts"].count(), f"{vm_list}?attention=two-hosts",
                  [*map(_on_two_hosts, found["two-hosts"][:SHOWN_OF_A_KIND])])  # fmt: skip
    lost, bad = filters.lost(mounts), mounts.filter(state__in=NOT_AS_WANTED, users=[])
    counts = mounts.filter(state__in=NOT_AS_WANTED).aggregate(lost=Count("pk", filter=~Q(users=[])), all=Count("pk"))
    yield Trouble("Storage gone under running VMs", counts["lost"], bad_url, [*map(_lost, lost[:SHOWN_OF_A_KIND])])
    yield Trouble("Hosts away", away.count(), f"{reverse('hosts:list')}?state=unreachable",
                  [*map(_away, away[:SHOWN_OF_A_KIND])])  # fmt: skip
    yield Trouble(
        "Mounts not as wanted", counts["all"] - counts["lost"], bad_url, [*map(_mount, bad[:SHOWN_OF_A_KIND])]
    )
    yield Trouble("Transient VMs", found["transient"].count(), f"{vm_list}?attention=transient",
                  [*map(_transient, found["transient"][:SHOWN_OF_A_KIND])])  # fmt: skip
    yield Trouble("Stale copies", found["stale"].count(), f"{vm_list}?attention=stale",
                  [*map(_stale, found["stale"][:SHOWN_OF_A_KIND])])  # fmt: skip
    odd = [*odd_versions(hosts)]
    yield Trouble("Versions that differ", len(odd), reverse("hosts:list"), odd[:SHOWN_OF_A_KIND])


def _on_two_hosts(vm: Any) -> Attention:
    places = " and ".join(row.host.name for row in vm.shown_placements if row.is_active)
    text = f"Active on {places}: two guests write to the same disks. Force one of them off at once."
    return Attention("error", f"{vm.name} runs on two hosts", text, vm.get_absolute_url())


def _away(host: Host) -> Attention:
    text = " ".join(f"{part.rstrip('.')}." for part in (host.error, host.hint) if part)
    return Attention("error", f"{host.name} is unreachable", text, host.get_absolute_url())


def _lost(mount: Mount) -> Attention:
    title = f"{mount.target} on {mount.host.name}: {mount.get_state_display()}"
    shown = ", ".join(mount.users[:3]) + (f" and {len(mount.users) - 3} more" if len(mount.users) > 3 else "")
    text = f"Under {shown}. Bring {mount.source} back; don't force VMs off while their writes wait."
    return Attention("error", title, text, reverse("hosts:mounts", args=[mount.host.name]))


def _mount(mount: Mount) -> Attention:
    title = f"{mount.target} on {mount.host.name}: {mount.get_state_display()}"
    return Attention("warning", title, mount.detail or mount.source, reverse("hosts:mounts", args=[mount.host.name]))


def _transient(vm: VirtualMachine) -> Attention:
    text = "It has no definition on its host: it vanishes when it shuts down. Define it."
    return Attention("warning", f"{vm.name} is transient", text, vm.get_absolute_url())


def _stale(vm: Any) -> Attention:
    places = ", ".join(row.host.name for row in vm.shown_placements if row.stale)
    text = f"A leftover definition on {places}; the guest lives on {vm.host}. It can't be started from there."
    return Attention("info", f"{vm.name} has a stale copy", text, vm.get_absolute_url())


def odd_versions(hosts: QuerySet[Host]) -> Iterator[Attention]:
    """Each version of libvirt and QEMU that is not the one that most hosts have."""
    rows = hosts.order_by().values_list("libvirt_version", "hypervisor_version")
    counted = Counter(rows.filter(state=HostState.ONLINE))
    for place, (word, name) in enumerate((("QEMU", "qemu"), ("libvirt", "libvirt"))):
        counts: Counter[str] = Counter()
        for pair, count in counted.items():
            counts[pair[1 - place]] += count
        del counts[""]
        (usual, _), *others = counts.most_common() or [("", 0)]
        for version, count in others:
            title = f"{word} {version} on {count} host{'s' if count > 1 else ''}"
            text = f"Most have {usual}. A guest moves to a newer {word}, not always back to an older one."
            yield Attention("info", title, text, f"{reverse('hosts:list')}?{urlencode({name: version})}")
