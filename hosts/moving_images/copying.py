"""Copies onto the share and back: each under another name, read back and compared before it gets its own."""

import time
from collections.abc import Callable
from typing import Any

from hosts import reach
from hosts.errors import CommandFailed, HostError, Refused, TimedOut
from hosts.models import ImageMove, ImageMoveFile
from hosts.moving_images import guests, record, scripts
from hosts.ssh import Result

SILENCE_S = 60.0
"""A copy tells at least every half second how far it is; what a share holds up for longer is given up, and can be resumed."""
QUICK_TIMEOUT_S = 30.0
PUBLISH_EVERY_S = 0.5
PASSES = ("copied", "read", "verified")
"""A file is written once, and read once on either side."""
State = ImageMoveFile.State


class TurnedBack(Exception):
    """Somebody asked to undo while this was under way."""


class Watch:
    """Keeps the lease's signs of life, notices a wish to undo, and tells the pages how far it is."""

    def __init__(self, move: ImageMove, is_lost: Callable[[], bool]) -> None:
        self.move, self._is_lost = move, is_lost
        self._told = self._asked = 0.0
        self._began = time.monotonic()
        self.done = self.total = 0
        self._since = 0

    def begin(self, total: int, done: int) -> None:
        self.total, self.done, self._since, self._began = total, done, done, time.monotonic()

    def check(self) -> None:
        """Raises Overtaken or TurnedBack."""
        if self._is_lost():
            raise record.Overtaken(str(self.move))
        now = time.monotonic()
        if now - self._asked > 1:
            self._asked = now
            if not self.move.going_back and ImageMove.objects.filter(pk=self.move.pk, going_back=True).exists():
                raise TurnedBack

    def at(self, file: str, bytes_done: int, doing: str) -> None:
        """So many of the file's bytes, over all passes, are done."""
        now = time.monotonic()
        if now - self._told < PUBLISH_EVERY_S:
            return
        self._told = now
        done = self.done + bytes_done
        rate = max(0, done - self._since) / max(0.5, now - self._began)
        figures = {"done_bytes": done, "total_bytes": self.total, "rate_bytes": round(rate)}
        percent = min(100.0, 100 * done / self.total) if self.total else None
        record.note(self.move, progress={**figures, "percent": percent, "file": file, "doing": doing})


def copy_all(move: ImageMove, watch: Watch) -> None:
    """Bring every file, folder and link that is still pending onto the share."""
    rows = list(move.files.all())
    total = sum(row.size_bytes for row in rows if row.kind == "file" and row.on_share != "same") * len(PASSES)
    done = sum(row.size_bytes for row in rows if row.kind == "file" and row.state == State.COPIED) * len(PASSES)
    watch.begin(total, done)
    for row in rows:
        watch.check()
        if row.state != State.PENDING:
            continue
        if row.on_share == "same":
            _keep_once(move, row, watch)
        elif row.kind == "file":
            _copy(move, row, watch)
            watch.done += row.size_bytes * len(PASSES)
        else:
            _make(move, row)


def copy_back(move: ImageMove, watch: Watch) -> None:
    """Let the folder aside have what VMs wrote to the share since; what did not change stays as it is."""
    rows = list(move.files.filter(kind="file", state__in=(State.COPIED, State.SAME)))
    watch.begin(sum(row.size_bytes for row in rows), 0)
    for row in rows:
        watch.check()
        there = f"{move.target}/{row.destination}"
        if row.on_share != "same" or row.sha256:
            said = _stream(move, watch, row, scripts.CHANGED_SINCE, there, row.sha256)
            if said == "gone":
                raise Refused(
                    f"{there} is not on the share any more; the original in {move.aside} may be older than it was.",
                    host=move.host.name,
                    hint="Bring the file back to the share, then go on.",
                )
            if said == "other":
                part = f"{move.aside}/.kvmconsole-{move.token}.part"
                argv = (there, part, f"{move.aside}/{row.path}", "", "replace")
                row.sha256 = _stream(move, watch, row, scripts.COPY, *argv).removeprefix("sum ")
        _settle(row, State.BACK)
        watch.done += row.size_bytes
    move.files.exclude(kind="file").filter(state__in=(State.COPIED, State.SAME)).update(state=State.BACK)


def clear_share(move: ImageMove, watch: Watch) -> None:
    """Take the copies that this move made off the share, where nobody else can be using them; the rest is left there."""
    rows = list(move.files.filter(state=State.BACK).order_by("-position"))
    used = guests.used_elsewhere(move)
    for row in rows:
        watch.check()
        there = f"{move.target}/{row.destination}"
        if row.on_share == "same" or row.destination in used:
            _settle(row, State.LEFT)
        elif row.kind == "file":
            said = _stream(move, watch, row, scripts.REMOVE_COPY, there, row.sha256)
            _settle(row, State.PENDING if said == "gone" else State.LEFT)
        else:
            result = _quick(move, scripts.REMOVE_EMPTY, there, row.link)
            _settle(row, State.PENDING if result.stdout.strip() == "gone" else State.LEFT)


def copies_left(move: ImageMove) -> int:
    return move.files.filter(state=State.BACK).count()


