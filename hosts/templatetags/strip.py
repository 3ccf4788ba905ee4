"""The answers of a probed guest as a strip of thin bars, drawn by the server so that it works without script."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.template import Library

register = Library()

BARS = 240
"""More answers than this are drawn several to a bar; a bar with a lost one is drawn as lost."""
STEP, HEIGHT = 3, 28
LOST, ANSWERED, REFUSED = 0, 1, 2
TALL = {LOST: 28, ANSWERED: 10, REFUSED: 18}


def bars(answers: Sequence[int], limit: int = BARS) -> list[int]:
    """`answers` in at most `limit` bars, in order; lost where any answer of a bar was lost, else refused where any was."""
    if len(answers) <= limit:
        return [int(answer) for answer in answers]
    edges = [len(answers) * i // limit for i in range(limit + 1)]
    return [_worst(answers[start:end]) for start, end in pairwise(edges)]


def _worst(answers: Sequence[int]) -> int:
    return next((kind for kind in (LOST, REFUSED) if kind in answers), ANSWERED)


def path(drawn: Sequence[int], kind: int) -> str:
    """The strokes of those bars that are of one kind, as one SVG path."""
    return "".join(f"M{i * STEP + 1} {HEIGHT}v-{TALL[kind]}" for i, found in enumerate(drawn) if found == kind)


@register.inclusion_tag("components/_strip.html")
def ping_strip(answers: Sequence[int], ping: dict[str, Any]) -> dict[str, Any]:
    """The strip of `answers` (1 answered, 0 lost, 2 refused) beside the sentence of `ping` (sent, lost, refused,
    longest_gap_ms); `switch_over` in it are the two places between which that lies, which are marked."""
    drawn = bars(answers)
    first, last = ping.get("switch_over") or (0, 0)
    return {
        "width": max(len(drawn), 1) * STEP,
        "height": HEIGHT,
        "paths": [(name, path(drawn, kind)) for name, kind in (("answered", 1), ("lost", 0), ("refused", 2))],
        "mark": {"x": first * STEP, "width": max(STEP, (last - first) * STEP)} if ping.get("switch_over") else None,
        "answered": max((ping.get("sent") or 0) - (ping.get("lost") or 0) - (ping.get("refused") or 0), 0),
        "ping": ping,
    }
