"""The console as a person uses it, on real hosts: from the sign-in to the guest at its new host, and what may go wrong."""

import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import add_host, assert_sound, clicks, vm_row
from tests.browser.watched import Watched, assert_it_moved, second_view, watch
from tests.console import Console, eventually
from tests.lab.fixtures import GuestFactory
from tests.lab.guest_xml import GuestSpec
from tests.lab.lab import Lab
from tests.real.guests import assert_guest, define_diskless, remove_diskless

pytestmark = pytest.mark.browser
SLOW_MBIT_S = 80
"""Slow enough to be watched: the guest's 90 MB take about ten seconds."""
HOSTILE = "<img src=x onerror=alert(1)>"
"""libvirt takes it as a name; it refuses a `/`, so no end tag can stand in one."""
HARMFUL = [
    ("Mount point", "/", "hide the whole host"),
    ("Mount point", "..", "absolute"),
    ("Mount point", "/mnt/../etc", "plain form"),
    ("Share", "198.51.100.2:/home/my image", "spaces, quotes"),
    ("Share", "198.51.100.2:/home/'image\"; reboot", "spaces, quotes"),
]
"""A field of the mount form, what somebody types there, and a word of the answer."""
SignIn = Callable[[Console], Page]


@pytest.fixture(scope="module")
def console(fresh_console: Console, netns_lab: Lab) -> Console:
    """A console that knows kvm-1, and whose key every host has."""
    fresh_console.let_in(netns_lab)
    fresh_console.add_host(netns_lab, "kvm-1")
    return fresh_console


@pytest.fixture
def two_hosts(console: Console, netns_lab: Lab) -> Console:
    """The same with kvm-2, whichever test ran before."""
    if "kvm-2" not in [host["name"] for host in console.api("GET", "hosts")["items"]]:
        console.add_host(netns_lab, "kvm-2")
    return console


@pytest.fixture
def diskless(netns_lab: Lab) -> Iterator[Callable[[str], None]]:
    """Define an empty machine without a disk on kvm-1."""
    host, made = netns_lab.host("kvm-1"), []

    def define(name: str) -> None:
        made.append(name)
        define_diskless(host, name)

    yield define
    for name in made:
        remove_diskless(host, name)


def slow(lab: Lab, *, mbit_s: int = SLOW_MBIT_S) -> None:
    lab.shape(mbit_s)


def start_migration(page: Page, console: Console, spec: GuestSpec) -> Watched:
    """From the list of VMs to a migration that moves, as a person would; nothing is chosen but `unsafe`."""
    page.goto(f"{console.url}/vms/")
    before = clicks(page)
    vm_row(page, spec.name).get_by_role("link", name=f"Migrate {spec.name}").click()
    blocker = page.locator(".preflight .check.tone-error")
    expect(blocker).to_contain_text("unsafe", ignore_case=True)
    expect(page.get_by_role("button", name="Migrate", exact=True)).to_be_disabled()
    page.get_by_label("Address to ping").fill(spec.address)
    page.get_by_label("Unsafe: migrate although").check()
    expect(blocker).to_have_count(0)
    watched = Watched(page)
    watched.listen()
    page.get_by_role("button", name="Migrate", exact=True).click()
    page.wait_for_url("**/migrations/*/")
    assert clicks(page) - before < 5
    watched.mark()
    return watched


def number_of(page: Page) -> int:
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def wait_for_copy(watched: Watched) -> None:
    eventually(lambda: watched.look()["percent"] > 0, timeout_s=30, what="the copy to move on the page")


def test_a_second_host_is_added_and_what_virsh_does_is_seen_at_once(
    console: Console,
    netns_lab: Lab,
    signed_in: SignIn,
    diskless: Callable[[str], None],
    context: BrowserContext,
) -> None:
    diskless("empty")
    host = netns_lab.host("kvm-1")
    host.virsh("start", "empty")
    stranger = context.new_page()
    stranger.goto(console.url)
    assert_sound(stranger)
    page = signed_in(console)
    page.goto(f"{console.url}/hosts/add/")
    assert_sound(page)
    add_host(page, console, netns_lab, "kvm-2")
    assert_sound(page)
    page.goto(f"{console.url}/vms/")
    state = vm_row(page, "empty").locator("[data-label=State]")
    expect(state).to_have_text("running")
    expect(page.locator("body[data-live=open]")).to_have_count(1)
    page.evaluate("window.loaded = true")
    for act, word in (("destroy", "shut off"), ("start", "running")):
        host.virsh(act, "empty")
        began = time.monotonic()
        expect(state).to_have_text(word, timeout=5_000)
        print(f"{act} was on the page after {time.monotonic() - began:.2f} s")
    assert page.evaluate("window.loaded")


