"""systemd mount units that mount NFS: their names, the console's own text, and what a host says of those it has. Pure.

Where a host runs systemd, "for tooling, writing mount units should be preferred over editing /etc/fstab" (systemd.mount(5)).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hosts.fstab import FstabEntry
from hosts.nfs import parse_options

FOLDER = "/etc/systemd/system"
MARK = "# Written by kvmconsole, which replaces and removes it; take this line out to keep it for yourself."
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")
_FSTAB_ONLY = ("nofail", "auto", "noauto")


@dataclass(frozen=True, slots=True)
class MountUnit:
    """A unit that mounts NFS. `is_enabled`: it does so at the host's start; `is_ours`: the console wrote it."""

    name: str
    entry: FstabEntry
    is_enabled: bool
    is_ours: bool


def unit_name(target: str) -> str:
    """The only name that systemd takes for a mount at `target`, as `systemd-escape --path --suffix=mount` says."""
    raw = target.strip("/").encode()
    escaped = [
        "-"
        if byte == ord("/")
        else chr(byte)
        if byte in _PLAIN and not (place == 0 and byte == ord("."))
        else f"\\x{byte:02x}"
        for place, byte in enumerate(raw)
    ]
    return "".join(escaped) + ".mount"


def suits(options: str) -> bool:
    """Whether a unit can say what these options ask for: x-systemd.* and noauto are read from fstab only."""
    found = parse_options(options)
    return "noauto" not in found and not any(name.startswith("x-systemd.") for name in found)


def render(entry: FstabEntry) -> str:
    """The unit's text. remote-fs.target only wants it, so the host starts without the server too; libvirtd comes after that."""
    options = ",".join(option for option in entry.options.split(",") if option not in _FSTAB_ONLY)
    # systemd reads % as the beginning of a specifier.
    source, target, options = (text.replace("%", "%%") for text in (entry.source, entry.target, options))
    return f"""{MARK}
[Unit]
Description=NFS share {source}

[Mount]
What={source}
Where={target}
Type={entry.fstype}
Options={options}

[Install]
WantedBy=remote-fs.target
"""


def parse(text: str) -> tuple[MountUnit, ...]:
    """The units in what scripts.LOOK prints of them: "unit NAME", "enabled", then their own lines. Others than NFS are left out."""
    return tuple(_units(text))


def _units(text: str) -> Iterator[MountUnit]:
    for block in f"\n{text}".split("\nunit ")[1:]:
        name, *lines = block.split("\n")
        fields = {
            key: value.replace("%%", "%") for key, found, value in (line.partition("=") for line in lines) if found
        }
        if fields.get("Type", "").startswith("nfs") and "What" in fields and "Where" in fields:
            entry = FstabEntry(fields["What"], fields["Where"], fields["Type"], fields.get("Options") or "defaults")
            yield MountUnit(name.strip(), entry, is_enabled="enabled" in lines, is_ours=MARK in lines)
