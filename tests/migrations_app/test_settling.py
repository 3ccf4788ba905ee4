"""What becomes of a migration by what both hosts are made to say here; real hosts say it in tests/real/test_faults_*.py."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hosts import audit
from hosts.errors import MigrationFailed, Refused
from hosts.models import AuditEvent, HostState
from migrations_app import cleaning, recovery, runner, settling, views_of_hosts
from migrations_app.host_view import View
from migrations_app.models import Migration, MigrationStep
from migrations_app.states import State, StepState
from migrations_app.verdict import Finding
from tests import build
from tests.migrations_app.test_verdict import ABSENT, AWAY, SENT, at

pytestmark = pytest.mark.django_db
OFF = at("shut off")
RUNS = at("running", "migrated")


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the hosts say this; nothing is driven on, and nothing waits."""

    def say(source: View, destination: View) -> None:
        views = {"h1": source, "h2": destination}
        monkeypatch.setattr(views_of_hosts, "view", lambda host, _uuid: views[host.name])

    monkeypatch.setattr(runner, "launch", lambda _pk: None)
    monkeypatch.setattr(settling, "PATIENCE_S", 0.0)
    monkeypatch.setattr(settling, "ENDING_S", 0.0)
    return say


@pytest.fixture
def make() -> Any:
    """A migration between two hosts whose shells are closed ports."""

    def one(state: State, **fields: Any) -> Migration:
        closed = {"uri": "qemu+tcp://127.0.0.1:1/system", "ssh": "root@127.0.0.1:1"}
        h1, h2 = build.host("h1", **closed), build.host("h2", **closed)
        event = audit.begin(actor=audit.SYSTEM, action="migrate", target="web")
        return build.migration(build.vm(on=h1), to=h2, state=state, audit=event, **fields)

    return one


def texts(migration: Migration) -> list[str]:
    return list(migration.timeline.values_list("text", flat=True))


@pytest.mark.parametrize(
    ("state", "source", "destination", "becomes"),
    [
        (State.COPYING, at("running", job=True), at("paused", job=True), State.COPYING),
        (State.NEEDS_ATTENTION, at("running", job=True), at("paused", job=True), State.COPYING),
        (State.NEEDS_ATTENTION, SENT, at("running", "post-copy", job=True), State.SWITCHING),
        (State.SWITCHING, at("paused", "migration"), at("paused", job=True), State.NEEDS_ATTENTION),
        (State.COPYING, OFF, RUNS, State.VERIFYING),
        (State.NEEDS_ATTENTION, AWAY, RUNS, State.VERIFYING),
        (State.COPYING, at("running"), ABSENT, State.FAILED),
        (State.NEEDS_ATTENTION, at("running", "booted"), AWAY, State.FAILED),
        (State.SWITCHING, RUNS, RUNS, State.NEEDS_ATTENTION),
        (State.SWITCHING, AWAY, AWAY, State.NEEDS_ATTENTION),
        (State.COPYING, OFF, ABSENT, State.NEEDS_ATTENTION),
        (State.COPYING, at("paused", "post-copy failed", job=True), OFF, State.NEEDS_ATTENTION),
    ],
)
def test_both_hosts_answers_decide_as_they_are_made_to_say(
    says: Any, make: Any, state: State, source: View, destination: View, becomes: State
) -> None:
    migration = make(state)
    says(source, destination)
    settling.settle(migration, None)
    migration.refresh_from_db()
    assert migration.state == becomes
    assert (migration.audit.outcome == "pending") is (becomes != State.FAILED)


def test_what_stopped_and_was_cancelled_is_cancelled_not_failed(says: Any, make: Any) -> None:
    migration = make(State.NEEDS_ATTENTION, cancel_requested=timezone.now(), error="?")
    says(at("running"), ABSENT)
    settling.settle(migration, MigrationFailed("cancelled"))
    assert (migration.state, migration.error) == (State.CANCELLED, "")


def test_the_first_error_and_since_when_stay_while_the_hosts_are_asked_again(says: Any, make: Any) -> None:
    migration = make(State.COPYING)
    says(AWAY, AWAY)
    settling.settle(migration, MigrationFailed("libvirt broke", raw="broke"))
    first = migration.evidence
    recovery.look_again(migration)
    again = migration.evidence
    assert (again["error"], again["raw"], again["since"]) == ("libvirt broke", "broke", first["since"])
    assert again["asked"] > first["asked"]
    assert texts(migration) == ["Needs attention: unknown"]
    says(OFF, ABSENT)
    recovery.look_again(migration)
    assert migration.evidence["since"] > first["since"]
    assert texts(migration) == ["Needs attention: unknown", "Needs attention: nowhere"]


