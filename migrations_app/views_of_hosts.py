"""Asks one host what it says of a guest: the evidence that verdict.judge weighs."""

from hosts import reach
from hosts.errors import DomainNotFound, HostError, Unsupported
from hosts.libvirt_client.domain import Guest
from hosts.models import Host
from migrations_app.models import Migration
from migrations_app.verdict import View

ASK_S = 15.0


def view(host: Host | None, vm_uuid: str) -> View:
    """What `host` says now; unreachable where it does not answer, or was removed."""
    if host is None:
        return View(reachable=False)
    try:
        with reach.libvirt(host, timeout_s=ASK_S) as connection:
            guest = connection.guest(vm_uuid, timeout_s=ASK_S)
            state, reason = guest.state(timeout_s=ASK_S)
            persistent = guest.is_persistent(timeout_s=ASK_S)
            return View(True, True, str(state), str(reason), persistent, _has_job(guest, state))
    except DomainNotFound:
        return View(reachable=True)
    except HostError:
        return View(reachable=False)


def _has_job(guest: Guest, state: str) -> bool:
    if state in ("shut off", "crashed"):
        return False
    try:
        return guest.job_stats(timeout_s=ASK_S).is_active
    except Unsupported:
        # qemuDomainGetJobStatsInternal: "migration statistics are available only on the source host"
        return True


def both(migration: Migration) -> tuple[View, View]:
    """The source's view and the destination's."""
    uuid = str(migration.vm_uuid)
    return view(migration.source, uuid), view(migration.destination, uuid)
