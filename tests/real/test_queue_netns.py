"""Thirty migrations asked for at once, on real hosts: each ends as it should, and no limit is ever exceeded."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab.lab import Lab
from tests.real.guests import define_diskless, remove_diskless, state_on

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
NAMES = [f"queued-{number:02}" for number in range(30)]
CANCELLED, OFF, FIRST = NAMES[10:13], NAMES[13], NAMES[-1]
"""Cancelled while they wait; off when its turn comes; moved to the front."""
PLACES = 3
ENDS = ("completed", "failed", "cancelled", "needs_attention")


@pytest.fixture
def guests(netns_lab: Lab) -> Iterator[list[str]]:
    """Thirty running guests on kvm-1, without disks."""
    host = netns_lab.host("kvm-1")

    def start(name: str) -> None:
        define_diskless(host, name)
        host.virsh("start", name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(start, NAMES))
        yield NAMES
        list(pool.map(lambda name: [remove_diskless(netns_lab.host(kvm), name) for kvm in ("kvm-1", "kvm-2")], NAMES))


def test_thirty_at_once_end_as_they_should_within_the_limits(
    console: Console, netns_lab: Lab, guests: list[str]
) -> None:
    console.api("PATCH", "queue", {"overall": 0, "per_source": 8, "per_destination": 8, "per_link": PLACES})
    numbers = {name: ask_for(console, name) for name in guests}
    assert {console.migration(number)["state"] for number in numbers.values()} == {"queued"}
    for name in CANCELLED:
        console.api("POST", f"migrations/{numbers[name]}/cancel")
    console.api("POST", f"migrations/{numbers[FIRST]}/move", {"where": "front"})
    netns_lab.host("kvm-1").virsh("destroy", OFF)
    console.api("PATCH", "queue", {"overall": 20})
    at_once = watch(console, set(numbers.values()))
    ended = {name: console.migration(number) for name, number in numbers.items()}
    assert max(at_once) == PLACES
    moved = [name for name in guests if name not in (*CANCELLED, OFF)]
    assert Counter(one["state"] for one in ended.values()) == {"completed": len(moved), "cancelled": 3, "failed": 1}
    assert ended[OFF]["state"] == "failed" and OFF in ended[OFF]["error"]
    assert min(moved, key=lambda name: ended[name]["started"]) == FIRST
    for name in moved:
        assert (state_on(netns_lab, "kvm-1", name), state_on(netns_lab, "kvm-2", name)) == ("", "running")
    for name in CANCELLED:
        assert (state_on(netns_lab, "kvm-1", name), state_on(netns_lab, "kvm-2", name)) == ("running", "")


def ask_for(console: Console, name: str) -> int:
    body = {"vm": console.vm(name)["uuid"], "destination": "kvm-2", "options": {"policy": "manual"}}
    return int(console.api("POST", "migrations", body)["id"])


def watch(console: Console, numbers: set[int]) -> list[int]:
    """Look again and again how many have a place, until all have ended."""
    at_once: list[int] = []

    def over() -> bool:
        now: dict[str, Any] = console.api("GET", "migrations?page_size=100")
        states = {one["id"]: one["state"] for one in now["items"] if one["id"] in numbers}
        assert len(states) == len(numbers)
        at_once.append(sum(state in ("checking", "copying", "switching") for state in states.values()))
        return all(state in ENDS for state in states.values())

    eventually(over, timeout_s=300, what="thirty migrations to end", every_s=0.4)
    return at_once
