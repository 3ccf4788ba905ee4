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
from django.utils.translation import gettext, ngettext
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
    yield Trouble(gettext("VMs on two hosts"), found["two-hosts"].count(), f"{vm_list}?attention=two-hosts",
                  [*map(_on_two_hosts, found["two-hosts"][:SHOWN_OF_A_KIND])])  # fmt: skip
    lost, bad = filters.lost(mounts), mounts.filter(state__in=NOT_AS_WANTED, users=[])
    counts = mounts.filter(state__in=NOT_AS_WANTED).aggregate(lost=Count("pk", filter=~Q(users=[])), all=Count("pk"))
    yield Trouble(
        gettext("Storage gone under running VMs"), counts["lost"], bad_url, [*map(_lost, lost[:SHOWN_OF_A_KIND])]
    )
    yield Trouble(gettext("Hosts away"), away.count(), f"{reverse('hosts:list')}?state=unreachable",
                  [*map(_away, away[:SHOWN_OF_A_KIND])])  # fmt: skip
    yield Trouble(
        gettext("Mounts not as wanted"), counts["all"] - counts["lost"], bad_url, [*map(_mount, bad[:SHOWN_OF_A_KIND])]
    )
    yield Trouble(gettext("Transient VMs"), found["transient"].count(), f"{vm_list}?attention=transient",
                  [*map(_transient, found["transient"][:SHOWN_OF_A_KIND])])  # fmt: skip
    yield Trouble(gettext("Stale copies"), found["stale"].count(), f"{vm_list}?attention=stale",
                  [*map(_stale, found["stale"][:SHOWN_OF_A_KIND])])  # fmt: skip
    odd = [*odd_versions(hosts)]
    yield Trouble(gettext("Versions that differ"), len(odd), reverse("hosts:list"), odd[:SHOWN_OF_A_KIND])


def _on_two_hosts(vm: Any) -> Attention:
    places = gettext(" and ").join(row.host.name for row in vm.shown_placements if row.is_active)
    text = gettext("Active on {places}: two guests write to the same disks. Force one of them off at once.").format(
        places=places
    )
    return Attention("error", gettext("{vm} runs on two hosts").format(vm=vm.name), text, vm.get_absolute_url())


def _away(host: Host) -> Attention:
    text = " ".join(f"{part.rstrip('.')}." for part in (host.error, host.hint) if part)
    return Attention("error", gettext("{host} is unreachable").format(host=host.name), text, host.get_absolute_url())


def _titled(mount: Mount) -> str:
    state = gettext(mount.get_state_display())
    return gettext("{path} on {host}: {state}").format(path=mount.target, host=mount.host.name, state=state)


def _lost(mount: Mount) -> Attention:
    title = _titled(mount)
    shown = ", ".join(mount.users[:3]) + (
        gettext(" and {count} more").format(count=len(mount.users) - 3) if len(mount.users) > 3 else ""
    )
    text = gettext("Under {shown}. Bring {source} back; don't force VMs off while their writes wait.").format(
        shown=shown, source=mount.source
    )
    return Attention("error", title, text, reverse("hosts:mounts", args=[mount.host.name]))


def _mount(mount: Mount) -> Attention:
    title = _titled(mount)
    return Attention("warning", title, mount.detail or mount.source, reverse("hosts:mounts", args=[mount.host.name]))


def _transient(vm: VirtualMachine) -> Attention:
    text = gettext("It has no definition on its host: it vanishes when it shuts down. Define it.")
    return Attention("warning", gettext("{vm} is transient").format(vm=vm.name), text, vm.get_absolute_url())


def _stale(vm: Any) -> Attention:
    places = ", ".join(row.host.name for row in vm.shown_placements if row.stale)
    text = gettext(
        "A leftover definition on {places}; the guest lives on {host}. It can't be started from there."
    ).format(places=places, host=vm.host)
    return Attention("info", gettext("{vm} has a stale copy").format(vm=vm.name), text, vm.get_absolute_url())


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
            title = ngettext("{word} {version} on {count} host", "{word} {version} on {count} hosts", count).format(
                word=word, version=version, count=count
            )
            text = gettext(
                "Most have {usual}. A guest moves to a newer {word}, not always back to an older one."
            ).format(usual=usual, word=word)
            yield Attention("info", title, text, f"{reverse('hosts:list')}?{urlencode({name: version})}")
