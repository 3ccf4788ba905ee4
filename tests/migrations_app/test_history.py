"""What is over is forgotten after a while; what is under way, or waits for a person, never."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from hosts.models import AuditEvent, Host, ImageMove
from migrations_app import history
from migrations_app.models import Evacuation, Migration, MigrationStep
from migrations_app.states import State
from tests import build

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD, YOUNG = NOW - timedelta(days=40), NOW - timedelta(days=20)


def make(state: State, *, finished: Any) -> Migration:
    host = build.host(f"h{Host.objects.count()}")
    migration = build.migration(build.vm(f"vm{host.pk}", on=host), to=build.host(f"{host.name}-to"), state=state)
    Migration.objects.filter(pk=migration.pk).update(finished=finished, created=OLD)
    return migration


def test_what_was_over_before_goes_with_all_that_hangs_on_it() -> None:
    gone = [make(State.COMPLETED, finished=OLD), make(State.FAILED, finished=OLD)]
    kept = [
        make(State.COMPLETED, finished=YOUNG),
        make(State.NEEDS_ATTENTION, finished=None),
        make(State.COPYING, finished=None),
        make(State.QUEUED, finished=None),
    ]
    assert MigrationStep.objects.filter(migration=gone[0]).exists()
    plans = {
        state: Evacuation.objects.create(purpose="bulk", state=state, created=OLD, finished=OLD, username="anna")
        for state in (Evacuation.State.COMPLETED, Evacuation.State.RUNNING, Evacuation.State.PLANNED)
    }
    move = ImageMove.objects.create(
        host=build.host("nfs"), source="nfs:/x", target="/mnt", token="t", state=ImageMove.State.CLEARED
    )
    ImageMove.objects.filter(pk=move.pk).update(created=OLD, finished=OLD)
    found = history.prune(NOW - timedelta(days=30))
    assert found == {"plans": 1, "migrations": 2, "moves of images": 1}
    assert set(Migration.objects.values_list("pk", flat=True)) == {each.pk for each in kept}
    assert not MigrationStep.objects.filter(migration=gone[0].pk).exists()
    assert set(Evacuation.objects.values_list("state", flat=True)) == set(plans) - {Evacuation.State.COMPLETED}
    assert AuditEvent.objects.get(action="forget history").detail == "1 × plans, 2 × migrations, 1 × moves of images"


def test_the_audit_of_what_is_under_way_stays_and_batches_go_on_until_all_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "BATCH", 2)
    for outcome in ("succeeded", "failed", "refused", "cancelled", "succeeded", "pending"):
        AuditEvent.objects.create(at=OLD, username="anna", source="web", action="x", target="y", outcome=outcome)
    assert history.prune(NOW - timedelta(days=30)) == {"audit": 5}
    assert {event.action for event in AuditEvent.objects.exclude(outcome="pending")} == {"forget history"}
    assert history.prune(NOW - timedelta(days=30)) == {}


def test_it_is_done_once_an_hour_by_one_process_and_never_where_history_is_for_good(settings: Any) -> None:
    cache.delete("history")
    make(State.COMPLETED, finished=OLD)
    settings.HISTORY_DAYS = 0
    history.sweep()
    assert Migration.objects.count() == 1
    settings.HISTORY_DAYS = 30
    history.sweep()
    assert Migration.objects.count() == 0
    make(State.COMPLETED, finished=OLD)
    history.sweep()
    assert Migration.objects.count() == 1
    cache.delete("history")
