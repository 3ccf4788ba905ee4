"""The whole story on real NFS: two hosts without storage, until a guest has moved between them and both hosts say so."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import add_host, assert_sound, vm_row
from tests.browser.watched import Watched, assert_it_moved, second_view, watch
from tests.console import Console
from tests.lab.fixtures import GuestFactory, mend
from tests.lab.identity import EXPORT, MOUNT_TARGET
from tests.lab.lab import Lab
from tests.lab.network import KVM_HOSTS
from tests.real.guests import assert_guest

pytestmark = [pytest.mark.browser, pytest.mark.uml, pytest.mark.timeout(420)]


@pytest.fixture
def bare_lab(uml_lab: Lab) -> Iterator[Lab]:
    """Both KVM hosts up, nothing mounted; afterwards as other tests expect it."""
    for name in KVM_HOSTS:
        uml_lab.host(name).unmount_share()
    uml_lab.up(mounted=False)
    yield uml_lab
    mend(uml_lab)


def mount_by_page(page: Page, console: Console, lab: Lab, name: str) -> None:
    """Ask the server what it offers, take the export, and mount it with one form."""
    server = lab.host("nfs").address
    share = f"{server}:{EXPORT}"
    page.goto(f"{console.url}/hosts/{name}/mounts/")
    page.get_by_label("NFS server").fill(server)
    page.get_by_role("button", name="List exports").click()
    page.get_by_role("link", name=f"Use {share}").click(timeout=60_000)
    expect(page.get_by_label("Share", exact=True)).to_have_value(share)
    page.get_by_label("Mount point", exact=True).fill(MOUNT_TARGET)
    page.get_by_role("button", name=f"Mount on {name}").click()
    row = page.locator("tr", has=page.get_by_text(share, exact=True))
    expect(row).to_contain_text("healthy", timeout=60_000)
    assert lab.host(name).mounted_source() == share
    kind = lab.host(name).run(["findmnt", "-n", "-o", "FSTYPE", "--mountpoint", MOUNT_TARGET]).stdout.strip()
    assert kind == "nfs4"


def test_from_two_bare_hosts_to_a_guest_that_moved_without_unsafe(
    bare_lab: Lab,
    uml_guest: GuestFactory,
    fresh_console: Console,
    signed_in: Callable[[Console], Page],
    context: BrowserContext,
) -> None:
    console = fresh_console
    console.let_in(bare_lab)
    page = signed_in(console)
    for name in KVM_HOSTS:
        add_host(page, console, bare_lab, name)
    for name in KVM_HOSTS:
        mount_by_page(page, console, bare_lab, name)
    assert_sound(page)
    spec = uml_guest("share", memory_mib=128)
    before = bare_lab.guests.wait_for_beats(spec.name)
    page.goto(f"{console.url}/vms/")
    row = vm_row(page, spec.name)
    expect(row.locator("[data-label=State]")).to_have_text("running", timeout=30_000)
    row.get_by_role("link", name=f"Migrate {spec.name}").click()
    start = page.get_by_role("button", name="Migrate", exact=True)
    page.get_by_label("Address to ping").fill(spec.address)
    expect(page.locator(".preflight-verdict")).to_contain_text("It can move", timeout=60_000)
    expect(page.get_by_label("Unsafe: migrate although")).not_to_be_checked()
    first = Watched(page)
    first.listen()
    start.click()
    page.wait_for_url("**/migrations/*/", timeout=60_000)
    first.mark()
    second = second_view(context, page)
    watch(first, second, timeout_s=150)
    number = int(page.url.rstrip("/").rsplit("/", 1)[1])
    for watched in (first, second):
        assert watched.looks[-1]["state"] == "completed", console.migration(number)["error"]
        assert_it_moved(watched, number=number)
    done = console.migration(number)
    assert "--unsafe" not in done["command"]
    assert_guest(bare_lab, spec.name, runs_on="kvm-2", not_on="kvm-1", before=before)
