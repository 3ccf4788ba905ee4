"""The queue: gives each free place to whom it is due, in one transaction, and says of the others what they wait for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils import timezone

from hosts import audit, jobs, live
from hosts.errors import InvalidInput, Refused
from hosts.models import Host
from migrations_app import record
from migrations_app.models import LARGE, Kind, Migration, Origin, QueueLimits
from migrations_app.queueing import HIGHEST_PRIORITY, LOWEST_PRIORITY, Entry, Limits, decide, in_order
from migrations_app.states import ARRIVED, HOLDS_PLACE, LABELS, State

SERVED_WITHIN = timedelta(days=1)
"""Whose turn it is rests on what each person started within this time."""
BOUNDS = {"per_source": (1, 64), "per_destination": (1, 64), "per_link": (1, 64), "overall": (0, 1000)}
"""Lowest and highest value of each limit; 0 overall holds the queue."""
WHERE = ("up", "down", "front")
OF_ENTRY = ("source_name", "destination_name", "kind", "username", "priority", "position", "vm__memory_mib")
"""What `entry_of` reads."""


def fill() -> list[int]:
    """Admit whoever may start now and return their numbers, for the caller to drive.

    The row of the limits is locked meanwhile (on SQLite the whole database), so that two processes never give one place
    away twice. A migration that was admitted is `checking` and nobody's: where the caller dies, the sweep drives it.
    """
    if not queued().exists():
        return []
    with transaction.atomic():
        limits = locked_limits()
        rows = {row.pk: row for row in queued().defer(*LARGE).select_related("vm", "source", "destination", "audit")}
        decision = decide(
            in_order([entry_of(row) for row in rows.values()], last_served(rows)),
            [
                entry_of(row)
                for row in Migration.objects.filter(state__in=HOLDS_PLACE).select_related("vm").only(*OF_ENTRY)
            ],
            Limits(limits.per_source, limits.per_destination, limits.per_link, limits.overall),
            free_mib=free_mib(),
            arriving_mib=arriving_mib(),
        )
        started = [pk for pk in decision.admitted if _begin(rows[pk])]
        _explain(rows, decision.waits)
    return started


def queued() -> QuerySet[Migration]:
    return Migration.objects.filter(state=State.QUEUED)


def locked_limits() -> QueueLimits:
    """The limits, locked until the end of the transaction: who holds them alone changes the queue."""
    QueueLimits.objects.get_or_create(pk=1)
    return QueueLimits.objects.select_for_update().get(pk=1)


def entry_of(row: Migration) -> Entry:
    return Entry(
        pk=row.pk,
        source=row.source_name,
        destination=row.destination_name,
        memory_mib=row.vm.memory_mib if row.vm else 0,
        uses_link=row.kind != Kind.OFFLINE,
        user=row.username,
        priority=row.priority,
        position=row.position,
    )


def last_served(rows: Mapping[int, Migration]) -> dict[str, float]:
    """When each person's last migration started, of those who wait now."""
    recent = Migration.objects.filter(
        origin=Origin.CONSOLE,
        username__in={row.username for row in rows.values()},
        created__gte=timezone.now() - SERVED_WITHIN,
        started__isnull=False,
    )
    found = recent.order_by().values_list("username").annotate(last=Max("started"))
    return {username: last.timestamp() for username, last in found}


def free_mib() -> dict[str, int]:
    """Each host's free memory as it was last seen; nothing of one that was never asked."""
    return dict(Host.objects.filter(memory_mib__gt=0).values_list("name", "memory_free_mib"))


def arriving_mib() -> dict[str, int]:
    """Memory of guests that have arrived at a host since its free memory was last seen, or are about to end there."""
    unseen = Q(finished__gte=F("destination__last_seen"), state=State.COMPLETED)
    rows = Migration.objects.filter(Q(state__in=ARRIVED) | unseen, kind=Kind.LIVE, vm__isnull=False)
    return dict(rows.order_by().values_list("destination_name").annotate(Sum("vm__memory_mib")))


def _begin(row: Migration) -> bool:
    try:
        record.advance(row, State.CHECKING, started=timezone.now(), waits_for="")
    except record.Overtaken:
        return False  # cancelled meanwhile
    return True


