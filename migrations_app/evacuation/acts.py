"""What people ask of a plan; the same for page, API and schedule. Each act has its audit row."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from hosts import access, audit, jobs
from hosts.actions import set_maintenance
from hosts.errors import Refused
from hosts.models import Host
from migrations_app.evacuation import reporting
from migrations_app.evacuation.how import How
from migrations_app.evacuation.planning import plan_evacuation, require_hosts, write_how
from migrations_app.evacuation.situation import UNDECIDED, UNDER_WAY, hosts_of, place
from migrations_app.models import Evacuation, Move

State = Evacuation.State
EDITABLE = (State.PLANNED, State.STOPPED)
AGAIN = (Move.State.FAILED, Move.State.SKIPPED, Move.State.BLOCKED)


def evacuate(*, host: Host, actor: audit.Actor, how: How) -> Evacuation:
    """Plan to empty `host` and begin at once. Its moves are looked at for the run alone: for a review each guest would be
    measured for a second first, and looked at again by its migration. Raises as `plan_evacuation` and `start`."""
    plan = plan_evacuation(host=host, actor=actor, how=how, check=False)
    start(evacuation=plan, actor=actor)
    return plan


def start(*, evacuation: Evacuation, actor: audit.Actor) -> None:
    """Run a plan that was only made so far. Moves whose check is not over begin as soon as it is.

    Raises Refused where nothing in it can move, it was begun before, or maintenance was asked for and is not `actor`'s to set.
    """
    with _act(evacuation, actor, "start plan", (State.PLANNED,)) as plan:
        if not plan.moves.filter(state=Move.State.PLANNED).exists():
            raise Refused(f"Nothing in plan #{plan.pk} can move.", hint="Read why, put that right, and check again.")
        _begin_maintenance(plan, actor)
        _run(plan, actor, started=timezone.now())


def resume(*, evacuation: Evacuation, actor: audit.Actor) -> None:
    """Go on with a stopped plan; what failed is tried again."""
    with _act(evacuation, actor, "resume plan", (State.STOPPED,)) as plan:
        plan.moves.filter(state=Move.State.FAILED).update(state=Move.State.PLANNED, migration=None, why="Tried again.")
        if not plan.moves.filter(state=Move.State.PLANNED).exists():
            raise Refused(f"Nothing is left to do in plan #{plan.pk}.", hint="Retry a VM that was left out.")
        _run(plan, actor, why_stopped="", finished=None)


def _run(plan: Evacuation, actor: audit.Actor, **values: object) -> None:
    """Let the sweep have it; its own audit row is closed by how the run ends."""
    event = audit.begin(
        actor=actor,
        action=f"run plan: {plan.get_purpose_display()}",
        target=plan,
        hosts=reporting.hosts_of(plan),
        reason=plan.reason,
    )
    _set(plan, state=State.RUNNING, audit=event, user=actor.user, username=actor.username, **values)
    if plan.moves.filter(checked=None, state__in=UNDECIDED).exists():
        jobs.nudge("migrations_app.check_plan", plan.pk)
    jobs.nudge("migrations_app.go_on_with_plan", plan.pk)


def _begin_maintenance(plan: Evacuation, actor: audit.Actor) -> None:
    if not plan.maintenance or plan.host is None or plan.host.maintenance:
        return
    if actor.user is not None and not access.may(actor.user, access.MANAGE, plan.host):
        raise Refused(
            f"Your roles don't let you set {plan.host_name} into maintenance.",
            host=plan.host_name,
            hint="Run the plan without it, or ask an admin.",
        )
    set_maintenance(host=plan.host, maintenance=True, actor=actor, reason=f"plan #{plan.pk}")


def stop(*, evacuation: Evacuation, actor: audit.Actor) -> None:
    """Begin nothing more; what moves now is let finish."""
    with _act(evacuation, actor, "stop plan", (State.RUNNING,)) as plan:
        _set(plan, state=State.STOPPING, why_stopped=f"Stopped by {actor.username}.")
        jobs.nudge("migrations_app.go_on_with_plan", plan.pk)


def discard(*, evacuation: Evacuation, actor: audit.Actor) -> None:
    """Put a plan that does not run away for good; it stays in the list."""
    with _act(evacuation, actor, "discard plan", EDITABLE) as plan:
        _set(plan, state=State.DISCARDED, finished=timezone.now())


def change(*, evacuation: Evacuation, actor: audit.Actor, how: How) -> None:
    """Change how a plan runs, and place its moves anew; other options or destinations need a new check."""
    with _act(evacuation, actor, "change plan", EDITABLE) as plan:
        before = (plan.options, plan.destinations)
        _take_over(plan, actor)
        write_how(plan, how)
        require_hosts(plan, actor)
        plan.save()
        if before != (plan.options, plan.destinations):
            _uncheck(plan)
        place(plan)


def check_again(*, evacuation: Evacuation, actor: audit.Actor) -> None:
    """Look anew where each VM that has not moved is and may go."""
    with _act(evacuation, actor, "check plan", EDITABLE) as plan:
        _take_over(plan, actor)
        _uncheck(plan)
        place(plan)


def skip(*, move: Move, actor: audit.Actor) -> None:
    """Leave one VM where it is."""
    with _act_on(move, actor, "skip move", (Move.State.PLANNED, Move.State.FAILED, Move.State.BLOCKED)) as (plan, row):
        Move.objects.filter(pk=row.pk).update(state=Move.State.SKIPPED, why=f"Left out by {actor.username}.")
        jobs.nudge("migrations_app.go_on_with_plan", plan.pk)


def retry(*, move: Move, actor: audit.Actor) -> None:
    """Put one VM back into the plan; in a plan that has ended it waits for `resume`."""
    with _act_on(move, actor, "retry move", AGAIN) as (plan, row):
        _again(plan, row)


def choose(*, move: Move, destination: Host, actor: audit.Actor) -> None:
    """Send one VM to another host; one that failed is put back into the plan with it.

    Raises Refused where that host is known not to be fit, or is not `actor`'s to operate.
    """
    with _act_on(move, actor, "choose destination", (*AGAIN, Move.State.PLANNED)) as (plan, row):
        if not hosts_of(plan, actor.user).filter(pk=destination.pk).exists():
            raise Refused(f"Your roles don't let you operate {destination.name}.", host=destination.name)
        if destination.name == row.source_name:
            raise Refused(f"{row.vm_name} is on {destination.name} already.", vm=row.vm_name, host=destination.name)
        if why := row.unfit.get(destination.name):
            raise Refused(f"{row.vm_name} can't go to {destination.name}: {why}", vm=row.vm_name, host=destination.name)
        row.destination, row.destination_name, row.chosen = destination, destination.name, True
        row.why = f"Chosen by {actor.username}."
        row.save(update_fields=["destination", "destination_name", "chosen", "why"])
        _again(plan, row)


def _again(plan: Evacuation, move: Move) -> None:
    """Back to planned; a plan under review is placed anew, in one that has run only this move is."""
    Move.objects.filter(pk=move.pk).update(state=Move.State.PLANNED, migration=None, checked=None)
    place(plan, only=None if plan.state == State.PLANNED else move)
    if plan.state == State.COMPLETED:
        _set(plan, state=State.STOPPED, why_stopped="A VM was put back into the plan; resume it.")
    jobs.nudge("migrations_app.check_plan", plan.pk)


def _take_over(plan: Evacuation, actor: audit.Actor) -> None:
    """Who plans anew plans with the hosts that are theirs to operate."""
    _set(plan, user=actor.user, username=actor.username)


def _uncheck(plan: Evacuation) -> None:
    plan.moves.filter(state__in=UNDECIDED).update(checked=None, unfit={}, estimates={})
    jobs.nudge("migrations_app.check_plan", plan.pk)


def _set(plan: Evacuation, **values: object) -> None:
    Evacuation.objects.filter(pk=plan.pk).update(**values)
    for name, value in values.items():
        setattr(plan, name, value)


@contextmanager
def _act(evacuation: Evacuation, actor: audit.Actor, action: str, states: tuple[str, ...]) -> Iterator[Evacuation]:
    """The plan, locked for one act that is allowed in `states`; pages are told when it is over. Raises Refused."""
    framed = audit.act(actor=actor, action=action, target=evacuation, hosts=reporting.hosts_of(evacuation))
    with framed, transaction.atomic():
        plan = Evacuation.objects.select_for_update(of=("self",)).select_related("host", "user").get(pk=evacuation.pk)
        if plan.state not in states:
            raise Refused(f"Plan #{plan.pk} is {plan.get_state_display()}.", hint="Look at its page again.")
        yield plan
        reporting.publish(plan)
    evacuation.refresh_from_db()


@contextmanager
def _act_on(move: Move, actor: audit.Actor, action: str, states: tuple[str, ...]) -> Iterator[tuple[Evacuation, Move]]:
    """The same for one move that is in one of `states`, of a plan that was not discarded."""
    plan_states = (State.PLANNED, State.STOPPED, State.COMPLETED, *UNDER_WAY)
    with _act(move.evacuation, actor, f"{action} {move.vm_name}"[:60], plan_states) as plan:
        row = plan.moves.select_related("source", "destination").get(pk=move.pk)
        if row.state not in states:
            raise Refused(f"{row.vm_name} is {row.get_state_display()}.", vm=row.vm_name)
        yield plan, row
