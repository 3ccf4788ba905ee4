"""Before and after, one changed field at a time: each must be flagged, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from migrations_app import conformance
from migrations_app.conformance import Other, Picture

DEFINED = """
<domain type='kvm'><name>web</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <memory unit='MiB'>512</memory><vcpu>2</vcpu>
  <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><nvram>/var/lib/libvirt/qemu/nvram/web.fd</nvram></os>
  <cpu mode='host-model'/>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/mnt/kvm/web.qcow2'/>
      <target dev='vda' bus='virtio'/><boot order='1'/></disk>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='virtio'/><boot order='2'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
  </devices>
</domain>"""
LIVE = DEFINED.replace("<cpu mode='host-model'/>", "<cpu mode='custom'><model>Skylake-Client</model></cpu>").replace(
    "name='org.qemu.guest_agent.0'/>", "name='org.qemu.guest_agent.0' state='connected'/>"
)
BEFORE = Picture(live_xml=LIVE, definition_xml=DEFINED, autostart=True)


def changed(xml: str, path: str, name: str, value: str) -> str:
    root = etree.fromstring(xml)
    found = root.find(path) if path != "." else root
    assert found is not None
    if name:
        found.set(name, value)
    else:
        found.text = value
    return etree.tostring(root, encoding="unicode")


def compared(after: Picture, *, before: Picture = BEFORE) -> dict[str, Any]:
    rows = conformance.compare_live(before, after) + conformance.compare_definition(before, after, host="h2")
    return {row.name: row for row in rows}


def flagged(after: Picture, **given: Any) -> set[str]:
    return {name for name, row in compared(after, **given).items() if row.level == "warning"}


def test_the_same_guest_differs_in_nothing_and_all_parts_are_compared() -> None:
    rows = compared(BEFORE)
    assert flagged(BEFORE) == set()
    assert set(rows) == set(conformance.TITLES) - {"one_definition"}


@pytest.mark.parametrize(
    ("name", "path", "attribute", "value"),
    [
        ("machine", "os/type", "machine", "pc-q35-7.1"),
        ("cpu", "cpu/model", "", "Broadwell"),
        ("memory", "memory", "", "256"),
        ("memory", "vcpu", "", "1"),
        ("disks", "devices/disk/source", "file", "/mnt/kvm/other.qcow2"),
        ("disks", "devices/disk/driver", "type", "raw"),
        ("disks", "devices/disk/target", "bus", "sata"),
        ("nics", "devices/interface/mac", "address", "52:54:00:00:00:09"),
        ("nics", "devices/interface/model", "type", "e1000"),
        ("boot", "devices/disk/boot", "order", "3"),
        ("nvram", "os/nvram", "", "/var/lib/libvirt/qemu/nvram/x.fd"),
        ("tpm", "devices/tpm/backend", "version", "1.2"),
        ("agent", "devices/channel/target", "state", "disconnected"),
    ],
)
def test_one_changed_field_of_what_runs_is_flagged(name: str, path: str, attribute: str, value: str) -> None:
    after = Picture(changed(LIVE, path, attribute, value), DEFINED, autostart=True)
    assert name in flagged(after)
    assert flagged(after) <= {name, "live", "boot"}
    assert compared(after)[name].message


def test_an_agent_that_came_up_meanwhile_is_no_difference() -> None:
    before = Picture(LIVE.replace("connected", "disconnected"), DEFINED, autostart=True)
    assert flagged(BEFORE, before=before) == set()


def test_a_leftover_definition_is_flagged_with_the_act_that_repairs_it() -> None:
    after = Picture(LIVE, changed(DEFINED, "memory", "", "128"), autostart=True)
    assert flagged(after) == {"definition", "live"}
    row = compared(after)["definition"]
    assert (row.act, row.host) == ("redefine", "h2")
    assert "memory" in row.message
    assert "128 MiB" in compared(after)["live"].message


def test_a_change_that_waits_for_the_next_start_stays_one() -> None:
    waiting = changed(DEFINED, "memory", "", "1024")
    before = Picture(LIVE, waiting, autostart=True)
    assert flagged(Picture(LIVE, waiting, autostart=True), before=before) == set()
    assert "next start" in compared(Picture(LIVE, waiting, autostart=True), before=before)["live"].after


def test_transient_at_the_destination_offers_to_define_it() -> None:
    row = compared(Picture(LIVE, "", autostart=False))["definition"]
    assert (row.level, row.act, row.host) == ("warning", "define", "h2")
    assert "vanishes" in row.message


def test_autostart_and_snapshots_are_compared() -> None:
    assert flagged(Picture(LIVE, DEFINED, autostart=False, snapshots=("old",))) == {"autostart", "snapshots"}


def test_without_a_picture_of_before_nothing_is_claimed() -> None:
    assert conformance.compare_live(Picture(), BEFORE) == []
    assert Picture.from_dict({}) is None
    assert Picture.from_dict(BEFORE.to_dict()) == BEFORE


@pytest.mark.parametrize(
    ("other", "level", "words"),
    [
        (Other("h1"), "ok", "on h2"),
        (Other("h1", defined=True, marked_stale=True), "ok", "marked as stale on h1"),
        (Other("h1", defined=True), "warning", "second copy"),
        (Other("h1", defined=True, autostart=True, marked_stale=True), "warning", "Autostart is on there"),
        (Other("h1", known=False), "warning", "did not answer"),
    ],
)
def test_exactly_one_host_has_the_definition(other: Other, level: str, words: str) -> None:
    row = conformance.one_definition([other], destination="h2")
    assert row.level == level
    assert words in row.message + row.after
    assert row.act == ("undefine-stale" if other.defined and level == "warning" else "")


def test_differences_come_first() -> None:
    rows = [
        *conformance.compare_live(BEFORE, BEFORE),
        conformance.one_definition([Other("h1", True, True)], destination="h2"),
    ]
    assert [row["name"] for row in conformance.in_order(rows)][:2] == ["one_definition", "machine"]


def test_a_rich_domain_compares_with_itself() -> None:
    xml = (Path(__file__).parents[1] / "data" / "domain-rich-live.xml").read_text()
    picture = Picture(live_xml=xml)
    assert [row for row in conformance.compare_live(picture, picture) if row.level != "ok"] == []
    assert "hunter2" not in str(conformance.facts(xml))
