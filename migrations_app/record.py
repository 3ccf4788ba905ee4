"""The only writer of a migration's state. Each change is a row first, then an event to the pages."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from hosts import audit, jobs, live
from hosts.errors import HostError
from hosts.lease import unowned
from hosts.models import AuditEvent, Host
from migrations_app import states
from migrations_app.models import LARGE, Migration, MigrationSample, MigrationStep, TimelineEntry
from migrations_app.progress import Progress
from migrations_app.snapshot import snapshot
from migrations_app.states import State, StepState

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=6)
"""An owner beats every second; one that was silent for this long has died, and another may take over."""
FRAGMENTS = [f"migrations_app/_{name}.html" for name in ("status", "steps", "progress", "ping", "timeline")]
FIGURES = [f"migrations_app/_{name}.html" for name in ("progress", "ping")]
KEPT_SAMPLES = 240
EVENT = TimelineEntry.Kind.EVENT

OUTCOMES = {
    State.COMPLETED: audit.Outcome.SUCCEEDED,
    State.CANCELLED: audit.Outcome.CANCELLED,
    State.FAILED: audit.Outcome.FAILED,
}


def acting(migration: Migration, actor: audit.Actor, action: str) -> AbstractContextManager[AuditEvent]:
    """Frame what a person asks of `migration`: on the audit list, whatever comes of it."""
    return audit.act(actor=actor, action=action, target=migration, hosts=[migration.source, migration.destination])


class Overtaken(Exception):
    """Another process moved or took this migration since we read it; whoever gets this stops touching it."""


def claim(pk: int, *, owner: str) -> Migration | None:
    """Take up migration `pk` as `owner`; None where it is over, waits for its turn or a person, or another drives it."""
    driven = Migration.objects.filter(unowned(LEASE), pk=pk, state__in=states.DRIVEN)
    attempt = Migration.objects.filter(pk=pk).values_list("attempt", flat=True).first()
    if attempt is None:
        return None
    taken = {"owner": owner, "heartbeat": timezone.now(), "attempt": attempt + 1}
    if driven.filter(attempt=attempt).update(**taken) != 1:
        return None
    return Migration.objects.select_related("vm", "source", "destination", "audit").get(pk=pk)


def beat(pk: int, *, owner: str) -> bool:
    """Renew the lease; False where it was lost."""
    return Migration.objects.filter(pk=pk, owner=owner).update(heartbeat=timezone.now()) == 1


def release(migration: Migration) -> None:
    """Give the lease back, so that another may go on at once; what is over or waits for a person has none."""
    if not migration.owner:
        return
    Migration.objects.filter(pk=migration.pk, owner=migration.owner).update(owner="", heartbeat=None)


def advance(migration: Migration, to: State, **values: Any) -> None:
    """Move `migration` to `to` and tell every page. At an end state it closes the audit row and the last step too.

    Raises Overtaken if another process moved or took it since we read it, ForbiddenMove if there is no such move.
    """
    states.require(migration.state, to)
    held_place = migration.state in states.HOLDS_PLACE
    now = timezone.now()
    beat: datetime | None = now
    if to in states.TERMINAL:
        values |= {"finished": now, "owner": ""}
        # One that is over has no heartbeat, but where cleaning.py has yet to look at it.
        beat = now if "clean_up" in migration.evidence else None
    with transaction.atomic():
        mine = Migration.objects.filter(pk=migration.pk, state=migration.state, owner=migration.owner)
        if mine.update(state=to, heartbeat=beat, **values) != 1:
            raise Overtaken(str(migration))
        _reload(migration)
        _set(migration, values)
        if to in states.TERMINAL:
            _close_steps(migration, to)
            if migration.audit:
                audit.close(migration.audit, OUTCOMES[to], migration.error)
        if to not in states.HOLDS_PLACE and (held_place or to not in states.DRIVEN):
            jobs.nudge("migrations_app.admit")  # its place, and in the end its memory, is free for the next
        publish(migration)
        if to in (State.FAILED, State.NEEDS_ATTENTION):
            jobs.nudge("migrations_app.diagnose", migration.pk)
        move = _move_of(migration)
        if move and to not in states.DRIVEN:
            jobs.nudge("migrations_app.go_on_with_plan", move["evacuation"])


def note(migration: Migration, **values: Any) -> None:
    """Write facts about `migration` without moving it. Raises Overtaken where the lease was lost."""
    if Migration.objects.filter(pk=migration.pk, owner=migration.owner).update(**values) != 1:
        raise Overtaken(str(migration))
    _set(migration, values)


def _set(migration: Migration, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(migration, name, value)


def _reload(migration: Migration) -> None:
    """Read the row anew, but neither what only its driver writes nor what it points to, as long as it points to the same."""
    fresh = Migration.objects.defer(*LARGE).get(pk=migration.pk)
    known = migration._state.fields_cache
    same = {name: row for name, row in known.items() if row is not None and row.pk == getattr(fresh, f"{name}_id")}
    fresh._state.fields_cache = same
    migration.__dict__.update(fresh.__dict__)


def begin_step(migration: Migration, name: str, detail: str = "") -> None:
    """Mark a step as running; one that already runs keeps its start."""
    rows = MigrationStep.objects.filter(migration=migration, name=name).exclude(state=StepState.RUNNING)
    rows.update(state=StepState.RUNNING, started=timezone.now(), finished=None, detail=detail)
    publish(migration)


def end_step(migration: Migration, name: str, state: StepState = StepState.DONE, detail: str = "") -> None:
    rows = MigrationStep.objects.filter(migration=migration, name=name)
    rows.filter(started=None).update(started=timezone.now())
    rows.update(state=state, finished=timezone.now(), detail=detail)
    publish(migration)


def _close_steps(migration: Migration, to: State) -> None:
    """What runs when the end comes is where it failed; what never ran was skipped."""
    steps = MigrationStep.objects.filter(migration=migration)
    ended = StepState.SKIPPED if to is State.CANCELLED else StepState.FAILED
    detail = migration.error.split("\n")[0] if to is State.FAILED else ""
    steps.filter(state=StepState.RUNNING).update(state=ended, finished=timezone.now(), detail=detail)
    steps.filter(state=StepState.PENDING).update(state=StepState.SKIPPED)


def fail(migration: Migration, error: HostError, to: State = State.FAILED) -> None:
    """End it with what went wrong, in words; the guest is safe at the source."""
    advance(migration, to, error=str(error), hint=error.hint, raw_error=error.raw)


def needs_attention(migration: Migration, *, error: str, evidence: dict[str, Any]) -> None:
    """Stop: a person must look. Gives the lease back but keeps holding the VM."""
    hint = "Read what both hosts say and choose. Nothing is started, resumed or destroyed before that."
    advance(
        migration,
        State.NEEDS_ATTENTION,
        error=error,
        hint=hint,
        evidence=evidence,
        owner="",
        **_doubted_disks(migration),
    )


def _doubted_disks(migration: Migration) -> dict[str, Any]:
    """Copied disks of a migration whose outcome is not known: the guest's last writes may be in them, so they stay.

    Later, a guest that runs at the source is no proof: it may have been started there again, from the older disk.
    """
    if not migration.disks:
        return {}
    found = [
        {**disk, "state": "left"} if disk["state"] in ("creating", "created") else disk for disk in migration.disks
    ]
    return {"disks": found, "disks_settled": True}


def steer(migration: Migration, **wishes: Any) -> None:
    """Put wishes for the copy beside those that people enter at the same time. Raises Overtaken where the lease was lost."""
    with transaction.atomic():
        row = Migration.objects.select_for_update().filter(pk=migration.pk, owner=migration.owner).first()
        if row is None:
            raise Overtaken(str(migration))
        row.tuning = {**row.tuning, **wishes}
        row.save(update_fields=["tuning"])
    migration.tuning = row.tuning


def name_destination(migration: Migration, host: Host) -> None:
    """Note where an external migration goes to, once that is known; whoever drives it reads it at the end."""
    rows = Migration.objects.filter(pk=migration.pk, destination_name="")
    rows.update(destination=host, destination_name=host.name)
    _reload(migration)
    publish(migration)


def tell(migration: Migration, text: str, *, kind: TimelineEntry.Kind = EVENT, reason: str = "") -> None:
    """Write a line into the timeline of `migration` and show it: what happened or was decided, and why."""
    line = TimelineEntry.objects.create(migration=migration, kind=kind, text=text[:300], reason=reason[:600])
    # What a request read before with its migration lacks this line.
    getattr(migration, "_prefetched_objects_cache", {}).pop("timeline", None)
    log.info("migration %s: %s. %s", migration.pk, line.text, line.reason)
    publish(migration)


def sample(migration: Migration, progress: Progress, *, at_ms: int) -> None:
    """Keep one sample and show it on every page at once."""
    MigrationSample.objects.create(
        migration=migration,
        at_ms=at_ms,
        remaining_bytes=progress.remaining_bytes,
        transferred_bytes=progress.transferred_bytes,
        rate_bytes=max(0, progress.rate_bytes),
        dirty_pages_per_s=progress.dirty_pages_per_s,
        iteration=progress.iteration,
        throttle_percent=progress.throttle_percent,
        disk_remaining_bytes=progress.disk_remaining_bytes,
    )
    note(migration, progress={**progress.to_dict(), "at_ms": at_ms})
    show_figures(migration)


def thin(migration: Migration) -> None:
    """After the end keep at most KEPT_SAMPLES samples, evenly spread: enough for the chart."""
    pks = list(migration.samples.order_by("at_ms").values_list("pk", flat=True))
    if len(pks) > KEPT_SAMPLES:
        kept = {pks[round(i * (len(pks) - 1) / (KEPT_SAMPLES - 1))] for i in range(KEPT_SAMPLES)}
        migration.samples.exclude(pk__in=kept).delete()


def publish(migration: Migration) -> None:
    """Tell the migration's own pages the whole picture, and the lists that something changed."""
    about = [migration.source_id, migration.destination_id]
    topic = f"migration.{migration.pk}"
    live.publish(topic, fragments=FRAGMENTS, data=partial(_picture, migration), hosts=about)
    live.publish(topic, hosts=about)
    for listed in ("migrations", f"vm.{migration.vm_uuid}"):
        live.publish(listed, hosts=about)
    _show_in_plan(migration)


