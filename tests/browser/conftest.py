"""Fixtures of the browser tests: Chromium, a context for each test that reports what went wrong in it, and a console."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.pages import CHROMIUM, Troubles, sign_in
from tests.console import BASE, Console, new_console
from tests.lab.fixtures import *  # noqa: F403 - a conftest is how pytest shares fixtures

OUTPUT = BASE / "test-output"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push({
    value: entry.value, at: entry.startTime, of: entry.sources.map((one) => one.node?.id || one.node?.className || one.node?.nodeName),
  });
}).observe({ type: "layout-shift", buffered: true });
addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
addEventListener("pointerdown", () => sessionStorage.setItem("clicks", Number(sessionStorage.getItem("clicks")) + 1), true);
"""
REFUSED_INPUT = "status of 422"
"""Chromium calls each answer to refused input an error of the console; the pages mean it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Lets fixtures know at their end whether their test failed."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ended with the last browser test: while it lives, its event loop keeps Django's ORM out of this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    """Errors of the browser's console, of the content policy and of scripts: a test that leaves any fails."""
    troubles = Troubles()
    yield troubles
    assert troubles.unexpected() == []


@pytest.fixture
def context(browser: Browser, troubles: Troubles, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser profile of its own; where the test fails, each open page is kept as a picture in test-output/."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", locale="en-GB")
    context.set_default_timeout(15_000)
    context.add_init_script(WATCH)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and REFUSED_INPUT not in message.text:
            troubles.add(f"{message.page.url if message.page else ''}: {message.text}")

    context.on("console", said)
    context.on("weberror", lambda error: troubles.add(f"script: {error.error}"))
    context.on("dialog", lambda dialog: (troubles.add(f"a dialog opened: {dialog.message}"), dialog.dismiss()))
    yield context
    if request.node.stash.get(FAILED, False):
        _keep_pictures(context, request.node.name)
    context.close()


def _keep_pictures(context: BrowserContext, name: str) -> None:
    OUTPUT.mkdir(exist_ok=True)
    for number, page in enumerate(context.pages):
        page.screenshot(path=OUTPUT / f"{re.sub(r'[^a-z0-9_]+', '-', name)}-{number}.png", full_page=True)


@pytest.fixture(scope="module")
def fresh_console(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console without a host; its log is kept in test-output/."""
    console = new_console(Path(tmp_path_factory.mktemp("console")))
    yield console
    console.kill()
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / f"{Path(request.node.name).stem}-console.log").write_text(console.log.read_text())


@pytest.fixture
def signed_in(context: BrowserContext) -> Callable[[Console], Page]:
    """Sign in to a console by its page."""
    return lambda console: sign_in(context, console)
