"""Guests whose disks lie on one host alone: copied along, counted, and nothing left or lost where that ends early."""

from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import LOCAL_FOLDER, GuestSpec
from tests.lab.lab import Lab
from tests.real.guests import assert_guest

pytestmark = pytest.mark.real
SLOW_MBIT_S = 160
"""Slow enough to act while disks are copied: 64 MiB take about four seconds."""


def files_on(lab: Lab, host: str, spec: GuestSpec) -> list[str]:
    """The names of the guest's files in the host's own folder, hidden ones of the console included."""
    found = lab.host(host).run(["ls", "-A", LOCAL_FOLDER], check=False).stdout.split()
    return sorted(name for name in found if name.startswith((spec.name, ".kvmconsole-copy")))


def digest(lab: Lab, host: str, path: str) -> str:
    """A digest of what a guest reads from an image."""
    script = 'copy=$(mktemp) && qemu-img convert -U -f qcow2 -O raw "$1" "$copy" && sha256sum <"$copy"; rm -f "$copy"'
    return lab.host(host).run(["sh", "-c", script, "sh", path]).stdout


def preflight(console: Console, spec: GuestSpec, **options: Any) -> dict[str, Any]:
    body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-2", "options": options}
    found: dict[str, Any] = console.api("POST", "migrations/preflight", body)
    return found


def check_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in report["checks"] if check["name"] == name)


def in_mid_disk_copy(console: Console, lab: Lab, spec: GuestSpec) -> int:
    lab.shape(SLOW_MBIT_S)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, copy_storage="all")
    eventually(
        lambda: console.migration(number)["progress"].get("disk_total_bytes", 0) > 0,
        timeout_s=60,
        what="the disks to be copied",
    )
    return number


def settled(console: Console, number: int, state: str) -> None:
    """Wait until that became of all its copied disks: it is done right after the end."""
    eventually(
        lambda: {disk["state"] for disk in console.migration(number)["disks"]} == {state},
        timeout_s=60,
        what=f"the copied disks to be {state}",
    )


def test_a_guest_without_shared_storage_moves_with_both_its_disks(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(disk_folder=LOCAL_FOLDER, data_mib=64)
    before = netns_lab.guests.wait_for_beats(spec.name)
    data = digest(netns_lab, "kvm-1", spec.data_image)
    report = preflight(console, spec)
    assert report["blocked"] and check_of(report, "storage")["fix_act"] == "copy_disks"
    number = in_mid_disk_copy(console, netns_lab, spec)
    seen: list[tuple[int, int]] = []

    def over() -> bool:
        now = console.migration(number)
        seen.append((now["progress"]["percent"], now["progress"]["disk_remaining_bytes"]))
        return now["state"] in ("completed", "failed", "needs_attention")

    eventually(over, timeout_s=120, what="the migration to end", every_s=0.3)
    done = console.reaches(number, "completed")
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents) and percents[0] < 99
    assert len({remaining for _, remaining in seen}) > 3, seen
    assert "--copy-storage-all --migrate-disks vda,vdb" in done["command"]
    assert [disk["target"] for disk in done["disks"]] == ["vda", "vdb"]
    settled(console, number, "copied")
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)
    assert digest(netns_lab, "kvm-2", spec.data_image) == data
    names = [f"{spec.name}-data.qcow2", f"{spec.name}.qcow2"]
    assert files_on(netns_lab, "kvm-2", spec) == names == files_on(netns_lab, "kvm-1", spec)


def test_a_shared_disk_is_never_copied_beside_a_local_one(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(data_mib=16)
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, copy_storage="all", unsafe=True)
    done = console.reaches(number, "completed", timeout_s=90)
    assert [disk["target"] for disk in done["disks"]] == ["vdb"]
    assert "--migrate-disks vdb " in done["command"]
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)
    # All on shared storage means nothing to copy: no list, so no flag either.
    shared = netns_guest()
    began = netns_lab.guests.wait_for_beats(shared.name)
    number = console.migrate(shared.name, "kvm-2", address=shared.address, copy_storage="all", unsafe=True)
    done = console.reaches(number, "completed", timeout_s=90)
    assert done["disks"] == [] and "--copy-storage" not in done["command"]
    assert_guest(netns_lab, shared.name, runs_on="kvm-2", not_on="kvm-1", before=began)


