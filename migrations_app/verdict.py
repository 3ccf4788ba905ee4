"""Given what both hosts say, what is true of a guest that was being migrated, and what may be done.

The rule: a guest may be started or resumed on a host only when it is proven not to run on any other.
No answer is not "not running".
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from migrations_app.host_view import View

NEVER_STOPPED = frozenset({"booted", "migrated", "restored", "from snapshot"})
"""Why a guest runs, where it has run without a break since it came up on that host. After a stop for a migration libvirt
says "migration canceled" (qemuMigrationSrcRestoreDomainState), after `virsh resume` "unpaused"."""
STARTED = frozenset({"booted", "restored", "from snapshot"})
"""Why a guest runs that did not come there by a migration."""
LEFT_BY_MIGRATION = frozenset({"migration", "post-copy", "starting up"})
"""Why a guest is paused that a migration left so, at the source or while it was received."""


class Finding(StrEnum):
    UNDER_WAY = "under way"
    STALLED = "stalled"
    AT_SOURCE = "at the source"
    AT_DESTINATION = "at the destination"
    RESUME_AT_SOURCE = "paused at the source, nowhere else"
    RESUME_AT_DESTINATION = "paused at the destination, nowhere else"
    UNKNOWN = "unknown"
    TWO_COPIES = "two copies"
    POSTCOPY_BROKEN = "post-copy broken"
    POSTCOPY_LOST = "post-copy lost"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true, why we think so, and the names of the choices that are safe to offer."""

    finding: Finding
    because: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person may choose: the words on its button, what it does, and when it is safe, given both hosts' views.

    `{source}` and `{destination}` in the words stand for the hosts' names.
    """

    label: str
    effect: str
    is_safe: Callable[[View, View], bool]

    def named(self, *, source: str, destination: str) -> tuple[str, str]:
        """Label and effect with the hosts' names in them."""
        label, effect = (text.format(source=source, destination=destination) for text in (self.label, self.effect))
        return label, effect


CHOICES: dict[str, Choice] = {
    "resume_postcopy": Choice(
        "Resume post-copy",
        "{source} connects to {destination} anew and sends the rest of the memory; the guest goes on where it stands. "
        "If the network is still broken, all stays as it is.",
        lambda source, destination: source.paused and source.in_postcopy and destination.in_postcopy,
    ),
    "resume_at_source": Choice(
        "Resume the guest at {source}",
        "The guest goes on at {source} with the memory that it has there. Right only if it never ran at {destination}: "
        "compare when its disks were last written.",
        lambda source, destination: (
            source.paused and not source.in_postcopy and not source.job and not source.hung and destination.gone
        ),
    ),
    "resume_at_destination": Choice(
        "Resume the guest at {destination}",
        "The guest goes on at {destination}; then the migration is finished.",
        lambda source, destination: (
            destination.paused
            and not destination.in_postcopy
            and not destination.job
            and not destination.hung
            and source.gone
        ),
    ),
    "start_at_source": Choice(
        "Start the guest anew at {source}",
        "The guest boots at {source} from its definition there; what is left of it in that host's memory is forced off "
        "first. What was only in its memory is lost. The migration ends as failed.",
        lambda source, destination: destination.gone and _can_boot(source),
    ),
    "start_at_destination": Choice(
        "Start the guest anew at {destination}",
        "The guest boots at {destination} from its definition there; what is left of it in that host's memory is forced "
        "off first. What was only in its memory is lost. Then the migration is finished.",
        lambda source, destination: (
            source.gone and (_can_boot(destination) or _source_died_in_postcopy(source, destination))
        ),
    ),
    "define_at_source": Choice(
        "Define the guest at {source} again",
        "{source} gets the definition that this history kept; nothing is started. Then it can be started there.",
        lambda source, destination: (
            source.reachable and destination.reachable and not (source.present or destination.present)
        ),
    ),
    "stop_at_source": Choice(
        "Force off the copy at {source}",
        "The copy at {source} is killed; the one at {destination} runs on. What the killed copy alone knew is lost.",
        lambda source, destination: _two_run(source, destination),
    ),
    "stop_at_destination": Choice(
        "Force off the copy at {destination}",
        "The copy at {destination} is killed; the one at {source} runs on. What the killed copy alone knew is lost.",
        lambda source, destination: _two_run(source, destination),
    ),
    "cancel_copy": Choice(
        "Cancel the copy",
        "libvirt is asked to give the migration up; the guest stays at {source}.",
        lambda source, destination: source.job and source.present and not source.in_postcopy,
    ),
    "close_as_failed": Choice(
        "Close this migration as failed",
        "The migration ends as failed and no longer holds the VM; the guest itself is not touched.",
        lambda source, destination: source.gone and destination.gone,
    ),
    "look_again": Choice("Ask both hosts again", "Nothing else is done.", lambda source, destination: True),
}

