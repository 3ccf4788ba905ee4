"""A domain's XML as a value, the facts in it that forbid a live migration, and a digest to compare definitions.

Reads only what the console shows or decides by. Secrets (graphics passwords, disk auth) are never read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lxml import etree

from hosts.errors import InvalidInput
from hosts.xml_reading import attribute, parse_xml, text

# The namespace of what the console writes into a domain's <metadata>
METADATA_URI = "urn:kvmconsole:domain:1"
METADATA_PREFIX = "kvmconsole"

T = TypeVar("T")

# libvirt's <memory unit='…'> (docs/formatdomain.rst, "Memory Allocation"), in bytes; KiB where none is given
_UNIT_BYTES = {"b": 1, "bytes": 1}
for _power, _prefix in enumerate("KMGTPE", start=1):
    _UNIT_BYTES |= {f"{_prefix}B": 1000**_power, _prefix: 1024**_power, f"{_prefix}iB": 1024**_power}
_UNIT_BYTES["k"] = 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk, CD-ROM or floppy. `source` is a path, a device, a URL-like name or a volume's name; "" is an empty drive.

    `backing_chain` lists the images below it, nearest first, `backing_formats` their formats; libvirt shows both for
    running domains only.
    """

    target: str
    device: str
    type: str
    bus: str = ""
    source: str = ""
    source_pool: str = ""
    driver_format: str = ""
    cache: str = ""
    readonly: bool = False
    shareable: bool = False
    transient: bool = False
    backing_chain: tuple[str, ...] = ()
    backing_formats: tuple[str, ...] = ()
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """A NIC. `source` is the name of its bridge, network or host device; `type` says which."""

    mac: str
    type: str
    source: str = ""
    portgroup: str = ""
    model: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Graphics:
    """A graphical console. `port` is None while libvirt has yet to choose one."""

    type: str
    listen: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class CharDevice:
    """A serial port, console, parallel port or channel: `kind`, where it leads (`type`), and the path on the host."""

    kind: str
    type: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A folder of the host inside the guest; `driver` is "path" (9p), "virtiofs" …"""

    driver: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Blocker:
    """Something in the definition with which QEMU or libvirt refuses, or can't keep, a live migration."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Domain:
    """What the console knows of a domain from its XML. `cpu_xml` is the guest's <cpu>, for comparing with a host."""

    uuid: str
    name: str
    memory_mib: int
    current_memory_mib: int
    vcpus: int
    machine: str
    arch: str
    emulator: str
    domain_type: str
    cpu_mode: str = ""
    cpu_model: str = ""
    cpu_xml: str = ""
    title: str = ""
    description: str = ""
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    graphics: tuple[Graphics, ...] = ()
    hostdevs: tuple[str, ...] = ()
    consoles: tuple[CharDevice, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    serials: tuple[str, ...] = ()
    has_tpm: bool = False
    nvram: str = ""
    other_blockers: tuple[Blocker, ...] = ()

    @classmethod
    def parse(cls, xml: str) -> Domain:
        """Read the XML of virDomainGetXMLDesc, live or inactive. Raises InvalidInput(field="xml")."""
        root = parse_xml(xml)
        if root.tag != "domain":
            raise InvalidInput(f"This is <{root.tag!s}>, not a <domain>.", field="xml")
        memory_mib = _memory_mib(root, "memory")
        return cls(
            uuid=text(root, "uuid"),
            name=text(root, "name"),
            memory_mib=memory_mib,
            current_memory_mib=_memory_mib(root, "currentMemory") or memory_mib,
            vcpus=int(attribute(root, "vcpu", "current") or text(root, "vcpu") or 1),
            machine=attribute(root, "os/type", "machine"),
            arch=attribute(root, "os/type", "arch"),
            emulator=text(root, "devices/emulator"),
            domain_type=root.get("type", ""),
            cpu_mode=attribute(root, "cpu", "mode"),
            cpu_model=text(root, "cpu/model"),
            cpu_xml=_cpu_xml(root),
            title=text(root, "title"),
            description=text(root, "description"),
            disks=_each(root, "devices/disk", _disk),
            interfaces=_each(root, "devices/interface", _interface),
            graphics=_each(root, "devices/graphics", _graphics),
            hostdevs=_each(root, "devices/hostdev", _hostdev),
            consoles=_each(root, _CHAR_DEVICES, _char_device),
            filesystems=_each(root, "devices/filesystem", _filesystem),
            serials=tuple(filter(None, _each(root, "devices/disk/serial", _own_text))),
            has_tpm=root.find("devices/tpm") is not None,
            nvram=text(root, "os/nvram"),
            other_blockers=_other_blockers(root),
        )

    def blockers(self) -> tuple[Blocker, ...]:
        """What in this definition can't migrate live. Whether its storage is shared is not said here."""
        return (
            *(Blocker("hostdev", what) for what in self.hostdevs),
            *(Blocker("hostdev", f"{nic.source or nic.mac}") for nic in self.interfaces if nic.type == "hostdev"),
            *(Blocker("vdpa", nic.source) for nic in self.interfaces if nic.type == "vdpa"),
            *(Blocker("local_drive", disk.source) for disk in self.disks if _is_local_drive(disk)),
            *(Blocker("local_disk", disk.source) for disk in self.disks if disk.type in ("nvme", "dir")),
            *(Blocker("transient_disk", disk.target) for disk in self.disks if disk.transient),
            *(Blocker("filesystem", f"{found.source} ({found.driver})") for found in self.filesystems),
            *(Blocker("char_device", found.path) for found in self.consoles if found.type == "dev"),
            *self.other_blockers,
        )


_CHAR_DEVICES = "devices/*[self::serial or self::console or self::parallel or self::channel]"


def _is_local_drive(disk: Disk) -> bool:
    """A CD-ROM or floppy that is a device of the host, such as /dev/sr0."""
    return disk.device in ("cdrom", "floppy") and disk.type == "block" and bool(disk.source)


def _other_blockers(root: etree._Element) -> tuple[Blocker, ...]:
    """libvirt's remaining refusals: qemuMigrationSrcIsAllowed in its src/qemu/qemu_migration.c."""
    found = [
        Blocker("shmem", shmem.get("name", ""))
        for shmem in root.iterfind("devices/shmem")
        if shmem.get("role") != "master"
    ]
    found += [
        Blocker("tpm_passthrough", attribute(backend, "device", "path"))
        for backend in root.iterfind("devices/tpm/backend[@type='passthrough']")
    ]
    found += [Blocker("launch_security", element.get("type", "")) for element in root.iterfind("launchSecurity")]
    invtsc = root.find("cpu/feature[@name='invtsc']")
    fixed_tsc = root.find("clock/timer[@name='tsc'][@frequency]")
    if invtsc is not None and invtsc.get("policy", "require") in ("require", "force") and fixed_tsc is None:
        found.append(Blocker("invariant_tsc", "invtsc"))
    return tuple(found)


def _disk(element: etree._Element) -> Disk:
    source = element.find("source")
    below = [backing for backing in element.iterfind(".//backingStore") if backing.find("source") is not None]
    return Disk(
        target=attribute(element, "target", "dev"),
        device=element.get("device", "disk"),
        type=element.get("type", ""),
        bus=attribute(element, "target", "bus"),
        source=_source(source),
        source_pool="" if source is None else source.get("pool", ""),
        driver_format=attribute(element, "driver", "type"),
        cache=attribute(element, "driver", "cache"),
        readonly=element.find("readonly") is not None,
        shareable=element.find("shareable") is not None,
        transient=element.find("transient") is not None,
        backing_chain=tuple(_source(backing.find("source")) for backing in below),
        backing_formats=tuple(attribute(backing, "format", "type") for backing in below),
        encrypted=element.find(".//encryption") is not None,
    )


def _source(source: etree._Element | None) -> str:
    """Where a disk's bytes are, whichever attribute this type of disk says it with."""
    if source is None:
        return ""
    if source.get("protocol"):
        host = source.find("host")
        where = "" if host is None else host.get("name") or host.get("socket") or ""
        return f"{source.get('protocol')}://{where}/{source.get('name', '')}"
    return next((found for key in ("file", "dev", "dir", "volume", "path") if (found := source.get(key))), "")


def _interface(element: etree._Element) -> Interface:
    source = element.find("source")
    attributes: dict[str, str] = {} if source is None else {str(k): str(v) for k, v in source.attrib.items()}
    return Interface(
        mac=attribute(element, "mac", "address"),
        type=element.get("type", ""),
        source=next((attributes[key] for key in ("network", "bridge", "dev", "path") if key in attributes), ""),
        portgroup=attributes.get("portgroup", ""),
        model=attribute(element, "model", "type"),
        target=attribute(element, "target", "dev"),
    )


def _graphics(element: etree._Element) -> Graphics:
    port = int(element.get("port") or -1)
    listen = element.get("listen") or attribute(element, "listen", "address")
    return Graphics(type=element.get("type", ""), listen=listen, port=port if port > 0 else None)


def _hostdev(element: etree._Element) -> str:
    """A word or two that tell the device: its PCI or USB address, its vendor and product, its node or name."""
    source = element.find("source")
    parts = [element.get("type", "")]
    for child in () if source is None else source.iter():
        parts += [f"{key}={value}" for key, value in child.attrib.items()]
    return " ".join(str(part) for part in parts)


def _char_device(element: etree._Element) -> CharDevice:
    return CharDevice(kind=str(element.tag), type=element.get("type", ""), path=attribute(element, "source", "path"))


def _filesystem(element: etree._Element) -> Filesystem:
    return Filesystem(
        driver=attribute(element, "driver", "type") or "path",
        source=_source(element.find("source")),
        target=attribute(element, "target", "dir"),
    )


def _cpu_xml(root: etree._Element) -> str:
    cpu = root.find("cpu")
    return "" if cpu is None else etree.tostring(cpu, encoding="unicode", with_tail=False)


def _memory_mib(root: etree._Element, tag: str) -> int:
    element = root.find(tag)
    if element is None:
        return 0
    return int(element.text or 0) * _UNIT_BYTES[element.get("unit", "KiB")] // 2**20


def _each(root: etree._Element, path: str, read: Callable[[etree._Element], T]) -> tuple[T, ...]:
    return tuple(read(element) for element in root.xpath(path))


def _own_text(element: etree._Element) -> str:
    return (element.text or "").strip()