def test_cancelled_while_disks_are_copied_the_guest_stays_and_the_copies_go(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(disk_folder=LOCAL_FOLDER, data_mib=64)
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = in_mid_disk_copy(console, netns_lab, spec)
    console.api("POST", f"migrations/{number}/cancel")
    console.reaches(number, "cancelled", timeout_s=60)
    settled(console, number, "removed")
    assert files_on(netns_lab, "kvm-2", spec) == []
    assert any("removed" in line["text"] for line in console.migration(number)["timeline"])
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_a_console_killed_while_disks_are_copied_finishes_the_move(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(disk_folder=LOCAL_FOLDER, data_mib=64)
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = in_mid_disk_copy(console, netns_lab, spec)
    console.kill()
    console.start()
    console.reaches(number, "completed", timeout_s=120)
    settled(console, number, "copied")
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_only_the_top_is_copied_where_the_destination_has_what_it_lies_on(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(data_mib=16, data_backing=True)
    before = netns_lab.guests.wait_for_beats(spec.name)
    data = digest(netns_lab, "kvm-1", spec.data_image)
    options = {"copy_storage": "inc", "unsafe": True}
    missing = check_of(preflight(console, spec, **options), "backing")
    assert missing["level"] == "blocker" and spec.backing_image in missing["message"]
    # The same size, but other data: the guest would read another disk.
    other = netns_lab.host("kvm-2")
    other.run(["sh", "-c", 'mkdir -p "${1%/*}" && truncate -s 16M "$1"', "sh", spec.backing_image])
    assert check_of(preflight(console, spec, **options), "backing")["level"] == "blocker"
    source = netns_lab.host("kvm-1")
    copied = source.run(["sh", "-c", 'gzip -1 <"$1" | base64 -w0', "sh", spec.backing_image]).stdout
    other.run(["sh", "-c", 'base64 -d | gzip -d >"$1"', "sh", spec.backing_image], input_text=copied)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, **options)
    done = console.reaches(number, "completed", timeout_s=90)
    assert done["disks"][0]["backing"] == spec.backing_image and done["disks"][0]["data_bytes"] < 2 * 2**20
    assert "--copy-storage-inc" in done["command"]
    assert digest(netns_lab, "kvm-2", spec.data_image) == data
    assert spec.backing_image in other.run(["qemu-img", "info", "-U", spec.data_image]).stdout
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_a_file_in_the_way_or_a_full_disk_is_found_before_anything_is_written(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(disk_folder=LOCAL_FOLDER, data_mib=16)
    other = netns_lab.host("kvm-2")
    other.run(["sh", "-c", 'echo mine >"$1"', "sh", spec.data_image])
    report = preflight(console, spec, copy_storage="all")
    taken = next(c for c in report["checks"] if c["level"] == "blocker")
    assert spec.data_image in taken["message"] and "overwritten" in taken["message"]
    number = console.migrate(spec.name, "kvm-2", address=spec.address, copy_storage="all")
    console.reaches(number, "failed")
    assert other.run(["cat", spec.data_image]).stdout == "mine\n"
    other.run(["rm", spec.data_image])
    other.run(["mount", "-t", "tmpfs", "-o", "size=8M", "small", LOCAL_FOLDER])
    try:
        full = check_of(preflight(console, spec, copy_storage="all"), "space")
    finally:
        other.run(["umount", LOCAL_FOLDER])
    assert full["level"] == "blocker" and "8 MiB free" in full["message"] and "Free" in full["fix"]
