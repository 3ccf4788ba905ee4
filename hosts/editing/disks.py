"""Disks and drives of a VM, on volumes of its host's pools."""

from contextlib import suppress

from hosts import audit, pools
from hosts.editing.changing import changing
from hosts.errors import HostError, InvalidInput, Refused
from hosts.hardware_xml import (
    BUS_PREFIXES,
    disk_xml,
    drive_bus,
    drive_with_medium,
    drive_xml,
    find_disk,
    free_target,
    with_device,
    with_medium,
    without_disk,
)
from hosts.models import Host, StoragePool, VirtualMachine, Volume
from hosts.pools import users

BUSES = tuple(bus for bus in BUS_PREFIXES if bus != "ide")
FORMATS = ("qcow2", "raw")
GIB = 2**30


def insert(
    *, vm: VirtualMachine, host: Host, target: str, pool: str, volume: str, actor: audit.Actor, reason: str = ""
) -> str:
    """Put a volume into the CD-ROM drive `target`, in place of what is in it. Raises InvalidInput, Refused."""
    medium = volume_of(host, pool, volume)
    with changing("insert medium", vm, host, actor, reason, about=f"{volume} into {target}") as change:
        change.define(lambda xml: with_medium(xml, target, medium.path))
        if not change.is_active:
            return ""
        drive = drive_with_medium(change.live_xml, target, medium.path)
        return change.try_live(lambda: change.guest.replug(drive))


def add_drive(*, vm: VirtualMachine, host: Host, actor: audit.Actor, reason: str = "") -> str:
    """Give it an empty CD-ROM drive; at next start where libvirt can't plug one, as on SATA and IDE."""
    with changing("add CD-ROM drive", vm, host, actor, reason) as change:
        bus = drive_bus(change.xml or change.live_xml)
        device = drive_xml(target=free_target(change.all_xml, bus), bus=bus)
        change.define(lambda xml: with_device(xml, device))
        return change.try_live(lambda: change.guest.plug(device))


def eject(*, vm: VirtualMachine, host: Host, target: str, actor: audit.Actor, reason: str = "") -> str:
    """Take the medium out of the drive `target`, now and for the next start."""
    with changing("eject medium", vm, host, actor, reason, about=target) as change:
        change.guest.eject(target)
    return ""


def add_disk(
    *,
    vm: VirtualMachine,
    host: Host,
    pool: str,
    volume: str,
    bus: str = "virtio",
    new_gib: int | None = None,
    actor: audit.Actor,
    reason: str = "",
) -> str:
    """Give it the volume as a disk; with `new_gib` the volume is made first, as qcow2 of that size.

    Refused for a volume that any VM on any host that sees the file uses. Raises InvalidInput.
    """
    row = pool_of(host, pool)
    if bus not in BUSES:
        raise InvalidInput(f"A disk is on one of these buses: {', '.join(BUSES)}.", field="bus")
    if new_gib is None:
        found = volume_of(host, pool, volume)
        if found.format not in FORMATS:
            message = f"{volume} is {found.format or 'of no known format'}; a disk is qcow2 or raw."
            raise InvalidInput(message, field="volume")
    with changing("add disk", vm, host, actor, reason, about=f"{volume} of pool {pool}") as change:
        target = free_target(change.all_xml, bus)
        if new_gib is not None:
            pools.create(pool=row, name=volume, format="qcow2", capacity_bytes=new_gib * GIB, actor=actor)
            found = volume_of(host, pool, volume)
        else:
            users.require_unused(found, "attached")
        device = disk_xml(path=found.path, format=found.format or "qcow2", target=target, bus=bus)
        try:
            change.define(lambda xml: with_device(xml, device))
            return change.try_live(lambda: change.guest.plug(device))
        except HostError:
            if new_gib is not None:
                with suppress(HostError):  # asks first whether the VM has it after all
                    pools.delete(volume=found, actor=actor)
            raise


def remove_disk(*, vm: VirtualMachine, host: Host, target: str, actor: audit.Actor, reason: str = "") -> str:
    """Take the disk or drive `target` away; its volume stays."""
    with changing("remove disk", vm, host, actor, reason, about=target) as change:
        if not any(find_disk(xml, target) for xml in change.all_xml):
            raise Refused(f"{vm.name} has no disk {target}.", host=host.name, vm=vm.name)
        return change.take_away(lambda xml: find_disk(xml, target), lambda xml: without_disk(xml, target))


def pool_of(host: Host, name: str) -> StoragePool:
    """An active pool of the host. Raises InvalidInput(field="pool")."""
    row = StoragePool.objects.filter(host=host, name=name).select_related("host").first()
    if row is None or not row.active:
        raise InvalidInput(f"{host.name} has no active pool named {name}.", field="pool")
    return row


def volume_of(host: Host, pool: str, name: str) -> Volume:
    """A volume of an active pool of the host. Raises InvalidInput(field="volume")."""
    row = Volume.objects.filter(pool=pool_of(host, pool), name=name).select_related("pool__host").first()
    if row is None:
        raise InvalidInput(f"The pool {pool} on {host.name} has no volume named {name}.", field="volume")
    return row
