"""What people ask of schedules, the same for page and API. Each act has its audit row."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from hosts import audit, live
from hosts.errors import InvalidInput, Refused
from hosts.models import Host, VirtualMachine
from migrations_app.models import Schedule, ScheduleRun
from migrations_app.schedules.firing import CUT_OFF, fire, hosts_of
from migrations_app.schedules.wanted import Wanted, When


def save(
    *,
    name: str,
    when: When,
    wanted: Wanted,
    actor: audit.Actor,
    vm: VirtualMachine | None = None,
    destination: Host | None = None,
    host: Host | None = None,
    reason: str = "",
    row: Schedule | None = None,
) -> Schedule:
    """Make a schedule of a migration (`vm`, `destination`) or of an evacuation (`host`), or change `row`; it is `actor`'s.

    Raises InvalidInput on a name that is taken, on a time that has passed and on hosts that can't be.
    """
    row, new, name = row or Schedule(), row is None, name.strip()
    hosts = [vm.host, destination] if vm else [host]
    action = "add schedule" if new else "change schedule"
    with audit.act(actor=actor, action=action, target=name, hosts=hosts, reason=reason):
        if not name or len(name) > 80:
            raise InvalidInput("A schedule needs a name of at most 80 characters.", field="name")
        if len(reason) > 300:
            raise InvalidInput("The reason may have 300 characters.", field="reason")
        if bool(vm and destination) == bool(host):
            raise InvalidInput("Give a VM and its destination, or a host to empty.", field="destination")
        if vm and vm.host == destination:
            raise InvalidInput(f"{vm.name} is on {destination} already.", field="destination")
        if host and host.name in wanted.destinations:
            raise InvalidInput(f"{host.name} is to be emptied, so it can't be a destination.", field="destinations")
        due = next(iter(when.next_times(timezone.now())), None)
        if due is None and (new or row.at != when.at):
            raise InvalidInput("This time has passed; choose one to come.", field="at")
        row.what = Schedule.What.MIGRATE if vm else Schedule.What.EVACUATE
        row.name, row.vm, row.host, row.destination = name, vm, host, destination
        row.options, row.reason = wanted.to_dict(), reason
        row.at, row.cron, row.zone, row.window_minutes = when.at, when.cron, when.zone, when.window_minutes
        row.next_due = due if row.enabled else None
        row.user, row.username = actor.user, actor.username
        try:
            with transaction.atomic():
                row.save()
                live.publish("migrations")
        except IntegrityError:
            raise InvalidInput(f"There is a schedule named {name} already.", field="name") from None
    return row


def switch(*, row: Schedule, enabled: bool, actor: audit.Actor) -> None:
    """Turn on or off; on again, it is next due in the future: what lay between was not missed but off.

    Raises Refused where its only time has passed.
    """
    action = "switch schedule on" if enabled else "switch schedule off"
    with audit.act(actor=actor, action=action, target=row, hosts=hosts_of(row)):
        due = next(iter(When.read(row).next_times(timezone.now())), None)
        if enabled and due is None:
            raise Refused(f"The only time of {row.name} has passed.", hint="Give it another time.")
        row.enabled, row.next_due = enabled, due if enabled else None
        row.save(update_fields=["enabled", "next_due"])
        live.publish("migrations")


def run_now(*, row: Schedule, actor: audit.Actor) -> ScheduleRun:
    """Begin what it says at once, as `actor` and with `actor`'s rights; its own times stay. Refusals are in the run."""
    run = ScheduleRun.objects.create(schedule=row, due=timezone.now(), outcome=ScheduleRun.Outcome.MISSED, note=CUT_OFF)
    fire(run, actor)
    return run


def remove(*, row: Schedule, actor: audit.Actor) -> None:
    """Delete it with its list of runs; migrations and plans that it began stay."""
    with audit.act(actor=actor, action="remove schedule", target=row, hosts=hosts_of(row)):
        row.delete()
        live.publish("migrations")


def mark_seen(*, row: Schedule, actor: audit.Actor) -> None:
    """A person has seen what was missed or refused."""
    with audit.act(actor=actor, action="mark runs as seen", target=row, hosts=hosts_of(row)):
        row.runs.exclude(outcome=ScheduleRun.Outcome.STARTED).update(seen=True)
        live.publish("migrations")
