"""The answers of a pinged guest as a strip of thin bars, drawn by the server so that it works without script."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.template import Library

register = Library()

BARS = 240
"""More answers than this are drawn several to a bar; a bar with a lost one is drawn as lost."""
STEP, HEIGHT, ANSWERED = 3, 28, 10


def bars(answers: Sequence[bool], limit: int = BARS) -> list[bool]:
    """`answers` in at most `limit` bars, in order; False where any answer of a bar was lost."""
    if len(answers) <= limit:
        return list(answers)
    edges = [len(answers) * i // limit for i in range(limit + 1)]
    return [all(answers[start:end]) for start, end in pairwise(edges)]


def path(drawn: Sequence[bool], *, answered: bool) -> str:
    """The strokes of those bars that were answered, or of those that were lost, as one SVG path."""
    tall = ANSWERED if answered else HEIGHT
    return "".join(f"M{i * STEP + 1} {HEIGHT}v-{tall}" for i, ok in enumerate(drawn) if ok is answered)


@register.inclusion_tag("components/_strip.html")
def ping_strip(answers: Sequence[bool], ping: dict[str, Any]) -> dict[str, Any]:
    """The strip of `answers` (True: answered) beside the sentence of `ping` (sent, lost, longest_gap_ms)."""
    drawn = bars(answers)
    return {
        "width": max(len(drawn), 1) * STEP,
        "height": HEIGHT,
        "answered_path": path(drawn, answered=True),
        "lost_path": path(drawn, answered=False),
        "answered": max((ping.get("sent") or 0) - (ping.get("lost") or 0), 0),
        "ping": ping,
    }
