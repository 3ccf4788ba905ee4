"""One migration as a dict: the one shape for page, fragment, WebSocket and API."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from hosts import access
from migrations_app.models import Kind, Migration, Origin
from migrations_app.states import LABELS, MEANINGS_OFF, STEPS, State
from migrations_app.verdict import CHOICES

EXTERNAL_MEANINGS = {
    State.COPYING: "Begun outside the console: the guest runs on at the source while its memory is copied.",
    State.DEFINING: "Both hosts are asked what the other tool left; nothing is changed.",
    State.COMPLETED: "The guest has left the source. Begun outside the console, so nothing was changed; read what it left.",
}
"""What the states mean of a migration that somebody else began, where that differs."""
CANCELLABLE = frozenset({State.QUEUED, State.CHECKING, State.COPYING})


def snapshot(migration: Migration) -> dict[str, Any]:
    """What there is to say of `migration`, in JSON's own types: it also travels through the channel layer."""
    label, meaning = LABELS[State(migration.state)]
    if migration.kind == Kind.OFFLINE:
        meaning = MEANINGS_OFF.get(State(migration.state), meaning)
    if migration.origin == Origin.EXTERNAL:
        meaning = EXTERNAL_MEANINGS.get(State(migration.state), meaning)
    return {
        "id": migration.pk,
        "vm": str(migration.vm_uuid),
        "vm_name": migration.vm_name,
        "source": migration.source_name,
        "destination": migration.destination_name,
        "username": migration.username,
        "reason": migration.reason,
        "state": str(migration.state),
        "state_label": label,
        "state_meaning": meaning,
        "is_active": migration.is_active,
        "can_cancel": migration.state in CANCELLABLE
        and migration.cancel_requested is None
        and not migration.tuning.get("postcopy"),
        "cancel_requested": _iso(migration.cancel_requested),
        "created": _iso(migration.created),
        "started": _iso(migration.started),
        "finished": _iso(migration.finished),
        "steps": [
            {
                "name": step.name,
                "title": STEPS[step.name],
                "state": step.state,
                "started": _iso(step.started),
                "finished": _iso(step.finished),
                "detail": step.detail,
            }
            for step in migration.steps.all()
        ],
        "progress": {"percent": 0, **migration.progress},
        "downtime_ms": migration.downtime_ms,
        "total_ms": migration.total_ms,
        "waited_ms": migration.waited_ms,
        "transferred_bytes": migration.transferred_bytes,
        "memory_total_bytes": migration.memory_total_bytes,
        "ping": {
            "sent": 0,
            "lost": 0,
            "longest_gap_ms": None,
            "strip": [],
            **migration.ping,
            "address": migration.ping_address,
        },
        "error": migration.error,
        "hint": migration.hint,
        "raw_error": migration.raw_error,
        "command": migration.command,
        "options": migration.options,
        "tuning": migration.tuning,
        "question": _question(migration),
        "kind": str(migration.kind),
        "origin": str(migration.origin),
        "priority": migration.priority,
        "waits_for": migration.waits_for,
        "probe_port": migration.probe_port,
        "continuity": migration.continuity,
        "disks": migration.disks,
        "estimate": migration.estimate,
        "conformance": migration.conformance,
        "explanation": migration.explanation,
        "timeline": [
            {"at": _iso(line.at), "kind": str(line.kind), "text": line.text, "reason": line.reason}
            for line in migration.timeline.all()
        ],
        "preflight": migration.preflight,
        "evidence": migration.evidence,
        "choices": _choices(migration) if migration.state == State.NEEDS_ATTENTION else [],
    }


def _choices(migration: Migration) -> list[dict[str, str]]:
    names = {"source": migration.source_name, "destination": migration.destination_name}
    found = []
    for name in migration.evidence.get("choices", []):
        label, effect = CHOICES[name].named(**names)
        found.append({"name": name, "label": label, "effect": effect})
    return found


def _question(migration: Migration) -> dict[str, int] | None:
    """What the autopilot asks a person, while it copies: a longer pause than is allowed. None once that was answered."""
    tuning = migration.tuning
    allowed = tuning.get("max_pause_ms") or migration.options.get("max_pause_ms")
    open_ = tuning.get("wanted_pause_ms") and tuning.get("asked_for_ms") == allowed
    if migration.state != State.COPYING or not open_ or tuning.get("gave_up"):
        return None
    return {"allowed_ms": allowed, "wanted_ms": tuning["wanted_pause_ms"]}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def series(migration: Migration) -> list[list[int]]:
    """The figures over time: at_ms, remaining, rate, dirty pages/s, iteration, transferred, throttle."""
    figures = ("remaining_bytes", "rate_bytes", "dirty_pages_per_s", "iteration", "transferred_bytes")
    return [list(row) for row in migration.samples.values_list("at_ms", *figures, "throttle_percent")]


def visible(user: access.AnyUser) -> QuerySet[Migration]:
    """The migrations of which `user` may see the source or the destination."""
    if access.may(user, access.SEE):
        return Migration.objects.all()
    hosts = access.hosts_for(user)
    return Migration.objects.filter(Q(source__in=hosts) | Q(destination__in=hosts))


def snapshot_for(user: access.AnyUser, pk: int) -> dict[str, Any] | None:
    """The snapshot of migration `pk`, None where there is none that `user` may see."""
    migration = visible(user).filter(pk=pk).prefetch_related("steps", "timeline").first()
    return snapshot(migration) if migration else None
