"""Plans on rows alone: how they are made, run, stopped, resumed and mended. The migrations end as the test says."""

from typing import Any

import pytest
from django.utils import timezone

from hosts import audit
from hosts.errors import InvalidInput, Refused
from hosts.models import AuditEvent, Host, RoleBinding, VirtualMachine, VmState
from migrations_app import evacuation
from migrations_app.evacuation import How, running, situation
from migrations_app.models import Evacuation, Kind, Migration, Move, PlacementRule
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
PLAN, MOVE = Evacuation.State, Move.State


@pytest.fixture
def otto() -> audit.Actor:
    return audit.Actor(user=build.user("otto", role="operator"), source="web")


@pytest.fixture
def hosts() -> list[Host]:
    return [build.host(name, memory_mib=8192, memory_free_mib=4096) for name in ("h1", "h2", "h3")]


def guests(on: Host, count: int = 4, **fields: Any) -> list[VirtualMachine]:
    return [build.vm(f"vm{number}", on=on, **fields) for number in range(count)]


def checked(plan: Evacuation) -> Evacuation:
    """As the background check leaves a plan in which all is well."""
    plan.moves.filter(checked=None).update(checked=timezone.now())
    return plan


def ready(host: Host, actor: audit.Actor, **how: Any) -> Evacuation:
    return checked(evacuation.plan_evacuation(host=host, actor=actor, how=How(**how)))


def states(plan: Evacuation) -> list[str]:
    return list(plan.moves.values_list("state", flat=True))


def end(move_state: str = State.COMPLETED, *, most: int = 99, **fields: Any) -> None:
    """Let the migrations under way end, where they arrive with their guests."""
    for migration in Migration.objects.filter(state=State.QUEUED)[:most]:
        Migration.objects.filter(pk=migration.pk).update(state=move_state, finished=timezone.now(), **fields)
        if move_state == State.COMPLETED:
            VirtualMachine.objects.filter(pk=migration.vm_id).update(host=migration.destination)


def test_a_plan_says_where_each_guest_goes_and_moves_nothing(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0])
    build.vm("off", on=hosts[0], state=VmState.SHUTOFF)
    build.vm("paused", on=hosts[0], state=VmState.PAUSED)
    plan = evacuation.plan_evacuation(host=hosts[0], actor=otto, how=How())
    moves = {move.vm_name: move for move in plan.moves.all()}
    assert {moves[f"vm{number}"].destination_name for number in range(4)} == {"h2", "h3"}
    assert moves["off"].kind == Kind.OFFLINE and moves["off"].destination_name
    assert moves["paused"].state == MOVE.BLOCKED and "paused" in moves["paused"].why
    assert all(move.why for move in moves.values())
    assert not Migration.objects.exists()
    assert AuditEvent.objects.get(action="plan evacuation").outcome == "succeeded"


def test_hosts_in_maintenance_silent_or_not_operable_take_nobody(hosts: list[Host]) -> None:
    site = build.group("site")
    for host in hosts:
        host.groups.add(site)
    other = build.host("h4", memory_free_mib=8192)
    actor = audit.Actor(user=build.user("ida", role="operator", scope=site), source="web")
    Host.objects.filter(name="h2").update(maintenance=True)
    guests(hosts[0], 2)
    plan = evacuation.plan_evacuation(host=hosts[0], actor=actor, how=How())
    assert {move.destination_name for move in plan.moves.all()} == {"h3"}
    with pytest.raises(InvalidInput, match="h4"):
        evacuation.plan_evacuation(host=hosts[0], actor=actor, how=How(destinations=(other.name,)))


def test_a_run_moves_so_many_at_once_until_all_are_done(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 5)
    plan = ready(hosts[0], otto, parallel=2, reason="new memory")
    evacuation.start(evacuation=plan, actor=otto)
    seen = []
    while plan.state == PLAN.RUNNING and len(seen) < 9:
        running.go_on(plan.pk)
        running.go_on(plan.pk)
        seen.append(Migration.objects.filter(state=State.QUEUED).count())
        end()
        plan.refresh_from_db()
    assert seen == [2, 2, 1, 0]
    assert plan.state == PLAN.COMPLETED and plan.finished and set(states(plan)) == {MOVE.DONE}
    assert {migration.reason for migration in Migration.objects.all()} == {"new memory"}
    assert plan.audit and AuditEvent.objects.get(pk=plan.audit.pk).outcome == "succeeded"
    with pytest.raises(Refused, match="completed"):
        evacuation.start(evacuation=plan, actor=otto)


