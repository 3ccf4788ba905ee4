"""A migration page, watched as it moves: what a person would see change without touching anything."""

import time
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Page, WebSocket

ENDED = ("completed", "cancelled", "failed", "needs attention")
LOOK = """() => {
  const text = (node) => node?.textContent.replace(/\\s+/g, " ").trim() ?? "";
  const canvas = document.querySelector("[data-chart] canvas");
  return {
    state: text(document.querySelector(".moving-state .badge-state")),
    steps: [...document.querySelectorAll(".stepper-item")].map((item) =>
      [text(item.querySelector(".stepper-title")), text(item.querySelector(".stepper-state")).split(",")[0]]),
    percent: Number(document.querySelector(".moving-bar progress")?.value ?? 0),
    figures: [...document.querySelectorAll("[id$='-progress'] .figure-value")].map(text),
    ping: text(document.querySelector(".strip figcaption")),
    chart: canvas ? canvas.toDataURL() : "",
    controls: [...document.querySelectorAll("#controls .btn")].map(text),
    shifts: window.shifts,
    at: performance.now(),
    loaded: window.loaded ?? false,
    live: document.body.dataset.live,
  };
}"""


@dataclass(slots=True)
class Watched:
    """One open migration page, and every look that was taken at it."""

    page: Page
    frames: list[str] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)

    def listen(self) -> None:
        """Keep what the page's sockets bring. Before the page is opened."""

        def keep(payload: str | bytes) -> None:
            self.frames.append(payload if isinstance(payload, str) else payload.decode())

        def opened(socket: WebSocket) -> None:
            socket.on("framereceived", keep)

        self.page.on("websocket", opened)

    def mark(self) -> None:
        """Leave a mark in the page that a reload would wipe away."""
        self.page.evaluate("window.loaded = true")

    def look(self) -> dict[str, Any]:
        now: dict[str, Any] = self.page.evaluate(LOOK)
        assert now["loaded"], "the page was loaded anew"
        self.looks.append(now)
        return now

    def copying(self) -> list[dict[str, Any]]:
        return [look for look in self.looks if look["state"] == "copying"]

    def words_of(self, step: str) -> list[str]:
        """What the page said of a step, in the order of its first appearances."""
        return list(dict.fromkeys(word for look in self.looks for title, word in look["steps"] if title == step))

    def shift_of_figures(self) -> float:
        """The layout shift while figures change: from when all that the state `copying` brings (the findings of the
        check, the controls) stands on the page, until the last look at that state.
        """
        settled = [look for look in self.copying() if "Tune" in look["controls"]]
        assert len(settled) >= 6, "too few looks to say anything"
        # By the time of the shift itself, since the browser reports it a moment later. The second look: the first may
        # fall between two swaps.
        begin, end = settled[1]["at"], settled[-1]["at"]
        return float(sum(shift["value"] for shift in self.looks[-1]["shifts"] if begin < shift["at"] < end))


def second_view(context: BrowserContext, first: Page) -> Watched:
    """Open the page of `first` in another tab."""
    watched = Watched(context.new_page())
    watched.listen()
    watched.page.goto(first.url)
    watched.mark()
    return watched


def watch(*pages: Watched, timeout_s: float) -> None:
    """Look at the pages in turns until each shows an end."""
    limit = time.monotonic() + timeout_s
    open_still = list(pages)
    while open_still:
        assert time.monotonic() < limit, f"no end within {timeout_s:g} s: {[one.looks[-1]['state'] for one in pages]}"
        open_still = [one for one in open_still if one.look()["state"] not in ENDED]
        pages[0].page.wait_for_timeout(150)
    for one in pages:
        one.look()


def assert_it_moved(watched: Watched, *, number: int) -> None:
    """Steps, bar, figures, chart and ping strip changed by what the socket brought."""
    assert [title for title, _ in watched.looks[0]["steps"]] == [
        "Check",
        "Copy",
        "Switch over",
        "Verify",
        "Define",
        "Clean up",
    ]
    assert watched.words_of("Copy")[-2:] == ["under way", "done"]
    for step in ("Switch over", "Verify", "Define", "Clean up"):
        words = watched.words_of(step)
        assert (words[0], words[-1]) == ("waiting", "done"), f"{step}: {words}"
    copying = watched.copying()
    percents = [look["percent"] for look in copying]
    assert len(set(percents)) >= 4 and percents == sorted(percents) and percents[-1] < 100, percents
    for index, name in enumerate(("transferred", "remaining")):
        assert len({look["figures"][index] for look in copying}) >= 4, name
    assert len({look["chart"] for look in copying}) >= 4
    assert len({look["ping"] for look in copying}) >= 4
    assert sum(f"migration-{number}-progress" in frame for frame in watched.frames) >= 5
    assert watched.looks[-1]["percent"] == 100
