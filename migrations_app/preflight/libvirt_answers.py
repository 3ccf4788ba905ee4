"""What libvirt on either host says, for the checks. Raises nothing: what goes wrong stands in the facts."""

from collections.abc import Callable
from dataclasses import replace

from hosts import reach
from hosts.domain_needs import Needs
from hosts.domain_xml import Domain
from hosts.errors import DomainNotFound, HostError
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, VirtualMachine
from migrations_app.preflight.facts import Facts

ASK_S = 15.0
"""How long one host may take for one question before the check says that it did not answer."""


def why_unreachable(host: Host) -> str:
    """What goes wrong in a call to `host`; "" where nothing does."""
    try:
        with reach.libvirt(host, timeout_s=ASK_S) as connection:
            connection.info(timeout_s=ASK_S)
    except HostError as error:
        return str(error)
    return ""


def ask_source(vm: VirtualMachine, source: Host, also: Callable[[Connection], None]) -> tuple[Facts, str]:
    """The facts of the source, and its host UUID. `also` may ask more while the connection is there."""
    facts = nothing_known(vm, source)
    try:
        with reach.libvirt(source, timeout_s=ASK_S) as connection:
            info = connection.info(timeout_s=ASK_S)
            guest = connection.guest(str(vm.uuid), timeout_s=ASK_S)
            state, _ = guest.state(timeout_s=ASK_S)
            job = state == "running" and guest.job_stats(timeout_s=ASK_S).is_active
            xml = guest.xml(timeout_s=ASK_S)
            domain = Domain.parse(xml)
            kept = guest.kept_states(timeout_s=ASK_S)
            facts = replace(
                facts,
                source_libvirt=info.libvirt_version,
                source_qemu=info.hypervisor_version,
                state=str(state),
                job=job,
                domain=domain,
                needs=Needs.parse(xml),
                snapshots=kept.snapshots,
                checkpoints=kept.checkpoints,
                managed_save=kept.managed_save,
                block_jobs=guest.block_jobs([disk.target for disk in domain.disks], timeout_s=ASK_S)
                if state == "running"
                else (),
                memory_used_mib=guest.memory_used_mib(timeout_s=ASK_S) if state == "running" else None,
            )
            if state == "running" and not job:
                facts = replace(facts, disk_sizes=guest.disk_sizes(_files(domain), timeout_s=ASK_S))
                also(connection)
            return facts, info.host_uuid
    except DomainNotFound:
        return replace(facts, source_error=f"it does not know {vm.name} any more; refresh the host"), ""
    except HostError as error:
        return replace(facts, source_error=str(error)), ""


def _files(domain: Domain) -> list[str]:
    """The targets of the disks that are image files."""
    return [disk.target for disk in domain.disks if disk.type == "file" and disk.source and disk.device == "disk"]


def ask_destination(facts: Facts, vm: VirtualMachine, destination: Host, source_uuid: str) -> Facts:
    """`facts` with those of a destination."""
    assert facts.domain
    try:
        with reach.libvirt(destination, timeout_s=ASK_S) as connection:
            info = connection.info(timeout_s=ASK_S)
            pools = any(disk.source_pool for disk in facts.domain.disks)
            facts = replace(
                facts,
                destination_libvirt=info.libvirt_version,
                destination_qemu=info.hypervisor_version,
                same_machine=info.host_uuid == source_uuid,
                memory_free_mib=info.memory_free_mib,
                networks=frozenset(connection.networks(timeout_s=ASK_S)),
                pools=frozenset(pool.name for pool in connection.pools(timeout_s=ASK_S) if pool.active)
                if pools
                else frozenset(),
            )
            facts = _other_domains(facts, vm, connection)
            return _machine(facts, facts.domain, connection)
    except HostError as error:
        return replace(facts, destination_error=str(error))


def _other_domains(facts: Facts, vm: VirtualMachine, connection: Connection) -> Facts:
    for summary in connection.domain_names(timeout_s=ASK_S):
        if summary.uuid == str(vm.uuid):
            kept = connection.guest(summary.uuid, timeout_s=ASK_S).kept_states(timeout_s=ASK_S)
            facts = replace(facts, known_at_destination=str(summary.state), saved_at_destination=kept.managed_save)
        elif summary.name == vm.name:
            facts = replace(facts, other_of_same_name=summary.uuid)
    return facts


def _machine(facts: Facts, domain: Domain | None, connection: Connection) -> Facts:
    assert domain
    where = place_of(domain)
    try:
        connection.domain_capabilities(**where, timeout_s=ASK_S)
    except HostError as error:
        return replace(facts, capabilities_error=error.raw or str(error))
    if not domain.cpu_xml:
        return replace(facts, cpu="identical")
    try:
        verdict, text = connection.compare_cpu(domain.cpu_xml, **where, timeout_s=ASK_S)
        return replace(facts, cpu=verdict, cpu_text=text)
    except HostError as error:
        return replace(facts, cpu="unknown", cpu_text=error.raw or str(error))


def place_of(domain: Domain) -> dict[str, str]:
    """What libvirt must know of a guest to say what a host can give it."""
    return {
        "emulator": domain.emulator,
        "arch": domain.arch,
        "machine": domain.machine,
        "domain_type": domain.domain_type,
    }


def nothing_known(vm: VirtualMachine, source: Host) -> Facts:
    """The facts before anybody was asked."""
    return Facts(vm_name=vm.name, source=source.name, destination="", source_uri=source.uri)