def _picture(migration: Migration) -> dict[str, Any]:
    return {"m": snapshot(migration)}


def publish_all(pks: Iterable[int]) -> None:
    """The same for many that wait in the queue: the lists are told once."""
    rows = (
        Migration.objects.filter(pk__in=pks)
        .defer("live_xml", "source_xml", "before")
        .prefetch_related("steps", "timeline")
    )
    about: set[int | None] = set()
    for row in rows:
        ends = [row.source_id, row.destination_id]
        about.update(ends)
        live.publish(f"migration.{row.pk}", fragments=FRAGMENTS, data=partial(_picture, row), hosts=ends)
        live.publish(f"migration.{row.pk}", hosts=ends)
    if about:
        live.publish("migrations", hosts=list(about))


def show_figures(migration: Migration) -> None:
    """Tell the migration's own pages its figures; several times a second."""
    about = [migration.source_id, migration.destination_id]
    live.publish(f"migration.{migration.pk}", fragments=FIGURES, data=partial(_picture, migration), hosts=about)
    _show_in_plan(migration)


def _move_of(migration: Migration) -> dict[str, int] | None:
    """Which move of which plan `migration` is, if of any; asked once, since that never changes."""
    known = migration.__dict__
    if "_plan_move" not in known:
        known["_plan_move"] = migration.move.values("pk", "evacuation").first()
    found: dict[str, int] | None = known["_plan_move"]
    return found


def _show_in_plan(migration: Migration) -> None:
    """Tell the page of the plan that `migration` is part of how far it is."""
    if move := _move_of(migration):
        percent = migration.progress.get("percent", 0)
        shown = {"move": {"id": move["pk"], "state": str(migration.state), "percent": percent}}
        about = [migration.source_id, migration.destination_id]
        topic = f"evacuation.{move['evacuation']}"
        live.publish(topic, fragments=["migrations_app/_move.html"], data=lambda: shown, hosts=about)
