"""The definition of a VM that is to be: a copy of another, or a new one with sensible devices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree
from lxml.builder import E

from hosts.domain_xml import METADATA_URI
from hosts.hardware_xml import disk_xml, nic_xml, point
from hosts.xml_reading import attribute, parse_xml, text

OSINFO_URI = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
"""Where virt-manager, Cockpit and others read which operating system a guest has."""
VIRTIO_FAMILIES = ("linux", "freebsd", "netbsd", "openbsd")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a host can run best: libvirt's domain type, architecture and machine."""

    domain_type: str
    arch: str
    machine: str = ""


@dataclass(frozen=True, slots=True)
class NewVm:
    """A VM to be made. `family` and `os_id` are libosinfo's; `iso` is the path of a medium to install from, or ""."""

    name: str
    uuid: str
    memory_mib: int
    vcpus: int
    disk: str
    disk_format: str
    mac: str
    nic_kind: str
    nic_source: str
    iso: str = ""
    family: str = "linux"
    os_id: str = ""
    efi: bool = False

    @property
    def has_virtio(self) -> bool:
        """Whether such a guest has virtio's drivers without help."""
        return self.family in VIRTIO_FAMILIES


def new_vm(vm: NewVm, kind: Kind) -> str:
    """Its definition: virtio where the guest has its drivers, a screen, a serial console, an agent's channel."""
    system = E.os(E.type("hvm", arch=kind.arch, **({"machine": kind.machine} if kind.machine else {})))
    if vm.efi:
        system.set("firmware", "efi")
    domain = E.domain(
        E.name(vm.name),
        E.uuid(vm.uuid),
        *([_osinfo(vm.os_id)] if vm.os_id else []),
        E.memory(str(vm.memory_mib), unit="MiB"),
        E.vcpu(str(vm.vcpus)),
        system,
        E.features(E.acpi(), E.apic()),
        *([E.cpu(mode="host-model")] if kind.domain_type == "kvm" else []),
        E.clock(offset="localtime" if vm.family == "winnt" else "utc"),
        _devices(vm, kind),
        type=kind.domain_type,
    )
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def clone(xml: str, *, name: str, uuid: str, macs: list[str], disks: Mapping[str, str]) -> str:
    """`xml` as the definition of another VM: `macs` for its interfaces, `disks` with the new path of each copied disk.

    What names the old VM goes: its marks, firmware variables, sockets, fixed ports of displays.
    """
    root = parse_xml(xml)
    was = text(root, "name")
    _set(root, "name", name)
    _set(root, "uuid", uuid)
    for path in (
        "title",
        f"metadata/*[namespace-uri()='{METADATA_URI}']",
        "os/nvram",
        "devices//alias",
        "genid/text()",
    ):
        for found in root.xpath(path):
            if isinstance(found, etree._Element):
                found.getparent().remove(found)  # type: ignore[union-attr]
            else:
                found.getparent().text = None
    for entry in root.xpath("sysinfo/system/entry[@name='uuid']"):
        entry.text = uuid
    for nic, mac in zip(root.iterfind("devices/interface"), macs, strict=True):
        for old in [*nic.findall("mac"), *nic.xpath("target[starts-with(@dev, 'vnet')]")]:
            nic.remove(old)
        nic.insert(0, E.mac(address=mac))
    for disk in root.iterfind("devices/disk"):
        if new := disks.get(attribute(disk, "target", "dev")):
            point(disk, new)
    for screen in root.xpath("devices/graphics[@autoport='no' or not(@autoport)]"):
        if screen.get("port") or screen.get("tlsPort"):
            screen.attrib.pop("tlsPort", None)
            screen.set("autoport", "yes")
            screen.set("port", "-1")
    for source in root.xpath("devices/channel[@type='unix']/source[@mode='bind' and contains(@path, 'domain-')]"):
        source.getparent().remove(source)
    for log in root.xpath("devices/*/log[@file]"):
        folder, _, file = log.get("file").rpartition("/")
        log.set("file", f"{folder}/{file.replace(was, name) if was in file else f'{name}-{file}'}")
    return etree.tostring(root, encoding="unicode")


def _devices(vm: NewVm, kind: Kind) -> etree._Element:
    bus = "virtio" if vm.has_virtio else "sata"
    disk = parse_xml(disk_xml(path=vm.disk, format=vm.disk_format, target="vda" if bus == "virtio" else "sda", bus=bus))
    disk.append(E.boot(order="1"))
    nic = nic_xml(kind=vm.nic_kind, source=vm.nic_source, mac=vm.mac, model="virtio" if vm.has_virtio else "e1000e")
    drive = E.disk(
        E.driver(name="qemu", type="raw"),
        E.target(dev="sdb", bus="sata") if "q35" in kind.machine else E.target(dev="hdc", bus="ide"),
        E.readonly(),
        E.boot(order="2"),
        type="file",
        device="cdrom",
    )
    if vm.iso:
        drive.insert(1, E.source(file=vm.iso))
    return E.devices(
        disk,
        drive,
        parse_xml(nic),
        E.serial(E.target(port="0"), type="pty"),
        E.console(E.target(type="serial", port="0"), type="pty"),
        E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
        E.input(type="tablet", bus="usb"),
        E.graphics(type="vnc", port="-1", autoport="yes", listen="127.0.0.1"),
        E.video(E.model(type="vga")),
        E.memballoon(model="virtio"),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
    )


def _osinfo(os_id: str) -> etree._Element:
    metadata = etree.Element("metadata")
    info = etree.SubElement(metadata, f"{{{OSINFO_URI}}}libosinfo", nsmap={"libosinfo": OSINFO_URI})
    etree.SubElement(info, f"{{{OSINFO_URI}}}os", id=os_id)
    return metadata


def _set(root: etree._Element, tag: str, value: str) -> None:
    element = root.find(tag)
    if element is None:
        element = etree.Element(tag)
        root.insert(0, element)
    element.text = value
