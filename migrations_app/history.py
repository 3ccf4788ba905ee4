"""What is over goes after KVMCONSOLE_HISTORY_DAYS: migrations, plans, runs of schedules, storage jobs and the audit."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.utils import timezone

from hosts import audit
from hosts.models import AuditEvent, GroupMount, ImageMove
from migrations_app.models import Evacuation, Migration, ScheduleRun
from migrations_app.states import TERMINAL

EVERY_S = 3600
BATCH, MOST = 500, 10_000
"""Rows deleted in one transaction, and of each kind in one hour: others write to the same tables meanwhile."""
OVER = (Evacuation.State.STOPPED, Evacuation.State.COMPLETED, Evacuation.State.DISCARDED)


def sweep() -> None:
    """Once an hour, in one process of all: forget what is too old."""
    if settings.HISTORY_DAYS and cache.add("history", "pruned", timeout=EVERY_S):
        prune(timezone.now() - timedelta(days=settings.HISTORY_DAYS))


def prune(before: datetime) -> dict[str, int]:
    """Delete what was over before then; how many of each kind. What is under way, or waits for a person, is kept."""
    ended = Q(finished__lt=before) | Q(finished=None, created__lt=before)
    old: dict[str, QuerySet[Any]] = {
        "runs of schedules": ScheduleRun.objects.filter(at__lt=before),
        "plans": Evacuation.objects.filter(ended, state__in=OVER),
        "migrations": Migration.objects.filter(state__in=TERMINAL, finished__lt=before),
        "moves of images": ImageMove.objects.filter(ended, state__in=ImageMove.OVER),
        "mounts on many hosts": GroupMount.objects.filter(finished__lt=before),
        "audit": AuditEvent.objects.filter(at__lt=before).exclude(outcome=AuditEvent.Outcome.PENDING),
    }
    gone = {kind: count for kind, rows in old.items() if (count := _delete(rows))}
    if gone:
        said = ", ".join(f"{count} × {kind}" for kind, count in gone.items())
        with audit.act(actor=audit.SYSTEM, action="forget history", target=f"before {before:%Y-%m-%d}") as event:
            event.detail = said
    return gone


def _delete(rows: QuerySet[Any]) -> int:
    gone = 0
    while gone < MOST and (pks := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])):
        rows.model._default_manager.filter(pk__in=pks).delete()
        gone += len(pks)
    return gone
