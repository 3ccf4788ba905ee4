"""A plan as a dict: the one shape for page, fragment and API; and who is told when it changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from hosts import access, live
from hosts.models import Host
from migrations_app.evacuation.situation import UNDECIDED, UNDER_WAY, guest_of, rules_for
from migrations_app.models import Evacuation, Kind, Migration, Move
from migrations_app.placement import Ledger, Other, Room, Schedule, Situation, schedule
from migrations_app.states import State

PROGRESS = ["migrations_app/_plan_progress.html"]
OFF_WEIGHT_MIB = 64
"""What a definition counts in the overall bar, where a guest counts its memory."""


def hosts_of(plan: Evacuation) -> list[Host | None]:
    """The hosts that `plan` touches: sources and destinations."""
    found = {plan.host_id: plan.host}
    for move in plan.moves.select_related("source", "destination"):
        found |= {move.source_id: move.source, move.destination_id: move.destination}
    return [host for host in found.values() if host]


def visible(user: access.AnyUser) -> QuerySet[Evacuation]:
    """The plans of which `user` may see a host."""
    if access.may(user, access.SEE):
        return Evacuation.objects.all()
    hosts = access.hosts_for(user)
    seen = Q(host__in=hosts) | Q(moves__source__in=hosts) | Q(moves__destination__in=hosts)
    return Evacuation.objects.filter(seen).distinct()


def percent_of(move: Move) -> int:
    """How far one move is."""
    if move.state == Move.State.DONE:
        return 100
    if move.state != Move.State.RUNNING or move.migration is None:
        return 0
    return min(99, int(move.migration.progress.get("percent") or 0))


def progress(plan: Evacuation, moves: Sequence[Move]) -> dict[str, Any]:
    """The overall figures, in JSON's own types: they also travel through the channel layer."""
    counts = {str(state): 0 for state in Move.State}
    done_mib = all_mib = 0.0
    for move in moves:
        counts[move.state] += 1
        if move.state not in (Move.State.SKIPPED, Move.State.BLOCKED):
            weight = max(move.memory_mib if move.kind == Kind.LIVE else 0, OFF_WEIGHT_MIB)
            all_mib += weight
            done_mib += weight * percent_of(move) / 100
    unchecked = sum(1 for move in moves if move.checked is None and move.state in UNDECIDED)
    percent = int(done_mib * 100 / all_mib) if all_mib else 0
    return {
        "id": plan.pk,
        "state": str(plan.state),
        "state_label": plan.get_state_display(),
        "why_stopped": plan.why_stopped,
        "percent": percent,
        "counts": counts,
        "total": len(moves),
        "stay": counts["skipped"] + counts["blocked"],
        "checked": len(moves) - unchecked,
        "is_checking": unchecked > 0 and plan.state in (Evacuation.State.PLANNED, *UNDER_WAY),
        "is_under_way": plan.state in UNDER_WAY,
    }


def steps_of(plan: Evacuation, moves: Sequence[Move]) -> Schedule:
    """The steps in which the moves go that are not over, as far as can be told beforehand."""
    ahead = [move for move in moves if move.state in (Move.State.PLANNED, Move.State.RUNNING) and move.destination_name]
    rules, others = rules_for(moves)
    for move in moves:
        if move not in ahead:
            at = move.destination_name if move.state == Move.State.DONE else move.source_name
            others[str(move.vm_uuid)] = Other(move.vm_name, at)
    rooms = tuple(Room(**room) for room in plan.rooms)
    now = Situation(rooms, tuple(guest_of(move) for move in ahead), rules, others)
    goals = {str(move.vm_uuid): move.destination_name for move in ahead}
    first = not any(move.state == Move.State.DONE for move in moves)
    return schedule(_after(now, moves), goals, parallel=plan.parallel, canary=plan.canary and first)


def _after(now: Situation, moves: Sequence[Move]) -> Situation:
    """`now` with the moves that are done taken into account, since the rooms are those of when it was planned."""
    ledger = Ledger(now)
    for move in moves:
        if move.state == Move.State.DONE and move.destination_name in ledger.free:
            ledger.take(guest_of(move), move.destination_name)
            ledger.leave(guest_of(move), move.destination_name)
    rooms = tuple(
        Room(room.name, room.memory_mib, ledger.free[room.name], room.cpus, room.vcpus, room.why_not)
        for room in now.rooms
    )
    return Situation(rooms, now.guests, now.rules, now.others)


