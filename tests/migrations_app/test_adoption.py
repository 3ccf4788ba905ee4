"""Which job becomes a row, and which never may: ours, one that has a row already, one that is over."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from hosts.job_stats import JobStats
from hosts.libvirt_client.events import Event
from hosts.models import AuditEvent, Placement, VirtualMachine, VmState
from migrations_app import adoption, external, pictures, rights
from migrations_app.models import Migration, Origin
from migrations_app.plan import Options
from migrations_app.progress import Progress
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
NUDGES: list[tuple[Any, ...]] = []


@pytest.fixture(autouse=True)
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    NUDGES.clear()
    monkeypatch.setattr(adoption.jobs, "nudge", lambda *given: NUDGES.append(given))
    monkeypatch.setattr(pictures, "before", lambda *_: {})
    adoption._asked.clear()
    return NUDGES


def guest() -> tuple[VirtualMachine, Any, Any]:
    """A VM that runs on h1 and waits on h2 to come in."""
    h1, h2 = build.host("h1"), build.host("h2")
    vm = build.vm(on=h1)
    Placement.objects.create(vm=vm, host=h2, state=VmState.PAUSED, reason="migration", facts={"name": vm.name})
    return vm, h1, h2


def take_in(vm: VirtualMachine, host: Any, began: Any = None) -> Migration | None:
    return adoption._take_in(host, vm, began or timezone.now(), Progress())


def iteration(vm: VirtualMachine) -> Event:
    return Event(kind="migration_iteration", uuid=str(vm.uuid), name=vm.name)


def test_a_job_that_nobody_began_becomes_a_row_that_a_worker_follows() -> None:
    vm, h1, h2 = guest()
    row = take_in(vm, h1)
    assert row is not None
    assert (row.origin, row.state, row.source, row.destination) == (Origin.EXTERNAL, State.COPYING, h1, h2)
    assert row.username == "external" and vm.name in row.command
    assert Options.from_dict(row.options).policy == "manual", "nobody steers it by himself"
    assert [step.state for step in row.steps.all()][:3] == ["skipped", "running", "pending"]
    assert row.timeline.count() == 1
    assert AuditEvent.objects.get().outcome == AuditEvent.Outcome.PENDING
    assert ("migrations_app.drive", row.pk) in NUDGES


def test_one_job_makes_one_row() -> None:
    vm, h1, _ = guest()
    assert take_in(vm, h1)
    assert take_in(vm, h1) is None
    assert Migration.objects.count() == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.COPYING, State.DEFINING, State.NEEDS_ATTENTION])
def test_ours_is_never_taken_in(state: State) -> None:
    vm, h1, h2 = guest()
    build.migration(vm, to=h2, state=state)
    adoption.heard(h1.pk, iteration(vm))
    adoption.sweep()
    assert NUDGES == []
    assert take_in(vm, h1) is None
    assert Migration.objects.count() == 1


def test_ours_that_just_ended_is_not_taken_in_by_a_late_event() -> None:
    vm, h1, h2 = guest()
    now = timezone.now()
    began = now - timedelta(seconds=8)
    build.migration(
        vm, to=h2, state=State.COMPLETED, created=now - timedelta(seconds=9), finished=now - timedelta(seconds=2)
    )
    stats = JobStats(kind="completed", operation="migration_out", time_elapsed_ms=6000)
    event = Event(
        "job_completed", str(vm.uuid), vm.name, "migration_out", "completed", now - timedelta(seconds=2), stats
    )
    adoption.heard(h1.pk, event)
    assert NUDGES == []
    assert take_in(vm, h1, began) is None


def test_a_later_job_than_ours_is_taken_in() -> None:
    vm, h1, h2 = guest()
    now = timezone.now()
    build.migration(
        vm, to=h2, state=State.CANCELLED, created=now - timedelta(seconds=9), finished=now - timedelta(seconds=2)
    )
    assert take_in(vm, h1, now - timedelta(seconds=1))


def test_the_events_of_a_source_are_signs() -> None:
    vm, h1, _ = guest()
    adoption.heard(h1.pk, iteration(vm))
    stats = JobStats(kind="completed", operation="migration_out", time_elapsed_ms=900)
    adoption.heard(
        h1.pk, Event("job_completed", str(vm.uuid), vm.name, "migration_out", "completed", timezone.now(), stats)
    )
    adoption.heard(h1.pk, Event("job_completed", str(vm.uuid), vm.name, "backup", "completed", timezone.now(), stats))
    adoption.heard(h1.pk, Event("lifecycle", str(vm.uuid), vm.name, "started", "booted"))
    assert [nudge[0] for nudge in NUDGES] == ["migrations_app.look_for_job", "migrations_app.take_in_completed"]


def test_the_sweep_asks_for_a_guest_that_waits_and_not_again_at_once() -> None:
    vm, h1, _ = guest()
    adoption.sweep()
    adoption.sweep()
    assert [nudge[0] for nudge in NUDGES] == ["migrations_app.look_for_job"]
    assert NUDGES[0][1:] == (h1.pk, str(vm.uuid))


@pytest.mark.parametrize(
    ("stats", "taken"),
    [
        (JobStats("unbounded", "migration_out", time_elapsed_ms=3000), True),
        (JobStats("unbounded", "backup"), False),
        (JobStats(), False),
    ],
)
def test_only_a_migration_out_is_taken_in_by_made_up_answers(
    stats: JobStats, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm, h1, _ = guest()
    connection = SimpleNamespace(guest=lambda _: SimpleNamespace(job_stats=lambda: stats))
    monkeypatch.setattr(adoption.reach, "libvirt", lambda _: _Borrowed(connection))
    row = adoption.look_for_job(h1.pk, str(vm.uuid))
    assert (row is not None) is taken
    if row:
        assert 2.5 < (timezone.now() - row.launched).total_seconds() < 30


class _Borrowed:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __enter__(self) -> Any:
        return self._connection

    def __exit__(self, *_: object) -> None:
        pass


def test_an_unknown_destination_is_named_once_the_inventory_shows_it() -> None:
    h1, h2 = build.host("h1"), build.host("h2")
    vm = build.vm(on=h1)
    row = take_in(vm, h1)
    assert row is not None and (row.destination, row.destination_name) == (None, "")
    assert "DESTINATION" in row.command
    Placement.objects.create(vm=vm, host=h2, state=VmState.PAUSED, reason="migration", facts={})
    adoption.sweep()
    row.refresh_from_db()
    assert (row.destination, row.destination_name) == (h2, "h2")


def test_two_places_that_it_could_go_to_are_none() -> None:
    vm, h1, _ = guest()
    Placement.objects.create(vm=vm, host=build.host("h3"), state=VmState.RUNNING, facts={})
    assert external.find_destination(vm.uuid, h1) is None


def test_one_to_a_host_that_is_not_known_is_operated_from_its_source() -> None:
    vm = build.vm(on=build.host("h1"))
    row = take_in(vm, vm.host)
    assert row is not None
    assert rights.may_operate(build.user("otto", role="operator"), row)
    assert not rights.may_operate(build.user("vera", role="viewer"), row)
