"""A VM's hardware as its host has it now: what runs, what comes with the next start, what goes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hosts import actions
from hosts.domain_xml import Disk, Domain, Interface
from hosts.hardware_xml import boot_order, bootable, boots_a_kernel, most_vcpus
from hosts.models import Host, VirtualMachine

Device = TypeVar("Device", Disk, Interface)


@dataclass(frozen=True, slots=True)
class Part(Generic[Device]):
    """A device; `when` is "" for one that is there and stays, else "at next start" or "until next start"."""

    device: Device
    when: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """`domain` is what the next start takes, `live` what runs (None: it is off); the same where only one is there."""

    domain: Domain
    live: Domain | None
    persistent: bool
    most_vcpus: int
    disks: tuple[Part[Disk], ...]
    nics: tuple[Part[Interface], ...]
    boot: tuple[str, ...]
    bootable: tuple[tuple[str, str], ...]
    boots_a_kernel: bool


def look(*, vm: VirtualMachine, host: Host) -> Hardware:
    """Ask `host`. Raises DomainNotFound and HostError's other children; changes nothing."""
    found = actions.read_definitions(vm=vm, host=host)
    xml = found.persistent or found.running
    domain = Domain.parse(xml)
    live = Domain.parse(found.running) if found.running else None
    return Hardware(
        domain=domain,
        live=live,
        persistent=bool(found.persistent),
        most_vcpus=most_vcpus(found.running or xml),
        disks=_parts(domain.disks, live.disks if live else None, "target"),
        nics=_parts(domain.interfaces, live.interfaces if live else None, "mac"),
        boot=tuple(boot_order(xml)),
        bootable=tuple(bootable(xml)),
        boots_a_kernel=boots_a_kernel(xml),
    )


def _parts(defined: Iterable[Device], running: Iterable[Device] | None, key: str) -> tuple[Part[Device], ...]:
    now = None if running is None else {getattr(one, key): one for one in running}
    then = {getattr(one, key): one for one in defined}
    parts = [Part(one, "at next start" if now is not None and name not in now else "") for name, one in then.items()]
    parts += [Part(one, "until next start") for name, one in (now or {}).items() if name not in then]
    return tuple(parts)
