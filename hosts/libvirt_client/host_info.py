"""What a host is: its capabilities, memory and CPU as values. Each function makes its calls on the given connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import libvirt
from lxml import etree

from hosts.errors import Refused, Unsupported
from hosts.new_domain_xml import Kind
from hosts.xml_reading import attribute, parse_xml, text

CpuVerdict = Literal["identical", "superset", "incompatible", "unknown"]

# virCPUCompareResult, in libvirt's order from 0
_CPU_VERDICTS: tuple[CpuVerdict, ...] = ("incompatible", "identical", "superset")


@dataclass(frozen=True, slots=True)
class HostInfo:
    """A host as its libvirt describes it. `memory_free_mib` is what guests can still get, page cache included."""

    hostname: str
    host_uuid: str
    libvirt_version: str
    hypervisor_version: str
    cpu_model: str
    cpu_arch: str
    cpus: int
    memory_mib: int
    memory_free_mib: int


def read_info(raw: libvirt.virConnect, *, known: tuple[str, str] = ("", "")) -> HostInfo:
    """Six calls, or five where this is still the host of the UUID in `known`, whose host name stands beside it.

    The first ever on a host may take long: libvirtd asks each QEMU program what it can do.
    """
    capabilities = parse_xml(raw.getCapabilities())
    arch = text(capabilities, "host/cpu/arch")
    host_uuid = text(capabilities, "host/uuid")
    # One that is offline has no socket.
    cpus = len(capabilities.findall("host/topology/cells/cell/cpus/cpu[@socket_id]"))
    memory = _memory_stats(raw)
    # Where there is no topology, or no such figures, the question that costs a call more.
    info: Sequence[Any] = raw.getInfo() if memory is None or not cpus else ()
    memory_mib, memory_free_mib = memory or (int(info[1]), _free_mib(raw))
    return HostInfo(
        hostname=known[1] if known[1] and known[0] == host_uuid else raw.getHostname(),
        host_uuid=host_uuid,
        libvirt_version=_version(raw.getLibVersion()),
        hypervisor_version=_hypervisor_version(raw, capabilities),
        cpu_model=text(capabilities, "host/cpu/model") or arch,
        cpu_arch=arch,
        cpus=cpus or info[2],
        memory_mib=memory_mib,
        memory_free_mib=memory_free_mib,
    )


def read_memory_mib(raw: libvirt.virConnect) -> tuple[int, int]:
    """All memory, and what guests can still get: what is free, and what the kernel gives up (buffers, page cache).

    Two calls: how many figures there are, and the figures.
    """
    return _memory_stats(raw) or (int(raw.getInfo()[1]), _free_mib(raw))


def read_free_mib(raw: libvirt.virConnect) -> int:
    """What guests can still get, as `read_memory_mib` says; two calls."""
    stats = _memory_stats(raw)
    return _free_mib(raw) if stats is None else stats[1]


def _free_mib(raw: libvirt.virConnect) -> int:
    """What is free alone: all that a driver without figures of its memory says."""
    return int(raw.getFreeMemory()) // 2**20


def _memory_stats(raw: libvirt.virConnect) -> tuple[int, int] | None:
    """None where libvirt's driver has no such figures: QEMU's has, the test driver has not."""
    try:
        stats = raw.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return None
    available_kib = sum(stats.get(key, 0) for key in ("free", "buffers", "cached"))
    return int(stats.get("total", 0)) // 2**10, int(available_kib) // 2**10


def compare_cpu(
    raw: libvirt.virConnect, cpu_xml: str, *, emulator: str, arch: str, machine: str, domain_type: str
) -> tuple[CpuVerdict, str]:
    """Whether the host can give a guest this CPU, and libvirt's words where it can't."""
    flags = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    try:
        number = raw.compareHypervisorCPU(emulator or None, arch or None, machine or None, domain_type, cpu_xml, flags)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_CPU_INCOMPATIBLE:
            raise
        return "incompatible", error.get_error_message()
    return (_CPU_VERDICTS[number] if 0 <= number < len(_CPU_VERDICTS) else "unknown"), ""


def baseline_cpu(
    raw: libvirt.virConnect,
    capabilities: Sequence[str],
    *,
    emulator: str,
    arch: str,
    machine: str,
    domain_type: str,
) -> str:
    """The <cpu> that every host can give, of whose domain capabilities these are. Raises Refused where one names none."""
    cpus = [_host_model(parse_xml(xml)) for xml in capabilities]
    flags = libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE
    found: str = raw.baselineHypervisorCPU(emulator or None, arch or None, machine or None, domain_type, cpus, flags)
    return found


def _host_model(capabilities: etree._Element) -> str:
    """What libvirt would give a guest with mode host-model, as the <cpu> that its calls take."""
    mode = capabilities.find("cpu/mode[@name='host-model'][@supported='yes']")
    if mode is None:
        raise Unsupported("A host's libvirt does not say which CPU it could give a guest.")
    cpu = etree.Element("cpu")
    cpu.extend(list(mode))
    return etree.tostring(cpu, encoding="unicode")


def _hypervisor_version(raw: libvirt.virConnect, capabilities: etree._Element) -> str:
    """ "" where no QEMU is installed."""
    if capabilities.find("guest/arch/domain") is None:
        return ""
    try:
        return _version(raw.getVersion())
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_NO_SUPPORT):
            raise
        return ""


def _version(number: int) -> str:
    """libvirt writes versions as major * 1,000,000 + minor * 1,000 + release."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def read_best_kind(raw: libvirt.virConnect) -> Kind:
    """One call: a guest of the host's own architecture where there is one, with KVM and machine q35 where it has these."""
    root = parse_xml(raw.getCapabilities())
    own = text(root, "host/cpu/arch")
    guests = [guest for guest in root.iterfind("guest") if text(guest, "os_type") == "hvm"]
    guests.sort(key=lambda guest: attribute(guest, "arch", "name") != own)
    for guest in guests:
        types = [domain.get("type", "") for domain in guest.iterfind("arch/domain")]
        machines = [machine.text for machine in guest.iterfind("arch//machine")]
        if types:
            return Kind(
                domain_type="kvm" if "kvm" in types else types[0],
                arch=attribute(guest, "arch", "name"),
                machine="q35" if "q35" in machines else "",
            )
    raise Refused("This host can run no virtual machine.", hint="Install QEMU there.")
