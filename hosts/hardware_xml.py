"""Changing the devices in a domain's XML, and making new ones. Pure; libvirt says afterwards whether it can have them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from lxml import etree
from lxml.builder import E

from hosts.errors import InvalidInput, Refused
from hosts.xml_reading import attribute, parse_xml, text

BUS_PREFIXES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
"""How the targets of a bus begin (virDomainDiskDefAssignAddress in libvirt's src/conf/domain_conf.c)."""
MOST_TARGETS = 26
REMOVABLE = ("cdrom", "floppy")


def disk_xml(*, path: str, format: str, target: str, bus: str) -> str:
    """A disk on an image or, below /dev, on a block device. Cache none: only that is safe to migrate on NFS."""
    is_block = path.startswith("/dev/")
    disk = E.disk(
        E.driver(name="qemu", type=format, cache="none", discard="unmap"),
        E.source(**{"dev" if is_block else "file": path}),
        E.target(dev=target, bus=bus),
        type="block" if is_block else "file",
        device="disk",
    )
    return etree.tostring(disk, encoding="unicode")


def drive_xml(*, target: str, bus: str) -> str:
    """An empty CD-ROM drive."""
    drive = E.disk(
        E.driver(name="qemu", type="raw"), E.target(dev=target, bus=bus), E.readonly(), type="file", device="cdrom"
    )
    return etree.tostring(drive, encoding="unicode")


def drive_bus(xml: str) -> str:
    """The bus of a new CD-ROM drive: sata where the machine has it, else ide, as libvirt gives them by default.

    q35 has no ide and i440fx no sata of its own (qemuDomainGetDiskDefaultBus and qemuValidate in libvirt's src/qemu);
    other machines, such as Arm's virt, have scsi.
    """
    machine, arch = (attribute(parse_xml(xml), "os/type", name) for name in ("machine", "arch"))
    if arch not in ("", "x86_64", "i686"):
        return "scsi"
    return "ide" if machine.startswith(("pc-i440fx", "pc-0", "pc-1")) or machine == "pc" else "sata"


def nic_xml(*, kind: str, source: str, mac: str, model: str) -> str:
    """An interface into a network of libvirt's, or on a bridge: `kind` network or bridge."""
    nic = E.interface(E.mac(address=mac), E.source(**{kind: source}), E.model(type=model), type=kind)
    return etree.tostring(nic, encoding="unicode")


def find_disk(xml: str, target: str) -> str | None:
    """The XML of the disk or drive `target`; None where there is none."""
    return _text_of(_disk(parse_xml(xml), target))


def find_nic(xml: str, mac: str) -> str | None:
    """The XML of the interface with this address; None where there is none."""
    return _text_of(_nic(parse_xml(xml), mac))


def with_device(xml: str, device: str) -> str:
    """The domain with one device more."""
    root = parse_xml(xml)
    _devices(root).append(parse_xml(device))
    return etree.tostring(root, encoding="unicode")


def without_disk(xml: str, target: str) -> str:
    """The domain without the disk or drive `target`, and all as it was where it has none."""
    root = parse_xml(xml)
    return _without(root, _disk(root, target))


def without_nic(xml: str, mac: str) -> str:
    """The domain without that interface, and all as it was where it has none."""
    root = parse_xml(xml)
    return _without(root, _nic(root, mac))


def with_medium(xml: str, target: str, path: str) -> str:
    """The domain with `path` in its CD-ROM drive `target`. Raises Refused where there is no such drive."""
    root = parse_xml(xml)
    point(_drive(root, target), path)
    return etree.tostring(root, encoding="unicode")


def drive_with_medium(xml: str, target: str, path: str) -> str:
    """The same, but the XML of the drive alone."""
    drive = _drive(parse_xml(xml), target)
    point(drive, path)
    return _text_of(drive) or ""


def point(disk: etree._Element, path: str) -> None:
    """Let the disk or drive be on the image, or block device below /dev, at `path`, whatever it was on, with nothing below."""
    for tag in ("source", "backingStore", "mirror", "alias"):
        for child in disk.findall(tag):
            disk.remove(child)
    is_block = path.startswith("/dev/")
    disk.set("type", "block" if is_block else "file")
    disk.insert(0, E.source(**{"dev" if is_block else "file": path}))


def free_target(xmls: Collection[str], bus: str) -> str:
    """The first name of this bus that no disk in any of `xmls` has. Raises InvalidInput, Refused."""
    if bus not in BUS_PREFIXES:
        raise InvalidInput(f"A disk is on one of these buses: {', '.join(BUS_PREFIXES)}.", field="bus")
    taken = {target.get("dev") for xml in xmls for target in parse_xml(xml).iterfind("devices/disk/target")}
    for number in range(MOST_TARGETS):
        name = f"{BUS_PREFIXES[bus]}{chr(ord('a') + number)}"
        if name not in taken:
            return name
    raise Refused(f"All {MOST_TARGETS} names of disks on {bus} are taken.")


def boot_order(xml: str) -> list[str]:
    """What it boots from, in order: targets of disks and addresses of interfaces."""
    root = parse_xml(xml)
    ordered = [(int(boot.get("order") or 0), _key(boot.getparent())) for boot in root.iterfind("devices/*/boot")]
    if ordered:
        return [key for _, key in sorted(ordered)]
    kinds = [boot.get("dev", "") for boot in root.iterfind("os/boot")]
    firsts = [next((one for one in _bootable(root) if _is_of(one, kind)), None) for kind in kinds]
    return [_key(device) for device in firsts if device is not None]


def bootable(xml: str) -> list[tuple[str, str]]:
    """What can be booted from: key and words of each disk, drive and interface."""
    return [(_key(device), _words(device)) for device in _bootable(parse_xml(xml))]


def with_boot_order(xml: str, keys: Sequence[str]) -> str:
    """The domain that boots from the devices `keys`, in that order, and from no other. Raises InvalidInput."""
    root = parse_xml(xml)
    found = {_key(device): device for device in _bootable(root)}
    if not keys or len(set(keys)) != len(keys):
        raise InvalidInput("Name each device to boot from once, one at least.", field="devices")
    if unknown := [key for key in keys if key not in found]:
        raise InvalidInput(f"The VM has no {', '.join(unknown)}.", field="devices")
    for boot in [*root.iterfind("os/boot"), *root.iterfind("devices/*/boot")]:
        boot.getparent().remove(boot)  # type: ignore[union-attr]
    for number, key in enumerate(keys, start=1):
        found[key].append(E.boot(order=str(number)))
    return etree.tostring(root, encoding="unicode")


def most_vcpus(xml: str) -> int:
    """How many vCPUs it can have without a new start."""
    return int(text(parse_xml(xml), "vcpu") or 1)


def boots_a_kernel(xml: str) -> bool:
    """Whether it boots a kernel file of the host, so that its boot order is not looked at."""
    return parse_xml(xml).find("os/kernel") is not None


def _bootable(root: etree._Element) -> Iterator[etree._Element]:
    yield from root.iterfind("devices/disk")
    yield from root.iterfind("devices/interface")


def _is_of(device: etree._Element, kind: str) -> bool:
    """Whether libvirt's word for a kind of boot device (hd, cdrom, network, fd) means this one."""
    if device.tag == "interface":
        return kind == "network"
    return {"hd": "disk", "cdrom": "cdrom", "fd": "floppy"}.get(kind) == device.get("device", "disk")


def _key(device: etree._Element | None) -> str:
    if device is None:
        return ""
    return attribute(device, "target", "dev") if device.tag == "disk" else attribute(device, "mac", "address")


def _words(device: etree._Element) -> str:
    if device.tag == "interface":
        return f"network {attribute(device, 'mac', 'address')}"
    return f"{device.get('device', 'disk')} {attribute(device, 'target', 'dev')}"


def _devices(root: etree._Element) -> etree._Element:
    devices = root.find("devices")
    return etree.SubElement(root, "devices") if devices is None else devices


def _disk(root: etree._Element, target: str) -> etree._Element | None:
    return next((disk for disk in root.iterfind("devices/disk") if attribute(disk, "target", "dev") == target), None)


def _nic(root: etree._Element, mac: str) -> etree._Element | None:
    nics = root.iterfind("devices/interface")
    return next((nic for nic in nics if attribute(nic, "mac", "address").lower() == mac.lower()), None)


def _drive(root: etree._Element, target: str) -> etree._Element:
    drive = _disk(root, target)
    if drive is None or drive.get("device") not in REMOVABLE:
        raise Refused(f"{text(root, 'name')} has no CD-ROM or floppy drive {target}.", vm=text(root, "name"))
    return drive


def _without(root: etree._Element, device: etree._Element | None) -> str:
    if device is not None:
        device.getparent().remove(device)  # type: ignore[union-attr]
    return etree.tostring(root, encoding="unicode")


def _text_of(element: etree._Element | None) -> str | None:
    return None if element is None else etree.tostring(element, encoding="unicode", with_tail=False)
