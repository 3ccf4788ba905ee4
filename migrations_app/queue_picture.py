"""The queue as pages and the API show it: the places of each host and link, and the line of those that wait."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hosts import access
from migrations_app import admission, snapshot
from migrations_app.models import Kind, Migration, QueueLimits
from migrations_app.queueing import Entry, in_order
from migrations_app.states import HOLDS_PLACE

SHOWN = 100
"""So many of the waiting ones are shown; more are counted."""
PRIORITIES = ((10, "high"), (0, "normal"), (-10, "low"))
LEVELS = dict(PRIORITIES)


@dataclass(slots=True)
class Lane:
    """Places of one kind: who has one, how many are free, and how many wait for one."""

    limit: int
    taken: list[Migration] = field(default_factory=list)
    waiting: int = 0

    @property
    def free(self) -> range:
        return range(max(0, self.limit - len(self.taken)))


@dataclass(frozen=True, slots=True)
class HostLanes:
    name: str
    leaving: Lane
    arriving: Lane


@dataclass(frozen=True, slots=True)
class LinkLane:
    source: str
    destination: str
    lane: Lane


@dataclass(frozen=True, slots=True)
class Line:
    """One that waits: its place in the whole queue, and how it can be moved."""

    place: int
    migration: Migration
    is_first: bool
    may_go_up: bool
    may_go_down: bool
    may_operate: bool

    @property
    def level(self) -> str:
        return LEVELS.get(self.migration.priority, f"{self.migration.priority:+d}")


@dataclass(frozen=True, slots=True)
class Picture:
    limits: QueueLimits
    running: int
    waiting: int
    hosts: list[HostLanes]
    links: list[LinkLane]
    line: list[Line]

    @property
    def more(self) -> int:
        return max(0, self.waiting - len(self.line))

    @property
    def is_held(self) -> bool:
        return self.limits.overall == 0


def picture(user: access.AnyUser) -> Picture:
    """What `user` may see of the queue. Places in the line count those, too, that are not shown."""
    seen = snapshot.visible(user).defer("live_xml", "source_xml", "before", "preflight", "evidence")
    limits = QueueLimits.current()
    running = list(seen.filter(state__in=HOLDS_PLACE).order_by("started", "pk"))
    visible = {row.pk: row for row in seen.filter(pk__in=admission.queued().values("pk"))}
    ordered = _ordered()
    waiting = [visible[entry.pk] for entry in ordered if entry.pk in visible]
    may_see = set(access.hosts_for(user).values_list("name", flat=True))
    return Picture(
        limits=limits,
        running=len(running),
        waiting=len(waiting),
        hosts=_hosts(running, waiting, limits, may_see),
        links=_links(running, waiting, limits),
        line=_line(ordered, visible, set(access.hosts_for(user, access.OPERATE).values_list("pk", flat=True))),
    )


def _ordered() -> list[Entry]:
    rows = {row.pk: row for row in admission.queued().select_related("vm")}
    return in_order([admission.entry_of(row) for row in rows.values()], admission.last_served(rows))


def _hosts(
    running: list[Migration], waiting: list[Migration], limits: QueueLimits, may_see: set[str]
) -> list[HostLanes]:
    found: dict[str, HostLanes] = {}
    for row in (*running, *waiting):
        for name in (row.source_name, row.destination_name):
            if name in may_see:
                lanes = HostLanes(name, Lane(limits.per_source), Lane(limits.per_destination))
                found.setdefault(name, lanes)
    for row in running:
        if row.kind != Kind.OFFLINE:
            _take(found, row)
    for row in waiting:
        if row.source_name in found:
            found[row.source_name].leaving.waiting += 1
        if row.destination_name in found:
            found[row.destination_name].arriving.waiting += 1
    return [found[name] for name in sorted(found)]


def _take(found: dict[str, HostLanes], row: Migration) -> None:
    if row.source_name in found:
        found[row.source_name].leaving.taken.append(row)
    if row.destination_name in found:
        found[row.destination_name].arriving.taken.append(row)


def _links(running: list[Migration], waiting: list[Migration], limits: QueueLimits) -> list[LinkLane]:
    lanes: dict[tuple[str, str], Lane] = defaultdict(lambda: Lane(limits.per_link))
    for row in running:
        if row.kind != Kind.OFFLINE:
            lanes[row.source_name, row.destination_name].taken.append(row)
    for row in waiting:
        lanes[row.source_name, row.destination_name].waiting += 1
    return [LinkLane(*link, lane) for link, lane in sorted(lanes.items())]


def _line(ordered: list[Entry], visible: dict[int, Migration], operable: set[int]) -> list[Line]:
    own: dict[tuple[str, int], list[int]] = defaultdict(list)
    for entry in ordered:
        own[entry.user, entry.priority].append(entry.pk)
    found: list[Line] = []
    for place, entry in enumerate(ordered, 1):
        if entry.pk not in visible or len(found) == SHOWN:
            continue
        row, mine = visible[entry.pk], own[entry.user, entry.priority]
        may_operate = {row.source_id, row.destination_id} <= operable
        found.append(Line(place, row, place == 1, entry.pk != mine[0], entry.pk != mine[-1], may_operate))
    return found


def as_json(found: Picture) -> dict[str, Any]:
    """The same for the API."""

    def lane(one: Lane) -> dict[str, Any]:
        return {"limit": one.limit, "running": [row.pk for row in one.taken], "waiting": one.waiting}

    return {
        "limits": {name: getattr(found.limits, name) for name in admission.BOUNDS},
        "running": found.running,
        "waiting": found.waiting,
        "hosts": [
            {"name": one.name, "leaving": lane(one.leaving), "arriving": lane(one.arriving)} for one in found.hosts
        ],
        "links": [{"source": one.source, "destination": one.destination, **lane(one.lane)} for one in found.links],
        "queue": [
            {
                "place": one.place,
                "id": one.migration.pk,
                "vm_name": one.migration.vm_name,
                "source": one.migration.source_name,
                "destination": one.migration.destination_name,
                "username": one.migration.username,
                "priority": one.migration.priority,
                "waits_for": one.migration.waits_for,
                "created": one.migration.created,
            }
            for one in found.line
        ],
    }
