"""The definition of a VM that is to be: a clone shares nothing that two VMs must not share; a new one is one libvirt takes."""

from pathlib import Path

import pytest
from lxml import etree

from hosts import new_domain_xml
from hosts.domain_xml import Domain
from hosts.making.systems import parse
from hosts.new_domain_xml import Kind, NewVm

NEW = "11111111-2222-4333-8444-555555555555"
XML = """<domain type='kvm'><name>web</name><uuid>6a4e0d1c-0000-4000-8000-000000000002</uuid><genid>8f2c</genid>
<metadata><k:stale xmlns:k='urn:kvmconsole:domain:1' on='h2'/><o:other xmlns:o='urn:o'/></metadata><memory>524288</memory>
<os firmware='efi'><type>hvm</type><nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram></os>
<sysinfo type='smbios'><system><entry name='uuid'>6a4e0d1c-0000-4000-8000-000000000002</entry></system></sysinfo><devices>
<disk type='file' device='disk'><source file='/mnt/a.qcow2'/><backingStore/><target dev='vda'/></disk>
<disk type='file' device='cdrom'><source file='/mnt/a.iso'/><target dev='sda'/><readonly/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet3'/></interface>
<serial type='pty'><log file='/var/log/libvirt/qemu/web-serial.log'/></serial>
<channel type='unix'><source mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-1-web/agent'/></channel>
<graphics type='vnc' port='5901'/></devices></domain>"""


def test_a_clone_shares_nothing_that_two_must_not_share() -> None:
    made = new_domain_xml.clone(
        XML, name="web-2", uuid=NEW, macs=["52:54:00:00:00:02"], disks={"vda": "/mnt/web-2.qcow2"}
    )
    domain = Domain.parse(made)
    assert (domain.name, domain.uuid, domain.nvram) == ("web-2", NEW, "")
    assert [(disk.target, disk.source) for disk in domain.disks] == [("vda", "/mnt/web-2.qcow2"), ("sda", "/mnt/a.iso")]
    assert [nic.mac for nic in domain.interfaces] == ["52:54:00:00:00:02"] and domain.interfaces[0].source == "br0"
    for old in (
        "6a4e0d1c",
        "52:54:00:00:00:01",
        "5901",
        "8f2c",
        "stale",
        "web-serial",
        "domain-1-web",
        "vnet3",
        "/mnt/a.q",
    ):
        assert old not in made.replace("web-2-serial", ""), old
    assert "urn:o" in made and "/var/log/libvirt/qemu/web-2-serial.log" in made


@pytest.mark.parametrize("family", ["linux", "winnt", "other"])
@pytest.mark.parametrize("machine", ["q35", ""])
def test_a_new_vm_fits_libvirts_schema(family: str, machine: str) -> None:
    vm = NewVm(
        name="web & co", uuid=NEW, memory_mib=2048, vcpus=2, disk="/mnt/it's.qcow2", disk_format="qcow2",
        mac="52:54:00:00:00:02", nic_kind="bridge", nic_source="br0", iso="/mnt/a.iso", family=family,
        os_id="http://debian.org/debian/12", efi=True,
    )  # fmt: skip
    xml = new_domain_xml.new_vm(vm, Kind("kvm", "x86_64", machine))
    schema = Path("/usr/share/libvirt/schemas/domain.rng")
    if schema.exists():
        etree.RelaxNG(etree.parse(schema)).assertValid(etree.fromstring(xml))
    domain = Domain.parse(xml)
    assert (domain.disks[0].bus, domain.disks[0].cache) == ("virtio" if family == "linux" else "sata", "none")
    assert domain.disks[1].source == "/mnt/a.iso" and domain.blockers() == ()
    assert ("localtime" in xml) is (family == "winnt") and "http://debian.org/debian/12" in xml


def test_what_osinfo_query_prints_is_read() -> None:
    """Lines of libosinfo 1.10 with osinfo-db 20221130."""
    listed = """
 Short ID             | Name                                               | Family       | ID
----------------------+----------------------------------------------------+--------------+-----------------------------------------
 debian11             | Debian 11                                          | linux        | http://debian.org/debian/11
 win10                | Microsoft Windows 10                               | winnt        | http://microsoft.com/win/10
"""
    assert [(one.key, one.name, one.family, one.id) for one in parse(listed)] == [
        ("debian11", "Debian 11", "linux", "http://debian.org/debian/11"),
        ("win10", "Microsoft Windows 10", "winnt", "http://microsoft.com/win/10"),
    ]
    assert parse("nonsense\n") == []
