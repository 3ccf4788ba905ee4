"""Asks both hosts what they say of a guest: the views that verdict.judge weighs."""

from dataclasses import replace

from hosts import reach
from hosts.errors import Busy, DomainNotFound, HostError, TimedOut, Unsupported
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from migrations_app.host_view import View
from migrations_app.models import Migration

ASK_S = 15.0


def view(host: Host | None, vm_uuid: str) -> View:
    """What `host` says now; unreachable where it does not answer, or was removed."""
    if host is None:
        return View(reachable=False)
    try:
        with reach.libvirt(host, timeout_s=ASK_S) as connection:
            return _look(connection.guest(vm_uuid, timeout_s=ASK_S))
    except DomainNotFound:
        return View(reachable=True)
    except HostError:
        return View(reachable=False)


def _look(guest: Guest) -> View:
    state, reason = guest.state(timeout_s=ASK_S)
    persistent = guest.is_persistent(timeout_s=ASK_S)
    seen = View(
        reachable=True,
        present=True,
        state=str(state),
        reason=str(reason),
        persistent=persistent,
        active=guest.is_active(timeout_s=ASK_S),
        autostart=persistent and guest.autostart(timeout_s=ASK_S),
    )
    if not seen.active:
        return seen
    try:
        stats = guest.job_stats(timeout_s=ASK_S)
    except Unsupported:
        # "migration statistics are available only on the source host": it is being received (measured with 9.0)
        return replace(seen, job=True)
    except (TimedOut, Busy):
        # The state above is libvirtd's own knowledge; this question alone goes to QEMU, and QEMU does not answer it.
        return replace(seen, hung=True)
    return replace(seen, job=stats.kind in ("bounded", "unbounded"), moved_bytes=stats.data_processed_bytes or 0)


def both(migration: Migration) -> tuple[View, View]:
    """The source's view and the destination's.

    The source first, since a guest only moves from there: what has left it by then is seen at the destination. Where
    both seem to have it, it may have moved between the two questions, so the source is asked once more.
    """
    uuid = str(migration.vm_uuid)
    source, destination = view(migration.source, uuid), view(migration.destination, uuid)
    if source.active and destination.runs:
        source = view(migration.source, uuid)
    return source, destination
