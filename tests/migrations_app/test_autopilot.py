"""What the policy decides goes into the row with its reason, so that any worker carries it out or steers on from it."""

from typing import Any

import pytest

from hosts.errors import HostError, Refused
from migrations_app import actions, record
from migrations_app.autopilot import Autopilot
from migrations_app.models import Migration, MigrationSample
from migrations_app.plan import Options
from migrations_app.progress import Progress
from migrations_app.situation import Act
from migrations_app.wishes import Wishes
from tests import build
from tests.hosts.test_actions import ACTOR

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024
PAGE = 4096


def progress(left: float, sent: float, iteration: int, *, throttle: int = 0, dirty: int = 18) -> Progress:
    """Memory in MiB."""
    return Progress(
        remaining_bytes=int(left * MIB),
        transferred_bytes=int(sent * MIB),
        dirty_pages_per_s=dirty * MIB // PAGE,
        iteration=iteration,
        throttle_percent=throttle,
    )


def stalling(pilot: Autopilot, *, from_ms: int = 0, rounds: int = 4) -> None:
    """Rounds of three seconds at 20 MiB/s that leave 60 MiB each."""
    at_ms = from_ms
    for number in range(1, rounds + 1):
        for step in range(15):
            at_ms += 200
            pilot.look(progress(60 - 4 * step, at_ms / 50, number), at_ms=at_ms)


def told(migration: Migration) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in migration.timeline.all()]


def test_a_decision_is_a_wish_in_the_row_and_a_line_with_its_reason() -> None:
    migration = build.migration()
    stalling(Autopilot(migration, Options()))
    migration.refresh_from_db()
    assert migration.tuning["max_downtime_ms"] == 1110 and not migration.tuning["max_downtime_by_person"]
    line = migration.timeline.get()
    assert (line.kind, line.text) == ("decision", "Raised the maximum downtime to 1.1 s")
    assert "60.0 MiB remain" in line.reason and "MiB/s are copied" in line.reason


def test_another_worker_steers_on_from_the_rows() -> None:
    migration = build.migration()
    first = Autopilot(migration, Options())
    stalling(first)
    page = {"page_size_bytes": PAGE}
    for at, left, number in [(6200, 60, 3), (6400, 56, 3), (9200, 60, 4), (9400, 55, 4)]:
        MigrationSample.objects.create(
            migration=migration,
            at_ms=at,
            remaining_bytes=left * MIB,
            transferred_bytes=at * MIB // 50,
            rate_bytes=0,
            dirty_pages_per_s=18 * MIB // PAGE,
            iteration=number,
        )
    Migration.objects.filter(pk=migration.pk).update(progress=page)
    second = Autopilot(Migration.objects.get(pk=migration.pk), Options())
    assert (second.trend.rounds, second.trend.low_bytes) == (2, 60 * MIB)
    assert second.done.downtime_ms == 1110
    stalling(second, from_ms=12_000, rounds=2)
    assert told(migration).count(("decision", "Raised the maximum downtime to 1.1 s")) == 1


def test_a_throttle_is_told_once_for_each_step() -> None:
    migration = build.migration()
    pilot = Autopilot(migration, Options())
    for at_ms, percent in [(200, 0), (400, 5), (600, 5), (800, 15)]:
        pilot.look(progress(50, at_ms / 50, 1, throttle=percent), at_ms=at_ms)
    slowed = "Auto-converge slows the guest down by"
    assert told(migration) == [("event", f"{slowed} 5 %"), ("event", f"{slowed} 15 %")]


def test_a_ceiling_in_the_way_is_a_question_until_a_person_raises_it() -> None:
    migration = build.migration(options=Options(policy="must_finish", finish_within_s=600))
    pilot = Autopilot(migration, Options(policy="must_finish", finish_within_s=600))
    stalling(pilot, rounds=10)
    migration.refresh_from_db()
    assert told(migration)[-1] == ("warning", "The longest pause that is allowed stands in the way")
    assert migration.tuning["asked_for_ms"] == 2000 and migration.tuning["wanted_pause_ms"] > 5000
    assert pilot.limits.max_pause_ms == 2000
    actions.raise_pause(migration=migration, actor=ACTOR)
    migration.refresh_from_db()
    assert Autopilot(migration, Options()).limits.max_pause_ms == migration.tuning["wanted_pause_ms"]
    assert told(migration)[-1][0] == "act"
    with pytest.raises(Refused):
        actions.raise_pause(migration=build.migration(build.vm("other", on=migration.source)), actor=ACTOR)


def test_who_lost_the_lease_decides_nothing() -> None:
    migration = build.migration()
    Migration.objects.filter(pk=migration.pk).update(owner="another")
    with pytest.raises(record.Overtaken):
        stalling(Autopilot(migration, Options()))
    assert told(migration) == []


class GuestThatRefuses:
    """In place of a libvirt guest: refuses what its name says, and notes what it was told."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.told = refused, []

    def __getattr__(self, name: str) -> Any:
        def act(*values: int, timeout_s: float) -> None:
            self.told.append((name, *values))
            if name in self.refused:
                raise HostError(f"{name} is not supported.")

        return act


def test_the_policy_goes_on_without_what_a_guest_that_refuses_did_not_take() -> None:
    migration = build.migration(options=Options(policy="fast"), tuning={"postcopy": 1})
    guest = GuestThatRefuses("start_postcopy")
    wishes = Wishes(migration, guest)  # type: ignore[arg-type]
    wishes.read()
    wishes.carry_out(begun=True, reason="")
    wishes.carry_out(begun=True, reason="")
    migration.refresh_from_db()
    assert guest.told == [("start_postcopy",)]
    assert migration.tuning == {"postcopy": 0, "refused": ["postcopy"]}
    assert told(migration) == [("warning", "libvirt refused to switch to post-copy")]
    assert Autopilot(migration, Options(policy="fast")).done.refused == {Act.POSTCOPY}


def test_a_wish_is_carried_out_once_and_a_refused_cancel_again_by_a_guest_that_refuses() -> None:
    migration = build.migration(tuning={"max_downtime_ms": 700})
    guest = GuestThatRefuses("abort")
    wishes = Wishes(migration, guest)  # type: ignore[arg-type]
    for _ in range(3):
        wishes.carry_out(begun=True, reason="")
    assert guest.told == [("set_max_downtime", 700)]
    record.steer(migration, gave_up="It can't converge.", max_downtime_ms=900)
    for _ in range(3):
        wishes.carry_out(begun=True, reason="")
    wishes.cancel_after = 0
    wishes.carry_out(begun=True, reason="")
    assert guest.told[1:] == [("abort",), ("abort",)]


@pytest.mark.parametrize(("on_timeout", "wish"), [("cancel", "gave_up"), ("postcopy", "postcopy"), ("pause", "paused")])
def test_the_time_limit_does_what_was_chosen_and_says_so(on_timeout: str, wish: str) -> None:
    migration = build.migration()
    options = Options(timeout_s=5, on_timeout=on_timeout, postcopy=True)
    wishes = Wishes(migration, GuestThatRefuses())  # type: ignore[arg-type]
    wishes.keep_time(options, at_ms=4000)
    assert told(migration) == []
    for at_ms in (5200, 5400):
        wishes.keep_time(options, at_ms=at_ms)
    assert migration.tuning[wish] and len(told(migration)) == 1
    assert wishes.cancelling is (wish == "gave_up")
