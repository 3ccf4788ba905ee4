"""What is mounted on a host, what should be, and whether its server answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from hosts import live, mount_unit, reach
from hosts.errors import HostError
from hosts.fstab import Fstab, FstabEntry
from hosts.models import Host, Mount, MountSample, MountState
from hosts.mount_unit import MountUnit
from hosts.mounts import scripts
from hosts.mounts.knocking import why_silent
from hosts.mounts.messages import KILLED
from hosts.mounts.users import running_below
from hosts.nfs import NFS_TYPES, MountFact, parse_findmnt, parse_mountstats, parse_options

LOOK_TIMEOUT_S = 15.0
HEALTH_LIMIT_S = 5
"""statfs(2) over a working NFS takes milliseconds; a server that needs longer than this can't carry disk images."""
KEPT = timedelta(hours=6)
"""How long samples are kept: at one in half a minute, 720 for each mount."""
SHOWN = [
    "source",
    "kind",
    "state",
    "wanted",
    "in_fstab",
    "unit",
    "version",
    "options",
    "size_bytes",
    "used_bytes",
    "detail",
    "users",
]
"""A change of one of these is told to the pages; latency and time of the check change each time."""


@dataclass(frozen=True, slots=True)
class View:
    """What a host says of its mounts: the kernel's table, and /etc/fstab."""

    mounts: tuple[MountFact, ...]
    fstab: Fstab
    traffic: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Bytes read and written over the wire since each was mounted, by target."""
    units: tuple[MountUnit, ...] = ()
    has_systemd: bool = False

    def at(self, target: str) -> MountFact | None:
        """The mount in force at `target`: the last of those that lie over one another there."""
        return next((fact for fact in reversed(self.mounts) if fact.target == target), None)

    def wanted_at(self, target: str) -> FstabEntry | None:
        """What mounts NFS at `target` at the host's start: the line of fstab, or what a unit says."""
        entry = self.fstab.find(target)
        if entry and entry.fstype in NFS_TYPES:
            return entry
        unit = self.unit_at(target)
        return unit.entry if unit else None

    def unit_at(self, target: str) -> MountUnit | None:
        """The systemd unit that mounts NFS at `target` at the host's start."""
        return next((unit for unit in self.units if unit.is_enabled and unit.entry.target == target), None)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a mount's server answers statfs(2), in how many milliseconds, and with which sizes."""

    answers: bool
    latency_ms: float | None = None
    size_bytes: int = 0
    used_bytes: int = 0
    said: str = ""
    is_late: bool = False
    """It gave no answer in time, rather than an error."""


def check_mounts(host: Host) -> list[Mount]:
    """Bring the mount rows of `host` up to date; where it can't be asked, they are unknown and say why.

    Has a time limit, also where a server is dead, but may take some seconds: not for the thread that follows events.
    """
    rows = {row.target: row for row in Mount.objects.filter(host=host)}
    try:
        view = look(host)
        targets = dict.fromkeys(
            [fact.target for fact in view.mounts if fact.is_nfs]
            + [entry.target for entry in view.fstab.entries if entry.fstype in NFS_TYPES]
            + [unit.entry.target for unit in view.units if unit.is_enabled]
            + list(rows)
        )
        health = _with_reasons(host, view, measure(host, [target for target in targets if view.at(target)]))
    except HostError as error:
        unknown = {"state": MountState.UNKNOWN, "detail": f"{error} {error.hint}", "latency_ms": None}
        return _store(host, [(row, unknown) for row in rows.values()], {})
    found = [
        (rows.get(target) or Mount(host=host, target=target), target, view.at(target), health.get(target))
        for target in targets
    ]
    users = running_below(host, targets)
    fields = [
        (row, {**_fields(row, fact, view, target, well), "users": users[target]}) for row, target, fact, well in found
    ]
    return _store(host, fields, view.traffic)


def look(host: Host) -> View:
    """Ask the host's kernel, its fstab and its units; asks no NFS server, so it can't hang on one. Raises HostError."""
    said = reach.run(host, scripts.argv(scripts.LOOK), timeout_s=LOOK_TIMEOUT_S).stdout
    mounts, _, rest = said.partition(f"{scripts.SEPARATOR}\n")
    fstab, _, rest = rest.partition(f"{scripts.SEPARATOR_OF_STATS}\n")
    stats, _, units = rest.partition(f"{scripts.SEPARATOR_OF_UNITS}\n")
    return View(
        tuple(parse_findmnt(mounts)),
        Fstab(fstab),
        parse_mountstats(stats),
        mount_unit.parse(units),
        has_systemd=units.startswith("systemd\n"),
    )


def measure(host: Host, targets: Sequence[str]) -> dict[str, Health]:
    """The health of the file system at each target, all at once. Raises HostError if the host itself does not answer."""
    if not targets:
        return {}
    argv = scripts.argv(scripts.HEALTH, str(HEALTH_LIMIT_S), *targets)
    said = reach.run(host, argv, timeout_s=HEALTH_LIMIT_S + LOOK_TIMEOUT_S).stdout
    found = {}
    for line in said.splitlines():
        number, status, latency_us, *rest = line.split(" ", 3)
        if number.isdecimal() and int(number) < len(targets):
            found[targets[int(number)]] = _health(int(status), int(latency_us), "".join(rest))
    return found


