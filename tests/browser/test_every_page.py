"""Every page, found by the routes themselves, and in every state: sound for a screen reader, a phone, a slow line, no script.

It needs no lab: Daphne alone answers, over a database with one of everything (every_state.py).
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import WATCH
from tests.browser.every_page import Pages
from tests.browser.pages import NARROW_PX, Troubles, violations

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""The dearest rules of axe. Their answer hangs on an element's look and what it lies in, so each is asked once in each theme."""
NEW = """(seen) => {
  const known = new Set(seen), fresh = [];
  const look = (e) => [e.localName, e.getAttribute("class"), e.dataset.tone, e.ariaCurrent, e.ariaPressed, e.disabled].join();
  for (const e of document.querySelectorAll("body *:not(.api-docs, .api-docs *)")) {
    const key = `${look(e)} in ${look(e.parentElement)}`;
    if (known.has(key)) continue;
    known.add(key);
    fresh.push(key);
    e.dataset.fresh = "";
  }
  return fresh;
}"""
"""Marks the elements of a look that no page before had, and returns the looks. The colours inside Swagger UI are its own."""
HEIGHT = 400
"""Of the window: what is not on it need not be painted, and axe asks for it all the same."""
FIRST_PAGE_BYTES = 300_000
MOST_SHIFT = 0.02
SAID = (404, 422, 503)
"""Answers of pages that say what went wrong: the hosts of this world do not answer, and one page is of a host that is not there."""
LACKS_WITHOUT_SCRIPT = """(sent) => {
  const page = new DOMParser().parseFromString(sent, "text/html");
  const sending = (form) => form.closest("dialog") || [...form.elements].some((one) => one.type === "submit");
  const lacks = [...page.forms].filter((form) => !sending(form)).map((form) => `a button for ${form.getAttribute("action")}`);
  return page.querySelector("h1") ? lacks : [...lacks, "a heading"];
}"""
"""Of a page as the server sent it: what who has no script could not read or send."""
Opened = tuple[Pages, dict[str, Any]]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The console, and what `seed` said of it."""
    pages = Pages(tmp_path_factory.mktemp("pages"))
    pages.prepare()
    found = pages.seed()
    pages.start()
    yield pages, found
    pages.kill()


@pytest.fixture
def profile(browser: Browser, console: Opened, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A profile in which the admin is signed in, on a wide screen; a test may ask for one without script."""
    options = getattr(request, "param", {})
    context = browser.new_context(base_url=console[0].url, reduced_motion="reduce", locale="en-GB", **options)
    context.add_cookies([{"name": "sessionid", "value": console[1]["session"], "url": console[0].url}])
    context.set_default_timeout(15_000)
    yield context
    context.close()


def settled(page: Page) -> None:
    """What the page asks for by itself when it opens has come."""
    expect(page.locator("[data-live=connecting], .htmx-request")).to_have_count(0, timeout=30_000)


@pytest.mark.timeout(1500)  # two hundred pages beside the lab
def test_every_page_is_sound_in_light_and_dark_wide_and_narrow_and_without_script(
    profile: BrowserContext, console: Opened, troubles: Troubles
) -> None:
    profile.add_init_script(WATCH)
    profile.on("console", lambda said: troubles.add(f"{page.url}: {said.text}") if said.type == "error" else None)
    profile.on("weberror", lambda error: troubles.add(f"{page.url}: {error.error}"))
    troubles.provoked.append(f"status of ({'|'.join(map(str, SAID))})")
    page = profile.new_page()
    found: list[str] = []
    seen: list[str] = []
    for name, path in console[1]["pages"].items():
        page.set_viewport_size({"width": 1280, "height": HEIGHT})
        page.emulate_media(color_scheme="light")
        answer = page.goto(path)
        assert answer and answer.status in (200, *SAID), f"{name}: {answer and answer.status}"
        settled(page)
        if answer.status != 200:
            expect(page.locator("main :is([data-error], .error-status)").first).to_be_visible()
        shift = page.evaluate("window.shifts.reduce((sum, shift) => sum + shift.value, 0)")
        if name.startswith("migration ") and shift > MOST_SHIFT:
            found.append(f"{name} moves by {shift:.3f} while it opens")
        found += [f"{name} lacks {what} without script" for what in page.evaluate(LACKS_WITHOUT_SCRIPT, answer.text())]
        found += [f"{name}: {words}" for words in violations(page, but=OF_COLOUR)]
        fresh = page.evaluate(NEW, seen)
        seen += fresh
        if fresh:
            found += [f"{name}, light: {words}" for words in violations(page, only=OF_COLOUR, of="[data-fresh]")]
        page.set_viewport_size({"width": NARROW_PX, "height": HEIGHT})
        page.emulate_media(color_scheme="dark")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW_PX:
            found.append(f"{name} is {width} px wide on a screen of {NARROW_PX}")
        if fresh:
            found += [f"{name}, dark: {words}" for words in violations(page, only=OF_COLOUR, of="[data-fresh]")]
    assert len(seen) > 500
    assert found == [], "\n".join(found)


