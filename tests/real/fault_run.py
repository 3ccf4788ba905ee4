"""Plays one fault of a table on real hosts, and asks both of them and the guest's own disk how it ended."""

import json
import re
import time
from typing import Any

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.heartbeat import Heartbeat
from tests.lab.lab import Lab
from tests.real.faults import FAULTS, NOBODY, Fault, Scene
from tests.real.guests import assert_guest, assert_started_anew


def on_a_guest_of_its_own(fault: Fault, console: Console, lab: Lab, guest: GuestFactory) -> None:
    """Play a fault of the table on a guest of its own name: a migration that is left over by one fault holds its guest."""
    spec = guest(f"f{FAULTS.index(fault)}-{fault.name}"[:24].rstrip("-"), transient=fault.transient)
    before = lab.guests.wait_for_beats(spec.name, count=1)
    play(fault, Scene(console, lab, spec), before=before)


def play(fault: Fault, scene: Scene, *, before: Heartbeat, timeout_s: float = 150) -> None:
    """Break it as the row says, and assert that the guest is where the row says, once, and whole unless it says otherwise."""
    fault.prepare(scene)
    scene.slow(fault.mbit_s)
    address = {"guest": scene.spec.address, "nobody": scene.lab.network.at(NOBODY)}.get(fault.pings)
    scene.number = scene.console.migrate(scene.spec.name, "kvm-2", address=address, unsafe=True, **fault.options)
    fault.moment(scene)
    fault.during(scene)
    if fault.asks:
        assert_a_person_can_decide(asks_for_a_person(scene, fault.asks))
    fault.then(scene)
    ended = comes_to(scene, fault.state, timeout_s=timeout_s)
    eventually(
        lambda: re.search(fault.message, json.dumps(scene.now())),
        timeout_s=60,
        what=f"{fault.message!r} to stand in {ended}",
    )
    other = "kvm-1" if fault.guest_runs_on == "kvm-2" else "kvm-2"
    if fault.anew:
        assert_started_anew(scene.lab, scene.spec.name, runs_on=fault.guest_runs_on, not_on=other, before=before)
    else:
        left_nothing(scene, other)
        assert_guest(scene.lab, scene.spec.name, runs_on=fault.guest_runs_on, not_on=other, before=before)


def asks_for_a_person(scene: Scene, why: str) -> dict[str, Any]:
    """Wait until it calls for a person with these words: it may call before both hosts have noticed all."""
    scene.console.reaches(scene.number, "needs_attention", timeout_s=120)

    limit = time.monotonic() + 150
    while True:
        asking = scene.console.reaches(scene.number, "needs_attention")
        if re.search(why, asking["error"]):
            return asking
        assert time.monotonic() < limit, f"it never said {why!r}, but {asking['error']!r} on {asking['evidence']}"
        time.sleep(0.5)


def assert_a_person_can_decide(asking: dict[str, Any]) -> None:
    """It says what both hosts say and show, and what can be chosen."""
    evidence = asking["evidence"]
    for role in ("source", "destination"):
        assert evidence[role] and evidence["hosts"][role]["words"] == evidence[role]
        assert evidence["hosts"][role]["facts"] and evidence["hosts"][role]["since"]
    assert [choice["name"] for choice in asking["choices"]][-1] == "look_again"
    assert all(choice["effect"] for choice in asking["choices"])


def comes_to(scene: Scene, state: str, *, timeout_s: float) -> dict[str, Any]:
    """Wait for an end; AssertionError at once where it is another one. On the way it may call for a person."""

    def ask() -> Any:
        now = scene.now()
        over = now["state"] in ("completed", "failed", "cancelled")
        assert not over or now["state"] == state, f"ended {now['state']}: {now['error']} {now}"
        return now if over else None

    what = f"migration {scene.number} to be {state}"
    ended: dict[str, Any] = eventually(ask, timeout_s=timeout_s, what=what)
    return ended


def left_nothing(scene: Scene, host: str) -> None:
    """Wait until the host that lost has dropped its half; libvirt may take a moment for it."""
    eventually(
        lambda: scene.spec.name not in [domain["name"] for domain in scene.lab.guests.on(scene.lab.host(host))],
        timeout_s=60,
        what=f"{host} to have nothing of {scene.spec.name}",
        every_s=0.5,
    )
