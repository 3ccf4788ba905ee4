"""The pictures of the README, taken from a running demo console: `scripts/screenshots URL USER PASSWORD`.

It migrates one of the console's guests, slowed down so that the picture shows the copy under way.
"""

import argparse
import re
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.pages import CHROMIUM

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE = {"width": 1440, "height": 900}
SLOW_MIB_S = 8
WAIT_MS = 40_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Make docs/images/*.png.")
    parser.add_argument("url", help="of the console, such as http://127.0.0.1:8000")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--vm", default="busy", help="the guest to migrate (default: %(default)s)")
    parser.add_argument("--nfs", default="", help="an NFS server whose exports the mounts page shall list")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # The content policy would refuse the expressions that the waits below evaluate.
        context = browser.new_context(base_url=given.url, viewport=SIZE, color_scheme="light", bypass_csp=True)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        sign_in(page, given.user, given.password)
        take_all(page, given.vm, given.nfs)
        browser.close()


def sign_in(page: Page, user: str, password: str) -> None:
    page.goto("/")
    page.fill("[name=username]", user)
    page.fill("[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/")


def take_all(page: Page, vm: str, server: str) -> None:
    new_migration(page, vm)
    take(page, "new")
    page.click(".btn-migrate")
    page.wait_for_url(re.compile(r"/migrations/\d+/$"))
    page.wait_for_function("document.querySelector('.moving-bar progress')?.value > 45")
    take(page, "migration")
    page.goto("/")
    take(page, "overview")
    page.goto("/migrations/")
    page.wait_for_function("document.querySelector('tbody tr')?.textContent.includes('completed')")
    take(page, "history")
    page.goto("/vms/")
    take(page, "vms")
    page.goto("/hosts/kvm-1/mounts/")
    if server:
        page.fill("#server", server)
        page.click("text=List exports")
        page.wait_for_selector("#exports :is(table, ul, p)")
    take(page, "mounts")


def new_migration(page: Page, vm: str) -> None:
    """Fill the form in, slow, and wait for the preflight."""
    page.goto(f"/vms/?q={vm}")
    page.click(f"a[aria-label='Migrate {vm}']")
    page.check("[name=destination]:not([disabled])")
    page.check("[name=unsafe]")
    page.click(".more-options summary")
    page.fill("[name=bandwidth_mib]", str(SLOW_MIB_S))
    page.locator("[name=bandwidth_mib]").blur()
    page.click(".more-options summary")
    page.wait_for_function("document.querySelector('#preflight-command')?.textContent.includes('--bandwidth')")
    page.evaluate("scrollTo(0, 0)")


def take(page: Page, name: str) -> None:
    """The picture of the page as it is, once its live updates and its fonts are there."""
    page.wait_for_function("document.body.dataset.live === 'open' && document.fonts.status === 'loaded'")
    page.wait_for_timeout(700)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    print(f"{path.relative_to(FOLDER.parents[1])}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