def test_a_vm_is_migrated_and_watched_in_two_pages(
    two_hosts: Console,
    netns_lab: Lab,
    netns_guest: GuestFactory,
    signed_in: SignIn,
    context: BrowserContext,
    tmp_path: Path,
) -> None:
    spec = netns_guest("web")
    before = netns_lab.guests.wait_for_beats(spec.name)
    two_hosts.vm(spec.name)
    page = signed_in(two_hosts)
    slow(netns_lab)
    first = start_migration(page, two_hosts, spec)
    number = number_of(page)
    second = second_view(context, page)
    watch(first, second, timeout_s=60)
    for watched in (first, second):
        assert watched.looks[-1]["state"] == "completed", watched.looks[-1]
        assert_it_moved(watched, number=number)
        assert watched.shift_of_figures() < 0.02, watched.looks[-1]["shifts"]
    assert_guest(netns_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)
    assert_sound(page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Migrations").click()
    row = page.locator(f"#migration-{number}-row")
    expect(row).to_contain_text("completed")
    assert_sound(page)
    page.get_by_role("link", name="Estimates").click()
    expect(page.get_by_role("heading", name="Estimates")).to_be_visible()
    assert_sound(page)
    page.go_back()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    download.value.save_as(tmp_path / "migrations.csv")
    with (tmp_path / "migrations.csv").open() as file:
        rows = [one for one in csv.DictReader(file) if one["vm_name"] == spec.name]
    assert [(one["source_name"], one["destination_name"], one["state"]) for one in rows] == [
        ("kvm-1", "kvm-2", "completed")
    ]


def test_a_migration_is_cancelled_in_mid_copy_by_the_page(
    two_hosts: Console, netns_lab: Lab, netns_guest: GuestFactory, signed_in: SignIn
) -> None:
    spec = netns_guest("web")
    before = netns_lab.guests.wait_for_beats(spec.name)
    uuid = two_hosts.vm(spec.name)["uuid"]
    page = signed_in(two_hosts)
    page.goto(f"{two_hosts.url}/migrations/new/?vm={uuid}")
    expect(page.locator(".preflight .check.tone-error")).to_be_visible()
    assert_sound(page)
    slow(netns_lab, mbit_s=SLOW_MBIT_S // 2)
    watched = start_migration(page, two_hosts, spec)
    wait_for_copy(watched)
    assert_sound(page)
    page.locator("#control-cancel").click()
    page.get_by_role("button", name="Cancel migration").click()
    expect(page.locator(".moving-state .badge-state")).to_have_text("cancelled", timeout=30_000)
    assert two_hosts.migration(number_of(page))["state"] == "cancelled"
    assert_guest(netns_lab, spec.name, runs_on="kvm-1", not_on="kvm-2", before=before)


def test_a_name_that_is_markup_is_shown_as_text(
    console: Console, signed_in: SignIn, diskless: Callable[[str], None]
) -> None:
    diskless(HOSTILE)
    page = signed_in(console)
    page.goto(f"{console.url}/vms/")
    link = page.get_by_role("link", name=HOSTILE, exact=True)
    expect(link).to_be_visible()
    assert_sound(page)
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert_sound(page)


def test_a_mount_that_would_do_harm_is_refused_at_its_field(
    console: Console, netns_lab: Lab, signed_in: SignIn
) -> None:
    host = netns_lab.host("kvm-1")
    ask = ["sh", "-c", "findmnt -rn -o TARGET,SOURCE; cat /etc/fstab; ls /srv"]
    before = host.run(ask).stdout
    page = signed_in(console)
    page.goto(f"{console.url}/hosts/kvm-1/mounts/")
    for field, text, words in HARMFUL:
        given = {"Share": "198.51.100.2:/home/image", "Mount point": "/srv/a", field: text}
        for label, value in given.items():
            page.get_by_label(label, exact=True).fill(value)
        page.get_by_role("button", name="Mount on kvm-1").click()
        wrong = page.locator(".field.has-error", has=page.get_by_label(field, exact=True))
        expect(wrong.locator(".field-error")).to_contain_text(words)
        expect(page.get_by_label(field, exact=True)).to_have_value(text)
        assert host.run(ask).stdout == before
    assert_sound(page)