def expected_s(plan: Evacuation, moves: Sequence[Move], found: Schedule) -> float | None:
    """How long what is left should take, in seconds; None where a move was never estimated."""
    by_key = {str(move.vm_uuid): move for move in moves}
    total = 0.0
    for step in found.steps:
        each = [_expected_s(by_key[key]) for key in step.keys]
        known = [seconds for seconds in each if seconds is not None]
        if len(known) < len(each):
            return None
        total += max(known, default=0.0)
    return round(total, 1)


def _expected_s(move: Move) -> float | None:
    if move.kind == Kind.OFFLINE:
        return 1.0
    seconds = move.estimates.get(move.destination_name)
    return float(seconds) if seconds is not None else None


def summary(plan: Evacuation, moves: Sequence[Move] | None = None) -> dict[str, Any]:
    """What a list says of `plan`."""
    return {
        **progress(plan, list(plan.moves.all()) if moves is None else moves),
        "purpose": str(plan.purpose),
        "purpose_label": plan.get_purpose_display(),
        "host": plan.host_name,
        "reason": plan.reason,
        "username": plan.username,
        "created": _iso(plan.created),
        "started": _iso(plan.started),
        "finished": _iso(plan.finished),
    }


def snapshot(plan: Evacuation) -> dict[str, Any]:
    """All there is to say of `plan`."""
    moves = moves_of(plan)
    found = steps_of(plan, moves)
    names = {str(move.vm_uuid): move.vm_name for move in moves}
    step_of = {key: number for number, step in enumerate(found.steps, start=1) for key in step.keys}
    return {
        **summary(plan, moves),
        "home_of": plan.home_of_id,
        "options": plan.options,
        "destinations": plan.destinations,
        "parallel": plan.parallel,
        "canary": plan.canary,
        "stop_after_failures": plan.stop_after_failures,
        "maintenance": plan.maintenance,
        "expected_s": expected_s(plan, moves, found),
        "rooms": plan.rooms,
        "moves": [move_row(move, found, step_of) for move in moves],
        "steps": [
            {
                "number": number,
                "moves": list(step.keys),
                "names": [names[key] for key in step.keys],
                "reserved_mib": dict(step.reserved_mib),
                "free_mib": dict(step.free_mib),
            }
            for number, step in enumerate(found.steps, start=1)
        ],
    }


def move_row(move: Move, found: Schedule, step_of: dict[str, int]) -> dict[str, Any]:
    key = str(move.vm_uuid)
    planned = move.state == Move.State.PLANNED
    return {
        "id": move.pk,
        "position": move.position,
        "vm": key,
        "vm_name": move.vm_name,
        "kind": str(move.kind),
        "memory_mib": move.memory_mib,
        "vcpus": move.vcpus,
        "source": move.source_name,
        "destination": move.destination_name,
        "state": str(move.state),
        "state_label": move.get_state_display(),
        "why": move.why,
        "conflict": found.stuck.get(key, "") if planned else "",
        "chosen": move.chosen,
        "checked": _iso(move.checked),
        "unfit": move.unfit,
        "expected_s": _expected_s(move),
        "step": step_of.get(key) if planned else None,
        "migration": move.migration_id,
        "percent": percent_of(move),
        "needs_attention": bool(move.migration and move.migration.state == State.NEEDS_ATTENTION),
    }


def moves_of(plan: Evacuation, *related: str) -> list[Move]:
    """The moves of `plan` with what they point to, read many times in a drain: of a migration only how it stands."""
    migration = Prefetch("migration", Migration.objects.only("state", "progress", "error", "hint"))
    rows = plan.moves.select_related("vm").prefetch_related("source", "destination", migration, *related)
    return list(rows)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def publish(plan: Evacuation) -> None:
    """Tell the plan's page, the list of plans, and the pages of its host that it changed."""
    about = _about(plan)
    _publish_progress(plan, about)
    live.publish(f"evacuation.{plan.pk}", hosts=about)
    live.publish("migrations", hosts=about)


def show_progress(pk: int) -> None:
    """Tell the page of plan `pk` how far it is, where it is under way and somebody looks."""
    if not live.is_heard(f"evacuation.{pk}"):
        return
    if plan := Evacuation.objects.filter(pk=pk, state__in=UNDER_WAY).first():
        _publish_progress(plan, _about(plan))


def _publish_progress(plan: Evacuation, about: list[int | None]) -> None:
    shown = lambda: {"plan": progress(plan, moves_of(plan))}  # noqa: E731
    live.publish(f"evacuation.{plan.pk}", fragments=PROGRESS, data=shown, hosts=about)


def _about(plan: Evacuation) -> list[int | None]:
    ends = plan.moves.values_list("source_id", "destination_id")
    return [plan.host_id, *{pk for pair in ends for pk in pair}]