def _keep_once(move: ImageMove, row: ImageMoveFile, watch: Watch) -> None:
    """What the share has already, with the same content: read once more, now that nobody writes to it here."""
    if row.kind == "file":
        there = f"{move.target}/{row.path}"
        _copy_result(move, row, watch, there)
    _settle(row, State.SAME)


def _copy(move: ImageMove, row: ImageMoveFile, watch: Watch) -> None:
    _copy_result(move, row, watch, f"{move.target}/{row.destination}")
    _settle(row, State.COPIED)


def _copy_result(move: ImageMove, row: ImageMoveFile, watch: Watch, final: str) -> None:
    folder, _, _ = final.rpartition("/")
    part = f"{folder}/.kvmconsole-{move.token}-{row.position}.part"
    origin = f"{move.aside}/{row.path}"
    row.sha256 = _stream(
        move, watch, row, scripts.COPY, origin, part, final, f"{row.size_bytes} {row.mtime}", "new"
    ).removeprefix("sum ")


def _make(move: ImageMove, row: ImageMoveFile) -> None:
    there = f"{move.target}/{row.destination}"
    if row.kind == "folder":
        result = _quick(move, scripts.MAKE_FOLDER, f"{move.aside}/{row.path}", there)
    else:
        result = _quick(move, scripts.MAKE_LINK, row.link, there)
    if result.returncode:
        raise explain(move, row.path, result)
    _settle(row, State.COPIED if result.stdout.strip() == "made" or row.on_share != "same" else State.SAME)


def _settle(row: ImageMoveFile, state: str) -> None:
    row.state = state
    row.save(update_fields=["state", "sha256"])


def _quick(move: ImageMove, script: str, *arguments: str) -> Result:
    return reach.run(move.host, scripts.argv(script, *arguments), timeout_s=QUICK_TIMEOUT_S, check=False)


def _stream(move: ImageMove, watch: Watch, row: ImageMoveFile, script: str, *arguments: str) -> str:
    """Run one of the long scripts; its last word. Raises what its exit code means."""
    last = ""

    def on_line(line: str) -> None:
        nonlocal last
        watch.check()
        word, _, figure = line.partition(" ")
        if word in PASSES:
            passes = PASSES.index(word) if script is scripts.COPY else 0
            watch.at(row.path, passes * row.size_bytes + int(figure or 0), word)
        elif line == "unowned":
            _warn(
                move,
                "The share's server decides who owns the files there (root_squash); libvirt sets owners when it starts a VM.",
            )
        else:
            last = line

    argv = scripts.argv(script, move.token, *arguments)
    try:
        result = reach.stream(move.host, argv, silence_s=SILENCE_S, on_line=on_line)
    except TimedOut as error:
        error.hint = "Does the NFS server answer? Then go on: what was read back is not copied again."
        raise
    if result.returncode or not last:
        raise explain(move, row.path, result)
    return last


def _warn(move: ImageMove, text: str) -> None:
    if text not in move.found.setdefault("warnings", []):
        move.found["warnings"].append(text)
        record.note(move, found=move.found)


def explain(move: ImageMove, path: str, result: Result) -> HostError:
    """What the exit code of a copy means, in an admin's words. The originals are whole in each of these cases."""
    host, where = move.host.name, f"{path!r} from {move.host.name}"
    said = result.stderr.strip()
    kept = f"Every original is whole in {move.aside}."
    words: dict[int, tuple[str, str]] = {
        scripts.LOCKED: (f"An earlier copy of this move still goes on on {host}.", "Wait a moment, then go on."),
        scripts.COPY_FAILED: (
            f"{where} could not be copied onto the share: {said}",
            f"{kept} Put that right, then go on.",
        ),
        scripts.NOT_WRITTEN: (f"The share did not take {where}: {said}", f"{kept} Put that right, then go on."),
        scripts.DIFFERS: (
            f"The copy of {where} reads otherwise than its original; it was removed.",
            f"{kept} Look at the server's disks and memory before you go on.",
        ),
        scripts.CHANGED: (
            f"{where} changed while or since it was copied: something still writes to it.",
            f"{kept} End what writes to it, then undo.",
        ),
        scripts.EXISTS: (
            f"The share has a file named {path!r} with another content now; somebody put it there after the plan.",
            f"{kept} Rename or remove that file on the share, then go on; or undo.",
        ),
        scripts.MISSING: (f"{where} is gone: {said}", "Find out who moved it, then go on."),
    }
    if "No space left" in said or "Disk quota exceeded" in said:
        return Refused(
            f"The share is full: {where} did not fit.",
            host=host,
            hint=f"{kept} Make room on the share, then go on.",
            raw=said,
        )
    if "Read-only file system" in said:
        return Refused(
            f"The share is read-only: {where} was not copied.",
            host=host,
            hint=f"{kept} Let the server export it rw, then go on.",
            raw=said,
        )
    if result.returncode in words:
        message, hint = words[result.returncode]
        return Refused(message, host=host, hint=hint, raw=said)
    return CommandFailed(["copy", path], result.returncode, result.stderr, host=host, hint=f"{kept} Go on, or undo.")


__all__: list[Any] = ["TurnedBack", "Watch", "clear_share", "copies_left", "copy_all", "copy_back"]
