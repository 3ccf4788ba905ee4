"""Given what both hosts say, what is true of a guest that was being migrated, and what may be done.

The rule: a guest may be started or resumed on a host only when it is proven not to run on any other.
No answer is not "not running".
"""

from dataclasses import dataclass
from enum import StrEnum

RUNNING = frozenset({"running", "idle"})


@dataclass(frozen=True, slots=True)
class View:
    """What one host says of the guest. `reachable` False: it did not answer, so nothing is known.

    `reason` is libvirt's name of why it is in `state`; `job` whether a job is under way on it.
    """

    reachable: bool
    present: bool = False
    state: str = ""
    reason: str = ""
    persistent: bool = False
    job: bool = False

    @property
    def runs(self) -> bool:
        return self.present and self.state in RUNNING

    @property
    def paused(self) -> bool:
        return self.present and self.state == "paused"

    @property
    def gone(self) -> bool:
        """Proven not to be active there: shut off, crashed or unknown to the host."""
        return self.reachable and (not self.present or self.state in ("shut off", "crashed"))

    def in_words(self) -> str:
        if not self.reachable:
            return "does not answer"
        if not self.present:
            return "does not know the guest"
        why = f" ({self.reason})" if self.reason and self.reason != "unknown" else ""
        return f"says {self.state}{why}{', migration under way' if self.job else ''}"


class Finding(StrEnum):
    UNDER_WAY = "under way"
    AT_SOURCE = "at the source"
    AT_DESTINATION = "at the destination"
    RESUME_AT_SOURCE = "paused at the source, nowhere else"
    RESUME_AT_DESTINATION = "paused at the destination, nowhere else"
    UNKNOWN = "unknown"
    TWO_COPIES = "two copies"
    POSTCOPY_BROKEN = "post-copy broken"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true, why we think so, and the names of the choices that are safe to offer."""

    finding: Finding
    because: str
    choices: tuple[str, ...] = ()


def judge(source: View, destination: View) -> Verdict:
    """The table of crash points, row by row; anything that it does not hold is UNKNOWN."""
    finding, meaning, choices = _find(source, destination)
    return Verdict(
        finding, f"The source {source.in_words()}; the destination {destination.in_words()}. {meaning}", choices
    )


def _find(source: View, destination: View) -> tuple[Finding, str, tuple[str, ...]]:
    if not source.reachable and destination.runs:
        return Finding.AT_DESTINATION, "The guest runs at the destination.", ()
    if not source.reachable or not destination.reachable:
        missing = "source" if not source.reachable else "destination"
        meaning = f"Without an answer of the {missing} nobody can know where the guest runs; it is asked again."
        return Finding.UNKNOWN, meaning, ("look_again",)
    if _postcopy(source) and (_postcopy(destination) or destination.paused):
        meaning = "The network failed in post-copy: each host has a part of the guest's memory. Destroy neither."
        return Finding.POSTCOPY_BROKEN, meaning, ("look_again",)
    # A job that only the destination still tells of is the leftover of one that the source has given up.
    if source.job or (destination.job and not source.runs):
        return Finding.UNDER_WAY, "The migration is under way.", ()
    if source.runs and destination.runs:
        return Finding.TWO_COPIES, "Two copies run and may write to one disk.", ("look_again",)
    if destination.runs:
        return Finding.AT_DESTINATION, "The guest runs at the destination.", ()
    if source.runs:
        return Finding.AT_SOURCE, "The guest runs on at the source.", ()
    return _find_stopped(source, destination)


def _find_stopped(source: View, destination: View) -> tuple[Finding, str, tuple[str, ...]]:
    """Both answer, neither runs it, no job is under way."""
    if source.paused and destination.gone:
        meaning = (
            "It is paused at the source and proven not to be active at the destination: it can go on at the source."
        )
        return Finding.RESUME_AT_SOURCE, meaning, ("resume_at_source", "look_again")
    if destination.paused and source.gone:
        meaning = "It is paused at the destination and proven not to be active at the source: it can go on there."
        return Finding.RESUME_AT_DESTINATION, meaning, ("resume_at_destination", "look_again")
    if source.gone and destination.gone:
        meaning = (
            "Neither host runs it. It was shut down or crashed during the migration; its disks are where they were."
        )
        return Finding.NOWHERE, meaning, ("look_again", "close_as_failed")
    return Finding.UNKNOWN, "These answers don't settle where the guest may go on.", ("look_again",)


def _postcopy(view: View) -> bool:
    return view.paused and view.reason.replace("_", "-") in (
        "post-copy",
        "postcopy",
        "post-copy failed",
        "postcopy-failed",
    )


CHOICES: dict[str, str] = {
    "look_again": "Ask both hosts again",
    "resume_at_source": "Resume the guest at the source",
    "resume_at_destination": "Resume the guest at the destination",
    "close_as_failed": "Close this migration as failed",
}
"""What each choice is called on its button."""
