"""What a host reports becomes rows: upserts in a constant number of statements, and absent is a state, not a deletion.

`sync_host` is the whole of a host, `sync_domain` one guest after an event. Both ask the host first and open a transaction
only to write the answer.
"""

from pathlib import PurePosixPath
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from hosts import holds, live
from hosts.errors import DomainNotFound, Refused
from hosts.inventory.placements import forget_host, record, settle, settle_host
from hosts.inventory.reachability import mark_online, mark_unreachable, same_machine
from hosts.inventory.reports import report_of
from hosts.inventory.storage import record_storage
from hosts.inventory.summary import WAITING_REASONS, running_copies
from hosts.libvirt_client.addresses import find_addresses
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, Mount, MountState, VirtualMachine, VmState

__all__ = [
    "WAITING_REASONS",
    "forget_host",
    "in_conflict",
    "known_vms",
    "mark_online",
    "mark_unreachable",
    "running_copies",
    "same_machine",
    "settle",
    "settle_host",
    "sync_domain",
    "sync_guests",
    "sync_host",
    "sync_storage",
]

LOOKUPS_PER_SYNC = 25
"""Two calls each; the rest has its turn in the next sync."""


def sync_host(host: Host, connection: Connection) -> None:
    """Bring all rows of `host` up to date but its mounts, and mark it online. Raises HostError if it does not answer."""
    sync_guests(host, connection)
    sync_storage(host, connection)


def sync_guests(host: Host, connection: Connection) -> None:
    """The host itself and all its guests: nothing here waits for a share, so a dead NFS server does not hold it up."""
    asked = timezone.now()
    info = connection.info()
    if other := same_machine(host, info):
        raise Refused(
            f"{host.name} is the same machine as {other.name} (host UUID {info.host_uuid}).",
            host=host.name,
            hint=f"Remove {host.name}, or correct its URI.",
        )
    domains = connection.domains()
    reports = [report_of(domain) for domain in domains]
    mark_online(host=host, info=info)
    record(host=host, reports=reports, asked=asked)
    _find_addresses(host, connection)


def sync_domain(host: Host, connection: Connection, uuid: UUID | str) -> None:
    """Bring one guest's rows up to date, or mark it absent if the host does not know it. Raises HostError."""
    asked = timezone.now()
    try:
        reports = [report_of(connection.domain_state(str(uuid)))]
    except DomainNotFound:
        reports = []
    record(host=host, reports=reports, asked=asked, only=UUID(str(uuid)))


def sync_storage(host: Host, connection: Connection) -> None:
    """Bring pools and volumes up to date. Raises HostError.

    libvirt reads each image's header to describe a volume, so a pool on a share that does not answer is left alone: each
    such question would hold one of libvirtd's few workers for as long as the share is away.
    """
    stale = Mount.objects.filter(host=host, state=MountState.STALE).values_list("target", flat=True)
    dead = [PurePosixPath(target) for target in stale]
    pools = connection.pools()
    answering = [pool for pool in pools if pool.active and not _is_below(pool.target, dead)]
    record_storage(host=host, pools=pools, volumes={pool.name: connection.volumes(pool.name) for pool in answering})


def _is_below(path: str, folders: list[PurePosixPath]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def _find_addresses(host: Host, connection: Connection) -> None:
    """Note an address for guests that run here and have none yet; one that was given or found before is kept."""
    without = VirtualMachine.objects.filter(host=host, address=None, state=VmState.RUNNING)
    uuids = [str(uuid) for uuid in without.values_list("uuid", flat=True)[:LOOKUPS_PER_SYNC]]
    for uuid, address in (find_addresses(connection, uuids) if uuids else {}).items():
        VirtualMachine.objects.filter(uuid=uuid, address=None).update(address=address)
        live.publish(f"vm.{uuid}", hosts=[host.pk])


def known_vms(vms: QuerySet[VirtualMachine]) -> QuerySet[VirtualMachine]:
    """The guests that at least one host lists: what lists and pages show."""
    return vms.filter(host__isnull=False)


def in_conflict(vm: VirtualMachine) -> bool:
    """Whether the guest runs on two hosts. While a migration holds it, that can be an instant of its switch-over."""
    return vm.running_copies > 1 and not holds.why(vm=vm)
