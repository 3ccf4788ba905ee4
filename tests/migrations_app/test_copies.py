"""Which disks are copied along, and what speaks against it: facts in, a plan and findings out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosts.domain_xml import Disk, Domain
from migrations_app import plan
from migrations_app.plan import COPY_STORAGE, Options
from migrations_app.preflight.checks import Check, Facts, Folder, findings
from migrations_app.preflight.copies import copies
from migrations_app.preflight.look import Look, Space, parse
from tests.migrations_app.test_preflight_checks import GOOD, GUEST, LOOK, SHARE

MIB = 1024 * 1024
LOCAL = "/var/lib/libvirt/images"
ALL, INC = Options(copy_storage="all"), Options(copy_storage="inc")
LOCAL_DISK = Disk(
    target="vdb",
    device="disk",
    type="file",
    source=f"{LOCAL}/data.qcow2",
    driver_format="qcow2",
    cache="none",
    backing_chain=(f"{LOCAL}/base.raw",),
    backing_formats=("raw",),
)
APART = Folder(LOCAL, "/dev/sda1", "ext4", "/dev/sda1", "ext4", problem="it does not appear", apart=True)
SOURCE = replace(LOOK, sizes={f"{LOCAL}/base.raw": 30 * MIB}, sums={f"{LOCAL}/base.raw": "33554432 aa"})
DESTINATION = replace(
    LOOK,
    has_qemu_img=True,
    spaces={LOCAL: Space("/dev/sda1", 1000 * MIB)},
    files={"/mnt/kvm/web.qcow2": True, f"{LOCAL}/data.qcow2": False, f"{LOCAL}/base.raw": False},
)
MIXED = replace(
    GOOD,
    domain=replace(GUEST, disks=(*GUEST.disks, LOCAL_DISK)),
    folders=(SHARE, APART),
    missing_files=(f"{LOCAL}/data.qcow2", f"{LOCAL}/base.raw"),
    disk_sizes={"vda": (4 * MIB, 4 * MIB), "vdb": (64 * MIB, 10 * MIB)},
    source_look=SOURCE,
    destination_look=DESTINATION,
)


def blockers(facts: Facts, options: Options) -> dict[str, Check]:
    return {check.name: check for check in findings(facts, options) if check.level == "blocker"}


def domain_with(facts: Facts, **changes: object) -> Facts:
    assert isinstance(facts.domain, Domain)
    disk = replace(LOCAL_DISK, **changes)  # type: ignore[arg-type]
    return replace(facts, domain=replace(facts.domain, disks=(*GUEST.disks, disk)))


def test_only_what_is_proven_to_be_apart_is_copied_and_a_shared_disk_never() -> None:
    (copy,) = copies(MIXED, ALL)
    assert (copy.target, copy.capacity_bytes, copy.data_bytes, copy.backing) == ("vdb", 64 * MIB, 40 * MIB, "")
    assert not blockers(MIXED, ALL)
    unproven = replace(MIXED, folders=(SHARE, replace(APART, apart=False)))
    assert copies(unproven, ALL) == () and "storage" in blockers(unproven, ALL)


def test_without_the_option_it_is_offered() -> None:
    found = blockers(MIXED, Options())["storage"]
    assert (found.fix_act, found.fix_arg) == ("copy_disks", "") and "copy the disks along" in found.fix
    assert blockers(domain_with(MIXED, shareable=True), Options())["storage"].fix_act == ""


def test_the_top_alone_needs_what_it_lies_on_to_be_the_same_there() -> None:
    same = replace(DESTINATION, sums=SOURCE.sums)
    (copy,) = copies(replace(MIXED, destination_look=same), INC)
    assert (copy.backing, copy.backing_format, copy.data_bytes) == (f"{LOCAL}/base.raw", "raw", 10 * MIB)
    assert not blockers(replace(MIXED, destination_look=same), INC)
    assert "is not there" in blockers(MIXED, INC)["backing"].message
    other = replace(DESTINATION, sums={f"{LOCAL}/base.raw": "33554432 bb"})
    assert "another file" in blockers(replace(MIXED, destination_look=other), INC)["backing"].message


REFUSED = [
    ("copies", {"readonly": True}, {}, "read-only"),
    ("copies", {"shareable": True}, {}, "shareable"),
    ("copies", {"encrypted": True}, {}, "encrypted"),
    ("copies", {"driver_format": "vmdk"}, {}, "vmdk"),
    ("copies", {"driver_format": ""}, {}, "unknown"),
    ("copies", {}, {"files": {f"{LOCAL}/data.qcow2": True}}, "overwritten"),
    ("copies", {}, {"has_qemu_img": False}, "qemu-img"),
    ("copies", {}, {"spaces": {}}, "no folder"),
    ("space", {}, {"spaces": {LOCAL: Space("/dev/sda1", 20 * MIB)}}, "20 MiB free"),
]


@pytest.mark.parametrize(("name", "disk", "look", "words"), REFUSED, ids=[row[3] for row in REFUSED])
def test_what_can_not_be_copied_is_said_before(
    name: str, disk: dict[str, object], look: dict[str, object], words: str
) -> None:
    facts = domain_with(replace(MIXED, destination_look=replace(DESTINATION, **look)), **disk)  # type: ignore[arg-type]
    found = blockers(facts, ALL)
    assert words in found[name].message and found[name].fix


def test_thin_disks_that_may_outgrow_the_room_are_a_warning() -> None:
    tight = replace(DESTINATION, spaces={LOCAL: Space("/dev/sda1", 50 * MIB)})
    found = {check.name: check.level for check in findings(replace(MIXED, destination_look=tight), ALL)}
    assert found["space"] == "warning"


def test_a_disk_that_is_copied_needs_no_safe_cache_mode() -> None:
    assert "cache" not in blockers(domain_with(MIXED, cache="writeback"), ALL)


def test_images_are_given_to_qemus_user_only_where_libvirt_does_not() -> None:
    assert copies(MIXED, ALL)[0].owner == "libvirt-qemu"
    dynamic = replace(MIXED, destination_look=replace(DESTINATION, conf={}))
    assert copies(dynamic, ALL)[0].owner == ""


@given(st.sampled_from(COPY_STORAGE), st.lists(st.sampled_from(["vda", "vdb", "sda"]), unique=True))
def test_libvirt_is_never_asked_to_copy_without_a_list_of_disks(copy_storage: str, disks: list[str]) -> None:
    options = Options(copy_storage=copy_storage)
    flags = set(plan.flag_names(options, disks)) & {"non_shared_disk", "non_shared_inc"}
    listed = plan.parameters(options, migration_address="", disks=disks).get("migrate_disks")
    assert bool(flags) == bool(listed) == bool(disks and copy_storage != "none")
    assert not listed or list(listed) == disks


def test_the_command_names_the_disks() -> None:
    places = {"vm_name": "web", "source_uri": "qemu:///system", "destination_uri": "qemu+ssh://b/system"}
    options = Options(copy_storage="inc", disks_port=49300)
    told = plan.command(options, **places, migration_address="", disks=["vda", "vdb"])
    assert "--copy-storage-inc --migrate-disks vda,vdb --disks-port 49300" in told
    assert "--copy-storage" not in plan.command(options, **places, migration_address="")


def test_the_look_reads_room_sizes_and_sums() -> None:
    said = "qemu_img\tyes\nspace\t/dev/sda1 100 50 50 50% /\nspace\tabsent\nsize\t8 512\nsize\t\nsum\t4096 ab\nsum\t\n"
    wanted = [(kind, path) for kind in ("space", "size", "sum") for path in ("/a", "/b")]
    look: Look = parse(said, wanted, asked_s=0, answered_s=0)
    assert look.has_qemu_img and look.spaces == {"/a": Space("/dev/sda1", 51200)}
    assert look.sizes == {"/a": 4096, "/b": 0} and look.sums == {"/a": "4096 ab"}