def _explain(rows: Mapping[int, Migration], waits: Mapping[int, str]) -> None:
    """Write what each waits for where that has changed, and show it."""
    changed = [rows[pk] for pk, reason in waits.items() if rows[pk].waits_for != reason[:300]]
    for row in changed:
        row.waits_for = waits[row.pk][:300]
    Migration.objects.bulk_update(changed, ["waits_for"], batch_size=200)
    record.publish_all([row.pk for row in changed])


def set_limits(*, values: Mapping[str, int], actor: audit.Actor) -> QueueLimits:
    """Change some of the limits; what runs goes on, what waits is looked at again. Raises InvalidInput."""
    with audit.act(actor=actor, action="change queue limits", target="migration queue") as event:
        for name, value in values.items():
            if name not in BOUNDS:
                raise InvalidInput(f"There is no limit {name!r}; there are: {', '.join(BOUNDS)}.", field=name)
            low, high = BOUNDS[name]
            if type(value) is not int or not low <= value <= high:
                raise InvalidInput(f"{name} must be a whole number from {low} to {high}.", field=name)
        with transaction.atomic():
            limits = locked_limits()
            was = {name: getattr(limits, name) for name in values}
            for name, value in values.items():
                setattr(limits, name, value)
            limits.save(update_fields=list(values) or None)
            _look_again()
        event.detail = ", ".join(f"{name} {was[name]} to {value}" for name, value in values.items())
    return limits


def prioritise(*, migration: Migration, priority: int, actor: audit.Actor) -> None:
    """Give a queued migration another priority; higher goes first. Raises Refused once it has started."""
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise InvalidInput(f"priority must be from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.", field="priority")
    with _queue_act(migration, actor, f"set priority {priority}") as row:
        row.priority = priority
        row.save(update_fields=["priority"])


def move(*, migration: Migration, where: str, actor: audit.Actor) -> None:
    """Move a queued migration: `up` or `down` among its person's of the same priority, or to the `front` of all.

    To get in front of other people's it takes a higher priority than theirs. Raises Refused once it has started.
    """
    if where not in WHERE:
        raise InvalidInput(f"where must be one of {', '.join(WHERE)}.", field="where")
    with _queue_act(migration, actor, "move to the front" if where == "front" else f"move {where} in the queue") as row:
        others = queued().exclude(pk=row.pk)
        if where == "front":
            top = others.filter(~Q(username=row.username)).aggregate(top=Max("priority"))["top"]
            own = others.filter(username=row.username).aggregate(top=Max("priority"))["top"]
            ahead = [row.priority, *([own] if own is not None else []), *([top + 1] if top is not None else [])]
            row.priority = min(HIGHEST_PRIORITY, max(ahead))
        line = list(others.filter(username=row.username, priority=row.priority).order_by("position", "pk"))
        line.insert(_place(row, line, where), row)
        for place, one in enumerate(line):
            one.position = place - len(line)  # below 0, so that who comes later (0) stands behind
        Migration.objects.bulk_update(line, ["position", "priority"])


def _place(row: Migration, line: list[Migration], where: str) -> int:
    """Where in its person's line `row` goes."""
    if where == "front":
        return 0
    now = sum((one.position, one.pk) < (row.position, row.pk) for one in line)
    return max(0, now - 1) if where == "up" else now + 1


@contextmanager
def _queue_act(migration: Migration, actor: audit.Actor, action: str) -> Iterator[Migration]:
    """Frame an act on a queued migration: audited, alone on the queue, and the queue looked at again afterwards."""
    with record.acting(migration, actor, action):
        with transaction.atomic():
            locked_limits()
            row = Migration.objects.select_for_update().get(pk=migration.pk)
            if row.state != State.QUEUED:
                raise Refused(
                    f"{row.vm_name} does not wait any more: the migration is {LABELS[State(row.state)][0]}.",
                    vm=row.vm_name,
                    hint="Look at its page; cancel it there if it shall not go on.",
                )
            yield row
            record.publish_all([row.pk])
            _look_again()
        migration.refresh_from_db()


def _look_again() -> None:
    jobs.nudge("migrations_app.admit")
    live.publish("migrations")
