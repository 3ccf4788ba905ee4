"""What people ask of migrations; used by page and API alike. Each act has its audit row before it starts."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from hosts import audit, jobs
from hosts.errors import InvalidInput, Refused
from hosts.host_uri import validate_address
from hosts.models import Host, VirtualMachine
from migrations_app import preflight, record, snapshot, states
from migrations_app.models import Kind, Migration, MigrationStep, TimelineEntry
from migrations_app.plan import LIMITS, Options
from migrations_app.states import State


def start(
    *,
    vm: VirtualMachine,
    destination: Host,
    options: Options,
    actor: audit.Actor,
    reason: str = "",
    ping_address: str | None = None,
    probe_port: int | None = None,
    kind: Kind = Kind.LIVE,
) -> Migration:
    """Queue the migration of `vm` to `destination`; the checks run as its first step.

    `kind` OFFLINE moves the definition of a guest that is off. `probe_port` is a TCP port of the guest, probed beside the ping.

    Raises Refused where the VM is on no host, is already there or is already migrating, InvalidInput on a bad address.
    """
    source = preflight.source_of(vm)
    target = f"{vm.name} from {source.name} to {destination.name}"
    event = audit.begin(actor=actor, action="migrate", target=target, hosts=[source, destination], reason=reason)
    try:
        if source == destination:
            raise Refused(
                f"{vm.name} is on {source.name} already.", vm=vm.name, host=source.name, hint="Choose another host."
            )
        address = _ping_address(vm, ping_address) if kind == Kind.LIVE else None
        if probe_port and not address and kind == Kind.LIVE:
            raise InvalidInput("To probe a port the guest's address must be known.", field="ping_address")
        fields = {"kind": kind, "reason": reason, "ping_address": address, "probe_port": probe_port}
        migration = _queue(vm, source, destination, options, actor, event, fields)
    except (Refused, InvalidInput) as error:
        audit.close(event, audit.Outcome.REFUSED, str(error))
        raise
    return migration


def _queue(
    vm: VirtualMachine,
    source: Host,
    destination: Host,
    options: Options,
    actor: audit.Actor,
    event: Any,
    fields: dict[str, Any],
) -> Migration:
    address = fields["ping_address"]
    try:
        with transaction.atomic():
            migration = Migration.objects.create(
                vm=vm,
                vm_uuid=vm.uuid,
                vm_name=vm.name,
                source=source,
                source_name=source.name,
                destination=destination,
                destination_name=destination.name,
                options=options.to_dict(),
                command=preflight.command_for(vm, destination, options, off=fields["kind"] == Kind.OFFLINE),
                user=actor.user,
                username=actor.username,
                audit=event,
                **fields,
            )
            steps = [MigrationStep(migration=migration, position=i, name=name) for i, name in enumerate(states.STEPS)]
            MigrationStep.objects.bulk_create(steps)
            if address and address != vm.address:
                VirtualMachine.objects.filter(pk=vm.pk).update(address=address)
            record.publish(migration)
            jobs.nudge("migrations_app.admit")
    except IntegrityError:
        other = Migration.objects.filter(vm_uuid=vm.uuid, state__in=states.ACTIVE).first()
        number = f", see #{other.pk}" if other else ""
        raise Refused(f"{vm.name} is already migrating{number}.", vm=vm.name, hint="Wait until it is over.") from None
    return migration


def _ping_address(vm: VirtualMachine, given: str | None) -> str | None:
    if given:
        address = validate_address(given, field="ping_address")
        if not address.replace(".", "").isdigit() and ":" not in address:
            raise InvalidInput("Give the guest's IP address, not a name.", field="ping_address")
        return address
    return vm.address


def cancel(*, migration: Migration, actor: audit.Actor) -> None:
    """Ask for the end of a migration: at once while it waits in the queue, else the worker aborts libvirt's job.

    Raises Refused once the guest has switched over.
    """
    with record.acting(migration, actor, "cancel migration"):
        now = timezone.now()
        rows = Migration.objects.filter(pk=migration.pk)
        migration.refresh_from_db()
        if migration.state == State.QUEUED:
            with suppress(record.Overtaken):  # it has just been admitted
                record.advance(migration, State.CANCELLED, cancel_requested=now, waits_for="")
                return
        if migration.tuning.get("postcopy"):
            raise Refused(
                f"{migration.vm_name} can't be held back any more: in post-copy each host has a part of its memory.",
                vm=migration.vm_name,
                hint="Wait until the rest has followed.",
            )
        early = [State.CHECKING, State.COPYING]
        if not rows.filter(state__in=early, cancel_requested=None).update(cancel_requested=now):
            migration.refresh_from_db()
            if migration.cancel_requested:
                return
            label = states.LABELS[State(migration.state)][0]
            raise Refused(
                f"{migration.vm_name} can't be held back any more: the migration is {label}.", vm=migration.vm_name
            )
        migration.refresh_from_db()
        record.tell(migration, "Asked to cancel", kind=TimelineEntry.Kind.ACT, reason=f"By {actor.username}.")


def tune(
    *,
    migration: Migration,
    actor: audit.Actor,
    bandwidth_mib: int | None = None,
    max_downtime_ms: int | None = None,
    max_pause_ms: int | None = None,
) -> None:
    """Change bandwidth (MiB/s), maximum downtime (ms) or the autopilot's longest pause (ms) while it copies."""
    wanted = {"bandwidth_mib": bandwidth_mib, "max_downtime_ms": max_downtime_ms, "max_pause_ms": max_pause_ms}
    given = {name: value for name, value in wanted.items() if value is not None}
    words = _tuned(given)
    by_person = {"max_downtime_by_person": 1} if max_downtime_ms is not None else {}
    with record.acting(migration, actor, f"tune migration: {words}"):
        _wish(migration, actor, given | by_person, said=f"Set {words}")


