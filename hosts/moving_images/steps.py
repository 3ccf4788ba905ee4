"""What to do next in a move of images, decided from what the host says at this moment. Pure.

Nothing is remembered of earlier steps: whoever takes a move up, after whatever crash, looks, asks here, and does one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Target(StrEnum):
    """What is at the mount point."""

    FULL = "full"
    EMPTY = "empty"
    ABSENT = "absent"
    SHARE = "share"
    OTHER = "other"


class Step(StrEnum):
    SHUT_DOWN = "shut down"
    DEFINE = "define"
    ASIDE = "aside"
    MOUNT = "mount"
    COPY = "copy"
    START = "start"
    DONE = "done"
    COPY_BACK = "copy back"
    CLEAR_SHARE = "clear share"
    UNMOUNT = "unmount"
    RESTORE = "restore"
    DEFINE_BACK = "define back"


FORWARD = (Step.SHUT_DOWN, Step.DEFINE, Step.ASIDE, Step.MOUNT, Step.COPY, Step.START)
BACK = (Step.SHUT_DOWN, Step.COPY_BACK, Step.CLEAR_SHARE, Step.UNMOUNT, Step.RESTORE, Step.DEFINE_BACK, Step.START)


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing safe can be done: a person must look. Nothing was changed by saying so."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What both sides say now. `active` and `to_start` are names of VMs that use the images.

    `to_define`: definitions that name an old path of what gets a new name. `to_define_back`: those that name a new one.
    `to_copy`: files whose copy was not read back yet. `to_copy_back`: files not yet proven to lie in the folder aside as
    they are on the share. `copies_left`: copies of this move on the share that undoing has not dealt with.
    """

    target: Target
    aside: bool
    active: tuple[str, ...] = ()
    to_start: tuple[str, ...] = ()
    to_define: tuple[str, ...] = ()
    to_define_back: tuple[str, ...] = ()
    to_copy: int = 0
    to_copy_back: int = 0
    copies_left: int = 0
    found: str = ""


def next_step(situation: Situation, *, going_back: bool) -> Step | Stop:
    """The one step that is safe and due."""
    if stop := _muddle(situation):
        return stop
    return _back(situation) if going_back else _forward(situation)


def _muddle(s: Situation) -> Stop | None:
    if s.target is Target.OTHER:
        return Stop(f"Something else is at the mount point: {s.found or 'no folder'}.", "Take it away, then go on.")
    if s.target is Target.FULL and s.aside:
        return Stop(
            "There are files at the mount point and in the folder aside: somebody put new ones there.",
            "Look at both folders, move the new files elsewhere, then go on.",
        )
    if s.target in (Target.EMPTY, Target.ABSENT) and not s.aside:
        return Stop(
            "Nothing is at the mount point any more, and no folder is aside.",
            "Find out who moved the files, then go on.",
        )
    return None


def _forward(s: Situation) -> Step | Stop:
    if s.target is Target.SHARE:
        if not s.to_copy:
            return Step.START if s.to_start else Step.DONE
        if not s.aside:
            return Stop(
                f"The share is mounted, but {s.to_copy} original(s) are not in the folder aside.",
                "Find out who moved that folder, then go on.",
            )
        return Step.COPY
    if s.active:
        return Step.SHUT_DOWN
    if s.to_define:
        return Step.DEFINE
    return Step.ASIDE if s.target is Target.FULL else Step.MOUNT


def _back(s: Situation) -> Step | Stop:
    if s.target is Target.SHARE:
        if not s.aside:
            return Stop(
                "The originals are not in the folder aside any more.", "Find out who moved that folder, then go on."
            )
        if s.active:
            return Step.SHUT_DOWN
        if s.to_copy_back:
            return Step.COPY_BACK
        return Step.CLEAR_SHARE if s.copies_left else Step.UNMOUNT
    if s.target in (Target.EMPTY, Target.ABSENT):
        return Step.RESTORE
    if s.to_define_back:
        return Step.DEFINE_BACK if not s.active else Step.SHUT_DOWN
    return Step.START if s.to_start else Step.DONE
