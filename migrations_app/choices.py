"""Carries out a choice of verdict.CHOICES: both hosts are asked right before, and nothing is done that is not safe then."""

from collections.abc import Callable

from hosts import forgotten, reach
from hosts.actions import elsewhere
from hosts.errors import HostError, Refused
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from migrations_app import disks, record, settling, views_of_hosts
from migrations_app.models import Migration
from migrations_app.states import State

ACT_S = 60.0
"""A start or a kill waits for the guest's job lock, for which libvirt itself gives 30 s."""


def carry_out(migration: Migration, choice: str) -> None:
    """Do it. Raises Refused where both hosts do not prove, now, that it is safe, and HostError where a host can't."""
    views = views_of_hosts.both(migration)
    if choice not in settling.offerable(migration, views, (choice,)):
        source, destination = (view.in_words() for view in views)
        raise Refused(
            f"Nothing was done: {migration.source_name} {source}; {migration.destination_name} {destination}.",
            vm=migration.vm_name,
            hint="That choice is not safe any more. Look at the page again.",
        )
    _ACTS[choice](migration)


def _resume(migration: Migration, host: Host | None) -> None:
    with reach.libvirt(_alone(migration, host, "resumed")) as connection:
        connection.guest(str(migration.vm_uuid), timeout_s=ACT_S).resume(timeout_s=ACT_S)


def _start(migration: Migration, host: Host | None) -> None:
    """Force off what a broken post-copy left there, its definition kept, and boot."""
    there = _alone(migration, host, "started")
    with reach.libvirt(there) as connection:
        guest = connection.guest(str(migration.vm_uuid), timeout_s=ACT_S)
        if guest.is_active(timeout_s=ACT_S):
            if not guest.is_persistent(timeout_s=ACT_S):
                forgotten.require_room(there)
                connection.define(guest.xml(inactive=True, secure=True, timeout_s=ACT_S), timeout_s=ACT_S)
            _end(guest)
        guest.create(timeout_s=ACT_S)


def _end(guest: Guest) -> None:
    """Force it off, unless it ends by itself meanwhile: libvirt kills what a broken post-copy left there some seconds later."""
    try:
        guest.destroy(timeout_s=ACT_S)
    except HostError:
        if guest.is_active(timeout_s=ACT_S):
            raise


def _alone(migration: Migration, host: Host | None, act: str) -> Host:
    """`host`, once every other host that may have the guest says, now, that it is not active there.

    The shell of the migration's other end is asked too: libvirt may have forgotten a guest that runs.
    """
    if host is None:
        raise HostError("That host was removed from the console.", vm=migration.vm_name, hint="Add it again.")
    other = migration.destination if host == migration.source else migration.source
    if other:
        forgotten.require_none(other, str(migration.vm_uuid), vm=migration.vm_name)
    if migration.vm:
        answers = elsewhere.ask_others(vm=migration.vm, host=host)
        elsewhere.require_not_active(vm=migration.vm, host=host, answers=answers, act=act)
    return host


def _force_off(migration: Migration, host: Host | None) -> None:
    _on(migration, host, lambda guest: guest.destroy(timeout_s=ACT_S))


def _on(migration: Migration, host: Host | None, act: Callable[[Guest], None]) -> None:
    assert host  # it answered a moment ago
    with reach.libvirt(host) as connection:
        act(connection.guest(str(migration.vm_uuid), timeout_s=ACT_S))


def _define(migration: Migration) -> None:
    definition = settling.kept_definition(migration)
    if not definition or migration.source is None:
        raise Refused("This history kept no definition of the guest.", vm=migration.vm_name, hint="Define it by hand.")
    forgotten.require_none(migration.source, str(migration.vm_uuid), vm=migration.vm_name)
    with reach.libvirt(migration.source) as connection:
        connection.define(definition, timeout_s=ACT_S)


def _go_on_in_postcopy(migration: Migration) -> None:
    """A worker does it, since it takes as long as a migration."""
    tuning = {**migration.tuning, "resume_postcopy": 1}
    record.advance(migration, State.SWITCHING, error="", hint="", evidence={}, tuning=tuning)


def _close(migration: Migration) -> None:
    disks.leave(migration)
    record.advance(migration, State.FAILED, hint="Neither host ran the guest when this was closed.")


_ACTS: dict[str, Callable[[Migration], None]] = {
    "resume_postcopy": _go_on_in_postcopy,
    "resume_at_source": lambda migration: _resume(migration, migration.source),
    "resume_at_destination": lambda migration: _resume(migration, migration.destination),
    "start_at_source": lambda migration: _start(migration, migration.source),
    "start_at_destination": lambda migration: _start(migration, migration.destination),
    "define_at_source": _define,
    "stop_at_source": lambda migration: _force_off(migration, migration.source),
    "stop_at_destination": lambda migration: _force_off(migration, migration.destination),
    "cancel_copy": lambda migration: _on(migration, migration.source, lambda guest: guest.abort(timeout_s=ACT_S)),
    "close_as_failed": _close,
}
