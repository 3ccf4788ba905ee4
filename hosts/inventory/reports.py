"""From libvirt's view of a guest to what the rows keep of it."""

from typing import Any
from uuid import UUID

from hosts.domain_digest import definition_digest
from hosts.domain_xml import Domain
from hosts.inventory.placements import Report
from hosts.libvirt_client.domain_list import DomainState
from hosts.stale_mark import is_marked_stale


def report_of(domain: DomainState) -> Report:
    """What a placement's row says of `domain`; the facts are those of the running guest, else of its definition."""
    xml = domain.live_xml or domain.persistent_xml
    facts = facts_of(Domain.parse(xml)) if xml else None
    if facts is not None and domain.persistent_xml and is_marked_stale(domain.persistent_xml):
        facts["marked_stale"] = True
    return Report(
        uuid=UUID(str(domain.uuid)),
        name=domain.name,
        state=str(domain.state),
        reason=str(domain.reason),
        persistent=domain.persistent,
        autostart=domain.autostart,
        managed_save=domain.managed_save,
        definition_digest=definition_digest(domain.persistent_xml) if domain.persistent_xml else "",
        facts=facts,
    )


def facts_of(domain: Domain) -> dict[str, Any]:
    """The parts of a guest that pages, filters and preflight read, as JSON."""
    return {
        "vcpus": domain.vcpus,
        "memory_mib": domain.memory_mib,
        "machine": domain.machine,
        "arch": domain.arch,
        "type": domain.domain_type,
        "cpu": domain.cpu_model or domain.cpu_mode or "",
        "title": domain.title,
        "disks": [
            {
                "target": disk.target,
                "device": disk.device,
                "type": disk.type,
                "source": disk.source,
                "pool": disk.source_pool,
                "backing_chain": list(disk.backing_chain),
                "format": disk.driver_format,
                "cache": disk.cache,
                "readonly": disk.readonly,
            }
            for disk in domain.disks
        ],
        "interfaces": [
            {"mac": nic.mac, "type": nic.type, "source": nic.source, "model": nic.model} for nic in domain.interfaces
        ],
        "graphics": [{"type": screen.type, "listen": screen.listen, "port": screen.port} for screen in domain.graphics],
    }
