"""Lets a plan go on: what its migrations came to, whether to stop, what to begin next. All in one transaction on rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hosts import audit
from hosts.errors import InvalidInput, Refused
from hosts.models import Host
from migrations_app import actions
from migrations_app.evacuation import reporting
from migrations_app.evacuation.situation import UNDER_WAY, hosts_of, kind_of, room_of, rules_for, why_closed, why_stuck
from migrations_app.models import Evacuation, Kind, Move
from migrations_app.placement import Rule
from migrations_app.plan import Options
from migrations_app.states import ACTIVE, LABELS, State

PLAN, MOVE = Evacuation.State, Move.State
ON_ITS_WAY = ACTIVE - {State.NEEDS_ATTENTION}


def sweep() -> None:
    """Go on with every plan under way, and note what a person has settled since of moves that had failed."""
    settled = Q(moves__state=MOVE.FAILED, moves__migration__state=State.COMPLETED)
    for pk in Evacuation.objects.filter(Q(state__in=UNDER_WAY) | settled).values_list("pk", flat=True).distinct():
        go_on(pk)


def go_on(pk: int) -> None:
    """Do what is to be done now for plan `pk`; may be called at any time, by any number of processes."""
    with transaction.atomic():
        rows = Evacuation.objects.select_for_update(of=("self",)).select_related("host", "user", "audit")
        plan = rows.filter(pk=pk).first()
        if plan is not None and not _is_full(plan) and _Turn(plan).take():
            reporting.publish(plan)
    reporting.show_progress(pk)


def _is_full(plan: Evacuation) -> bool:
    """Whether as many of its migrations are under way as may be, so that nothing can be begun and nothing is to be noted."""
    told = plan.moves.filter(state__in=(MOVE.RUNNING, MOVE.FAILED)).order_by().values_list("state", "migration__state")
    running = [migration for move, migration in told if move == MOVE.RUNNING]
    settled = any(move == MOVE.FAILED and migration == State.COMPLETED for move, migration in told)
    return len(running) >= plan.parallel and set(running) <= ON_ITS_WAY and not settled


class _Turn:
    """One look at a plan, with its row locked."""

    def __init__(self, plan: Evacuation) -> None:
        self.plan, self.changed = plan, False
        self.moves = reporting.moves_of(plan, "vm__host")

    def take(self) -> bool:
        """Whether anything changed."""
        for move in self.moves:
            self.settle(move)
        if self.plan.state == PLAN.RUNNING:
            self.stop_after_failures()
        if self.plan.state == PLAN.RUNNING:
            self.begin_moves()
        if self.plan.state in UNDER_WAY and not self.of(MOVE.RUNNING):
            self.end()
        return self.changed

    def of(self, *states: str) -> list[Move]:
        return [move for move in self.moves if move.state in states]

    # What came of the migrations

    def settle(self, move: Move) -> None:
        """Take over how the migration of `move` stands."""
        if move.state not in (MOVE.RUNNING, MOVE.FAILED):
            return
        migration = move.migration
        if migration is None:
            if move.state == MOVE.RUNNING:
                self.write(move, MOVE.FAILED, "Its migration is not in the history any more.")
        elif migration.state == State.COMPLETED:
            self.write(move, MOVE.DONE, move.why if move.state == MOVE.RUNNING else "Settled by hand.")
        elif move.state == MOVE.FAILED:
            return
        elif migration.state == State.CANCELLED:
            self.write(move, MOVE.SKIPPED, f"Migration #{migration.pk} was cancelled.")
        elif migration.state in (State.FAILED, State.NEEDS_ATTENTION):
            told = f"{migration.error} {migration.hint}".strip() or LABELS[State(migration.state)][1]
            self.write(move, MOVE.FAILED, told)

    def write(self, move: Move, state: str, why: str) -> None:
        move.state, move.why, self.changed = state, why, True
        move.save(update_fields=["state", "why", "migration", "kind"])

    # Whether to stop

    def stop_after_failures(self) -> None:
        failed, limit = len(self.of(MOVE.FAILED)), self.plan.stop_after_failures
        if self.on_canary() and failed:
            self.to(PLAN.STOPPING, why_stopped="The canary did not arrive, so nothing else was begun.")
        elif limit and failed >= limit:
            self.to(PLAN.STOPPING, why_stopped=f"{failed} VM{'s' if failed > 1 else ''} could not be moved.")

    def on_canary(self) -> bool:
        return self.plan.canary and not self.of(MOVE.DONE)

    def end(self) -> None:
        """Nothing moves: the plan has come to an end where it was to stop, or nothing is left to begin."""
        failed = len(self.of(MOVE.FAILED))
        if self.plan.state == PLAN.STOPPING:
            self.to(PLAN.STOPPED, finished=timezone.now())
        elif not self.of(MOVE.PLANNED):
            why = f"{failed} VM{'s' if failed > 1 else ''} could not be moved." if failed else ""
            self.to(PLAN.STOPPED if failed else PLAN.COMPLETED, finished=timezone.now(), why_stopped=why)
        else:
            return
        if self.plan.audit:
            by_hand = self.plan.why_stopped.startswith("Stopped by") and not failed
            outcome = audit.Outcome.CANCELLED if by_hand else audit.Outcome.FAILED
            if self.plan.state == PLAN.COMPLETED:
                outcome = audit.Outcome.SUCCEEDED
            audit.close(self.plan.audit, outcome, f"{len(self.of(MOVE.DONE))} moved. {self.plan.why_stopped}".strip())

    def to(self, state: str, **values: object) -> None:
        Evacuation.objects.filter(pk=self.plan.pk).update(state=state, **values)
        self.plan.state, self.changed = state, True
        for name, value in values.items():
            setattr(self.plan, name, value)

    # What to begin

    def begin_moves(self) -> None:
        """Begin as many as may run at once, in their order; one that must wait is overtaken only by one that it would
        otherwise hold up for ever."""
        limit = 1 if self.on_canary() else self.plan.parallel
        rules = _Rules(self.moves)
        held: list[tuple[Move, str]] = []
        for move in self.of(MOVE.PLANNED):
            running = len(self.of(MOVE.RUNNING))
            if running >= limit or (held and running):
                return
            if move.checked is None:
                held.append((move, ""))
                continue
            if why := self.why_not(move):
                self.write(move, MOVE.FAILED, why)
            elif why := self.why_waits(move, rules):
                held.append((move, why))
            else:
                self.begin(move)
        if held and not self.of(MOVE.RUNNING) and all(why for _, why in held):
            # Nothing leaves any host any more, so what waits for that waits in vain.
            self.write(held[0][0], MOVE.FAILED, held[0][1])

    def why_not(self, move: Move) -> str:
        """Why `move` can't be begun as it was planned, or ""."""
        vm, destination = move.vm, move.destination
        if stuck := why_stuck(vm, vm.host if vm else None):
            return stuck
        assert vm
        if vm.host_id != move.source_id:
            return f"It is on {vm.host} now, no more on {move.source_name}: make a new plan for it."
        if destination is None:
            return f"{move.destination_name or 'Its destination'} is not known any more: choose another destination."
        if closed := why_closed(destination):
            return f"{destination.name} can't take it: {closed}. Choose another destination."
        mine = hosts_of(self.plan, self.plan.user)
        if mine.filter(pk__in=[move.source_id, destination.pk]).count() < 2:
            return f"The roles of {self.plan.username} don't reach {move.source_name} and {destination.name} any more."
        return ""

    def why_waits(self, move: Move, rules: "_Rules") -> str:
        """Why `move` must wait for another, or ""."""
        assert move.destination and move.vm
        needed = 0 if kind_of(move.vm) == Kind.OFFLINE else move.vm.memory_mib
        free = room_of(move.destination).free_mib
        if needed > free:
            return f"{move.destination_name} has {free} MiB free, {needed} MiB are needed. Choose another destination."
        return rules.why_apart(move, move.destination)

    def begin(self, move: Move) -> None:
        assert move.vm and move.destination
        move.kind = kind_of(move.vm)
        try:
            move.migration = actions.start(
                vm=move.vm,
                destination=move.destination,
                options=Options.from_dict(self.plan.options),
                actor=audit.Actor(user=self.plan.user, source="plan"),
                reason=(self.plan.reason or str(self.plan))[:300],
                kind=Kind(move.kind),
            )
        except (Refused, InvalidInput) as error:
            self.write(move, MOVE.FAILED, f"{error} {error.hint}".strip())
        else:
            self.write(move, MOVE.RUNNING, move.why)


@dataclass
class _Rules:
    """The rules that keep VMs apart, with where those VMs are or are on their way to."""

    moves: Sequence[Move]
    rules: tuple[Rule, ...] = field(init=False)
    names: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.rules, others = rules_for(self.moves)
        self.others = {key: other.host for key, other in others.items()}
        self.names = {str(move.vm_uuid): move.vm_name for move in self.moves}
        self.names |= {key: other.name for key, other in others.items()}

    def why_apart(self, move: Move, host: Host) -> str:
        there = {key for key, name in self.others.items() if name == host.name}
        for other in self.moves:
            at = {other.vm.host_id} if other.vm else set()
            if other.state == MOVE.RUNNING:
                at.add(other.destination_id)
            if host.pk in at and other is not move:
                there.add(str(other.vm_uuid))
        for rule in self.rules:
            met = (rule.members & there) - {str(move.vm_uuid)}
            if rule.apart and str(move.vm_uuid) in rule.members and met:
                name = self.names.get(sorted(met)[0], "another VM")
                return f"Rule “{rule.name}” keeps it apart from {name}, which is on {host.name}. Choose another destination."
        return ""