def test_a_copy_that_stands_still_is_left_to_a_person_until_something_moves(says: Any, make: Any) -> None:
    migration = make(State.COPYING)
    stands = at("running", job=True)
    says(stands, at("paused", job=True))
    settling.settle(migration, None, stalled=True)
    assert migration.evidence["finding"] == Finding.STALLED
    recovery.look_again(migration)
    assert migration.state == State.NEEDS_ATTENTION
    says(View(True, True, "running", job=True, active=True, moved_bytes=5), at("paused", job=True))
    recovery.look_again(migration)
    assert migration.state == State.COPYING


def test_a_definition_is_offered_only_where_one_was_kept(says: Any, make: Any) -> None:
    migration = make(State.COPYING)
    says(ABSENT, ABSENT)
    settling.settle(migration, None)
    assert "define_at_source" not in migration.evidence["choices"]
    Migration.objects.filter(pk=migration.pk).update(source_xml="<domain/>")
    migration.refresh_from_db()
    recovery.look_again(migration)
    assert "define_at_source" in migration.evidence["choices"]


def test_a_disk_that_was_half_copied_is_not_started_from(says: Any, make: Any) -> None:
    migration = make(State.COPYING, disks=[{"target": "vda", "state": "created"}])
    says(at("shut off", "crashed"), OFF)
    settling.settle(migration, None)
    assert "start_at_destination" not in migration.evidence["choices"]
    assert "start_at_source" in migration.evidence["choices"]


def test_a_choice_that_is_not_safe_any_more_does_nothing_and_says_so(says: Any, make: Any) -> None:
    migration = make(State.NEEDS_ATTENTION, evidence={"choices": ["start_at_source", "look_again"]})
    says(OFF, RUNS)
    with pytest.raises(Refused, match="h2 says running"):
        recovery.resolve(migration=migration, choice="start_at_source", actor=audit.SYSTEM)
    assert AuditEvent.objects.latest("pk").outcome == "refused"
    assert texts(migration) == ["Start the guest anew at h1", "Not done: Start the guest anew at h1"]


def test_resuming_post_copy_is_handed_to_a_worker(says: Any, make: Any) -> None:
    migration = make(State.NEEDS_ATTENTION, evidence={"choices": ["resume_postcopy"]})
    says(at("paused", "post-copy failed", job=True), at("running", "post-copy failed", job=True))
    recovery.resolve(migration=migration, choice="resume_postcopy", actor=audit.SYSTEM)
    assert migration.state == State.SWITCHING and migration.tuning["resume_postcopy"] == 1


def unclean(migration: Migration) -> Migration:
    """As it is when the source did not answer at the end."""
    MigrationStep.objects.filter(migration=migration, name="clean_up").update(state=StepState.WARNING)
    long_ago = timezone.now() - timedelta(hours=1)
    pending = {"clean_up": {"words": "h1 did not answer", "tries": 0}}
    Migration.objects.filter(pk=migration.pk).update(evidence=pending, heartbeat=long_ago)
    migration.refresh_from_db()
    return migration


def test_a_clean_up_is_tried_again_once_the_source_is_back(make: Any) -> None:
    migration = unclean(make(State.COMPLETED))
    source = migration.source
    source.state = HostState.UNREACHABLE
    source.save()
    assert cleaning.due(timezone.now()) == []
    source.state = HostState.ONLINE
    source.save()
    assert cleaning.due(timezone.now()) == [migration.pk]
    assert cleaning.due(timezone.now()) == []


def test_what_has_nothing_left_to_do_is_not_looked_at_again(make: Any) -> None:
    migration = make(State.COMPLETED, heartbeat=timezone.now() - timedelta(hours=1))
    assert cleaning.due(timezone.now()) == []
    migration.refresh_from_db()
    assert migration.heartbeat is None


@pytest.mark.parametrize(
    ("source", "destination", "words"),
    [
        (RUNS, RUNS, "h1 says running"),
        (OFF, ABSENT, "may be the last one"),
        (AWAY, RUNS, "h1 did not answer"),
    ],
)
def test_a_definition_is_not_removed_while_it_may_be_needed(
    says: Any, make: Any, source: View, destination: View, words: str
) -> None:
    migration = unclean(make(State.COMPLETED))
    says(source, destination)
    cleaning.try_again(migration.pk)
    migration.refresh_from_db()
    assert words in migration.evidence["clean_up"]["words"]


def test_a_later_migration_takes_the_clean_up_over(make: Any) -> None:
    migration = unclean(make(State.COMPLETED))
    build.migration(migration.vm, to=migration.source, state=State.COMPLETED)
    cleaning.try_again(migration.pk)
    migration.refresh_from_db()
    assert migration.evidence == {} and migration.heartbeat is None
    assert migration.steps.get(name="clean_up").state == StepState.DONE
