"""The definition of a guest: what its next start changes, in colours, and never a secret."""

import uuid
from pathlib import Path

import pytest
from django.test import Client
from lxml import etree

from hosts import inventory, reach
from hosts.definition_diff import diff, tokens
from tests import build
from tests.hosts.nodes import write_node

WEB = uuid.UUID("6a4e0d1c-0000-4000-8000-000000000003")
RUNNING = """<domain type='kvm' id='7'><name>web</name><memory unit='KiB'>524288</memory><devices>
<disk type='file' device='disk'><source file='/mnt/kvm/web.qcow2' index='1'/><backingStore/><target dev='vda'/><alias name='virtio-disk0'/></disk>
<interface type='bridge'><source bridge='br0'/><target dev='vnet3'/><alias name='net0'/></interface>
<serial type='pty'><source path='/dev/pts/3'/><target port='0'/><alias name='serial0'/></serial>
<graphics type='vnc' port='5901' autoport='yes'/></devices><seclabel type='dynamic' model='dac'/></domain>"""
PERSISTENT = """<domain type='kvm'>
  <name>web</name>
  <memory unit='KiB'>524288</memory>
  <devices>
    <disk type='file' device='disk'><source file='/mnt/kvm/web.qcow2'/><target dev='vda'/></disk>
    <interface type='bridge'><source bridge='br0'/></interface>
    <serial type='pty'><target port='0'/></serial>
    <graphics type='vnc' port='-1' autoport='yes'/>
  </devices>
</domain>"""


def test_what_only_a_running_guest_has_is_no_difference() -> None:
    assert diff(RUNNING, PERSISTENT) == []


def test_what_waits_for_the_next_start_is_shown() -> None:
    lines = diff(RUNNING, PERSISTENT.replace("524288", "1048576"))
    changed = [(line.kind, line.text.strip()) for line in lines if line.kind in ("added", "removed")]
    assert changed == [
        ("removed", '<memory unit="KiB">524288</memory>'),
        ("added", '<memory unit="KiB">1048576</memory>'),
    ]


def test_no_character_is_lost_or_added_by_the_colours() -> None:
    assert "".join(token.text for token in tokens(RUNNING)) == RUNNING
    kinds = {token.kind: token.text for token in tokens("<a b='c'>d</a>")}
    assert (kinds["name"], kinds["value"], kinds[""]) == ("b", "'c'", "d")


@pytest.mark.django_db
def test_a_viewer_reads_both_definitions_on_the_test_driver(client: Client, tmp_path: Path) -> None:
    h1 = build.host("h1", uri=write_node(tmp_path / "h1.xml", {"web": WEB}))
    with reach.libvirt(h1) as connection:
        inventory.sync_host(h1, connection)
        raw = connection.guest(str(WEB)).xml(inactive=True)
        root = etree.fromstring(raw)
        root.find("memory").text = "1048576"  # type: ignore[union-attr]
        connection.define(etree.tostring(root, encoding="unicode"))
    client.force_login(build.user("vera", role="viewer"))
    page = client.get(f"/vms/{WEB}/definition/").content.decode()
    assert "At next start" in page and "1048576" in page and "virsh dumpxml" in page
    reach.forget(h1)
    assert client.get(f"/vms/{uuid.uuid4()}/definition/").status_code == 404
