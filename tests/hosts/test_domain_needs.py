"""What a domain needs of its host, out of its XML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.domain_needs import Needs, parse_numbers

XML = """<domain type='kvm'><name>web</name>
<vcpu cpuset='0-1'>2</vcpu><cputune><vcpupin vcpu='0' cpuset='4'/></cputune>
<numatune><memory mode='strict' nodeset='1'/></numatune>
<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>
<os><type machine='q35'>hvm</type><loader>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>/var/lib/nvram/web.fd</nvram></os>
<devices>
<disk type='file' device='disk'><source file='/mnt/kvm/web.qcow2'/><target dev='vda'/></disk>
<disk type='file' device='cdrom'><source file='/iso/a.iso'/><target dev='sda'/><readonly/></disk>
<serial type='file'><source path='/var/log/web/serial.log'/></serial>
<serial type='pty'><log file='/srv/log/web.log'/></serial>
<channel type='unix'><source mode='bind' path='/var/lib/libvirt/qemu/channel/target/x'/></channel>
<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
</devices></domain>"""


def test_what_it_needs() -> None:
    needs = Needs.parse(XML)
    assert needs.boot_files == ("/usr/share/OVMF/OVMF_CODE.fd",)
    assert needs.folders == ("/srv/log", "/var/lib/nvram", "/var/log/web")
    assert (needs.huge_page_kib, needs.nodes, needs.cpus) == (1024**2, {1}, {0, 1, 4})
    assert needs.has_emulated_tpm and needs.writable_images == ("/mnt/kvm/web.qcow2",)


@pytest.mark.parametrize(
    ("listed", "numbers"), [("0-3,^2,8", {0, 1, 3, 8}), ("", set()), ("x", set()), ("5", {5}), (" 1 , 2 ", {1, 2})]
)
def test_lists_of_numbers(listed: str, numbers: set[int]) -> None:
    assert parse_numbers(listed) == numbers


@given(st.sets(st.integers(0, 300)))
def test_a_list_is_read_back(numbers: set[int]) -> None:
    assert parse_numbers(",".join(map(str, sorted(numbers)))) == numbers
