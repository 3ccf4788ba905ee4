"""The clean-up at the source that could not be done when a migration completed: tried again until it is.

Such a migration has evidence["clean_up"], and its heartbeat is the time of the last try; a completed one without anything
left to do has none.
"""

from datetime import datetime, timedelta
from typing import Any

from hosts.models import HostState
from migrations_app import finish, record, states, verdict, views_of_hosts
from migrations_app.models import Migration, TimelineEntry
from migrations_app.plan import Options
from migrations_app.states import State, StepState

SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=10)
"""Soon after the source is back, since it may start a second copy; more and more seldom where it refuses."""


def due(now: datetime) -> list[int]:
    """The migrations whose clean-up is to be tried now; each is given to one caller."""
    left = Migration.objects.filter(state=State.COMPLETED, heartbeat__lt=now - SHORTEST)
    found = []
    for migration in left.select_related("source"):
        pending = migration.evidence.get("clean_up")
        if not pending:
            Migration.objects.filter(pk=migration.pk).update(heartbeat=None)
        elif migration.source is None or (
            migration.source.state == HostState.ONLINE and _waited(migration, pending, now)
        ):
            same = Migration.objects.filter(pk=migration.pk, heartbeat=migration.heartbeat)
            found += [migration.pk] if same.update(heartbeat=now) else []
    return found


def _waited(migration: Migration, pending: dict[str, Any], now: datetime) -> bool:
    pause = min(SHORTEST * 2 ** min(pending.get("tries", 0), 10), LONGEST)
    return migration.heartbeat is not None and migration.heartbeat < now - pause


def try_again(pk: int) -> None:
    """Settle the source's definition, if the guest is still where this migration brought it and no later one is about it."""
    migration = Migration.objects.select_related("vm", "source", "destination").get(pk=pk)
    later = Migration.objects.filter(vm_uuid=migration.vm_uuid, pk__gt=pk)
    if migration.source is None or later.filter(state=State.COMPLETED).exists():
        _forget(migration, "A later migration of the guest took this over.")
    elif not later.filter(state__in=states.ACTIVE).exists():
        _try(migration)


def _try(migration: Migration) -> None:
    source, destination = views_of_hosts.both(migration)
    if not source.reachable:
        return
    if source.present and source.active and not verdict.leftover_at_source(source, destination):
        _say_once(
            migration,
            f"{migration.source_name} {source.in_words()}, {migration.destination_name} {destination.in_words()}.",
        )
    elif source.present and not destination.persistent:
        where = f"{migration.destination_name} {destination.in_words()}"
        _say_once(migration, f"{where}, so the definition on {migration.source_name} may be the last one and stays.")
    else:
        finish.Finish(migration, Options.from_dict(migration.options), None).clean_up()
        if "clean_up" not in migration.evidence:
            record.tell(migration, f"Cleaned up on {migration.source_name}", reason="It answers again.")
            Migration.objects.filter(pk=migration.pk).update(heartbeat=None)


def _say_once(migration: Migration, words: str) -> None:
    """Keep `words` as what stands in the way."""
    pending = migration.evidence["clean_up"]
    if pending.get("words") != words:
        record.tell(migration, "Can't clean up yet", kind=TimelineEntry.Kind.WARNING, reason=words)
    finish.note_pending(migration, words)


def _forget(migration: Migration, words: str) -> None:
    finish.note_pending(migration, "")
    record.end_step(migration, "clean_up", StepState.DONE, words)
    Migration.objects.filter(pk=migration.pk).update(heartbeat=None)
