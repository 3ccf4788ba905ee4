"""Shared storage from end to end: a host with a guest's image on its own disk, until that guest has migrated over the share."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import add_host, assert_sound, vm_row
from tests.browser.test_story_uml import mount_by_page
from tests.console import Console
from tests.lab import guest_xml
from tests.lab.fixtures import mend
from tests.lab.guest_xml import GuestSpec
from tests.lab.heartbeat import DISK_BYTES
from tests.lab.identity import EXPORT, MOUNT_TARGET
from tests.lab.lab import Lab
from tests.lab.network import KVM_HOSTS
from tests.real.guests import assert_guest

pytestmark = [pytest.mark.browser, pytest.mark.uml, pytest.mark.timeout(720)]
CLEAN = f"mountpoint -q {MOUNT_TARGET} || rm -rf {MOUNT_TARGET}/*; rm -rf {MOUNT_TARGET}.kvmconsole-*"


@pytest.fixture
def local_guest(uml_lab: Lab) -> Iterator[GuestSpec]:
    """Nothing is mounted, and `share` is defined on kvm-2 with its image in that host's own /mnt; afterwards as before."""
    uml_lab.guests.remove("share")
    for name in KVM_HOSTS:
        uml_lab.host(name).unmount_share()
    uml_lab.up(mounted=False)
    host, spec = uml_lab.host("kvm-2"), uml_lab.guests.spec("share", memory_mib=128)
    make = 'mkdir -p "${1%/*}" && qemu-img create -q -f qcow2 -o preallocation=full "$1" "$2"'
    host.run(["sh", "-c", make, "lab", spec.image, str(DISK_BYTES)])
    host.run(["virsh", "define", "/dev/stdin"], 120, input_text=guest_xml.render(spec))
    yield spec
    for name in KVM_HOSTS:
        uml_lab.host(name).run(["sh", "-c", CLEAN], check=False)
    mend(uml_lab)
    uml_lab.guests.remove("share")
    host.run(["sh", "-c", CLEAN], check=False)


def move_images_by_page(page: Page, console: Console, lab: Lab) -> None:
    """The mount is refused; the wizard shows what lies there and moves it."""
    page.goto(f"{console.url}/hosts/kvm-2/mounts/")
    page.get_by_label("Share", exact=True).fill(f"{lab.host('nfs').address}:{EXPORT}")
    page.get_by_label("Mount point", exact=True).fill(MOUNT_TARGET)
    page.get_by_role("button", name="Mount on kvm-2").click(timeout=60_000)
    expect(page.get_by_role("alert")).to_contain_text("a mount would hide what is in it", timeout=60_000)
    page.get_by_role("button", name="Move what is there onto the share").click(timeout=60_000)
    start = page.get_by_role("button", name="Start the move")
    expect(start).to_be_visible(timeout=60_000)
    expect(page.locator("#plan-part")).to_contain_text("kvm/share.qcow2")
    expect(page.locator("main")).to_contain_text("VMs that use them")
    start.click(timeout=60_000)
    expect(page.locator(".move-state")).to_contain_text("All was copied and read back", timeout=180_000)
    assert_sound(page)


def start_by_page(page: Page, console: Console, spec: GuestSpec, lab: Lab) -> None:
    page.goto(f"{console.url}/vms/")
    vm_row(page, spec.name).get_by_role("link", name=spec.name, exact=True).click()
    page.get_by_role("button", name="Start on kvm-2", exact=True).click(timeout=120_000)
    lab.guests.wait_for_beats(spec.name, timeout_s=120)


def migrate_by_page(page: Page, console: Console, spec: GuestSpec) -> None:
    page.goto(f"{console.url}/vms/")
    row = vm_row(page, spec.name)
    expect(row.locator("[data-label=State]")).to_have_text("running", timeout=60_000)
    row.get_by_role("link", name=f"Migrate {spec.name}").click()
    expect(page.locator(".preflight-verdict")).to_contain_text("It can move", timeout=60_000)
    page.get_by_role("button", name="Migrate", exact=True).click(timeout=60_000)
    page.wait_for_url("**/migrations/*/", timeout=60_000)
    number = int(page.url.rstrip("/").rsplit("/", 1)[1])
    console.reaches(number, "completed", timeout_s=200)


def test_from_an_image_on_one_hosts_own_disk_to_a_guest_that_migrated(
    uml_lab: Lab, local_guest: GuestSpec, fresh_console: Console, signed_in: Callable[[Console], Page]
) -> None:
    console, host = fresh_console, uml_lab.host("kvm-2")
    console.let_in(uml_lab)
    before = host.run(["sha256sum", local_guest.image]).stdout
    page = signed_in(console)
    for name in KVM_HOSTS:
        add_host(page, console, uml_lab, name)
    mount_by_page(page, console, uml_lab, "kvm-1")
    move_images_by_page(page, console, uml_lab)
    for name in KVM_HOSTS:
        assert uml_lab.host(name).run(["sha256sum", local_guest.image]).stdout == before
    start_by_page(page, console, local_guest, uml_lab)
    beats = uml_lab.heartbeat(local_guest.name)
    migrate_by_page(page, console, local_guest)
    assert_guest(uml_lab, local_guest.name, runs_on="kvm-1", not_on="kvm-2", before=beats)
