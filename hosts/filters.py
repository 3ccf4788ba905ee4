"""How lists are searched, filtered and sorted: the same for pages and API."""

import re
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from hosts import access, holds, inventory
from hosts.models import (
    NOT_AS_WANTED,
    AuditEvent,
    Host,
    HostState,
    Mount,
    MountState,
    Placement,
    StoragePool,
    VirtualMachine,
    VmState,
)
from hosts.models.inventory import ACTIVE_STATES

PART_OF_MAC = re.compile(r"[0-9a-f]{2}-[0-9a-f]{2}(?:-[0-9a-f]{2}){1,4}")
"""As Windows and switches write it, with dashes; libvirt writes colons. Three parts at least: two may be of a name."""

ATTENTION = [
    ("two-hosts", _("on two hosts")),
    ("transient", _("transient")),
    ("stale", _("with a stale copy")),
    ("host-away", _("host away")),
]
"""Why a guest may need a look, in the order of how bad it is."""


def shown_vms(user: access.AnyUser) -> QuerySet[VirtualMachine]:
    """The guests that `user` may see, each with `shown_placements`: those on hosts that `user` may see."""
    return _with_placements(user, Placement.objects.select_related("host"))


def listed_vms(user: access.AnyUser) -> QuerySet[VirtualMachine]:
    """As `shown_vms`, without the hosts of `shown_placements`, which no row of a list names."""
    return _with_placements(user, Placement.objects.order_by())


def _with_placements(user: access.AnyUser, placements: QuerySet[Placement]) -> QuerySet[VirtualMachine]:
    seen = placements.filter(present=True, host__in=access.hosts_for(user))
    vms = inventory.known_vms(access.vms_for(user))
    return vms.select_related("host").prefetch_related(Prefetch("placements", seen, to_attr="shown_placements"))


class OneOf(filters.MultipleChoiceFilter):
    """Any of the chosen values of a column. A row has one, so none comes twice, and none needs to be looked for twice."""

    def __init__(self, **options: Any) -> None:
        super().__init__(distinct=False, **options)


class HostFilter(filters.FilterSet):
    """`?q=` finds name, URI, host name, addresses, note and tags."""

    q = filters.CharFilter(method="search", label=_("Search"))
    state = OneOf(choices=HostState.choices)
    group = filters.CharFilter(field_name="groups__name", label=_("Group"))
    maintenance = filters.BooleanFilter()
    tag = filters.CharFilter(method="tagged", label=_("Tag"))
    libvirt = filters.CharFilter(field_name="libvirt_version", label=_("Version of libvirt"))
    qemu = filters.CharFilter(field_name="hypervisor_version", label=_("Version of QEMU"))
    sort = filters.OrderingFilter(fields=["name", "state", "cpus", "memory_mib", "memory_free_mib", "last_seen"])

    class Meta:
        model = Host
        fields: tuple[str, ...] = ()

    def search(self, hosts: QuerySet[Host], name: str, value: str) -> QuerySet[Host]:
        wanted = (
            Q(name__icontains=value)
            | Q(uri__icontains=value)
            | Q(hostname__icontains=value)
            | Q(migration_address__icontains=value)
            | Q(note__icontains=value)
            | Q(tags__contains=value.casefold())
            | Q(groups__name__iexact=value)
        )
        return hosts.filter(wanted).distinct()

    def tagged(self, hosts: QuerySet[Host], name: str, value: str) -> QuerySet[Host]:
        return hosts.filter(tags__contains=f" {value.strip().casefold()} ")