_OFFERED: dict[Finding, tuple[str, ...]] = {
    Finding.STALLED: ("resume_postcopy", "cancel_copy"),
    Finding.RESUME_AT_SOURCE: ("resume_at_source",),
    Finding.RESUME_AT_DESTINATION: ("resume_at_destination",),
    Finding.TWO_COPIES: ("stop_at_source", "stop_at_destination"),
    Finding.POSTCOPY_BROKEN: ("resume_postcopy",),
    Finding.POSTCOPY_LOST: ("start_at_destination", "start_at_source"),
    Finding.NOWHERE: ("start_at_source", "start_at_destination", "define_at_source", "close_as_failed"),
    Finding.UNKNOWN: (),
}


def is_safe(choice: str, source: View, destination: View) -> bool:
    """Whether `choice` may be carried out, given what both hosts say at this moment."""
    return choice in CHOICES and CHOICES[choice].is_safe(source, destination)


def judge(source: View, destination: View, *, stalled: bool = False) -> Verdict:
    """The table of crash points, row by row; anything that it does not hold is UNKNOWN.

    `stalled`: the job under way has moved nothing for too long.
    """
    finding, meaning = _find(source, destination)
    if finding is Finding.UNDER_WAY and stalled:
        finding, meaning = (
            Finding.STALLED,
            "The migration is under way, but nothing moves, and libvirt does not end it.",
        )
    offered = _OFFERED.get(finding)
    choices: tuple[str, ...] = ()
    if offered is not None:
        choices = (*(name for name in offered if is_safe(name, source, destination)), "look_again")
    because = f"The source {source.in_words()}; the destination {destination.in_words()}. {meaning}"
    return Verdict(finding, because, choices)


def _find(source: View, destination: View) -> tuple[Finding, str]:
    if not source.reachable:
        return _find_without_source(destination)
    if not destination.reachable:
        return _find_without_destination(source)
    if source.runs and destination.runs:
        return Finding.TWO_COPIES, "Two copies run and may write to one disk."
    if source.in_postcopy or destination.in_postcopy:
        return _find_in_postcopy(source, destination)
    # A job that only the destination still tells of is the leftover of one that the source has given up.
    waits = destination.job and source.paused and source.reason == "migration"
    if (source.job and not source.hung) or waits:
        return Finding.UNDER_WAY, "The migration is under way."
    if source.hung or destination.hung:
        hung = "source" if source.hung else "destination"
        return Finding.UNKNOWN, f"What the {hung} says may be old, since its QEMU does not answer; it is asked again."
    if destination.runs and (source.gone or source.paused):
        return Finding.AT_DESTINATION, "The guest runs at the destination."
    if source.runs and (destination.gone or destination.paused):
        return Finding.AT_SOURCE, "The guest runs on at the source."
    return _find_stopped(source, destination)


def _find_without_source(destination: View) -> tuple[Finding, str]:
    if destination.runs and destination.in_postcopy:
        meaning = "It runs at the destination, but part of its memory may still be at the source."
        return Finding.UNKNOWN, f"{meaning} The source is asked again."
    if destination.runs and destination.reason in STARTED:
        meaning = "It was started at the destination and did not come there by a migration, so it may still run at the source."
        return Finding.UNKNOWN, f"{meaning} The source is asked again."
    if destination.runs and not destination.hung:
        return Finding.AT_DESTINATION, "The guest runs at the destination."
    return Finding.UNKNOWN, "Without an answer of the source nobody can know where the guest runs; it is asked again."


