"""What a host reports becomes rows: upserts in a constant number of statements, and absent is a state, not a deletion.

`sync_host` is the whole of a host, `sync_domain` one guest after an event. Both ask the host first and open a transaction
only to write the answer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from hosts import holds
from hosts.errors import DomainNotFound, Refused
from hosts.inventory.addresses import AddressSearch, find_addresses_of
from hosts.inventory.placements import forget_host, is_known, record, settle, settle_host
from hosts.inventory.reachability import mark_online, mark_unreachable, note_hostname, same_machine
from hosts.inventory.reports import report_of
from hosts.inventory.storage import record_storage
from hosts.inventory.summary import WAITING_REASONS, running_copies
from hosts.libvirt_client.connection import Connection, DomainState, HostInfo
from hosts.models import Host, Mount, MountState, Placement, VirtualMachine

__all__ = [
    "WAITING_REASONS",
    "AddressSearch",
    "Look",
    "find_addresses_of",
    "forget_host",
    "in_conflict",
    "known_vms",
    "look_at",
    "look_at_domain",
    "mark_online",
    "mark_unreachable",
    "note_domain",
    "note_look",
    "overtaken",
    "running_copies",
    "same_machine",
    "settle",
    "settle_host",
    "sync_domain",
    "sync_guests",
    "sync_host",
    "sync_storage",
]


@dataclass(frozen=True, slots=True)
class Look:
    """What a host said of itself and its guests when asked at `asked`. With `only`, of these guests alone (UUIDs)."""

    asked: datetime
    info: HostInfo
    domains: Sequence[DomainState]
    only: Collection[str] | None = None


def look_at(
    connection: Connection,
    *,
    info: HostInfo | None = None,
    known: tuple[str, str] = ("", ""),
    definitions: Collection[str] | None = None,
    only: Collection[str] | None = None,
) -> Look:
    """Ask a host, without a look into the database. Raises HostError.

    Four calls for the guests' states, however many there are, and one for each definition of those in `definitions`
    (UUIDs; None: of all); six for the host, five where `known` holds its UUID and host name, or two for its free memory
    where `info` is what it said on this connection.
    """
    asked = timezone.now()
    if info is None:
        info = connection.info(known=known)
    elif only is None:
        info = replace(info, memory_free_mib=connection.free_memory_mib())
    domains = connection.domains(definitions=definitions)
    return Look(asked, info, [each for each in domains if only is None or each.uuid in only], only)


def note_look(host: Host, look: Look) -> None:
    """Bring the rows of a host and its guests up to date, and mark it online. Raises Refused if its machine has a row."""
    if other := same_machine(host, look.info):
        raise Refused(
            f"{host.name} is the same machine as {other.name} (host UUID {look.info.host_uuid}).",
            host=host.name,
            hint=f"Remove {host.name}, or correct its URI.",
        )
    reports = [report_of(domain) for domain in look.domains]
    if look.only is None and host.is_online and is_known(host, reports):
        mark_online(host=host, info=look.info)
        return
    only = None if look.only is None else [UUID(uuid) for uuid in look.only]
    with transaction.atomic():
        mark_online(host=host, info=look.info)
        record(host=host, reports=reports, asked=look.asked, only=only)


def overtaken(host: Host, look: Look) -> list[str]:
    """Of whose guests the rows are newer than `look`, so that `note_look` leaves them as they are (UUIDs)."""
    newer = Placement.objects.filter(host=host, vm__uuid__in=look.only or [], seen__gt=look.asked)
    return [str(uuid) for uuid in newer.values_list("vm__uuid", flat=True)]


def sync_host(host: Host, connection: Connection) -> None:
    """Bring all rows of `host` up to date but its mounts, and mark it online. Raises HostError if it does not answer."""
    sync_guests(host, connection)
    sync_storage(host, connection)


def sync_guests(host: Host, connection: Connection) -> None:
    """The host itself and all its guests with their definitions. Nothing here waits for a share, so a dead NFS server
    does not hold it up."""
    note_look(host, look_at(connection))
    find_addresses_of(host, connection)


def sync_domain(host: Host, connection: Connection, uuid: UUID | str) -> None:
    """Bring one guest's rows up to date, or mark it absent if the host does not know it. Raises HostError."""
    note_domain(host, uuid, *look_at_domain(connection, uuid))


def look_at_domain(connection: Connection, uuid: UUID | str) -> tuple[datetime, DomainState | None]:
    """Ask a host for one guest, None if it does not know it, and when it was asked. Raises HostError."""
    asked = timezone.now()
    try:
        return asked, connection.domain_state(str(uuid))
    except DomainNotFound:
        return asked, None


def note_domain(host: Host, uuid: UUID | str, asked: datetime, domain: DomainState | None) -> None:
    """Bring one guest's rows up to date with what `look_at_domain` found."""
    record(host=host, reports=[report_of(domain)] if domain else [], asked=asked, only=[UUID(str(uuid))])


def sync_storage(host: Host, connection: Connection) -> None:
    """Bring pools and volumes up to date, and what the host calls itself. Raises HostError.

    libvirt reads each image's header to describe a volume, so a pool on a share that does not answer is left alone: each
    such question would hold one of libvirtd's few workers for as long as the share is away.
    """
    note_hostname(host, connection.hostname())
    stale = Mount.objects.filter(host=host, state=MountState.STALE).values_list("target", flat=True)
    dead = [PurePosixPath(target) for target in stale]
    pools = connection.pools()
    answering = [pool for pool in pools if pool.active and not _is_below(pool.target, dead)]
    record_storage(host=host, pools=pools, volumes={pool.name: connection.volumes(pool.name) for pool in answering})


def _is_below(path: str, folders: list[PurePosixPath]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def known_vms(vms: QuerySet[VirtualMachine]) -> QuerySet[VirtualMachine]:
    """The guests that at least one host lists: what lists and pages show."""
    return vms.filter(host__isnull=False)


def in_conflict(vm: VirtualMachine) -> bool:
    """Whether the guest runs on two hosts. While a migration holds it, that can be an instant of its switch-over."""
    return vm.running_copies > 1 and not holds.why(vm=vm)