class VmFilter(filters.FilterSet):
    """`?q=` finds name, UUID, MAC, IP address, host, note and tags; of several words, each must be found."""

    q = filters.CharFilter(method="search", label=_("Search"))
    host = filters.CharFilter(field_name="host__name", label=_("Host"))
    state = OneOf(choices=VmState.choices)
    stale = filters.BooleanFilter(method="with_stale_copy", label=_("Has a leftover definition"))
    group = filters.CharFilter(field_name="host__groups__name", label=_("Group of its host"))
    tag = filters.CharFilter(method="tagged", label=_("Tag"))
    attention = filters.ChoiceFilter(choices=ATTENTION, method="in_need", label=_("Needs attention"))
    sort = filters.OrderingFilter(
        fields=[
            ("name", "name"),
            ("state", "state"),
            ("host__name", "host"),
            ("vcpus", "vcpus"),
            ("memory_mib", "memory_mib"),
        ]
    )

    class Meta:
        model = VirtualMachine
        fields: tuple[str, ...] = ()

    def search(self, vms: QuerySet[VirtualMachine], name: str, value: str) -> QuerySet[VirtualMachine]:
        for word in value.casefold().split():
            sought = word.replace("-", ":") if PART_OF_MAC.fullmatch(word) else word
            uuid = uuid_of(word)
            vms = vms.filter(Q(uuid=uuid) if uuid else Q(search_text__contains=sought) | Q(address__contains=sought))
        return vms

    def with_stale_copy(self, vms: QuerySet[VirtualMachine], name: str, value: bool) -> QuerySet[VirtualMachine]:
        stale = Q(pk__in=Placement.objects.filter(stale=True, present=True).values("vm"))
        return vms.filter(stale if value else ~stale)

    def tagged(self, vms: QuerySet[VirtualMachine], name: str, value: str) -> QuerySet[VirtualMachine]:
        return vms.filter(tags__contains=f" {value.strip().casefold()} ")

    def in_need(self, vms: QuerySet[VirtualMachine], name: str, value: str) -> QuerySet[VirtualMachine]:
        return needing(vms, value)


def needing(vms: QuerySet[VirtualMachine], kind: str) -> QuerySet[VirtualMachine]:
    """Those of `vms` that need a look for the reason `kind` of ATTENTION.

    A guest under migration is transient at its destination and seen on two hosts for an instant: no reason to worry.
    """
    present = Placement.objects.filter(present=True).order_by()
    if kind == "stale":
        return vms.filter(pk__in=present.filter(stale=True).values("vm"))
    if kind == "host-away":
        return vms.filter(host__state=HostState.UNREACHABLE)
    settled = vms.exclude(uuid__in=holds.held_vms())
    if kind == "two-hosts":
        return settled.filter(running_copies__gt=1)
    return settled.filter(pk__in=present.filter(persistent=False, state__in=ACTIVE_STATES).values("vm"))


class MountFilter(filters.FilterSet):
    """`?q=` finds source, target and host."""

    q = filters.CharFilter(method="search", label=_("Search"))
    host = filters.CharFilter(field_name="host__name", label=_("Host"))
    state = OneOf(choices=MountState.choices)
    source = filters.CharFilter()
    sort = filters.OrderingFilter(
        fields=[
            ("host__name", "host"),
            ("target", "target"),
            ("source", "source"),
            ("state", "state"),
            ("used_bytes", "used"),
        ]
    )

    class Meta:
        model = Mount
        fields: tuple[str, ...] = ()

    def search(self, mounts: QuerySet[Mount], name: str, value: str) -> QuerySet[Mount]:
        return mounts.filter(Q(source__icontains=value) | Q(target__icontains=value) | Q(host__name__icontains=value))


def lost(mounts: QuerySet[Mount]) -> QuerySet[Mount]:
    """Those of `mounts` that VMs which run need and that are not there."""
    return mounts.filter(state__in=NOT_AS_WANTED).exclude(users=[]).select_related("host")


class PoolFilter(filters.FilterSet):
    """`?q=` finds name, target and host."""

    q = filters.CharFilter(method="search", label=_("Search"))
    host = filters.CharFilter(field_name="host__name", label=_("Host"))
    active = filters.BooleanFilter()

    class Meta:
        model = StoragePool
        fields: tuple[str, ...] = ()

    def search(self, pools: QuerySet[StoragePool], name: str, value: str) -> QuerySet[StoragePool]:
        return pools.filter(Q(name__icontains=value) | Q(target__icontains=value) | Q(host__name__icontains=value))


class AuditFilter(filters.FilterSet):
    """`?q=` finds what was acted on, by whom, why, and with which outcome in words."""

    q = filters.CharFilter(method="search", label=_("Search"))
    username = filters.CharFilter(label=_("User"))
    action = filters.CharFilter(lookup_expr="icontains")
    outcome = OneOf(choices=AuditEvent.Outcome.choices)
    source = filters.CharFilter()
    since = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", label=_("Since"))
    until = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lte", label=_("Until"))
    sort = filters.OrderingFilter(fields=["at", "username", "action", "outcome"])

    class Meta:
        model = AuditEvent
        fields: tuple[str, ...] = ()

    def search(self, events: QuerySet[AuditEvent], name: str, value: str) -> QuerySet[AuditEvent]:
        wanted = Q(target__icontains=value) | Q(username__icontains=value) | Q(reason__icontains=value)
        return events.filter(wanted | Q(detail__icontains=value) | Q(action__icontains=value))


def uuid_of(text: str) -> UUID | None:
    """`text` as a UUID, however it is written; None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
