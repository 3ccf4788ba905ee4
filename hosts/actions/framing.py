"""What every act on a guest is framed by: the audit list, the holds of migrations, its host's own view of it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hosts import audit, holds, inventory, reach
from hosts.errors import DomainNotFound, HostError, Refused
from hosts.libvirt_client.connection import Connection
from hosts.libvirt_client.domain import Guest
from hosts.models import AuditEvent, Host, Placement, VirtualMachine

ACT_TIMEOUT_S = 40.0


@contextmanager
def acting(
    action: str, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str, *, about: str = ""
) -> Iterator[AuditEvent]:
    """Audit the act, on the part `about` of the guest, and refuse it while something else uses the guest."""
    target = f"VM {vm.name} on {host.name}" + (f": {about}" if about else "")
    with audit.act(actor=actor, action=action, target=target, hosts=[host], reason=reason) as event:
        if held := holds.why(vm=vm):
            raise Refused(
                f"{vm.name} is held: {held}.", host=host.name, vm=vm.name, hint="Wait until that is over, or end it."
            )
        yield event


@contextmanager
def guest_on(vm: VirtualMachine, host: Host) -> Iterator[tuple[Connection, Guest]]:
    """The guest as `host` has it, and its rows brought up to date after the act; errors inside name guest and host."""
    try:
        with reach.libvirt(host) as connection:
            try:
                yield connection, connection.guest(str(vm.uuid))
            finally:
                # The act is over, well or not; what it changed also comes as an event if this last question fails.
                with suppress(HostError):
                    inventory.sync_domain(host, connection, vm.uuid)
    except DomainNotFound as error:
        message = f"{host.name} does not know {vm.name} any more"
        raise DomainNotFound(message, host=host.name, vm=vm.name, raw=error.raw) from error
    except HostError as error:
        error.vm = error.vm or vm.name
        error.host = error.host or host.name
        raise


def require_placement(vm: VirtualMachine, host: Host) -> Placement:
    placement = Placement.objects.filter(vm=vm, host=host).first()
    if placement is None:
        raise DomainNotFound(f"{host.name} does not list {vm.name}.", host=host.name, vm=vm.name)
    return placement