def _find_without_destination(source: View) -> tuple[Finding, str]:
    if source.job and not source.hung and not source.broke_in_postcopy:
        return Finding.UNDER_WAY, "The migration is under way, says the source."
    if source.runs and not source.hung and source.reason in NEVER_STOPPED:
        meaning = "It has run at the source without a break, so it never went on at the destination."
        return Finding.AT_SOURCE, meaning
    meaning = "Without an answer of the destination nobody can know where the guest runs; it is asked again."
    return Finding.UNKNOWN, meaning


def _find_in_postcopy(source: View, destination: View) -> tuple[Finding, str]:
    """Both answer, and at least one has only a part of the guest's memory."""
    broke = source.broke_in_postcopy or destination.broke_in_postcopy
    if source.paused and source.in_postcopy and destination.in_postcopy:
        if not broke and source.job:
            return Finding.UNDER_WAY, "The migration is under way, in post-copy."
        meaning = "The network failed in post-copy: each host has a part of the guest's memory. Destroy neither."
        return Finding.POSTCOPY_BROKEN, meaning
    if destination.runs and not destination.in_postcopy and source.paused:
        return Finding.AT_DESTINATION, "The guest runs at the destination, and all of its memory is there."
    half_lost = (destination.broke_in_postcopy and source.gone) or _source_died_in_postcopy(source, destination)
    if (source.in_postcopy and source.paused and destination.gone) or half_lost:
        dead = "destination" if destination.gone else "source"
        meaning = f"The {dead} lost its part of the guest's memory in post-copy, so the guest can't go on anywhere."
        return Finding.POSTCOPY_LOST, f"{meaning} It can only be started anew."
    return Finding.UNKNOWN, "These answers don't settle where the guest may go on; both are asked again."


def _find_stopped(source: View, destination: View) -> tuple[Finding, str]:
    """Both answer, neither runs it, no job is under way at the source."""
    if source.paused and destination.gone:
        meaning = "It is paused at the source and proven not to be active at the destination."
        return Finding.RESUME_AT_SOURCE, f"{meaning} It can go on at the source, if it never ran at the destination."
    if destination.paused and source.gone and not destination.job:
        meaning = "It is paused at the destination and proven not to be active at the source: it can go on there."
        return Finding.RESUME_AT_DESTINATION, meaning
    if source.gone and destination.gone:
        meaning = (
            "Neither host runs it. It was shut down or crashed during the migration; its disks are where they were."
        )
        return Finding.NOWHERE, meaning
    return Finding.UNKNOWN, "These answers don't settle where the guest may go on."


def never_ran_at_destination(source: View, destination: View, *, persists: bool) -> bool:
    """Whether a guest that the switch-over left paused at the source is proven not to have gone on at the destination.

    With PERSIST_DEST (`persists`) libvirt writes the definition there before the guest goes on (qemuMigrationDstFinish),
    so a destination that does not even know the guest never ran it.
    """
    stopped = source.paused and source.reason == "migration" and is_safe("resume_at_source", source, destination)
    return persists and stopped and destination.reachable and not destination.present


def leftover_at_source(source: View, destination: View) -> bool:
    """Whether the source still holds, paused, the copy of a guest that is proven to run at the destination."""
    proven = destination.runs and not destination.in_postcopy and not destination.hung
    return proven and source.paused and source.reason in LEFT_BY_MIGRATION and not source.job and not source.hung


def leftover_at_destination(source: View, destination: View) -> bool:
    """Whether the destination still holds what it had received of a guest that is proven to run at the source."""
    proven = source.runs and not source.job and not source.hung
    return proven and destination.paused and destination.reason in LEFT_BY_MIGRATION and not destination.in_postcopy


def _source_died_in_postcopy(source: View, destination: View) -> bool:
    """Whether the source's QEMU ended before the destination had all. QEMU there may itself wait for a page that never comes,
    so that libvirt learns of no failure."""
    return source.gone and source.reason == "crashed" and destination.in_postcopy and not destination.hung


def _can_boot(view: View) -> bool:
    """There is a definition to start from, and nothing that runs: off, or what a broken post-copy left."""
    remains = view.broke_in_postcopy or (view.paused and view.in_postcopy)
    return view.present and not view.hung and (view.gone or remains)


def _two_run(source: View, destination: View) -> bool:
    whole = not source.in_postcopy and not destination.in_postcopy and not source.job
    return source.runs and destination.runs and whole and not source.hung and not destination.hung
