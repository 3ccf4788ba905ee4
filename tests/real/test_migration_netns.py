"""The main job on real hosts: libvirtd, QEMU and a console, all for real; each case asks both hosts how it ended."""

import pytest

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import GuestSpec
from tests.lab.lab import Lab
from tests.real.guests import assert_guest, state_on

pytestmark = pytest.mark.real
SLOW_MBIT_S = 80
"""Slow enough that a test can act in mid-copy: the guest's 90 MB take about ten seconds."""


def in_mid_copy(console: Console, lab: Lab, spec: GuestSpec) -> int:
    """Slow the link down, begin a migration to kvm-2, and return its number once memory is being copied."""
    lab.shape(SLOW_MBIT_S)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    eventually(
        lambda: console.migration(number)["progress"].get("transferred_bytes", 0) > 0,
        timeout_s=30,
        what="the copy to begin",
    )
    return number


def test_there_and_back_again_defined_and_whole(console: Console, netns_lab: Lab, netns_guest: GuestFactory) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    done = console.reaches(number, "completed")
    assert {step["name"]: step["state"] for step in done["steps"]} == {
        "check": "warning",
        "copy": "done",
        "switch_over": "done",
        "verify": "done",
        "define": "done",
        "clean_up": "done",
    }
    assert 0 < done["downtime_ms"] < 5000
    assert done["ping"]["sent"] > 5 and done["ping"]["longest_gap_ms"] < 5000
    assert "--unsafe" in done["command"]
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)
    back = console.migrate(spec.name, "kvm-1", address=spec.address, unsafe=True, undefine_source=False)
    console.reaches(back, "completed")
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", defined_on_other=True, before=before)
    assert console.api("GET", f"migrations?vm={done['vm']}")["count"] == 2


def test_a_kept_definition_is_marked_stale_and_can_not_be_started(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, undefine_source=False)
    console.reaches(number, "completed")

    def stale() -> object:
        vm = console.vm(spec.name)
        return any(p["host"] == "kvm-1" and p.get("stale") and not p["autostart"] for p in vm["placements"])

    eventually(stale, timeout_s=10, what="the copy on kvm-1 to be marked stale")
    assert "stale" in netns_lab.host("kvm-1").virsh("dumpxml", spec.name)
    uuid = console.vm(spec.name)["uuid"]
    console.api("POST", f"vms/{uuid}/start", {"host": "kvm-1"}, expect=(400, 403, 409, 422))
    assert state_on(netns_lab, "kvm-1", spec.name) == "shut off"


def test_without_unsafe_it_is_refused_before_libvirt_is_asked(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = console.migrate(spec.name, "kvm-2", address=spec.address)
    failed = console.reaches(number, "failed")
    assert "unsafe" in failed["error"].lower() and "cache" in failed["hint"].lower()
    assert failed["steps"][1]["state"] == "skipped"
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_a_destination_without_the_mount_is_found_by_the_probe_file(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    netns_lab.host("kvm-2").unmount_share()
    try:
        number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
        failed = console.reaches(number, "failed")
    finally:
        netns_lab.host("kvm-2").mount_share()
    assert "/mnt/kvm" in failed["error"] and "kvm-2" in failed["hint"]
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_a_transient_migration_is_defined_by_the_console(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest(transient=True)
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, persistent=False)
    done = console.reaches(number, "completed")
    assert "defined" in next(step["detail"] for step in done["steps"] if step["name"] == "define")
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_a_guest_paused_in_flight_goes_on_at_the_destination(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    number = in_mid_copy(console, netns_lab, spec)
    console.api("POST", f"migrations/{number}/pause-guest")
    eventually(
        lambda: state_on(netns_lab, "kvm-1", spec.name) == "paused", timeout_s=10, what="the guest to stand still"
    )
    console.reaches(number, "completed", timeout_s=60)
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_two_requests_for_one_vm_make_one_migration(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    netns_lab.host("kvm-1").shape(SLOW_MBIT_S)
    number = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    body = {"vm": console.vm(spec.name)["uuid"], "destination": "kvm-2", "options": {"unsafe": True}}
    refused = console.api("POST", "migrations", body, expect=(400, 403, 409, 422))
    assert f"#{number}" in refused["detail"]
    netns_lab.host("kvm-1").unshape()
    console.reaches(number, "completed", timeout_s=60)
