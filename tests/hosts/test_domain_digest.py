from pathlib import Path

import pytest

from hosts.domain_digest import definition_digest
from hosts.domain_xml import METADATA_URI

RICH = (Path(__file__).parents[1] / "data/domain-rich-live.xml").read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id='7'", "id='8'"),
        ("vnet3", "vnet11"),
        ("/dev/pts/4", "/dev/pts/9"),
        ("port='5901'", "port='5977'"),
        ("virtio-disk0", "ua-other"),
        ("index='2'", "index='5'"),
        ("  <clock", "<!-- moved -->\n\n\t<clock"),
        ("type='kvm' id='7'", "id='7' type='kvm'"),
        (
            "<description>The web shop</description>",
            "<description>The web shop</description>"
            f"<metadata><k:stale xmlns:k='{METADATA_URI}' since='2026'/></metadata>",
        ),
    ],
)
def test_what_a_host_makes_up_for_itself_does_not_count(old, new):
    assert old in RICH
    assert definition_digest(RICH.replace(old, new)) == definition_digest(RICH)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/mnt/kvm/share.qcow2", "/mnt/kvm/other.qcow2"),
        ("cache='none'", "cache='writeback'"),
        ("<memory unit='GiB'>2<", "<memory unit='GiB'>3<"),
        ("bridge='br0'", "bridge='br1'"),
        ("listen='127.0.0.1'", "listen='0.0.0.0'"),
        ("pc-q35-7.2", "pc-q35-8.0"),
        ("<description>", "<metadata><o:x xmlns:o='urn:other'/></metadata><description>"),
    ],
)
def test_what_an_admin_defines_does_count(old, new):
    assert old in RICH
    assert definition_digest(RICH.replace(old, new)) != definition_digest(RICH)
