"""Which VM goes where, and in which order. Pure.

Placed in order, each VM finds the room that those before it have left: what goes to a host is taken from its free memory,
what leaves one is given back. `schedule` then cuts the same order into steps, in which a source keeps its memory until the
step is over; so no host ever holds more than it has.
"""

from migrations_app.placement.cluster import Guest, Ledger, Other, Placed, Room, Rule, Situation
from migrations_app.placement.placing import place
from migrations_app.placement.steps import Schedule, Step, schedule

__all__ = [
    "Guest",
    "Ledger",
    "Other",
    "Placed",
    "Room",
    "Rule",
    "Schedule",
    "Situation",
    "Step",
    "place",
    "schedule",
]
