"""A migration's snapshot, prepared for the components that show it."""

from typing import Any

from django.template import Library
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from migrations_app.fixes import FIXES, LABELS, OPTION_FIXES
from migrations_app.states import State
from migrations_app.verdict import CHOICES

register = Library()

PAGE_BYTES = 4096
"""The page size where a sample does not say it: x86's."""
PLACES: dict[str, str] = {
    State.SWITCHING: "between",
    State.VERIFYING: "destination",
    State.DEFINING: "destination",
    State.COMPLETED: "destination",
    State.NEEDS_ATTENTION: "unknown",
}
"""Where the picture draws the guest; in every other state it is at the source."""


@register.simple_tag
def fix_of(check: Any) -> dict[str, str]:
    """The button of a check that can be put right: what it says, where it posts to, and the field that it sends."""
    act, arg = check.fix_act, check.fix_arg
    if act in OPTION_FIXES:
        name, value = OPTION_FIXES[act]
        return {"label": LABELS[act], "url": reverse("migrations:preflight"), "name": name, "value": value}
    if act in FIXES:
        url = reverse(f"migrations:fix-{act.replace('_', '-')}")
        return {"label": LABELS[act], "url": url, "name": "arg", "value": arg}
    return {}


@register.simple_tag
def choice_words(name: str, source: str, destination: str) -> dict[str, str]:
    """Label and effect of one of verdict.CHOICES in the reader's language, with the hosts' names in them."""
    hosts = {"source": source, "destination": destination}
    return {
        "label": gettext(CHOICES[name].label).format(**hosts),
        "effect": gettext(CHOICES[name].effect).format(**hosts),
    }


@register.filter
def place(state: str) -> str:
    """Where the guest is in `state`: source, between, destination or unknown."""
    return PLACES.get(state, "source")


@register.filter
def timed(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps with `seconds`, how long each took; None while it runs or where it never did."""
    return [{**step, "seconds": _seconds(step["started"], step["finished"])} for step in steps]


def _seconds(started: str | None, finished: str | None) -> float | None:
    if not started or not finished:
        return None
    began, ended = parse_datetime(started), parse_datetime(finished)
    return (ended - began).total_seconds() if began and ended else None


@register.filter
def shown_percent(m: dict[str, Any]) -> int:
    """The bar's value: 100 once the migration is completed, and not before."""
    return 100 if m["state"] == State.COMPLETED else int(m["progress"].get("percent") or 0)


@register.filter
def copied_label(m: dict[str, Any]) -> str:
    """What the bar counts."""
    return gettext("Disks and memory copied") if m["disks"] else gettext("Memory copied")


@register.filter
def copied_parts(m: dict[str, Any]) -> dict[str, int]:
    """How far the disks are, and the memory, which is copied after them; empty where no disks are copied."""
    figures, over = m["progress"], m["progress"].get("percent") == 100
    disks, memory = figures.get("disk_total_bytes") or 0, figures.get("memory_total_bytes") or 0
    if not disks:
        return {}
    disks_left = 0 if over else figures.get("disk_remaining_bytes") or 0
    memory_left = 0 if over else max(0, (figures.get("remaining_bytes") or 0) - disks_left)
    return {
        "disk_bytes": disks,
        "disk_left_bytes": disks_left,
        "disk_percent": 100 * (disks - disks_left) // disks,
        "memory_left_bytes": memory_left,
        "memory_percent": max(0, 100 * (memory - memory_left) // memory) if memory else 0,
    }


@register.filter
def dirty_bytes(progress: dict[str, Any]) -> int | None:
    """How many bytes of memory the guest writes in a second."""
    pages = progress.get("dirty_pages_per_s")
    return None if pages is None else int(pages) * int(progress.get("page_size_bytes") or PAGE_BYTES)


@register.filter
def as_sample(progress: dict[str, Any]) -> dict[str, Any]:
    """The last figures as chart.js takes them; nothing before the copy has begun."""
    if progress.get("at_ms") is None:
        return {}
    return {
        "elapsed_s": progress["at_ms"] / 1000,
        "remaining_bytes": progress.get("remaining_bytes"),
        "rate_bytes": progress.get("rate_bytes"),
        "dirty_bytes": dirty_bytes(progress),
        "throttle_percent": progress.get("throttle_percent", 0),
    }


@register.filter
def as_series(rows: list[list[int]], progress: dict[str, Any]) -> dict[str, list[float]]:
    """snapshot.series as chart.js takes it: lists of one length."""
    page = int(progress.get("page_size_bytes") or PAGE_BYTES)
    return {
        "elapsed_s": [row[0] / 1000 for row in rows],
        "remaining_bytes": [row[1] for row in rows],
        "rate_bytes": [row[2] for row in rows],
        "dirty_bytes": [row[3] * page for row in rows],
        "throttle_percent": [row[6] for row in rows],
    }


@register.filter
def answers(probe: dict[str, Any]) -> list[int]:
    """The strip of a probe: 1 for each answer, 0 for none, 2 for a refusal."""
    return list(probe.get("strip") or [])


@register.filter
def beyond_downtime_ms(m: dict[str, Any]) -> float | None:
    """How much longer the console's ping was without an answer than libvirt says that the guest stood still."""
    gap, downtime = m["ping"].get("longest_gap_ms"), m["downtime_ms"]
    return None if gap is None or downtime is None else max(0, gap - downtime)


@register.filter
def of_level(checks: list[Any], level: str) -> list[Any]:
    """Those checks of a preflight that ended at `level`; each a Check or its dict."""
    return [check for check in checks if (check["level"] if isinstance(check, dict) else check.level) == level]
