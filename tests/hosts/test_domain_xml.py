from pathlib import Path

import pytest

from hosts.domain_xml import Blocker, CharDevice, Domain, Graphics, Interface
from hosts.errors import InvalidInput

RICH = (Path(__file__).parents[1] / "data/domain-rich-live.xml").read_text()
SMALL = "<domain type='qemu'><name>a</name><uuid>u</uuid><memory>1024</memory>{}</domain>"


@pytest.fixture(scope="module")
def domain() -> Domain:
    return Domain.parse(RICH)


def test_what_the_guest_is_comes_in_mib_and_words(domain):
    assert (domain.name, domain.title, domain.description) == ("web <1>", "Shop", "The web shop")
    assert (domain.memory_mib, domain.current_memory_mib, domain.vcpus) == (2048, 1024, 2)
    assert (domain.machine, domain.arch, domain.domain_type) == ("pc-q35-7.2", "x86_64", "kvm")
    assert domain.emulator == "/usr/bin/qemu-system-x86_64"
    assert (domain.cpu_mode, domain.cpu_model) == ("custom", "Skylake-Client")
    assert domain.cpu_xml.startswith("<cpu ") and domain.cpu_xml.endswith("</cpu>")
    assert domain.has_tpm and domain.nvram.endswith("web_VARS.fd") and domain.serials == ("S-1",)


def test_each_disk_says_where_its_bytes_are(domain):
    assert [disk.source for disk in domain.disks] == [
        "/mnt/kvm/share.qcow2",
        "data.raw",
        "rbd://ceph-1/pool/web",
        "/dev/sr0",
        "",
    ]
    first, second = domain.disks[:2]
    assert (first.target, first.bus, first.driver_format, first.cache) == ("vda", "virtio", "qcow2", "none")
    assert first.shareable and not first.readonly
    assert first.backing_chain == ("/mnt/kvm/base.qcow2", "/mnt/kvm/root.raw")
    assert (second.type, second.source_pool, second.backing_chain) == ("volume", "images", ())
    assert domain.disks[3].readonly


def test_each_nic_names_its_bridge_or_network(domain):
    assert domain.interfaces == (
        Interface(mac="52:54:00:00:00:01", type="bridge", source="br0", model="virtio", target="vnet3"),
        Interface(mac="52:54:00:00:00:02", type="network", source="default", portgroup="dmz", model="e1000"),
    )


def test_consoles_are_read_without_their_passwords(domain):
    assert domain.graphics == (Graphics("vnc", "127.0.0.1", 5901), Graphics("spice", "::1", None))
    assert domain.consoles[1] == CharDevice("parallel", "dev", "/dev/parport0")
    assert "hunter2" not in repr(domain) and "secret-uuid" not in repr(domain)


def test_what_cannot_migrate_is_named(domain):
    assert domain.blockers() == (
        Blocker("hostdev", "pci domain=0x0000 bus=0x06 slot=0x12 function=0x5"),
        Blocker("local_drive", "/dev/sr0"),
        Blocker("filesystem", "/srv/share (path)"),
        Blocker("char_device", "/dev/parport0"),
        Blocker("shmem", "ivshmem"),
        Blocker("invariant_tsc", "invtsc"),
    )


@pytest.mark.parametrize(
    ("device", "kind"),
    [
        ("<interface type='hostdev'><mac address='1'/></interface>", "hostdev"),
        ("<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", "vdpa"),
        ("<disk type='nvme' device='disk'><source type='pci'/><target dev='vda'/></disk>", "local_disk"),
        ("<disk type='file'><source file='/x'/><target dev='vda'/><transient/></disk>", "transient_disk"),
        ("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", "tpm_passthrough"),
        ("<filesystem><driver type='virtiofs'/><source dir='/a'/><target dir='a'/></filesystem>", "filesystem"),
    ],
)
def test_one_such_device_is_enough_to_block(device, kind):
    found = Domain.parse(SMALL.format(f"<devices>{device}</devices>")).blockers()
    assert [blocker.kind for blocker in found] == [kind]


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        "<devices><shmem name='a' role='master'/></devices>",
        "<devices><disk type='file' device='cdrom'><target dev='sda'/></disk></devices>",
        "<cpu><feature policy='disable' name='invtsc'/></cpu>",
        "<cpu><feature policy='require' name='invtsc'/></cpu><clock><timer name='tsc' frequency='1'/></clock>",
        "<devices><tpm><backend type='emulator'/></tpm></devices>",
    ],
)
def test_what_can_migrate_is_not_blocked(harmless):
    assert Domain.parse(SMALL.format(harmless)).blockers() == ()


def test_a_domain_that_says_little_is_read_with_defaults():
    domain = Domain.parse(SMALL.format(""))
    assert (domain.memory_mib, domain.current_memory_mib, domain.vcpus, domain.cpu_xml) == (1, 1, 1, "")


@pytest.mark.parametrize(
    "xml",
    ["", "<domain>", "<pool/>", "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><network>&x;</network>"],
)
def test_what_is_no_domain_is_refused(xml):
    with pytest.raises(InvalidInput) as refused:
        Domain.parse(xml)
    assert refused.value.field == "xml"


def test_entities_are_not_expanded():
    bomb = "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>"
    assert "root:" not in Domain.parse(bomb).name
