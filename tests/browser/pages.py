"""What a person does on the pages, and what must be true of each page."""

import re
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.console import PASSWORD, Console
from tests.lab.lab import Lab

CHROMIUM = "/usr/bin/chromium-headless-shell"
"""Debian's Chromium without what only a window needs: a page costs a third of the processor time, an open one a fifth."""

NARROW_PX = 360
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

CONSOLE_GONE = ("WebSocket connection", "net::ERR_", r"\[object Event\]$", "htmx:(afterRequest|sendError|sendAbort), ")
"""What a browser complains of while the console is away: provoked by who kills it."""


@dataclass(slots=True)
class Troubles:
    """What the browser complained of, but for what a test says it provokes."""

    seen: list[str] = field(default_factory=list)
    provoked: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.seen.append(text)

    def unexpected(self) -> list[str]:
        return [text for text in self.seen if not any(re.search(one, text) for one in self.provoked)]


def sign_in(context: BrowserContext, console: Console) -> Page:
    """Sign in with name and password; the first page after it."""
    page = context.new_page()
    page.goto(console.url)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    return page


def add_host(page: Page, console: Console, lab: Lab, name: str) -> None:
    """Add a host by its form: its ssh key is shown, compared with what stands on the host itself, and trusted."""
    host = lab.host(name)
    page.goto(f"{console.url}/hosts/add/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("libvirt URI", exact=True).fill(host.uri)
    page.get_by_label("Migration address").fill(host.address)
    page.get_by_role("button", name="Test and add").click()
    trust = page.get_by_role("button", name="Trust this key and add")
    expect(trust).to_be_visible(timeout=30_000)
    key = host.run(["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout.split()[1]
    expect(page.locator(".keys-list")).to_contain_text(key)
    trust.click(timeout=60_000)  # it logs in several times, and a uml host takes seconds for each
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible(timeout=30_000)
    expect(page.locator("main")).to_contain_text("online")


def vm_row(page: Page, name: str) -> Locator:
    """The VM's row in a list of VMs."""
    return page.locator("tr", has=page.get_by_role("link", name=name, exact=True))


def clicks(page: Page) -> int:
    """How often this tab was clicked so far."""
    return int(page.evaluate("Number(sessionStorage.getItem('clicks'))"))


def assert_sound(page: Page) -> None:
    """No finding of axe in light and in dark, and no sideways scrolling on a phone."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        expect(page.locator(f"html[data-bs-theme={scheme}]")).to_have_count(1)
        found += [f"{scheme}: {words}" for words in violations(page)]
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    wide = page.viewport_size
    page.set_viewport_size({"width": NARROW_PX, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    if wide:
        page.set_viewport_size(wide)
    assert found == [], f"{page.url}: {found}"
    assert width <= NARROW_PX, f"{page.url} is {width} px wide on a screen of {NARROW_PX}"


def violations(page: Page, *, only: list[str] | None = None, but: list[str] | None = None, of: str = "") -> list[str]:
    """What axe finds on the page, by RULES without the rules `but`, or by the rules `only`; in what the selector `of` names."""
    run_only = {"type": "rule", "values": only} if only else {"type": "tag", "values": RULES}
    switched = {rule: {"enabled": False} for rule in but or ()}
    options = {"runOnly": run_only, "rules": switched, "resultTypes": ["violations"]}
    if page.evaluate("!window.axe"):
        page.evaluate(Axe().axe_script)
    # What was marked may have been swapped for its like meanwhile; then nothing is left to ask of.
    run = "async ([of, options]) => of && !document.querySelector(of) ? [] : (await axe.run(of || document, options)).violations"
    found: list[dict[str, Any]] = page.evaluate(run, [of, options])
    return [
        f"{one['id']}: {[(node['html'][:160], [why['message'] for why in node['any'] + node['all']]) for node in one['nodes'][:3]]}"
        for one in found
    ]
