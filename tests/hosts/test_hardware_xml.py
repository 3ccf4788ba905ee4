"""Devices in a domain's XML: found, added, taken away, put in order; nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from hosts import hardware_xml
from hosts.domain_xml import Domain
from hosts.errors import InvalidInput, Refused

XML = """<domain type='kvm'><name>web</name><uuid>6a4e0d1c-0000-4000-8000-000000000002</uuid><memory unit='MiB'>512</memory>
<vcpu current='2'>4</vcpu><os><type>hvm</type><boot dev='cdrom'/><boot dev='hd'/></os><devices>
<disk type='file' device='disk'><source file='/mnt/a.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='/mnt/old.iso'/><target dev='sda' bus='sata'/><readonly/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>
</devices></domain>"""


def test_what_is_added_is_found_and_what_is_taken_away_is_gone() -> None:
    disk = hardware_xml.disk_xml(path="/mnt/b & c's.qcow2", format="qcow2", target="vdb", bus="virtio")
    nic = hardware_xml.nic_xml(kind="bridge", source="br1", mac="52:54:00:00:00:02", model="virtio")
    more = hardware_xml.with_device(hardware_xml.with_device(XML, disk), nic)
    domain = Domain.parse(more)
    assert [(one.target, one.source, one.cache) for one in domain.disks][-1] == ("vdb", "/mnt/b & c's.qcow2", "none")
    assert domain.interfaces[-1].source == "br1"
    less = hardware_xml.without_nic(hardware_xml.without_disk(more, "vdb"), "52:54:00:00:00:02")
    assert Domain.parse(less) == Domain.parse(XML)
    assert hardware_xml.find_disk(less, "vdb") is None and hardware_xml.find_disk(XML, "vda")
    assert hardware_xml.find_nic(XML, "52:54:00:00:00:01") and not hardware_xml.find_nic(less, "52:54:00:00:00:02")


def test_a_block_device_is_no_file() -> None:
    device = etree.fromstring(hardware_xml.disk_xml(path="/dev/vg/lv", format="raw", target="vdb", bus="scsi"))
    assert (device.get("type"), device.find("source").attrib) == ("block", {"dev": "/dev/vg/lv"})  # type: ignore[union-attr]


def test_a_medium_goes_into_a_drive_and_into_nothing_else() -> None:
    drive = Domain.parse(hardware_xml.with_medium(XML, "sda", "/mnt/new.iso")).disks[1]
    assert (drive.source, drive.readonly) == ("/mnt/new.iso", True)
    for target in ("vda", "sdb"):
        with pytest.raises(Refused, match=f"no CD-ROM or floppy drive {target}"):
            hardware_xml.with_medium(XML, target, "/mnt/new.iso")


def test_the_boot_order_is_read_and_set() -> None:
    assert hardware_xml.boot_order(XML) == ["sda", "vda"]
    keys = [key for key, _ in hardware_xml.bootable(XML)]
    assert keys == ["vda", "sda", "52:54:00:00:00:01"]
    changed = hardware_xml.with_boot_order(XML, ["52:54:00:00:00:01", "vda"])
    assert hardware_xml.boot_order(changed) == ["52:54:00:00:00:01", "vda"]
    assert etree.fromstring(changed).find("os/boot") is None


@given(st.permutations(["vda", "sda", "52:54:00:00:00:01"]))
def test_any_order_that_is_set_is_the_one_that_is_read(order: list[str]) -> None:
    assert hardware_xml.boot_order(hardware_xml.with_boot_order(XML, order)) == order


@pytest.mark.parametrize("keys", [[], ["vda", "vda"], ["vdz"]])
def test_an_order_that_makes_no_sense_is_refused(keys: list[str]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        hardware_xml.with_boot_order(XML, keys)
    assert refusal.value.field == "devices"


def test_a_free_name_is_free_in_all_definitions() -> None:
    more = hardware_xml.with_device(XML, hardware_xml.disk_xml(path="/mnt/b", format="raw", target="vdb", bus="virtio"))
    assert hardware_xml.free_target([XML], "virtio") == "vdb"
    assert hardware_xml.free_target([XML, more], "virtio") == "vdc"
    assert hardware_xml.free_target([XML], "scsi") == "sdb"
    with pytest.raises(InvalidInput):
        hardware_xml.free_target([XML], "floppy")


@pytest.mark.parametrize(
    ("arch", "machine", "bus"),
    [
        ("x86_64", "pc-q35-9.2", "sata"),
        ("x86_64", "q35", "sata"),
        ("x86_64", "pc-i440fx-9.2", "ide"),
        ("x86_64", "pc", "ide"),
        ("x86_64", "pc-1.3", "ide"),
        ("aarch64", "virt-9.2", "scsi"),
        ("", "", "sata"),
    ],
)
def test_a_new_drive_is_on_the_bus_that_the_machine_has(arch: str, machine: str, bus: str) -> None:
    xml = f'<domain><os><type arch="{arch}" machine="{machine}">hvm</type></os></domain>'
    assert hardware_xml.drive_bus(xml) == bus