TUNABLE = {
    "bandwidth_mib": "bandwidth {value} MiB/s",
    "max_downtime_ms": "maximum downtime {value} ms",
    "max_pause_ms": "longest pause {value} ms",
}
"""What `tune` changes, in words."""


def _tuned(given: dict[str, int]) -> str:
    """The new values in words. Raises InvalidInput where one is out of its bounds."""
    for name, value in given.items():
        low, high = max(1, LIMITS[name][0]), LIMITS[name][1]
        if not low <= value <= high:
            raise InvalidInput(f"{name} must be from {low} to {high}.", field=name)
    return ", ".join(TUNABLE[name].format(value=value) for name, value in given.items())


def raise_pause(*, migration: Migration, actor: audit.Actor) -> None:
    """Allow the pause that the autopilot asked for. Raises Refused where it asks for none."""
    with record.acting(migration, actor, "allow a longer pause") as event:
        question = snapshot.snapshot(migration)["question"]
        if question is None:
            raise Refused(f"Nothing asks for a longer pause of {migration.vm_name}.", vm=migration.vm_name)
        given = {"max_pause_ms": min(question["wanted_ms"], LIMITS["max_pause_ms"][1])}
        event.detail = _tuned(given)
        _wish(migration, actor, given, said=f"Set {event.detail}")


def start_postcopy(*, migration: Migration, actor: audit.Actor) -> None:
    """Switch to post-copy now: from then on it can't be cancelled. Raises Refused where it was not allowed at the start."""
    with record.acting(migration, actor, "switch to post-copy"):
        if not Options.from_dict(migration.options).allows_postcopy:
            message = f"Post-copy was not allowed when the migration of {migration.vm_name} began."
            raise Refused(message, vm=migration.vm_name, hint="Cancel, and start again with post-copy allowed.")
        _wish(migration, actor, {"postcopy": 1}, said="Asked to switch to post-copy")


def pause_guest(*, migration: Migration, actor: audit.Actor) -> None:
    """Let the guest stand still so that the copy ends; libvirt lets it go on at the destination."""
    with record.acting(migration, actor, "pause guest"):
        _wish(migration, actor, {"paused": 1, "paused_at_ms": None}, said="Asked to pause the guest")


def resume_guest(*, migration: Migration, actor: audit.Actor) -> None:
    """Let a guest that was paused for this migration go on at the source, which ends the migration.

    libvirt resumes no guest while it migrates (the call waits for the job's lock), so the job is cancelled first; the
    guest is resumed once both hosts prove that it is active nowhere else. Raises Refused where it was not paused.
    """
    with record.acting(migration, actor, "resume guest"):
        if not migration.tuning.get("paused"):
            raise Refused(f"{migration.vm_name} was not paused for this migration.", vm=migration.vm_name)
        _wish(migration, actor, {}, said="Asked to cancel and to resume the guest", cancel=True)


def _wish(migration: Migration, actor: audit.Actor, given: dict[str, Any], *, said: str, cancel: bool = False) -> None:
    """Leave a wish for the worker that drives the copy."""
    with transaction.atomic():
        row = Migration.objects.select_for_update().get(pk=migration.pk)
        if row.state != State.COPYING:
            label = states.LABELS[State(row.state)][0]
            raise Refused(f"Only a migration that is copying can be changed; this one is {label}.", vm=row.vm_name)
        row.tuning = {**row.tuning, **given}
        row.cancel_requested = row.cancel_requested or (timezone.now() if cancel else None)
        row.save(update_fields=["tuning", "cancel_requested"])
        record.tell(row, said, kind=TimelineEntry.Kind.ACT, reason=f"By {actor.username}.")
    migration.refresh_from_db()


def why_held(host: Host | None, vm: VirtualMachine | None) -> str:
    """For hosts.holds: which migration uses this host or VM, or ""."""
    active = Migration.objects.filter(state__in=states.ACTIVE)
    if vm is not None:
        active = active.filter(vm_uuid=vm.uuid)
    if host is not None:
        active = active.filter(source=host) | active.filter(destination=host)
    found = active.first()
    return f"migration #{found.pk} of {found.vm_name} uses it" if found else ""


def held_vms() -> set[UUID]:
    """For hosts.holds: the guests that a migration uses now."""
    return set(Migration.objects.filter(state__in=states.ACTIVE).order_by().values_list("vm_uuid", flat=True))
