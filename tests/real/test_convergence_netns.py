"""The autopilot on real hosts: a guest that writes to its memory as fast as the slowed link copies it, under each policy.

Plain `virsh migrate --live` does not finish with this guest on this link; tests/benchmarks sets both side by side.
"""

from typing import Any

import pytest

from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import GuestSpec
from tests.lab.lab import Lab
from tests.real.guests import assert_guest, state_on

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
LINK_MBIT_S = 160
"""As fast as the guest `busy` writes: 18 MiB/s."""
TOO_SLOW_MBIT_S = 80
"""Slower than it writes even beside other guests, so that no luck lets a plain migration end."""
CEILING_MS = 2000


@pytest.fixture
def busy(netns_lab: Lab, netns_guest: GuestFactory) -> GuestSpec:
    """The guest that outruns the link; both hosts send slowly."""
    spec = netns_guest("busy")
    netns_lab.shape(LINK_MBIT_S)
    return spec


def lines(migration: dict[str, Any], kind: str) -> list[str]:
    """The timeline's lines of one kind, with their reasons."""
    return [f"{line['text']}: {line['reason']}" for line in migration["timeline"] if line["kind"] == kind]


def start(console: Console, spec: GuestSpec, **options: Any) -> int:
    return console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True, **options)


def in_second_round(console: Console, number: int) -> dict[str, Any]:
    """Wait until all memory was sent once and the guest has dirtied some of it again."""

    def ask() -> Any:
        now = console.migration(number)
        assert now["is_active"], f"it ended: {now['state']} {now['error']}"
        return now if now["progress"].get("iteration", 0) > 1 else None

    found: dict[str, Any] = eventually(ask, timeout_s=90, what="the second round")
    return found


def test_automatic_ends_within_the_longest_pause(console: Console, netns_lab: Lab, busy: GuestSpec) -> None:
    before = netns_lab.guests.wait_for_beats(busy.name)
    done = console.reaches(start(console, busy), "completed", timeout_s=150)
    print(done["downtime_ms"], done["ping"]["longest_gap_ms"], done["total_ms"], done["timeline"])
    assert any("Raised the maximum downtime" in line and "MiB/s" in line for line in lines(done, "decision"))
    assert done["downtime_ms"] <= CEILING_MS
    assert_guest(netns_lab, busy.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_gentle_says_why_it_can_not_converge_and_leaves_the_guest_alone(
    console: Console, netns_lab: Lab, busy: GuestSpec
) -> None:
    netns_lab.shape(TOO_SLOW_MBIT_S)
    before = netns_lab.guests.wait_for_beats(busy.name)
    failed = console.reaches(start(console, busy, policy="gentle"), "failed", timeout_s=150)
    print(failed["error"], failed["total_ms"], failed["ping"]["longest_gap_ms"], failed["timeline"])
    assert failed["error"].startswith("It can't converge, because the guest writes")
    assert "kvm-1" in failed["hint"]
    assert failed["progress"]["throttle_percent"] == 0
    eventually(lambda: state_on(netns_lab, "kvm-2", busy.name) == "", timeout_s=20, what="kvm-2 to drop its half")
    assert_guest(netns_lab, busy.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_fast_ends_by_post_copy(console: Console, netns_lab: Lab, busy: GuestSpec) -> None:
    before = netns_lab.guests.wait_for_beats(busy.name)
    done = console.reaches(start(console, busy, policy="fast"), "completed", timeout_s=150)
    print(done["downtime_ms"], done["ping"]["longest_gap_ms"], done["total_ms"], done["timeline"])
    assert any("Switched to post-copy" in line for line in lines(done, "decision"))
    assert_guest(netns_lab, busy.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_what_must_finish_does(console: Console, netns_lab: Lab, busy: GuestSpec) -> None:
    before = netns_lab.guests.wait_for_beats(busy.name)
    number = start(console, busy, policy="must_finish", finish_within_s=60)
    done = console.reaches(number, "completed", timeout_s=150)
    print(done["downtime_ms"], done["ping"]["longest_gap_ms"], done["total_ms"], done["timeline"])
    assert done["downtime_ms"] <= CEILING_MS
    assert_guest(netns_lab, busy.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_a_person_raises_the_ceiling_that_stands_in_the_way(console: Console, netns_lab: Lab, busy: GuestSpec) -> None:
    netns_lab.shape(TOO_SLOW_MBIT_S)
    before = netns_lab.guests.wait_for_beats(busy.name)
    number = start(console, busy, max_pause_ms=300)

    def asked() -> Any:
        now = console.migration(number)
        assert now["is_active"], f"it ended: {now['state']} {now['error']} {now['timeline']}"
        return now["question"]

    question = eventually(asked, timeout_s=120, what="the autopilot to ask for a longer pause")
    assert question["allowed_ms"] == 300 < question["wanted_ms"]
    console.api("POST", f"migrations/{number}/raise-pause")
    done = console.reaches(number, "completed", timeout_s=90)
    print(question, done["downtime_ms"], done["ping"]["longest_gap_ms"], done["total_ms"])
    assert done["downtime_ms"] <= question["wanted_ms"] and done["question"] is None
    assert any("admin" in line and "longest pause" in line for line in lines(done, "act"))
    assert_guest(netns_lab, busy.name, runs_on="kvm-2", not_on="kvm-1", before=before)


def test_a_paused_guest_goes_on_at_the_source_when_a_person_says_so(
    console: Console, netns_lab: Lab, busy: GuestSpec
) -> None:
    before = netns_lab.guests.wait_for_beats(busy.name)
    number = start(console, busy, policy="manual", bandwidth_mib=2)
    eventually(lambda: console.migration(number)["progress"].get("rate_bytes"), timeout_s=40, what="the copy to begin")
    console.api("POST", f"migrations/{number}/pause-guest")
    eventually(lambda: state_on(netns_lab, "kvm-1", busy.name) == "paused", timeout_s=20, what="it to stand still")
    console.api("POST", f"migrations/{number}/resume-guest")
    ended = console.reaches(number, "cancelled", timeout_s=60)
    assert [line["text"] for line in ended["timeline"] if line["kind"] == "act"] == [
        "Asked to pause the guest",
        "Asked to cancel and to resume the guest",
    ]
    eventually(lambda: state_on(netns_lab, "kvm-2", busy.name) == "", timeout_s=20, what="kvm-2 to drop its half")
    assert_guest(netns_lab, busy.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_another_worker_steers_on_after_the_console_was_killed(
    console: Console, netns_lab: Lab, busy: GuestSpec
) -> None:
    before = netns_lab.guests.wait_for_beats(busy.name)
    number = start(console, busy)
    in_second_round(console, number)
    console.kill()
    console.start()
    done = console.reaches(number, "completed", timeout_s=150)
    print(done["downtime_ms"], done["total_ms"], done["timeline"])
    texts = [line["text"] for line in done["timeline"]]
    taken_up = next(number for number, text in enumerate(texts) if text.startswith("Taken up again"))
    steered = ("Raised the maximum downtime", "Auto-converge slows the guest down")
    assert any(text.startswith(steered) for text in texts[taken_up:]), texts
    assert_guest(netns_lab, busy.name, runs_on="kvm-2", not_on="kvm-1", before=before)
