"""Which disks are copied along: those, and only those, that are proven not to lie on storage of both hosts. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from hosts.domain_xml import Disk, Domain
from migrations_app.plan import Options
from migrations_app.preflight.facts import Facts

FORMATS = ("qcow2", "raw")
"""What is created at the destination; of other formats QEMU says itself that they are for reading only."""


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """One disk to copy: the image to create at the destination, and how much is to be sent, in bytes.

    `backing` is the image that it lies on and that the destination has already; "" where all of it is copied. `owner`
    is whom it is given to there; "" where libvirt itself sees to that (dynamic_ownership).
    """

    target: str
    path: str
    format: str
    capacity_bytes: int
    data_bytes: int
    backing: str = ""
    backing_format: str = ""
    owner: str = ""

    @property
    def folder(self) -> str:
        return folder_of(self.path)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def folder_of(path: str) -> str:
    return str(PurePosixPath(path).parent)


def apart(facts: Facts, domain: Domain) -> Iterator[Disk]:
    """The disks whose image is proven to lie on storage that the destination does not have. No proof is no "apart"."""
    elsewhere = {folder.path for folder in facts.folders if folder.apart}
    for disk in domain.disks:
        is_image = disk.type == "file" and disk.source and disk.device == "disk"
        if is_image and folder_of(disk.source) in elsewhere:
            yield disk


def why_not(disk: Disk, facts: Facts) -> str:
    """Why `disk` can't be copied; "" where it can."""
    if disk.readonly:
        return "it is read-only, and QEMU's server at the destination can only write to it where it is not"
    if disk.shareable:
        return "several guests may write to it (shareable)"
    if disk.encrypted:
        return "it is encrypted, and the console does not have its secret"
    if disk.driver_format not in FORMATS:
        return f"its format is {disk.driver_format or 'unknown'}, not {' or '.join(FORMATS)}"
    if disk.target not in facts.disk_sizes:
        return f"libvirt on {facts.source} does not say how big it is"
    return ""


def copies(facts: Facts, options: Options) -> tuple[DiskCopy, ...]:
    """What is to be copied with these options; nothing where they don't ask for it."""
    if options.copy_storage == "none" or facts.domain is None:
        return ()
    disks = [disk for disk in apart(facts, facts.domain) if not why_not(disk, facts)]
    return tuple(_copy(disk, facts, shallow=options.copy_storage == "inc") for disk in disks)


def _copy(disk: Disk, facts: Facts, *, shallow: bool) -> DiskCopy:
    capacity, allocation = facts.disk_sizes[disk.target]
    look, on_top = facts.destination_look, shallow and bool(disk.backing_chain)
    below = 0 if on_top else sum(_allocated(facts, path) for path in disk.backing_chain)
    return DiskCopy(
        target=disk.target,
        path=disk.source,
        format=disk.driver_format,
        capacity_bytes=capacity,
        data_bytes=min(capacity, allocation + below),
        backing=disk.backing_chain[0] if on_top else "",
        backing_format=disk.backing_formats[0] if on_top and disk.backing_formats else "",
        owner=look.qemu_user if look and look.conf.get("dynamic_ownership") == "0" else "",
    )


def _allocated(facts: Facts, path: str) -> int:
    return facts.source_look.sizes.get(path, 0) if facts.source_look else 0


def images(disk: Disk) -> set[str]:
    """The image of a disk or medium, and all that it lies on."""
    return {path for path in (disk.source, *disk.backing_chain) if path} if disk.type == "file" else set()


def needed(domain: Domain, copied: tuple[DiskCopy, ...]) -> set[str]:
    """The images that the destination must see as the source does: all but those that are copied with what is below."""
    by_target = {copy.target: copy for copy in copied}
    found: set[str] = set()
    for disk in domain.disks:
        copy = by_target.get(disk.target)
        if copy is None:
            found |= images(disk)
    return found


def backings(domain: Domain, copied: tuple[DiskCopy, ...]) -> list[str]:
    """The images that copied overlays are to lie on at the destination, each once."""
    on_top = {copy.target for copy in copied if copy.backing}
    return sorted({path for disk in domain.disks if disk.target in on_top for path in disk.backing_chain})
