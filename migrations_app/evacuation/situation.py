"""From the rows to what placement decides by, and its decision back into the rows."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from hosts import access, audit
from hosts.models import Host, VirtualMachine, VmState
from hosts.models.inventory import ACTIVE_STATES
from migrations_app import placement, states
from migrations_app.models import Evacuation, Kind, Migration, Move, PlacementRule
from migrations_app.placement import Guest, Other, Placed, Room, Rule, Situation

UNDER_WAY = (Evacuation.State.RUNNING, Evacuation.State.STOPPING)
OFF = (VmState.SHUTOFF, VmState.CRASHED)
UNDECIDED = (Move.State.PLANNED, Move.State.BLOCKED)
"""Moves that a new placement may still change."""


def hosts_of(plan: Evacuation, user: User | None) -> QuerySet[Host]:
    """The hosts that whoever made `plan` may operate; the console itself may all. A removed user may none."""
    if user is None:
        return Host.objects.all() if plan.username in ("", audit.SYSTEM.username) else Host.objects.none()
    return access.hosts_for(user, access.OPERATE)


def kind_of(vm: VirtualMachine) -> Kind:
    return Kind.OFFLINE if vm.state in OFF else Kind.LIVE


def candidates(plan: Evacuation) -> list[Host]:
    """The hosts that `plan` may use as destinations, whether they are fit or not."""
    hosts = hosts_of(plan, plan.user)
    if plan.destinations:
        hosts = hosts.filter(name__in=plan.destinations)
    if plan.purpose == Evacuation.Purpose.EVACUATE:
        hosts = hosts.exclude(name=plan.host_name)
    return list(hosts.order_by("name"))


def room_of(host: Host) -> Room:
    """What `host` has left, less what is on its way to it."""
    vcpus = host.vms.filter(state__in=ACTIVE_STATES).aggregate(sum=Sum("vcpus"))["sum"] or 0
    return Room(
        name=host.name,
        memory_mib=host.memory_mib,
        free_mib=max(0, host.memory_free_mib - coming_mib(host)),
        cpus=host.cpus,
        vcpus=vcpus,
        why_not=why_closed(host),
    )


def why_closed(host: Host) -> str:
    """Why `host` takes no guests at all, or ""."""
    if host.maintenance:
        return "it is in maintenance"
    return "" if host.is_online else "it is not reachable"


def coming_mib(host: Host) -> int:
    """The memory of the guests on their way to `host`, and of those that came since its free memory was read."""
    since = host.last_seen or timezone.now()
    came = Q(state=states.State.COMPLETED, finished__gte=since)
    migrations = Migration.objects.filter(Q(state__in=states.ACTIVE) | came, destination=host, kind=Kind.LIVE)
    return int(migrations.aggregate(sum=Sum("vm__memory_mib"))["sum"] or 0)


def why_stuck(vm: VirtualMachine | None, source: Host | None) -> str:
    """Why a VM can go nowhere, as far as the rows tell; or ""."""
    if vm is None or source is None:
        return "No host has it any more."
    if not source.is_online:
        return f"{source.name} does not answer, so nothing is known of it."
    if vm.state not in (VmState.RUNNING, VmState.IDLE, *OFF):
        return f"It is {vm.get_state_display()}: only a VM that runs or is shut off can move."
    other = Migration.objects.filter(vm_uuid=vm.uuid, state__in=states.ACTIVE).values_list("pk", flat=True).first()
    return f"It is already migrating, see #{other}." if other else ""


def guest_of(move: Move, why_not: str = "") -> Guest:
    """A move as placement sees it; `why_not` says why it can go nowhere."""
    off = move.kind == Kind.OFFLINE
    return Guest(
        key=str(move.vm_uuid),
        name=move.vm_name,
        source=move.source_name,
        memory_mib=0 if off else move.memory_mib,
        vcpus=0 if off else move.vcpus,
        wanted=move.destination_name if move.chosen else "",
        why_not=why_not,
        unfit=move.unfit,
    )


def rules_for(moves: Iterable[Move]) -> tuple[tuple[Rule, ...], dict[str, Other]]:
    """The rules that name a VM of `moves`, and the other VMs that they name."""
    keys = {move.vm_uuid for move in moves}
    touched = PlacementRule.objects.filter(vms__uuid__in=keys).distinct().prefetch_related("vms__host")
    rules: list[Rule] = []
    others: dict[str, Other] = {}
    for row in touched:
        members = [vm for vm in row.vms.all() if vm.uuid in keys or vm.host]
        rules.append(Rule(row.name, row.kind == PlacementRule.Kind.APART, frozenset(str(vm.uuid) for vm in members)))
        others |= {str(vm.uuid): Other(vm.name, vm.host.name) for vm in members if vm.uuid not in keys and vm.host}
    return tuple(rules), others


def situation(plan: Evacuation, moves: Sequence[Move]) -> Situation:
    """What decides about `moves` of `plan`."""
    rules, others = rules_for(moves)
    rooms = tuple(room_of(host) for host in candidates(plan))
    return Situation(rooms, tuple(guest_of(move, why_stuck(move.vm, move.source)) for move in moves), rules, others)


def place(plan: Evacuation, *, only: Move | None = None) -> None:
    """Decide anew about the moves of `plan` that have not begun, and number them; needs a transaction.

    `only` one: the others keep their destinations, and what they need there is taken for granted.
    """
    moves = list(plan.moves.select_related("vm", "source", "destination"))
    undecided = [move for move in moves if move.state in UNDECIDED]
    open_moves = [move for move in undecided if only is None or move.pk == only.pk]
    now = situation(plan, open_moves)
    hosts = {host.name: host for host in candidates(plan)}
    if only is None:
        known = {room.name for room in now.rooms}
        sources = {move.source.name: move.source for move in moves if move.source and move.source.name not in known}
        # The sources give room back as their guests leave, and the picture shows them too.
        plan.rooms = [asdict(room) for room in (*now.rooms, *map(room_of, sources.values()))]
        plan.save(update_fields=["rooms"])
    else:
        now = replace(now, rooms=tuple(_less(room, undecided, only) for room in now.rooms))
    by_key = {str(move.vm_uuid): move for move in open_moves}
    found = [(by_key[placed.key], placed) for placed in placement.place(now)]
    for move, placed in found:
        _write(move, placed, hosts)
    if only is None:
        order = canary_first(found) if plan.canary else found
        _number([move for move in moves if move not in undecided] + [move for move, _ in order])
    fields = ["destination", "destination_name", "state", "why", "position"]
    Move.objects.bulk_update(moves, fields)


def _less(room: Room, undecided: Iterable[Move], only: Move) -> Room:
    """`room` without what the other moves are going to take there."""
    others = (move for move in undecided if move.pk != only.pk and move.kind == Kind.LIVE)
    taken = sum(move.memory_mib for move in others if move.destination_name == room.name)
    return replace(room, free_mib=max(0, room.free_mib - taken))


def _number(moves: Iterable[Move]) -> None:
    for position, move in enumerate(moves):
        move.position = position


def canary_first(found: list[tuple[Move, Placed]]) -> list[tuple[Move, Placed]]:
    """The smallest running guest goes first: the least is lost where it fails."""
    running = [pair for pair in found if pair[1].destination and pair[0].kind == Kind.LIVE]
    if not running:
        return found
    canary = min(running, key=lambda pair: (pair[0].memory_mib, pair[0].vm_name))
    return [canary, *(pair for pair in found if pair is not canary)]


def _write(move: Move, placed: Placed, hosts: dict[str, Host]) -> None:
    move.why = placed.why
    move.state = Move.State.PLANNED if placed.destination else Move.State.BLOCKED
    if placed.destination or not move.chosen:
        move.destination = hosts.get(placed.destination)
        move.destination_name = placed.destination