def _health(status: int, latency_us: int, said: str) -> Health:
    figures = said.split()
    if status == 0 and len(figures) == 3:
        block, blocks, free = (int(figure) for figure in figures)
        return Health(
            answers=True, latency_ms=latency_us / 1000, size_bytes=block * blocks, used_bytes=block * (blocks - free)
        )
    if status == KILLED:
        return Health(answers=False, said=f"The server did not answer within {HEALTH_LIMIT_S} seconds.", is_late=True)
    return Health(answers=False, said=said)


def _with_reasons(host: Host, view: View, health: dict[str, Health]) -> dict[str, Health]:
    """Beside the silence of each mount, what the ports of its server tell: once for each server."""
    told: dict[str, str] = {}
    for target, well in health.items():
        fact = view.at(target)
        if well.is_late and fact and fact.is_nfs:
            server = fact.source.partition(":/")[0]
            if server not in told:
                told[server] = why_silent(host, fact.source)
            health[target] = replace(well, said=f"{well.said} {told[server]}".strip())
    return health


def _fields(row: Mount, fact: MountFact | None, view: View, target: str, health: Health | None) -> dict[str, Any]:
    """What the row says, from what is mounted at its target, what the host mounts there at start and how the server answers."""
    entry, unit = view.wanted_at(target), view.unit_at(target)
    wanted_source = entry.source if entry else row.source if row.wanted else ""
    fields: dict[str, Any] = {
        # Who takes it out of fstab or disables its unit by hand does not want it any more.
        "wanted": entry is not None or (row.wanted and not row.is_kept),
        "in_fstab": entry is not None and not (unit and unit.entry is entry),
        "unit": unit.name if unit else "",
        "source": wanted_source or (fact.source if fact else row.source),
        "detail": "",
        "latency_ms": None,
    }
    if fact is None:
        asked = fields["wanted"] and not (entry and "noauto" in parse_options(entry.options))
        return {
            **fields,
            "state": MountState.MISSING if asked else MountState.NOT_MOUNTED,
            "size_bytes": 0,
            "used_bytes": 0,
        }
    health = health or Health(answers=False, said="The host did not say whether the server answers.")
    fields |= {"kind": fact.fstype, "version": fact.version, "options": fact.options, "latency_ms": health.latency_ms}
    if not health.answers:
        return {**fields, "state": MountState.STALE, "detail": health.said}
    fields |= {"size_bytes": health.size_bytes, "used_bytes": health.used_bytes}
    if wanted_source and fact.source.rstrip("/") != wanted_source.rstrip("/"):
        return {
            **fields,
            "state": MountState.OTHER_SOURCE,
            "detail": f"{fact.source} ({fact.fstype}) is mounted there.",
        }
    return {**fields, "state": MountState.HEALTHY}


def _store(
    host: Host, found: Sequence[tuple[Mount, dict[str, Any]]], traffic: Mapping[str, tuple[int, int]]
) -> list[Mount]:
    """Write the rows and a sample of each; tell the pages if anything changed that they show."""
    if not found:
        return list(Mount.objects.filter(host=host).select_related("host"))
    now = timezone.now()
    changed = alarming = False
    for row, fields in found:
        fields = {**fields, "detail": str(fields["detail"]).strip()}
        changed |= row.pk is None or any(getattr(row, name) != fields[name] for name in SHOWN if name in fields)
        was_lost = row.is_lost
        for name, value in {**fields, "checked": now}.items():
            setattr(row, name, value)
        alarming |= was_lost != row.is_lost
    rows = [row for row, _ in found]
    with transaction.atomic():
        # The host may have been removed while it was asked.
        Host.objects.select_for_update(no_key=True).only("pk").get(pk=host.pk)
        Mount.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["host", "target"],
            update_fields=[*SHOWN, "latency_ms", "checked"],
        )
        stored = list(Mount.objects.filter(host=host).select_related("host"))
        _sample([row for row in stored if row.is_mounted and row.checked == now], traffic)
        if changed:
            live.publish("storage", hosts=[host.pk])
            live.publish(f"host.{host.pk}", hosts=[host.pk])
        if alarming:
            live.publish("alerts", hosts=[host.pk])
    return stored


def _sample(rows: Sequence[Mount], traffic: Mapping[str, tuple[int, int]]) -> None:
    if not rows:
        return
    now = rows[0].checked
    assert now
    MountSample.objects.filter(mount__in=rows, at__lt=now - KEPT).delete()
    MountSample.objects.bulk_create(
        MountSample(mount=row, at=now, latency_ms=row.latency_ms, read_bytes=read, written_bytes=written)
        for row in rows
        for read, written in [traffic.get(row.target, (None, None))]
    )
