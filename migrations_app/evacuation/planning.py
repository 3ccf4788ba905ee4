"""Makes plans: the VMs to move, as rows; where each goes, by placement.place."""

from collections.abc import Iterable

from django.db import transaction

from hosts import audit, jobs
from hosts.errors import InvalidInput, Refused
from hosts.models import Host, VirtualMachine
from migrations_app.evacuation import reporting
from migrations_app.evacuation.how import How
from migrations_app.evacuation.situation import UNDER_WAY, hosts_of, kind_of, place
from migrations_app.models import Evacuation, Move

MOVES_MOST = 2000
"""More in one plan are no plan that a person reviews."""


def plan_evacuation(*, host: Host, actor: audit.Actor, how: How, check: bool = True) -> Evacuation:
    """A plan that moves every guest away from `host`. Nothing moves before `start`; without `check`, which is for who starts
    it at once, its moves are not looked at before either.

    Raises InvalidInput where `how` names a host that is not there, Refused where another plan of `host` is under way.
    """
    plan = Evacuation(purpose=Evacuation.Purpose.EVACUATE, host=host, host_name=host.name)
    with audit.act(actor=actor, action="plan evacuation", target=f"host {host.name}", hosts=[host], reason=how.reason):
        other = Evacuation.objects.filter(host=host, purpose=plan.purpose, state__in=UNDER_WAY).first()
        if other:
            raise Refused(
                f"{host.name} is being emptied already, see plan #{other.pk}.",
                host=host.name,
                hint="Watch that plan, or stop it first.",
            )
        return _make(plan, host.vms.all(), actor, how, check=check)


def plan_bulk(*, vms: Iterable[VirtualMachine], actor: audit.Actor, how: How) -> Evacuation:
    """A plan that moves `vms`, each from where it is. Raises InvalidInput where there are none, or too many."""
    plan = Evacuation(purpose=Evacuation.Purpose.BULK)
    chosen = list(vms)
    sources = list(Host.objects.filter(vms__in=chosen).distinct())
    with audit.act(
        actor=actor, action="plan moves", target=f"{len(chosen)} VMs", hosts=list(sources), reason=how.reason
    ):
        return _make(plan, chosen, actor, how)


def plan_home(*, of: Evacuation, actor: audit.Actor, how: How) -> Evacuation:
    """A plan that brings those guests back which the plan `of` has moved and which are still where it put them.

    Raises Refused where there is none.
    """
    plan = Evacuation(purpose=Evacuation.Purpose.HOME, host=of.host, host_name=of.host_name, home_of=of)
    with audit.act(actor=actor, action="plan return", target=of, hosts=[of.host], reason=how.reason):
        moves = away_from_home(of)
        if not moves:
            raise Refused(
                f"No guest of plan #{of.pk} is where it was moved to.", hint="Look at the VMs where they are now."
            )
        homes = {move.vm_id: move.source for move in moves}
        return _make(plan, [move.vm for move in moves if move.vm], actor, how, homes)


def away_from_home(of: Evacuation) -> list[Move]:
    """The moves of `of` that are done, with guests that are still there and a home that is still known."""
    done = of.moves.filter(state=Move.State.DONE, vm__isnull=False, source__isnull=False)
    return [
        move for move in done.select_related("vm__host", "source") if move.vm and move.vm.host_id == move.destination_id
    ]


def _make(
    plan: Evacuation,
    vms: Iterable[VirtualMachine],
    actor: audit.Actor,
    how: How,
    homes: dict[int | None, Host | None] | None = None,
    *,
    check: bool = True,
) -> Evacuation:
    chosen = list(vms)
    if not 1 <= len(chosen) <= MOVES_MOST:
        raise InvalidInput(
            f"A plan moves from 1 to {MOVES_MOST} VMs, not {len(chosen)}.", field="vms", hint="Choose others."
        )
    write_how(plan, how)
    require_hosts(plan, actor)
    plan.user, plan.username = actor.user, actor.username
    with transaction.atomic():
        plan.save()
        moves = [move_of(plan, vm, (homes or {}).get(vm.pk)) for vm in chosen]
        Move.objects.bulk_create(moves)
        place(plan)
        reporting.publish(plan)
        if check:
            jobs.nudge("migrations_app.check_plan", plan.pk)
    return plan


def write_how(plan: Evacuation, how: How) -> None:
    """Put `how` into the row `plan`, unsaved."""
    plan.options = how.options.to_dict()
    plan.destinations = list(how.destinations)
    plan.parallel, plan.canary = how.parallel, how.canary
    plan.stop_after_failures, plan.reason = how.stop_after_failures, how.reason
    plan.maintenance = how.maintenance and plan.purpose == Evacuation.Purpose.EVACUATE


def require_hosts(plan: Evacuation, actor: audit.Actor) -> None:
    """Raises InvalidInput where `plan` names a destination that is none."""
    known = set(hosts_of(plan, actor.user).values_list("name", flat=True))
    for name in plan.destinations:
        if name not in known:
            raise InvalidInput(f"There is no host {name!r} that you may operate.", field="destinations")
        if name == plan.host_name and plan.purpose == Evacuation.Purpose.EVACUATE:
            raise InvalidInput(f"{name} is to be emptied, so it can't be a destination.", field="destinations")


def move_of(plan: Evacuation, vm: VirtualMachine, home: Host | None = None) -> Move:
    """The move of `vm` in `plan`, unsaved; to its `home` where it has one, else yet to be placed."""
    return Move(
        evacuation=plan,
        position=0,
        vm=vm,
        vm_uuid=vm.uuid,
        vm_name=vm.name,
        kind=kind_of(vm),
        memory_mib=vm.memory_mib,
        vcpus=vm.vcpus,
        source=vm.host,
        source_name=vm.host.name if vm.host else "",
        destination=home,
        destination_name=home.name if home else "",
        chosen=home is not None,
    )
