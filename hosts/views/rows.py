"""What lists show of a row beside its own fields."""

from collections.abc import Iterable
from typing import Any

from hosts import access, inventory
from hosts.models import MountState, VirtualMachine

BAD_MOUNTS = (MountState.STALE, MountState.MISSING, MountState.OTHER_SOURCE)


def with_flags(vms: Iterable[VirtualMachine], user: access.AnyUser) -> list[dict[str, Any]]:
    """Each guest (of filters.shown_vms) with its flags in the words of look.LOOKS, and whether `user` may operate it."""
    operable = set(access.hosts_for(user, access.OPERATE).values_list("pk", flat=True))
    return [{"vm": vm, "flags": flags_of(vm), "may_operate": vm.host_id in operable} for vm in vms]


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
