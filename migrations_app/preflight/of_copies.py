"""Checks of the disks that are to be copied along: is there room, is the place free, is what they lie on there. Pure."""

from collections.abc import Iterator

from hosts.domain_xml import Domain
from migrations_app.plan import Options
from migrations_app.preflight.copies import DiskCopy, apart, backings, copies, why_not
from migrations_app.preflight.facts import Check, Facts
from migrations_app.preflight.look import Look

TITLE = "Copied disks"
OVERHEAD = 1 / 64
"""What an image's own tables may take: qcow2 needs 8 bytes of table and 2 of reference count a cluster of 64 KiB, and
one cluster for each of its parts (QEMU's docs/interop/qcow2.txt); rounded up generously."""
MARGIN_BYTES = 1024 * 1024


def of_copies(facts: Facts, domain: Domain, options: Options) -> Iterator[Check]:
    if options.copy_storage == "none":
        return
    for disk in apart(facts, domain):
        reason = why_not(disk, facts)
        if reason:
            message = f"{disk.target} ({disk.source}) lies on {facts.source} alone and can't be copied: {reason}."
            fix = "Move it to shared storage first, or detach it."
            yield Check("copies", TITLE, "blocker", message, fix)
    copied, look = copies(facts, options), facts.destination_look
    if copied and look is None:
        message = f"{facts.destination} could not be looked at, so nothing is known of its disk space."
        yield Check("copies", TITLE, "blocker", message, "Give the console a working ssh login there.")
    elif copied and look is not None:
        yield from _place(facts, look, copied)
        yield from _space(facts, look, copied)
        yield from _backings(facts, domain, look, copied)
        told = "; ".join(f"{copy.target} to {copy.path}, {_in_words(copy.data_bytes)}" for copy in copied)
        message = f"Copied along to {facts.destination}: {told}. The source's files are kept."
        yield Check("copies", TITLE, "ok", message)
    elif not any(apart(facts, domain)):
        message = f"No disk of {facts.vm_name} is proven to lie on {facts.source} alone, so none is copied."
        yield Check("copies", TITLE, "ok", message)


def _place(facts: Facts, look: Look, copied: tuple[DiskCopy, ...]) -> Iterator[Check]:
    if not look.has_qemu_img:
        message = f"{facts.destination} has no qemu-img, so no image can be created there."
        yield Check(
            "copies", TITLE, "blocker", message, f"Install qemu-utils (Debian) or qemu-img on {facts.destination}."
        )
    for copy in copied:
        if look.files.get(copy.path):
            message = f"{facts.destination} has a file {copy.path} already; nothing is ever overwritten."
            fix = f"If it is an old copy, remove or rename it on {facts.destination}; then check again."
            yield Check("copies", TITLE, "blocker", message, fix)
    for folder in sorted({copy.folder for copy in copied if copy.folder not in look.spaces}):
        message = f"{facts.destination} has no folder {folder}."
        yield Check("copies", TITLE, "blocker", message, f"Create it on {facts.destination}: mkdir -p {folder}.")


def _space(facts: Facts, look: Look, copied: tuple[DiskCopy, ...]) -> Iterator[Check]:
    """By file system: what is sent must fit; that a thin image may grow to its full size is said."""
    by_system: dict[str, list[DiskCopy]] = {}
    for copy in copied:
        if copy.folder in look.spaces:
            by_system.setdefault(look.spaces[copy.folder].system, []).append(copy)
    for system, found in by_system.items():
        free = look.spaces[found[0].folder].free_bytes
        sent = sum(_with_tables(copy.data_bytes) for copy in found)
        full = sum(_with_tables(copy.capacity_bytes) for copy in found)
        where = f"{facts.destination} has {_in_words(free)} free at {found[0].folder} ({system})"
        if free < sent:
            message = f"{where}; the copy needs {_in_words(sent)}."
            fix = f"Free {_in_words(sent - free)} there, or choose another host."
            yield Check("space", "Disk space", "blocker", message, fix)
        elif free < full:
            message = f"{where}; the copy takes {_in_words(sent)}, but the disks may grow to {_in_words(full)}."
            yield Check("space", "Disk space", "warning", message, "Make room before the guest fills its disks.")
        else:
            yield Check("space", "Disk space", "ok", f"{where}, {_in_words(full)} for the disks at their full size.")


def _with_tables(size: int) -> int:
    return int(size * (1 + OVERHEAD)) + MARGIN_BYTES


def _backings(facts: Facts, domain: Domain, look: Look, copied: tuple[DiskCopy, ...]) -> Iterator[Check]:
    """With `inc` only the top is sent: what it lies on must be the same there, or the guest reads another disk."""
    source = facts.source_look
    shared = {folder.path for folder in facts.folders if folder.same and not folder.copied}
    for path in backings(domain, copied):
        here, there = (source.sums.get(path, "") if source else ""), look.sums.get(path, "")
        if path.rpartition("/")[0] in shared and here and here == there:
            message = f"{path} lies on storage of both hosts."
            yield Check("backing", "Backing image", "ok", message)
        elif here and here == there:
            size = _in_words(int(here.partition(" ")[0]))
            message = f"{path} has the same size ({size}) on both hosts, and samples over all of it are alike."
            yield Check("backing", "Backing image", "ok", message)
        else:
            differs = "is another file there" if there else "is not there"
            message = f"The backing image {path} {differs}, on {facts.destination}."
            fix = f"Copy it to the same path on {facts.destination} first, or copy all of the disks."
            yield Check("backing", "Backing image", "blocker", message, fix)


def _in_words(size: int) -> str:
    """Bytes as an admin says them: 64 MiB."""
    value, units = float(size), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.3g} {units[0]}" if value < 1000 else f"{value:.0f} {units[0]}"
