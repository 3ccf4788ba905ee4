"""Picks up what lost its owner, asks again where nothing could be known, and carries out what a person chose."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connections
from django.db.models import Q
from django.utils import timezone

from hosts import audit
from hosts.errors import HostError, Refused
from migrations_app import choices, cleaning, disks, external, lease, offline, record, runner, settling, states
from migrations_app.models import Kind, Migration, Origin, TimelineEntry
from migrations_app.states import State
from migrations_app.verdict import CHOICES

log = logging.getLogger(__name__)
ASK_AGAIN = timedelta(seconds=5)
"""How often both hosts are asked again about a migration that needs attention, in its first minutes."""
ASK_AGAIN_LATER = timedelta(minutes=1)
"""And after FRESH, since each look at a host that is away takes seconds."""
FRESH = timedelta(minutes=5)

_looking: set[int] = set()
_lock = threading.Lock()


def sweep() -> None:
    """Drive every migration that nobody drives; quick, since whatever asks a host has a thread of its own."""
    for pk in lease.abandoned(Migration.objects.filter(state__in=states.DRIVEN), record.LEASE):
        runner.launch(pk)
    disks.sweep()
    now = timezone.now()
    unasked = Q(heartbeat=None) | Q(heartbeat__lt=now - ASK_AGAIN)
    for migration in Migration.objects.filter(unasked, state=State.NEEDS_ATTENTION):
        # The heartbeat is the time of the last look here; whoever moves it first looks.
        same = Migration.objects.filter(pk=migration.pk, state=State.NEEDS_ATTENTION, heartbeat=migration.heartbeat)
        if _is_due(migration, now) and same.update(heartbeat=now):
            _in_background(migration.pk, _look_at)
    for pk in cleaning.due(now):
        _in_background(pk, cleaning.try_again)


def _is_due(migration: Migration, now: datetime) -> bool:
    since = migration.evidence.get("since")
    fresh = not since or now - datetime.fromisoformat(since) < FRESH
    pause = ASK_AGAIN if fresh else ASK_AGAIN_LATER
    return migration.heartbeat is None or migration.heartbeat < now - pause


def _in_background(pk: int, work: Callable[[int], None]) -> None:
    """One look at a migration at a time: a host that is away takes longer than the pause between two looks."""
    with _lock:
        if pk in _looking:
            return
        _looking.add(pk)

    def run() -> None:
        try:
            work(pk)
        except record.Overtaken:
            log.info("migration %s was settled elsewhere meanwhile", pk)
        except Exception:
            # A loop of its own: the sweep comes again, and may find the database or the hosts in a better state.
            log.exception("looking at migration %s", pk)
        finally:
            with _lock:
                _looking.discard(pk)
            connections.close_all()

    threading.Thread(target=run, name=f"look at migration {pk}", daemon=True).start()


def _look_at(pk: int) -> None:
    migration = Migration.objects.select_related("vm", "source", "destination", "audit").get(pk=pk)
    if migration.state == State.NEEDS_ATTENTION:
        look_again(migration)


def look_again(migration: Migration) -> None:
    """Ask both hosts; go on where they settle it, else keep what they said."""
    if migration.kind == Kind.OFFLINE:
        offline.look_again(migration)
    elif not (migration.origin == Origin.EXTERNAL and external.settled(migration)):
        settling.settle(migration, None)
    if migration.state in states.DRIVEN:
        runner.launch(migration.pk)


def resolve(*, migration: Migration, choice: str, actor: audit.Actor) -> None:
    """Carry out what a person chose for a migration that needs attention.

    Asks both hosts once more before it acts. Raises Refused where the choice is not offered or not safe any more.
    """
    with record.acting(migration, actor, f"resolve migration: {choice}"):
        if migration.state != State.NEEDS_ATTENTION or choice not in migration.evidence.get("choices", []):
            raise Refused("That choice is not offered any more.", vm=migration.vm_name, hint="Look at the page again.")
        if choice != "look_again":
            _carry_out(migration, choice, actor)
        if migration.state == State.NEEDS_ATTENTION:
            look_again(migration)
        elif migration.state in states.DRIVEN:
            runner.launch(migration.pk)


def _carry_out(migration: Migration, choice: str, actor: audit.Actor) -> None:
    names = {"source": migration.source_name, "destination": migration.destination_name}
    words, _ = CHOICES[choice].named(**names)
    record.tell(migration, words, kind=TimelineEntry.Kind.ACT, reason=f"Chosen by {actor.username}.")
    try:
        choices.carry_out(migration, choice)
    except HostError as error:
        record.tell(migration, f"Not done: {words}", kind=TimelineEntry.Kind.WARNING, reason=str(error))
        raise
