"""Many migrations as one plan: from a whole host, of selected VMs, or bringing guests home.

A plan is made (rows, then a preflight of each move in the background), reviewed and edited, then run: a sweep starts its
moves as ordinary migrations. The rows are the truth, so a run goes on after a restart.
"""

from migrations_app.evacuation.acts import (
    change,
    check_again,
    choose,
    discard,
    evacuate,
    resume,
    retry,
    skip,
    start,
    stop,
)
from migrations_app.evacuation.how import How
from migrations_app.evacuation.planning import plan_bulk, plan_evacuation, plan_home

__all__ = [
    "How",
    "change",
    "check_again",
    "choose",
    "discard",
    "evacuate",
    "plan_bulk",
    "plan_evacuation",
    "plan_home",
    "resume",
    "retry",
    "skip",
    "start",
    "stop",
]
