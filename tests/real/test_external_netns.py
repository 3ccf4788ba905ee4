"""Migrations that virsh began: found, shown, steered and told like our own, and nothing changed behind the admin's back."""

from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import GuestSpec
from tests.lab.lab import Lab
from tests.real.guests import assert_guest, state_on

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
SLOW_MBIT_S = 80
"""The guest's 90 MB then take about ten seconds."""


def virsh_migrate(lab: Lab, spec: GuestSpec, *options: str) -> None:
    """Let virsh on kvm-1 migrate the guest to kvm-2, in the background."""
    argv = ["virsh", "migrate", "--live", "--unsafe", *options, spec.name, "qemu+ssh://kvm-2/system"]
    lab.host("kvm-1").run(["sh", "-c", '"$@" >/tmp/migrate.log 2>&1 &', "sh", *argv])


def found(console: Console, uuid: str, **wanted: Any) -> dict[str, Any]:
    """The one migration of the guest, once it is as `wanted`."""

    def ask() -> Any:
        items = console.api("GET", f"migrations?vm={uuid}")["items"]
        assert len(items) < 2, "one job, one row"
        return next((item for item in items if all(item[key] == value for key, value in wanted.items())), None)

    answer: dict[str, Any] = eventually(ask, timeout_s=40, what=f"a migration of {uuid} with {wanted}")
    return answer


def steps_of(migration: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["state"] for step in migration["steps"]}


def test_one_that_virsh_began_is_shown_live_and_told_to_its_end(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    source, destination = netns_lab.host("kvm-1"), netns_lab.host("kvm-2")
    source.virsh("autostart", spec.name)
    before = netns_lab.guests.wait_for_beats(spec.name)
    console.vm(spec.name)
    source.shape(SLOW_MBIT_S)
    virsh_migrate(netns_lab, spec, "--p2p")
    live = found(console, spec.uuid, origin="external", state="copying", destination="kvm-2")
    assert (live["source"], live["username"], live["can_cancel"]) == ("kvm-1", "external", True)
    assert spec.name in live["command"] and live["steps"][0]["state"] == "skipped"
    number = live["id"]
    eventually(
        lambda: console.migration(number)["progress"].get("rate_bytes", 0) > 0, timeout_s=20, what="live figures"
    )
    source.unshape()
    done = console.reaches(number, "completed")
    assert done["downtime_ms"] and done["transferred_bytes"] and "Found under way" in done["timeline"][0]["text"]
    assert steps_of(done) == {
        "check": "skipped",
        "copy": "done",
        "switch_over": "done",
        "verify": done["steps"][3]["state"],
        "define": "warning",
        "clean_up": "warning",
    }
    warned = {row["name"]: row for row in done["conformance"] if row["level"] == "warning"}
    assert (warned["definition"]["act"], warned["definition"]["host"]) == ("define", "kvm-2")
    assert "Autostart is on there" in warned["one_definition"]["message"]
    assert "autostart" in source.virsh("dominfo", spec.name).lower(), "nothing was changed"
    assert_guest(
        netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", persistent=False, defined_on_other=True, before=before
    )
    for act, host in (("define", "kvm-2"), ("mark-stale", "kvm-1"), ("redefine", "kvm-2"), ("undefine-stale", "kvm-1")):
        console.api("POST", f"vms/{spec.uuid}/{act}", {"host": host})
        if act == "mark-stale":
            assert "Autostart:      disable" in source.virsh("dominfo", spec.name)
    assert spec.name in destination.virsh("list", "--all", "--persistent", "--name")
    assert spec.name not in source.virsh("list", "--all", "--name")


def test_one_that_is_aborted_by_virsh_ends_as_cancelled(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    netns_lab.host("kvm-1").shape(SLOW_MBIT_S)
    virsh_migrate(netns_lab, spec, "--p2p", "--persistent")
    live = found(console, spec.uuid, state="copying")
    netns_lab.host("kvm-1").virsh("domjobabort", spec.name)
    ended = console.reaches(live["id"], "cancelled")
    assert "Cancelled outside the console" in [line["text"] for line in ended["timeline"]]
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_one_that_virsh_drives_itself_is_cancelled_by_an_operator(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    before = netns_lab.guests.wait_for_beats(spec.name)
    netns_lab.host("kvm-1").shape(SLOW_MBIT_S)
    virsh_migrate(netns_lab, spec, "--persistent")
    live = found(console, spec.uuid, state="copying", destination="kvm-2")
    console.api("POST", f"migrations/{live['id']}/cancel")
    console.reaches(live["id"], "cancelled")
    eventually(lambda: state_on(netns_lab, "kvm-2", spec.name) == "", timeout_s=20, what="kvm-2 to drop its half")
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_one_that_was_over_at_once_is_in_the_history_all_the_same(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory
) -> None:
    spec = netns_guest()
    console.vm(spec.name)
    virsh_migrate(netns_lab, spec, "--p2p", "--persistent", "--undefinesource")
    done = found(console, spec.uuid, origin="external", state="completed")
    assert done["destination"] == "kvm-2"
    assert [row["name"] for row in done["conformance"] if row["level"] == "warning"] == []
