"""The states of a migration, the moves between them, and the steps as the admin sees them."""

from enum import StrEnum

from hosts.errors import Refused


class State(StrEnum):
    QUEUED = "queued"
    CHECKING = "checking"
    COPYING = "copying"
    SWITCHING = "switching"
    VERIFYING = "verifying"
    DEFINING = "defining"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    NEEDS_ATTENTION = "needs_attention"


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


S = State
TERMINAL = frozenset({S.COMPLETED, S.CANCELLED, S.FAILED})
ACTIVE = frozenset(State) - TERMINAL
"""Holds the VM: no other migration of it may start. `needs_attention` does, since a person must settle it first."""
DRIVEN = ACTIVE - {S.QUEUED, S.NEEDS_ATTENTION}
"""Somebody must be working on it; the sweep looks for those that nobody works on."""
HOLDS_PLACE = frozenset({S.CHECKING, S.COPYING, S.SWITCHING})
"""Counts against the queue's limits: it uses the link between the hosts, or is about to."""
ARRIVED = frozenset({S.VERIFYING, S.DEFINING})
"""The guest is at the destination, whose free memory may have been seen before it came."""

TRANSITIONS: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.CHECKING, S.CANCELLED, S.FAILED}),
    S.CHECKING: frozenset({S.COPYING, S.CANCELLED, S.FAILED, S.NEEDS_ATTENTION}),
    S.COPYING: frozenset({S.SWITCHING, S.VERIFYING, S.CANCELLED, S.FAILED, S.NEEDS_ATTENTION}),
    S.SWITCHING: frozenset({S.VERIFYING, S.CANCELLED, S.FAILED, S.NEEDS_ATTENTION}),
    S.VERIFYING: frozenset({S.DEFINING, S.FAILED, S.NEEDS_ATTENTION}),
    S.DEFINING: frozenset({S.COMPLETED, S.NEEDS_ATTENTION}),
    S.NEEDS_ATTENTION: frozenset({S.COPYING, S.SWITCHING, S.VERIFYING, S.DEFINING, S.COMPLETED, S.CANCELLED, S.FAILED}),
    S.COMPLETED: frozenset(),
    S.CANCELLED: frozenset(),
    S.FAILED: frozenset(),
}

LABELS: dict[State, tuple[str, str]] = {
    S.QUEUED: ("queued", "It waits for its turn."),
    S.CHECKING: ("checking", "Both hosts are asked whether the guest can move."),
    S.COPYING: ("copying", "The guest runs on at the source while its memory is copied."),
    S.SWITCHING: ("switching over", "The guest stands still for a moment and goes on at the destination."),
    S.VERIFYING: ("verifying", "Both hosts are asked where the guest runs, and the guest is pinged."),
    S.DEFINING: ("defining", "The guest's definition at the destination is made permanent."),
    S.COMPLETED: ("completed", "The guest runs at the destination and is defined there."),
    S.CANCELLED: ("cancelled", "The guest runs on at the source."),
    S.FAILED: ("failed", "The guest runs on at the source; read the error and try again."),
    S.NEEDS_ATTENTION: ("needs attention", "A person must look: read the evidence of both hosts and choose."),
}
"""Each state's name in words, and what it means for the admin."""

MEANINGS_OFF: dict[State, str] = {
    S.COPYING: "Its definition is handed over; the guest stays off.",
    S.VERIFYING: "Both hosts are asked: off at the source, defined at the destination.",
    S.DEFINING: "The destination's definition becomes the good one, the source's goes.",
    S.COMPLETED: "The guest is defined at the destination, still off.",
    S.CANCELLED: "The guest is still defined at the source.",
    S.FAILED: "The guest is still defined at the source; read the error and try again.",
    S.NEEDS_ATTENTION: "It goes on as soon as both hosts answer; read what they said.",
}
"""What a state means where the guest is off and only its definition moves, as far as that differs."""

STEPS: dict[str, str] = {
    "check": "Check",
    "copy": "Copy",
    "switch_over": "Switch over",
    "verify": "Verify",
    "define": "Define",
    "clean_up": "Clean up",
}
"""The steps in their order, and their titles."""


class ForbiddenMove(Refused):
    """No such move exists between two states."""


def require(state: str, to: State) -> None:
    """Raise ForbiddenMove where a migration in `state` can't move to `to`."""
    if to not in TRANSITIONS[State(state)]:
        raise ForbiddenMove(f"A migration that is {LABELS[State(state)][0]} can't become {LABELS[to][0]}.")
