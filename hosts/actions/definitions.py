"""What a host says of a guest's definition, now."""

from dataclasses import dataclass

from hosts import reach
from hosts.errors import HostError
from hosts.models import Host, VirtualMachine


@dataclass(frozen=True, slots=True)
class Definitions:
    """XML without secrets. `running` is empty where the guest is off, `persistent` where it is transient."""

    running: str
    persistent: str


def read_definitions(*, vm: VirtualMachine, host: Host) -> Definitions:
    """Ask `host`. Raises DomainNotFound and HostError's other children; changes nothing."""
    try:
        with reach.libvirt(host) as connection:
            state = connection.domain_state(str(vm.uuid))
    except HostError as error:
        error.vm, error.host = error.vm or vm.name, error.host or host.name
        raise
    return Definitions(running=state.live_xml or "", persistent=state.persistent_xml or "")
