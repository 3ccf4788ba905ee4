"""/etc/fstab as a value: find, add and remove one line; every other byte stays as it was."""

from __future__ import annotations

import re
from dataclasses import dataclass

# fstab(5): fields are split at blanks, so blanks in them are written as three octal digits
_ESCAPED = {"\\": r"\134", " ": r"\040", "\t": r"\011", "\n": r"\012", "#": r"\043"}
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


@dataclass(frozen=True, slots=True)
class FstabEntry:
    """One line's six fields, unescaped."""

    source: str
    target: str
    fstype: str
    options: str = "defaults"
    dump: str = "0"
    passno: str = "0"

    def render(self) -> str:
        """The line, without its end."""
        escaped = (_escape(field) for field in (self.source, self.target, self.fstype, self.options))
        return "\t".join((*escaped, self.dump, self.passno))


@dataclass(frozen=True, slots=True)
class Fstab:
    """The file's text, read line by line. Changing it returns a new value."""

    text: str

    @property
    def entries(self) -> tuple[FstabEntry, ...]:
        """All file systems in it, in order; comments and lines that are no entry are left out."""
        found = (parse_line(line) for line in self.text.split("\n"))
        return tuple(entry for entry in found if entry)

    def find(self, target: str) -> FstabEntry | None:
        """The entry for a mount point; the last one, which `mount -a` would leave on top."""
        matching = [entry for entry in self.entries if entry.target == target]
        return matching[-1] if matching else None

    def add(self, entry: FstabEntry) -> Fstab:
        """With `entry` as the last line."""
        end = "" if not self.text or self.text.endswith("\n") else "\n"
        return Fstab(f"{self.text}{end}{entry.render()}\n")

    def remove(self, target: str) -> Fstab:
        """Without the lines that mount at `target`."""
        lines = self.text.split("\n")
        return Fstab("\n".join(line for line in lines if not _mounts_at(line, target)))


def parse_line(line: str) -> FstabEntry | None:
    """One line's entry; None for blank lines, comments and lines with fewer than three fields."""
    fields = re.split(r"[ \t]+", line.strip(" \t\r"))
    if len(fields) < 3 or fields[0].startswith("#"):
        return None
    plain = [_unescape(field) for field in fields[:6]]
    # "noauto # a remark": what follows a # after the third field is no field
    for number, field in enumerate(fields[3:6], start=3):
        if field.startswith("#"):
            plain = plain[:number]
            break
    return FstabEntry(*plain)


def _mounts_at(line: str, target: str) -> bool:
    entry = parse_line(line)
    return entry is not None and entry.target == target


def _escape(field: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in field)


def _unescape(field: str) -> str:
    raw = field.encode(errors="surrogateescape")
    plain = _OCTAL.sub(lambda matched: bytes([int(matched[1], 8)]), raw)
    return plain.decode(errors="surrogateescape")
