"""Names for libvirt's numbers of a domain's state and of the reason for it."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """In virsh's words (virshState in libvirt's tools/virsh-domain-monitor.c), in libvirt's order from 0."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    IN_SHUTDOWN = "in shutdown"
    SHUT_OFF = "shut off"
    CRASHED = "crashed"
    PMSUSPENDED = "pmsuspended"


_STATES = tuple(State)

# virDomain…Reason in libvirt's src/conf/domain_conf.c, word for word, in libvirt's order from 0
_REASONS: dict[State, tuple[str, ...]] = {
    State.RUNNING: (
        "unknown",
        "booted",
        "migrated",
        "restored",
        "from snapshot",
        "unpaused",
        "migration canceled",
        "save canceled",
        "wakeup",
        "crashed",
        "post-copy",
        "post-copy failed",
    ),
    State.PAUSED: (
        "unknown",
        "user",
        "migration",
        "save",
        "dump",
        "ioerror",
        "watchdog",
        "from snapshot",
        "shutdown",
        "snapshot",
        "panicked",
        "starting up",
        "post-copy",
        "post-copy failed",
        "api error",
    ),
    State.IN_SHUTDOWN: ("unknown", "user"),
    State.SHUT_OFF: (
        "unknown",
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from snapshot",
        "daemon",
    ),
    State.CRASHED: ("unknown", "panicked"),
}


def state_of(number: int) -> State:
    """A state that this console does not know yet is UNKNOWN."""
    return _STATES[number] if 0 <= number < len(_STATES) else State.UNKNOWN


def reason_of(state: State, number: int) -> str:
    """Why a domain is in `state`."""
    names = _REASONS.get(state, ())
    return names[number] if 0 <= number < len(names) else "unknown"
