"""A guest's screen and serial console in one tab, while it moves from host to host: both go on by themselves."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import Troubles, assert_sound
from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.lab import Lab
from tests.real.guests import assert_guest

pytestmark = pytest.mark.browser
SLOW_MBIT_S = 80
FOLLOWS_WITHIN_MS = 2000
"""How long after the switch-over both consoles are there again."""
TALK = "ping -i 0.1 127.0.0.1"
"""Ten lines a second, and no character that takes the Shift key, which Playwright does not press."""
NOTE_CHANGES = """() => {
  window.changes = { screen: [], serial: [] };
  window.states = { screen: [], serial: [] };
  for (const kind of ["screen", "serial"]) {
    const line = document.querySelector(`#console-${kind} .console-state`);
    new MutationObserver(() => window.states[kind].push([line.textContent, performance.now()])).observe(line, { childList: true });
  }
  const note = (kind) => window.changes[kind].push(performance.now());
  new MutationObserver(() => note("serial")).observe(document.querySelector(".xterm-rows"), { childList: true, subtree: true });
  let last = "";
  setInterval(() => {
    const now = [...document.querySelectorAll("#console-screen canvas")].filter((one) => one.checkVisibility({ visibilityProperty: true })).at(-1)?.toDataURL() ?? last;
    if (now !== last) note("screen");
    last = now;
  }, 100);
}"""
SignIn = Callable[[Console], Page]


@pytest.fixture(scope="module")
def console(fresh_console: Console, netns_lab: Lab) -> Console:
    fresh_console.add_lab(netns_lab)
    return fresh_console


def state_of(page: Page, kind: str) -> Locator:
    return page.locator(f"#console-{kind} .console-state")


def connected(page: Page, host: str) -> None:
    for kind in ("screen", "serial"):
        expect(state_of(page, kind)).to_have_text(f"Connected on {host}", timeout=20_000)


def type_into(page: Page, kind: str, text: str) -> None:
    """As a person: a click into the console, then keys."""
    page.locator(f"#console-{kind} [data-view]").click()
    page.keyboard.type(f"{text}\n", delay=20)


def changes(page: Page) -> dict[str, list[float]]:
    found: dict[str, list[float]] = page.evaluate("() => window.changes")
    return found


def longest_pause(times: list[float]) -> float:
    return max(after - before for before, after in pairwise(times))


def talk(page: Page) -> None:
    """Let both consoles change all the time, and note when they do."""
    for kind in ("screen", "serial"):
        type_into(page, kind, TALK)
    page.evaluate(NOTE_CHANGES)
    wait_for_changes(page)


def wait_for_changes(page: Page) -> None:
    seen = {kind: len(times) for kind, times in changes(page).items()}
    eventually(
        lambda: page.wait_for_timeout(100) or all(len(times) > seen[kind] + 5 for kind, times in changes(page).items()),
        timeout_s=20,
        what="both consoles to change",
    )


def assert_both_are_there(page: Page, *, host: str) -> None:
    """On `host`, so soon after they left the host before."""
    connected(page, host)
    for kind, states in page.evaluate("() => window.states").items():
        at = dict(states)
        took = at[f"Connected on {host}"] - at[f"Connecting to {host}…"]
        print(f"the {kind} was there {took:.0f} ms after it left for {host}")
        assert took < FOLLOWS_WITHIN_MS, kind


def assert_both_went_on(page: Page, migration: dict[str, Any], *, host: str) -> None:
    """In the same page, with no longer pause than the guest's own and the time that they may take to follow it."""
    connected(page, host)
    wait_for_changes(page)
    for kind, times in changes(page).items():
        pause, downtime = longest_pause(times), migration["downtime_ms"] or 0
        print(f"to {host}: the {kind} stood still for {pause:.0f} ms at most, the guest for {downtime} ms")
        assert pause < downtime + FOLLOWS_WITHIN_MS, kind
    assert page.evaluate("() => window.loaded"), "the page was loaded anew"


def test_both_consoles_follow_a_guest_to_its_new_host_and_back_in_post_copy(
    console: Console, netns_lab: Lab, netns_guest: GuestFactory, signed_in: SignIn, troubles: Troubles
) -> None:
    spec = netns_guest("web", vnc=True)
    before = netns_lab.guests.wait_for_beats(spec.name)
    uuid = console.vm(spec.name)["uuid"]
    page = signed_in(console)
    page.goto(f"{console.url}/vms/{uuid}/console/?show=both")
    connected(page, "kvm-1")
    page.evaluate("() => { window.loaded = true; }")
    talk(page)
    there = console.migrate(spec.name, "kvm-2", address=spec.address, unsafe=True)
    assert_both_went_on(page, console.reaches(there, "completed"), host="kvm-2")

    netns_lab.shape(SLOW_MBIT_S)
    back = console.migrate(spec.name, "kvm-1", address=spec.address, unsafe=True, postcopy=True)
    eventually(
        lambda: console.migration(back)["progress"]["percent"], timeout_s=30, what="the copy back to be under way"
    )
    console.api("POST", f"migrations/{back}/postcopy", {})
    assert_both_are_there(page, host="kvm-1")
    # The guest runs there and still waits for pages: what it says is as slow as the link.
    assert console.migration(back)["state"] != "completed"
    console.reaches(back, "completed", timeout_s=90)
    wait_for_changes(page)
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)

    page.keyboard.press("Control+Alt+Shift+Q")
    expect(page.locator("#console-serial .console-buttons button").first).to_be_focused()
    assert_sound(page)
    opened = console.api("GET", "audit?q=web")["items"]
    assert {row["action"] for row in opened} >= {"open screen", "open serial console"}
    console.manage("shell", "-c", "from django.contrib.sessions.models import Session; Session.objects.all().delete()")
    for kind in ("screen", "serial"):
        expect(state_of(page, kind)).to_have_text("Signed out", timeout=6_000)