def test_the_first_page_is_light(profile: BrowserContext) -> None:
    page = profile.new_page()
    sizes: dict[str, int] = {}
    devtools = profile.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.on("Network.loadingFinished", lambda one: sizes.update({one["requestId"]: one["encodedDataLength"]}))
    page.goto("/")
    settled(page)
    page.wait_for_load_state("networkidle")
    assert len(sizes) > 8
    assert sum(sizes.values()) < FIRST_PAGE_BYTES, sizes


@pytest.mark.parametrize("profile", [{"java_script_enabled": False}], indirect=True)
def test_a_migration_is_found_started_and_looked_up_without_script(profile: BrowserContext, console: Opened) -> None:
    page = profile.new_page()
    page.goto("/")
    page.get_by_role("link", name="VMs", exact=True).click()
    page.get_by_role("searchbox").fill("vm-paused")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("link", name="vm-paused", exact=True)).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto("/vms/?q=for-the-road")
    page.get_by_role("link", name="Migrate for-the-road").click()
    page.get_by_role("radio", name="hidden-h2").check()
    page.get_by_role("button", name="Migrate", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("for-the-road: hidden-h1 to hidden-h2")
    expect(page.locator(".moving-state")).to_contain_text("queued")
    page.get_by_role("link", name="Migrations", exact=True).first.click()
    page.get_by_role("searchbox").fill("for-the-road")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("queued")


def test_a_lost_socket_is_shown_and_the_page_catches_up(profile: BrowserContext, console: Opened) -> None:
    pages, found = console
    page = profile.new_page()
    page.goto(found["pages"]["migration copying"])
    settled(page)
    banner = page.get_by_text("Live updates paused")
    expect(banner).to_be_hidden()
    pages.kill()
    expect(banner).to_be_visible()
    pages.manage("shell", "--verbosity", "0", "-c", "from tests.browser import every_state as s; s.end_copying()")
    pages.start()
    expect(page.locator(".moving-state")).to_contain_text("completed", timeout=20_000)
    expect(banner).to_be_hidden()
    expect(page.locator("#announcer")).to_contain_text("completed")


def test_the_palette_finds_a_vm_and_its_form_by_keys_alone(profile: BrowserContext, console: Opened) -> None:
    page = profile.new_page()
    page.goto("/hosts/")
    settled(page)
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Find a VM")
    expect(field).to_be_focused()
    page.keyboard.type("migrate vm-")
    options = page.locator("#palette-found [role=option]")
    expect(options.first).to_have_text(re.compile("Migrate vm-.*…"))
    chosen = page.locator("[role=option][aria-selected=true]")
    expect(chosen).to_have_count(1)
    expect(field).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#palette-count")).to_have_text(re.compile(r"\d+ found"))
    assert violations(page) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.type("migrate for-the-road")
    page.keyboard.press("Enter")  # before the answer is there
    expect(page.get_by_role("heading", level=1, name="Migrate for-the-road")).to_be_visible()


def test_keys_go_to_pages_rows_and_the_list_of_keys(profile: BrowserContext, console: Opened) -> None:
    page = profile.new_page()
    page.goto("/")
    settled(page)
    page.keyboard.press("g")
    page.keyboard.press("v")
    expect(page.get_by_role("heading", level=1, name="VMs")).to_be_visible()
    settled(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gv?jm")  # no shortcuts while one types
    expect(page.get_by_role("searchbox")).to_have_value("gv?jm")
    page.goto("/vms/?q=vm-")
    settled(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("tbody tr").nth(1)
    expect(second.locator("a.cell-main")).to_be_focused()
    name = second.locator("a.cell-main").inner_text()
    page.evaluate("htmx.trigger(document.body, 'live:vms')")  # the list is read again beneath the focus
    settled(page)
    expect(second.locator("a.cell-main")).to_be_focused()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_be_visible()
    assert violations(page) == []
    keys.get_by_label("Shortcuts of a single key").uncheck()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    expect(page.get_by_role("heading", level=1, name="VMs")).to_be_visible()
    assert name


def test_the_drawer_shows_what_is_under_way(profile: BrowserContext, console: Opened) -> None:
    page = profile.new_page()
    page.goto("/hosts/")
    settled(page)
    page.get_by_role("button", name="Under way").click()
    drawer = page.locator("#activity")
    expect(drawer.get_by_role("link", name="vm-needs_attention")).to_be_visible()
    expect(drawer.get_by_role("progressbar").first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
