"""Shares by hosts: which export is mounted where, how it is there, and where two hosts have it otherwise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hosts import access
from hosts.models import Export, Host, Mount, MountState, NfsServer
from hosts.mount_options import Difference, differences, effective, usual
from hosts.nfs import NfsSource
from hosts.nfs_servers import names_of

NOT_WANTED, OTHER_SOURCE = "not wanted", str(MountState.OTHER_SOURCE)
TONES = {"stale": 0, OTHER_SOURCE: 1, "missing": 2, "unknown": 3, "read-only": 4, "slow": 5, "healthy": 6}
"""Where a host has a share at several places, its cell shows the one that stands first here."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One share on one host. `mount` is what is at its place there, also where that is another share's."""

    host: Host
    state: str
    mount: Mount | None = None
    differs: list[Difference] = field(default_factory=list)
    elsewhere: str = ""
    """Its target, where that is not the one that most hosts have."""
    also_at: tuple[str, ...] = ()

    @property
    def is_here(self) -> bool:
        return self.mount is not None and self.state not in (NOT_WANTED, OTHER_SOURCE)


@dataclass(frozen=True)
class Row:
    """One share: how the hosts have it, at which target most of them, and whom its server lets mount it."""

    source: str
    target: str
    cells: list[Cell]
    clients: str | None = None
    """None where no server was asked."""

    @cached_property
    def lacking(self) -> list[Cell]:
        """The hosts that could have it and have not, and on which nothing is in its place."""
        return [cell for cell in self.cells if cell.state in (NOT_WANTED, "missing", "not mounted")]

    @cached_property
    def differing(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.differs or cell.elsewhere]

    @cached_property
    def usual(self) -> dict[str, str]:
        """The options that most hosts have."""
        return usual(
            options_of(cell.mount) for cell in self.cells if cell.is_here and cell.mount and cell.mount.options
        )


def options_of(mount: Mount) -> dict[str, str]:
    return effective(mount.options, fstype=mount.kind)


def rows(
    *,
    hosts: Sequence[Host],
    mounts: Iterable[Mount],
    exports: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Row]:
    """A row for each share that one of `hosts` has, wants, or that a server offers, in the order of their names.

    `mounts` are those of `hosts`; `exports` are sources with whom they are for. `names` gives the address of a server by the
    other names that hosts mount from, so that one share is one row.
    """
    names, exports = names or {}, exports or {}
    by_source: dict[str, dict[int, list[Mount]]] = defaultdict(lambda: defaultdict(list))
    at: dict[tuple[int, str], Mount] = {}
    for mount in mounts:
        by_source[one_name(mount.source, names)][mount.host_id].append(mount)
        at[mount.host_id, mount.target] = mount
    offered = {one_name(source, names): clients for source, clients in exports.items()}
    found = []
    for source in sorted({*by_source, *offered}):
        of_hosts = by_source.get(source, {})
        target = _usual_target(mount for each in of_hosts.values() for mount in each)
        here = [mount for each in of_hosts.values() for mount in each if mount.is_mounted and mount.options]
        options = usual(map(options_of, here))
        cells = [_cell(host, of_hosts.get(host.pk, []), at.get((host.pk, target)), target, options) for host in hosts]
        found.append(Row(source, target, cells, offered.get(source)))
    return found


def rows_of(user: access.AnyUser, hosts: list[Host]) -> list[Row]:
    """The matrix of `hosts`, with what servers offer where `user` may ask them: four statements."""
    mounts = Mount.objects.filter(host__in=hosts).select_related("host")
    may_know = access.may(user, access.SEE) or access.may_anywhere(user, access.OPERATE)
    servers = list(NfsServer.objects.all()) if may_know else []
    exports = {str(row): row.clients for row in Export.objects.all()} if may_know else {}
    for server in servers:
        for export in server.facts.get("exports", []):
            source = str(NfsSource(server=server.address, path=export["path"]))
            known = exports.get(source, "")
            exports[source] = (
                known if export["client"] in known.split(",") else f"{known},{export['client']}".strip(",")
            )
    names = {name: server.address for server in servers for name in names_of(server)}
    return rows(hosts=hosts, mounts=mounts, exports=exports, names=names)


def one_name(source: str, names: Mapping[str, str]) -> str:
    """The share as it is called in the matrix: its server by its address, no slash at the end."""
    server, found, path = source.partition(":/")
    path = path.rstrip("/")
    return f"{names.get(server, server)}:/{path}" if found else source


def _usual_target(mounts: Iterable[Mount]) -> str:
    counted = Counter(mount.target for mount in mounts if mount.is_mounted or mount.wanted)
    return max(counted, key=lambda target: (counted[target], target), default="")


def _cell(host: Host, mounts: list[Mount], there: Mount | None, target: str, options: Mapping[str, str]) -> Cell:
    if not mounts or not any(mount.is_mounted or mount.wanted for mount in mounts):
        # A row that is neither mounted nor wanted stands for what was there once.
        if there and there.is_mounted and there not in mounts:
            return Cell(host, OTHER_SOURCE, there)
        return Cell(host, NOT_WANTED, mounts[0] if mounts else None)
    worst = min(mounts, key=lambda mount: TONES.get(mount.condition, 9))
    differs = differences(options_of(worst), options) if worst.is_mounted and worst.options else []
    others = tuple(sorted(mount.target for mount in mounts if mount is not worst and mount.is_mounted))
    elsewhere = worst.target if target and worst.target != target and target not in others else ""
    return Cell(host, worst.condition, worst, differs, elsewhere, others)