def test_a_failure_stops_the_rest_and_resuming_tries_it_again(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0])
    plan = ready(hosts[0], otto, parallel=1)
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    end(State.FAILED, error="The CPU does not run there.", hint="Choose another.")
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert plan.state == PLAN.STOPPED and "1 VM could not be moved" in plan.why_stopped
    failed = plan.moves.get(state=MOVE.FAILED)
    assert failed.why == "The CPU does not run there. Choose another."
    assert states(plan).count(MOVE.PLANNED) == 3
    evacuation.resume(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    failed.refresh_from_db()
    assert failed.state == MOVE.RUNNING


def test_a_failure_may_be_allowed(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 2)
    plan = ready(hosts[0], otto, parallel=1, stop_after_failures=0)
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    end(State.FAILED)
    running.go_on(plan.pk)
    end()
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert sorted(states(plan)) == [MOVE.DONE, MOVE.FAILED]
    assert plan.state == PLAN.STOPPED and "could not be moved" in plan.why_stopped


def test_the_canary_goes_alone_and_its_failure_ends_the_run(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 3)
    build.vm("tiny", on=hosts[0], memory_mib=128)
    plan = ready(hosts[0], otto, parallel=4, canary=True, stop_after_failures=0)
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    assert [migration.vm_name for migration in Migration.objects.all()] == ["tiny"]
    end(State.FAILED)
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert plan.state == PLAN.STOPPED and "canary" in plan.why_stopped
    evacuation.resume(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    end()
    running.go_on(plan.pk)
    assert states(plan).count(MOVE.RUNNING) == 3


def test_stopping_lets_the_current_ones_finish(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0])
    plan = ready(hosts[0], otto)
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    evacuation.stop(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert plan.state == PLAN.STOPPING and states(plan).count(MOVE.RUNNING) == 2
    end()
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert plan.state == PLAN.STOPPED and states(plan).count(MOVE.PLANNED) == 2
    assert plan.audit and AuditEvent.objects.get(pk=plan.audit.pk).outcome == "cancelled"


def test_a_destination_that_became_unfit_fails_the_move_and_another_can_be_chosen(
    hosts: list[Host], otto: audit.Actor
) -> None:
    [vm] = guests(hosts[0], 1)
    plan = ready(hosts[0], otto, destinations=("h2", "h3"))
    move = plan.moves.get()
    Host.objects.filter(pk=move.destination_id).update(maintenance=True)
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    move.refresh_from_db()
    assert move.state == MOVE.FAILED and "maintenance" in move.why and not Migration.objects.exists()
    other = next(host for host in hosts[1:] if host.pk != move.destination_id)
    evacuation.choose(move=move, destination=other, actor=otto)
    plan.refresh_from_db()
    evacuation.resume(evacuation=checked(plan), actor=otto)
    running.go_on(plan.pk)
    assert Migration.objects.get().destination == other and Migration.objects.get().vm == vm


def test_room_is_kept_for_what_is_on_its_way(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 3, memory_mib=1024)
    plan = ready(hosts[0], otto, parallel=3, destinations=("h2",))
    Host.objects.filter(name="h2").update(memory_free_mib=2048, last_seen=timezone.now())
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    assert states(plan).count(MOVE.RUNNING) == 2
    end()
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert "1024 MiB are needed" in plan.moves.get(state=MOVE.FAILED).why


def test_vms_that_a_rule_keeps_apart_never_meet(hosts: list[Host], otto: audit.Actor) -> None:
    one, two = guests(hosts[0], 2)
    rule = PlacementRule.objects.create(name="two masters", kind=PlacementRule.Kind.APART)
    rule.vms.set([one, two])
    plan = ready(hosts[0], otto, destinations=("h2",))
    blocked = plan.moves.get(state=MOVE.BLOCKED)
    assert "two masters" in blocked.why
    evacuation.discard(evacuation=plan, actor=otto)
    plan = ready(hosts[0], otto)
    assert len(set(plan.moves.values_list("destination_name", flat=True))) == 2


def test_who_lost_the_role_moves_nothing_more(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 1)
    plan = ready(hosts[0], otto)
    evacuation.start(evacuation=plan, actor=otto)
    RoleBinding.objects.all().delete()
    running.go_on(plan.pk)
    assert "otto" in plan.moves.get().why and not Migration.objects.exists()


def test_maintenance_begins_with_the_run_and_only_an_admin_may(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 1)
    plan = ready(hosts[0], otto, maintenance=True)
    with pytest.raises(Refused, match="maintenance"):
        evacuation.start(evacuation=plan, actor=otto)
    plan.refresh_from_db()
    assert plan.state == PLAN.PLANNED and not Host.objects.get(name="h1").maintenance
    evacuation.start(evacuation=plan, actor=audit.Actor(user=build.user("anna", role="admin"), source="web"))
    assert Host.objects.get(name="h1").maintenance


def test_skipped_and_retried(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 2)
    plan = ready(hosts[0], otto)
    first = plan.moves.first()
    assert first
    evacuation.skip(move=first, actor=otto)
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    end()
    running.go_on(plan.pk)
    plan.refresh_from_db()
    assert plan.state == PLAN.COMPLETED and sorted(states(plan)) == [MOVE.DONE, MOVE.SKIPPED]
    first.refresh_from_db()
    evacuation.retry(move=first, actor=otto)
    plan.refresh_from_db()
    assert plan.state == PLAN.STOPPED
    evacuation.resume(evacuation=checked(plan), actor=otto)
    running.go_on(plan.pk)
    end()
    running.go_on(plan.pk)
    assert states(plan) == [MOVE.DONE, MOVE.DONE]


def test_guests_come_home_but_for_those_that_went_on(hosts: list[Host], otto: audit.Actor) -> None:
    one, two = guests(hosts[0], 2)
    plan = ready(hosts[0], otto)
    with pytest.raises(Refused, match="is where it was moved to"):
        evacuation.plan_home(of=plan, actor=otto, how=How())
    evacuation.start(evacuation=plan, actor=otto)
    running.go_on(plan.pk)
    end()
    running.go_on(plan.pk)
    VirtualMachine.objects.filter(pk=two.pk).update(host=None)
    home = evacuation.plan_home(of=plan, actor=otto, how=How())
    assert home.home_of == plan and home.purpose == Evacuation.Purpose.HOME
    assert [(move.vm, move.destination_name) for move in home.moves.all()] == [(one, "h1")]


def test_one_host_is_emptied_by_one_plan_at_a_time(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 1)
    plan = ready(hosts[0], otto)
    evacuation.start(evacuation=plan, actor=otto)
    with pytest.raises(Refused, match=f"#{plan.pk}"):
        ready(hosts[0], otto)


def test_a_chosen_host_that_is_known_to_be_unfit_is_refused(hosts: list[Host], otto: audit.Actor) -> None:
    guests(hosts[0], 1)
    plan = ready(hosts[0], otto)
    move = plan.moves.get()
    Move.objects.update(unfit={"h2": "its CPU does not run there"})
    move.refresh_from_db()
    with pytest.raises(Refused, match="CPU"):
        evacuation.choose(move=move, destination=hosts[1], actor=otto)
    evacuation.choose(move=move, destination=hosts[2], actor=otto)
    move.refresh_from_db()
    assert move.chosen and move.destination == hosts[2]


def test_memory_that_comes_counts_until_the_host_was_read_again(hosts: list[Host]) -> None:
    [vm] = guests(hosts[0], 1, memory_mib=1024)
    build.migration(vm, to=hosts[1], state=State.COPYING)
    assert situation.room_of(hosts[1]).free_mib == 3072
    Migration.objects.update(state=State.COMPLETED, finished=timezone.now())
    hosts[1].last_seen = timezone.now()
    assert situation.room_of(hosts[1]).free_mib == 4096
