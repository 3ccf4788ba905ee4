"""Says why a migration failed: reads the logs of both hosts, and keeps cause, fix and evidence on the row."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from hosts import jobs
from migrations_app import explain, host_logs, record
from migrations_app.host_logs import HostLog
from migrations_app.models import Migration
from migrations_app.states import State

log = logging.getLogger(__name__)
WINDOW = timedelta(minutes=2)
"""What led to a failure was logged so long before it at most."""
LOOK_BACK, SETTLED = timedelta(minutes=30), timedelta(seconds=20)
"""A nudge that was lost is made up for, for failures of this age."""
SHOWN_LINES = 12
"""So many lines of each host stand on the page; the report has them all."""
EXPLAINED = (State.FAILED, State.NEEDS_ATTENTION)


def window_of(migration: Migration) -> tuple[datetime, datetime]:
    """When what matters of `migration` was logged."""
    until = migration.finished or timezone.now()
    began = migration.launched or migration.started or migration.created
    return max(began, until - WINDOW), until


def diagnose(pk: int) -> None:
    """Explain migration `pk`, if it failed or needs attention and is not explained yet."""
    rows = Migration.objects.select_related("source", "destination").filter(pk=pk, state__in=EXPLAINED)
    migration = rows.exclude(launched=None).first()
    if migration is None or migration.explanation.get("state") == migration.state:
        return
    logs = host_logs.of_both(migration, *window_of(migration))
    explanation = of(migration, logs)
    if Migration.objects.filter(pk=pk, state=migration.state).update(explanation=explanation):
        migration.explanation = explanation
        record.publish(migration)


def of(migration: Migration, logs: list[HostLog]) -> dict[str, Any]:
    """What the row keeps: which failure it is, cause, fix, the words that said so, and the lines of both hosts."""
    said = migration.raw_error or migration.evidence.get("raw", "") or migration.error
    lines = [line for each in reversed(logs) for line in each.lines if " warning : " not in line]
    found = explain.explain(
        explain.scrubbed(said),
        lines,
        vm=migration.vm_name,
        source=migration.source_name,
        destination=migration.destination_name,
    )
    return {
        "state": str(migration.state),
        "name": found.name,
        "cause": found.cause,
        "fix": found.fix,
        "because": found.because,
        "raw": explain.scrubbed(said),
        "hosts": [_shown(each) for each in logs],
    }


def _shown(each: HostLog) -> dict[str, Any]:
    errors = [line for line in each.libvirtd if " warning : " not in line]
    return {
        "name": each.host,
        "role": each.role,
        "libvirtd": errors[-SHOWN_LINES:],
        "qemu": list(each.qemu[-SHOWN_LINES:]),
        "error": each.error,
    }


def sweep() -> None:
    """Nudge for failures whose nudge was lost."""
    now = timezone.now()
    recent = Q(finished__gt=now - LOOK_BACK, finished__lt=now - SETTLED) | Q(state=State.NEEDS_ATTENTION)
    rows = Migration.objects.filter(recent, state__in=EXPLAINED, explanation={}).exclude(launched=None)
    for pk in rows.values_list("pk", flat=True)[:5]:
        jobs.nudge("migrations_app.diagnose", pk)
