"""The queue in the database: who is admitted, what the others wait for, and that two workers never give a place twice."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connections
from django.utils import timezone

from hosts import audit
from hosts.errors import InvalidInput, Refused
from hosts.models import AuditEvent, Host
from migrations_app import actions, admission, record
from migrations_app.models import Kind, Migration, Origin, QueueLimits
from migrations_app.plan import Options
from migrations_app.states import HOLDS_PLACE, State
from tests import build

pytestmark = pytest.mark.django_db
ACTOR = audit.Actor(user=None, source="command")


def queue(count: int, *, source: str = "h1", to: str = "h2", by: str = "alice", **given: Any) -> list[Migration]:
    """`count` queued migrations of guests of their own."""
    memory = given.pop("memory_mib", 512)
    hosts = [Host.objects.filter(name=name).first() or build.host(name, memory_free_mib=8192) for name in (source, to)]
    begun = Migration.objects.count()
    return [
        build.migration(
            build.vm(f"vm{begun + number}", on=hosts[0], memory_mib=memory),
            to=hosts[1],
            **{"state": State.QUEUED, "started": None, "username": by, **given},
        )
        for number in range(count)
    ]


def states(rows: list[Migration]) -> list[str]:
    return [Migration.objects.get(pk=row.pk).state for row in rows]


def test_as_many_as_the_limits_allow_begin_and_the_others_say_what_they_wait_for() -> None:
    rows = queue(4)
    assert admission.fill() == [rows[0].pk, rows[1].pk]
    assert states(rows) == ["checking", "checking", "queued", "queued"]
    third = Migration.objects.get(pk=rows[2].pk)
    assert third.waits_for == f"waits for a place on h1: 2 of 2 leave it, see #{rows[0].pk}, #{rows[1].pk}"
    assert third.started is None and Migration.objects.get(pk=rows[0].pk).started
    assert admission.fill() == []


def test_a_place_is_free_again_once_the_guest_has_switched_over() -> None:
    rows = queue(3)
    admission.fill()
    for state in (State.COPYING, State.VERIFYING):
        record.advance(Migration.objects.get(pk=rows[0].pk), state)
    assert admission.fill() == [rows[2].pk]
    assert Migration.objects.get(pk=rows[2].pk).waits_for == ""


def test_what_needs_a_person_holds_no_place() -> None:
    rows = queue(3)
    admission.fill()
    for row in rows[:2]:
        record.needs_attention(Migration.objects.get(pk=row.pk), error="no answer", evidence={})
    assert admission.fill() == [rows[2].pk]


def test_what_somebody_else_began_counts_and_what_is_only_a_definition_does_not() -> None:
    waiting, offline = queue(1)[0], queue(1, kind=Kind.OFFLINE)[0]
    for name in ("ext1", "ext2"):
        build.migration(build.vm(name, on=waiting.source), to=waiting.destination, origin=Origin.EXTERNAL)
    assert admission.fill() == [offline.pk]
    assert "2 of 2 leave it" in Migration.objects.get(pk=waiting.pk).waits_for


def test_free_memory_is_given_to_one_only_and_until_the_host_was_looked_at_again() -> None:
    first, second = queue(2, memory_mib=5000)
    assert admission.fill() == [first.pk]
    assert "waits for memory on h2: it needs 5000 MiB, and 3192 MiB are left" in (
        Migration.objects.get(pk=second.pk).waits_for
    )
    Host.objects.filter(name="h2").update(last_seen=timezone.now() - timedelta(seconds=1))
    for state in (State.COPYING, State.VERIFYING, State.DEFINING, State.COMPLETED):
        record.advance(Migration.objects.get(pk=first.pk), state)
        assert admission.fill() == []
    Host.objects.filter(name="h2").update(last_seen=timezone.now(), memory_free_mib=9000)
    assert admission.fill() == [second.pk]


def test_people_take_turns_by_what_they_started_before() -> None:
    alice, bob = queue(3), queue(2, by="bob")
    QueueLimits.objects.create(pk=1, per_source=1)
    order = []
    for _ in range(5):
        (pk,) = admission.fill()
        order.append(pk)
        Migration.objects.filter(pk=pk).update(state=State.COMPLETED, finished=timezone.now())
    assert order == [alice[0].pk, bob[0].pk, alice[1].pk, bob[1].pk, alice[2].pk]


def test_a_queued_one_is_claimed_by_nobody_before_it_is_admitted() -> None:
    row = queue(1)[0]
    assert record.claim(row.pk, owner="me") is None
    admission.fill()
    claimed = record.claim(row.pk, owner="me")
    assert claimed and claimed.state == State.CHECKING
    assert record.claim(row.pk, owner="another") is None


def test_a_queued_one_is_cancelled_at_once_and_never_counts_as_late() -> None:
    row = queue(1, created=timezone.now() - timedelta(hours=1))[0]
    assert row.total_ms is None and row.waited_ms >= 3_600_000
    actions.cancel(migration=row, actor=ACTOR)
    assert row.state == State.CANCELLED and admission.fill() == []
    event = AuditEvent.objects.get(action="cancel migration")
    assert event.outcome == AuditEvent.Outcome.SUCCEEDED
    other = queue(1, created=timezone.now() - timedelta(hours=1))[0]
    admission.fill()
    other.refresh_from_db()
    assert other.total_ms is not None and other.total_ms < 60_000 and other.waited_ms >= 3_600_000


def test_one_that_is_admitted_while_it_is_cancelled_is_asked_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    row = queue(1)[0]
    advance = record.advance

    def admitted_before(migration: Migration, to: State, **values: Any) -> None:
        if to is State.CANCELLED:
            admission.fill()
        advance(migration, to, **values)

    monkeypatch.setattr(record, "advance", admitted_before)
    actions.cancel(migration=row, actor=ACTOR)
    assert row.state == State.CHECKING and row.cancel_requested


def order_of_queue() -> list[int]:
    rows = list(admission.queued())
    last = admission.last_served({row.pk: row for row in rows})
    return [entry.pk for entry in admission.in_order([admission.entry_of(row) for row in rows], last)]


def test_moves_within_a_persons_line_and_to_the_front_of_all() -> None:
    one, two, three = queue(3)
    other = queue(1, by="bob")[0]
    assert order_of_queue() == [one.pk, other.pk, two.pk, three.pk]
    admission.move(migration=three, where="up", actor=ACTOR)
    assert order_of_queue() == [one.pk, other.pk, three.pk, two.pk]
    admission.move(migration=one, where="down", actor=ACTOR)
    assert order_of_queue() == [three.pk, other.pk, one.pk, two.pk]
    late = queue(1)[0]
    assert order_of_queue()[-1] == late.pk, "who comes later stands behind"
    admission.move(migration=two, where="front", actor=ACTOR)
    assert order_of_queue()[0] == two.pk and two.priority == 1
    admission.move(migration=late, where="front", actor=ACTOR)
    assert order_of_queue()[:2] == [late.pk, two.pk]
    assert AuditEvent.objects.filter(action="move to the front", outcome="succeeded").count() == 2


def test_a_priority_counts_until_it_has_started() -> None:
    one, two = queue(2)
    admission.prioritise(migration=two, priority=10, actor=ACTOR)
    assert order_of_queue() == [two.pk, one.pk]
    with pytest.raises(InvalidInput):
        admission.prioritise(migration=two, priority=101, actor=ACTOR)
    admission.fill()
    with pytest.raises(Refused, match="does not wait any more"):
        admission.prioritise(migration=two, priority=0, actor=ACTOR)
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) == {"succeeded", "refused"}


@pytest.mark.parametrize(
    "values", [{"per_source": 0}, {"overall": -1}, {"per_link": True}, {"x": 1}, {"overall": 10**6}]
)
def test_a_limit_that_makes_no_sense_changes_nothing(values: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        admission.set_limits(values={"per_destination": 3, **values}, actor=ACTOR)
    assert QueueLimits.current().per_destination == 2
    assert AuditEvent.objects.get().outcome == AuditEvent.Outcome.REFUSED


def test_limits_take_effect_and_zero_holds_the_queue() -> None:
    rows = queue(3)
    admission.set_limits(values={"overall": 0}, actor=ACTOR)
    assert admission.fill() == [] and "the queue is held" in Migration.objects.get(pk=rows[0].pk).waits_for
    admission.set_limits(values={"overall": 9, "per_source": 3, "per_destination": 3, "per_link": 3}, actor=ACTOR)
    assert len(admission.fill()) == 3
    assert "overall 0 to 9" in AuditEvent.objects.latest("pk").detail


@pytest.mark.django_db(transaction=True)
def test_workers_that_fill_at_the_same_time_never_exceed_a_limit() -> None:
    for source in ("h1", "h3", "h4"):
        queue(4, source=source)
    start = threading.Barrier(4)
    admitted: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        close_old_connections()
        start.wait(10)
        try:
            for _ in range(5):
                admitted.extend(admission.fill())
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    running = Migration.objects.filter(state__in=HOLDS_PLACE)
    assert sorted(admitted) == sorted(running.values_list("pk", flat=True)) and len(admitted) == 2
    assert max(Counter(running.values_list("source_name", flat=True)).values()) <= 2


@pytest.mark.django_db(transaction=True)
def test_a_start_is_queued_and_then_admitted_by_the_nudge() -> None:
    vm = build.vm(on=build.host("h1"))
    migration = actions.start(vm=vm, destination=build.host("h2"), options=Options(), actor=ACTOR)
    assert migration.state == State.QUEUED
    assert admission.fill() == [migration.pk]
