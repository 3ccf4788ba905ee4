"""Which guests of a host need the share at a mount point."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from hosts import reach
from hosts.domain_xml import Domain
from hosts.errors import HostError
from hosts.models import Host, Placement
from hosts.models.inventory import ACTIVE_STATES

ASK_TIMEOUT_S = 10.0


def guests_below(*, host: Host, target: str) -> tuple[list[str], list[str]]:
    """The names of the guests on `host` with a disk below `target`: those that are active, and those only defined.

    libvirt is asked; where it gives no answer the rows' last knowledge counts (and the kernel still refuses to unmount what
    a process holds open). Leftover definitions of guests that live elsewhere don't count.
    """
    stale = {str(row.vm.uuid) for row in Placement.objects.filter(host=host, stale=True).select_related("vm")}
    try:
        with reach.libvirt(host, timeout_s=ASK_TIMEOUT_S) as connection:
            found = [
                (domain.name, domain.state in ACTIVE_STATES, _sources(domain.live_xml or domain.persistent_xml))
                for domain in connection.domains()
                if domain.state in ACTIVE_STATES or domain.uuid not in stale
            ]
    except HostError:
        rows = Placement.objects.filter(host=host, present=True, stale=False).select_related("vm")
        found = [(row.vm.name, row.is_active, [disk["source"] for disk in row.facts.get("disks", [])]) for row in rows]
    using = [(name, active) for name, active, sources in found if is_below(sources, target)]
    return [name for name, active in using if active], [name for name, active in using if not active]


def running_below(host: Host, targets: Iterable[str]) -> dict[str, list[str]]:
    """By target, the names of the guests that run on `host` with a disk below it, as the rows know: one statement."""
    rows = Placement.objects.filter(host=host, present=True, state__in=ACTIVE_STATES).values_list("vm__name", "facts")
    disks = [(name, [disk.get("source") for disk in facts.get("disks", [])]) for name, facts in rows]
    return {target: sorted(name for name, sources in disks if is_below(sources, target)) for target in targets}


def is_below(sources: Iterable[str | None], target: str) -> bool:
    """Whether one of these paths lies at or below the folder `target`."""
    return any(source and PurePosixPath(source).is_relative_to(target) for source in sources)


def _sources(xml: str | None) -> list[str | None]:
    return [path for disk in Domain.parse(xml).disks for path in (disk.source, *disk.backing_chain)] if xml else []
