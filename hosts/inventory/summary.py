"""From what each host says of a guest to the one truth about it: where it is, and which definitions are leftovers.

No database and no clock here: rows come in, a value goes out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hosts.models import Placement, VmState

WAITING_REASONS = ("migration", "post-copy", "post-copy failed")
"""libvirt's reasons (VIR_DOMAIN_PAUSED_MIGRATION, …_POSTCOPY, …_POSTCOPY_FAILED) of a copy that waits, paused, at either end
of a migration."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a VM's row says of it."""

    host_id: int | None
    state: str
    name: str
    vcpus: int
    memory_mib: int
    running_copies: int = 0


def is_waiting_copy(placement: Placement) -> bool:
    """The paused half of a migration under way: no second guest, since only one of the two ever runs."""
    return placement.state == VmState.PAUSED and placement.reason in WAITING_REASONS


def running_copies(placements: Iterable[Placement]) -> list[Placement]:
    """The placements on which the guest itself is active. More than one: two writers on one disk."""
    return [placement for placement in placements if placement.is_active and not is_waiting_copy(placement)]


def summarise(placements: Sequence[Placement], *, at: int | None, name: str) -> Summary:
    """Where the guest is: where it runs, else where the good definition lies. `at` is the host id it had so far.

    A host that is not online can't vouch for a running guest: the guest stays there, in state unknown, until that host
    answers or another one has it. Each placement needs its host loaded.
    """
    present = [placement for placement in placements if placement.present]
    if not present:
        return Summary(host_id=None, state=VmState.UNKNOWN, name=name, vcpus=0, memory_mib=0)
    best = min(present, key=lambda placement: _rank(placement, at))
    return Summary(
        host_id=best.host_id,
        state=best.state if best.host.is_online else VmState.UNKNOWN,
        name=best.facts.get("name", name),
        vcpus=best.facts.get("vcpus", 0),
        memory_mib=best.facts.get("memory_mib", 0),
        running_copies=len(running_copies(present)),
    )


def _rank(placement: Placement, at: int | None) -> tuple[int, bool, bool, str]:
    """Sorts the placements of a guest: the lowest is where it is."""
    if not placement.is_active:
        standing = 5 if placement.stale else 4
    elif placement.host.is_online:
        standing = 1 if is_waiting_copy(placement) else 0
    else:
        standing = 3 if is_waiting_copy(placement) else 2
    return standing, placement.host_id != at, not placement.host.is_online, placement.host.name


def is_stale(placement: Placement, placements: Iterable[Placement]) -> bool:
    """Whether `placement` is a leftover definition: the guest is active on another host, or was when last known.

    Once stale it stays so until the guest is active there, is gone from there, or an admin makes it the good one; a mark
    in the definition itself says the same to a console that never saw the guest elsewhere.
    """
    if not placement.present or placement.is_active or not placement.persistent:
        return False
    if any(other.host_id != placement.host_id for other in running_copies(placements)):
        return True
    return placement.stale or bool(placement.facts.get("marked_stale"))
