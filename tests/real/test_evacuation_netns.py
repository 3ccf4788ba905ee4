"""Draining a real host: guests of every kind, stop and resume, a console killed in the middle, and the way home."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import LOCAL_FOLDER, GuestSpec
from tests.lab.lab import Lab
from tests.real.guests import assert_guest, state_on

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
SLOW_MBIT_S = 160
"""Slow enough that a console can be killed while guests are on their way."""
UNSAFE = {"options": {"unsafe": True}}


def plan_of(console: Console, number: int) -> dict[str, Any]:
    plan: dict[str, Any] = console.api("GET", f"evacuations/{number}")
    return plan


def reaches(console: Console, number: int, *states: str, timeout_s: float = 180) -> dict[str, Any]:
    """Wait until the plan is in one of `states` and all of its moves were checked."""

    def there() -> Any:
        plan = plan_of(console, number)
        return plan if plan["state"] in states and plan["checked"] == plan["total"] else None

    found: dict[str, Any] = eventually(there, timeout_s=timeout_s, what=f"plan {number} to be {states}")
    return found


def move_of(plan: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(move for move in plan["moves"] if move["vm_name"] == name)
    return found


def known(console: Console, name: str, state: str) -> dict[str, Any]:
    """The VM once the inventory has it in `state`."""

    def ask() -> Any:
        found = [vm for vm in console.api("GET", f"vms?q={name}")["items"] if vm["name"] == name]
        return found[0] if found and found[0]["state"] == state else None

    vm: dict[str, Any] = eventually(ask, timeout_s=60, what=f"{name} to be listed as {state}")
    return vm


def shut_off(lab: Lab, spec: GuestSpec, *, autostart: bool) -> None:
    host = lab.host("kvm-1")
    if autostart:
        host.virsh("autostart", spec.name)
    host.virsh("destroy", spec.name)


def test_a_host_is_drained_but_for_what_can_not_move_and_its_guests_come_home(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    runs, off = netns_guest("ev-runs"), netns_guest("ev-off")
    bound = netns_guest("ev-bound", disk_folder=LOCAL_FOLDER)
    shut_off(netns_lab, off, autostart=True)
    before = netns_lab.guests.wait_for_beats(runs.name)
    vms = [
        known(console, runs.name, "running"),
        known(console, bound.name, "running"),
        known(console, off.name, "shut off"),
    ]
    rule = {"name": "off and runs", "kind": "together", "vms": [vms[0]["uuid"], vms[2]["uuid"]]}
    console.api("POST", "placement-rules", rule)

    number = console.api("POST", "evacuations", {"host": "kvm-1", "maintenance": True, **UNSAFE})["id"]
    plan = reaches(console, number, "planned")
    stuck = move_of(plan, bound.name)
    assert stuck["state"] == "blocked" and LOCAL_FOLDER in stuck["why"], stuck
    assert move_of(plan, off.name)["kind"] == "offline"
    assert state_on(netns_lab, "kvm-1", runs.name) == "running"

    console.api("POST", f"evacuations/{number}/start")
    plan = reaches(console, number, "completed")
    assert plan["counts"]["done"] == 2 and plan["counts"]["blocked"] == 1, plan["moves"]
    assert console.api("GET", "hosts/kvm-1")["maintenance"] is True
    assert_guest(netns_lab, runs.name, runs_on="kvm-2", not_on="kvm-1", before=before)
    assert state_on(netns_lab, "kvm-1", off.name) == "" and state_on(netns_lab, "kvm-2", off.name) == "shut off"
    assert "Autostart:      enable" in netns_lab.host("kvm-2").virsh("dominfo", off.name)
    steps = console.migration(move_of(plan, off.name)["migration"])["steps"]
    assert [step["state"] for step in steps] == ["done", "done", "skipped", "done", "done", "done"] or steps[0][
        "state"
    ] == "warning"

    console.api("PATCH", "hosts/kvm-1", {"maintenance": False})
    home = console.api("POST", "evacuations", {"home_of": number, **UNSAFE})["id"]
    plan = reaches(console, home, "planned")
    assert {move["destination"] for move in plan["moves"]} == {"kvm-1"}, plan["moves"]
    console.api("POST", f"evacuations/{home}/start")
    assert reaches(console, home, "completed")["counts"]["done"] == 2
    assert_guest(netns_lab, runs.name, runs_on="kvm-1", not_on="kvm-2", before=before)
    assert "Autostart:      enable" in netns_lab.host("kvm-1").virsh("dominfo", off.name)


def test_a_console_killed_in_the_middle_goes_on_and_a_stop_lets_the_current_one_arrive(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    specs = [netns_guest(f"ev-kill-{number}") for number in range(3)]
    before = {spec.name: netns_lab.guests.wait_for_beats(spec.name) for spec in specs}
    uuids = [known(console, spec.name, "running")["uuid"] for spec in specs]
    netns_lab.shape(SLOW_MBIT_S)
    number = console.api("POST", "evacuations", {"vms": uuids, "parallel": 1, **UNSAFE})["id"]
    reaches(console, number, "planned")
    console.api("POST", f"evacuations/{number}/start")

    def copying() -> object:
        moving = [move for move in plan_of(console, number)["moves"] if move["state"] == "running"]
        return moving and console.migration(moving[0]["migration"])["state"] == "copying"

    eventually(copying, timeout_s=90, what="the first guest to be copied")
    console.kill()
    console.start()
    console.api("POST", f"evacuations/{number}/stop")
    plan = reaches(console, number, "stopped")
    assert plan["counts"]["done"] == 1 and plan["counts"]["planned"] == 2, plan["moves"]
    assert "Stopped by admin" in plan["why_stopped"]
    for host in ("kvm-1", "kvm-2"):
        netns_lab.host(host).unshape()

    first = next(move for move in plan["moves"] if move["state"] == "planned")
    console.api("POST", f"evacuations/{number}/moves/{first['id']}/skip")
    console.api("POST", f"evacuations/{number}/resume")
    plan = reaches(console, number, "completed")
    assert plan["counts"]["done"] == 2 and plan["counts"]["skipped"] == 1
    for move in plan["moves"]:
        runs_on, not_on = ("kvm-1", "kvm-2") if move["state"] == "skipped" else ("kvm-2", "kvm-1")
        name = move["vm_name"]
        assert_guest(netns_lab, name, runs_on=runs_on, not_on=not_on, before=before[name])


def test_a_destination_that_became_unfit_fails_the_move_and_stops_the_plan(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest("ev-unfit")
    before = netns_lab.guests.wait_for_beats(spec.name)
    uuid = known(console, spec.name, "running")["uuid"]
    number = console.api("POST", "evacuations", {"vms": [uuid], **UNSAFE})["id"]
    reaches(console, number, "planned")
    netns_lab.host("kvm-2").unmount_share()
    try:
        console.api("POST", f"evacuations/{number}/start")
        plan = reaches(console, number, "stopped")
    finally:
        netns_lab.host("kvm-2").mount_share()
    move = move_of(plan, spec.name)
    assert move["state"] == "failed" and "/mnt/kvm" in move["why"]
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)
    console.api("POST", f"evacuations/{number}/resume")
    reaches(console, number, "completed")
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_what_is_scheduled_moves_when_it_is_due_though_the_console_was_away_at_that_moment(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest("on-time")
    before = netns_lab.guests.wait_for_beats(spec.name, count=1)
    at = datetime.now(UTC) + timedelta(seconds=3)
    body = {"name": "tonight", "at": at.isoformat(), "vm": console.vm(spec.name)["uuid"], "destination": "kvm-2"}
    number = console.api("POST", "schedules", {**body, **UNSAFE})["id"]
    console.kill()
    assert state_on(netns_lab, "kvm-1", spec.name) == "running"
    console.start()

    def begun() -> Any:
        runs = console.api("GET", f"schedules/{number}")["runs"]
        return runs[0] if runs and runs[0]["migration"] else None

    run = eventually(begun, timeout_s=60, what="the schedule to be due", every_s=0.3)
    assert run["outcome"] == "started" and datetime.fromisoformat(run["at"]) >= at, run
    console.reaches(run["migration"], "completed", timeout_s=90)
    assert console.api("GET", f"schedules/{number}")["next_due"] is None
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)
