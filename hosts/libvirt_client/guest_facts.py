"""What may hold a guest back, and how much memory it uses. Each function makes its calls on the given domain."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import libvirt
from lxml import etree

from hosts.errors import Refused
from hosts.xml_reading import parse_xml


@dataclass(frozen=True, slots=True)
class KeptStates:
    """What libvirt keeps of a guest besides its definition."""

    snapshots: int = 0
    checkpoints: int = 0
    managed_save: bool = False


def read_kept_states(raw: libvirt.virDomain) -> KeptStates:
    """Three calls; what a driver does not know, it does not have."""
    return KeptStates(
        snapshots=_known(lambda: raw.snapshotNum(0)),
        checkpoints=_known(lambda: len(raw.listAllCheckpoints(0))),
        managed_save=bool(_known(lambda: raw.hasManagedSaveImage(0))),
    )


def read_block_jobs(raw: libvirt.virDomain, targets: Collection[str]) -> tuple[str, ...]:
    """One call for each disk."""

    def has_job(target: str) -> bool:
        return bool(_known(lambda: len(raw.blockJobInfo(target, 0) or {})))

    return tuple(target for target in targets if has_job(target))


def read_memory_used_mib(raw: libvirt.virDomain) -> int | None:
    """By the guest's balloon driver, if it has one; else what of QEMU's memory is resident, at most the guest's own."""
    stats = raw.memoryStats()
    actual_kib = stats.get("actual", 0)
    if stats.get("unused") is not None and actual_kib:
        return max(0, actual_kib - stats["unused"]) // 1024
    if not stats.get("rss"):
        return None
    return min(stats["rss"], raw.info()[1] or stats["rss"]) // 1024


def read_disk_sizes(raw: libvirt.virDomain, targets: Collection[str]) -> dict[str, tuple[int, int]]:
    """One call for each disk; one of which nothing is known is left out."""
    found = {}
    for target in targets:
        try:
            capacity, allocation, _physical = raw.blockInfo(target)
        except libvirt.libvirtError:
            continue
        found[target] = (int(capacity), int(allocation))
    return found


def eject(raw: libvirt.virDomain, target: str) -> None:
    """Take the medium out of a CD-ROM or floppy drive. Raises Refused where `target` is none."""
    for flag, xml in (
        (libvirt.VIR_DOMAIN_AFFECT_LIVE, raw.XMLDesc(0) if raw.isActive() else ""),
        (libvirt.VIR_DOMAIN_AFFECT_CONFIG, raw.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) if raw.isPersistent() else ""),
    ):
        if not xml:
            continue
        drive = _drive(parse_xml(xml), target)
        if drive is None:
            raise Refused(f"{raw.name()} has no CD-ROM or floppy drive {target}.", vm=raw.name())
        for tag in ("source", "backingStore", "alias"):
            for child in drive.findall(tag):
                drive.remove(child)
        drive.set("type", "file")  # an empty drive that was a device of the host would keep looking for one
        raw.updateDeviceFlags(etree.tostring(drive, encoding="unicode"), flag)


def _drive(root: etree._Element, target: str) -> etree._Element | None:
    for disk in root.iterfind("devices/disk"):
        place = disk.find("target")
        if disk.get("device") in ("cdrom", "floppy") and place is not None and place.get("dev") == target:
            return disk
    return None


def _known(ask: Callable[[], int]) -> int:
    """What `ask` answers; 0 where this driver, or this kind of guest, does not know of such things."""
    try:
        return int(ask())
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (
            libvirt.VIR_ERR_NO_SUPPORT,
            libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
            libvirt.VIR_ERR_INVALID_ARG,
            libvirt.VIR_ERR_OPERATION_INVALID,
        ):
            raise
        return 0
