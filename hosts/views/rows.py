"""What lists show of a row beside its own fields."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Count, Q

from hosts import access, inventory, metrics
from hosts.models import Host, HostSeries, VirtualMachine, VmSeries
from hosts.models.inventory import ACTIVE_STATES

ACTIVE = Q(state__in=ACTIVE_STATES)


def with_flags(vms: Iterable[VirtualMachine], user: access.AnyUser) -> list[dict[str, Any]]:
    """Each guest (of filters.listed_vms) with its flags in the words of look.LOOKS, and whether `user` may operate it."""
    operable = set(access.hosts_for(user, access.OPERATE).values_list("pk", flat=True))
    return [{"vm": vm, "flags": flags_of(vm), "may_operate": vm.host_id in operable} for vm in vms]


def with_counts(hosts: Iterable[Host]) -> list[Host]:
    """Each host with how many guests it has and how many of them are active: one statement for all."""
    found = list(hosts)
    counted = VirtualMachine.objects.filter(host__in=[host.pk for host in found]).order_by().values("host")
    counts = {row["host"]: row for row in counted.annotate(all=Count("pk"), active=Count("pk", filter=ACTIVE))}
    for host in found:
        row = counts.get(host.pk, {"all": 0, "active": 0})
        host.vm_count, host.running_count = row["all"], row["active"]  # type: ignore[attr-defined]
        host.memory_used_mib = host.memory_mib - host.memory_free_mib  # type: ignore[attr-defined]
    return found


def sparks_of(rows: Sequence[VirtualMachine] | Sequence[Host]) -> dict[int, list[float | None]]:
    """CPUs in use over the last half hour by primary key, for the tag `spark`: one statement for all."""
    if not rows:
        return {}
    of_vms = isinstance(rows[0], VirtualMachine)
    return metrics.sparks(VmSeries if of_vms else HostSeries, [row.pk for row in rows])


def flags_of(vm: VirtualMachine) -> list[str]:
    """What one should know of the guest before one acts on it."""
    placements = vm.shown_placements  # type: ignore[attr-defined]
    flags = {
        "two hosts": inventory.in_conflict(vm),
        "unreachable": vm.host is not None and not vm.host.is_online,
        "transient": any(row.is_active and not row.persistent for row in placements),
        "stale copy": any(row.stale for row in placements),
    }
    return [flag for flag, holds in flags.items() if holds]
