"""Beginning to make a VM: all is checked, a row is written, and the work is left to the worker."""

import posixpath
import uuid
from collections import Counter
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction

from hosts import audit, jobs
from hosts.actions.framing import ACT_TIMEOUT_S, acting, guest_on
from hosts.actions.starting import require_nothing_saved, require_own_disks
from hosts.domain_xml import Domain
from hosts.editing.deleting import own_volumes
from hosts.editing.disks import FORMATS, GIB, pool_of, volume_of
from hosts.editing.machine import checked_memory, checked_name, checked_vcpus
from hosts.editing.nics import check_place
from hosts.errors import InvalidInput, Refused
from hosts.making.systems import systems
from hosts.models import AuditEvent, Host, StoragePool, VirtualMachine, VmBuild, Volume
from hosts.pools.acts import own_storage, sync
from hosts.pools.volumes import checked_name as checked_volume_name
from hosts.pools.volumes import require_free_name, require_room

MEDIA = ("iso", "image")
MOST_GIB = 2**20
NO_ROOM = "Make room there, or move the disks to another pool."


def clone(*, vm: VirtualMachine, host: Host, name: str, actor: audit.Actor, reason: str = "") -> VmBuild:
    """Begin a copy of a VM that is off, under a new name, UUID and addresses, with a copy of each of its disks.

    Media in drives are shared. Refused for disks in no pool, and unless nothing can be writing to them.
    """
    checked_name(name)
    with acting("clone VM", vm, host, actor, reason, about=f"as {name}") as event, guest_on(vm, host) as (_, guest):
        if guest.is_active(timeout_s=ACT_TIMEOUT_S):
            message = f"{vm.name} is active on {host.name}: a copy of its disks would hold half-written data."
            raise Refused(message, host=host.name, vm=vm.name, hint="Shut it down first.")
        require_own_disks(vm, host, guest, act="cloned")
        require_nothing_saved(vm, host, guest, act="cloned")
        domain = Domain.parse(guest.xml(inactive=True, timeout_s=ACT_TIMEOUT_S))
        volumes = _copies(vm, host, domain, name)
        return _begin(
            event, kind=VmBuild.Kind.CLONE, host=host, source=vm, name=name, plan={"volumes": volumes}, user=actor.user
        )


def create(
    *,
    host: Host,
    name: str,
    memory_mib: int,
    vcpus: int,
    medium: str,
    pool: str,
    volume: str,
    disk_pool: str = "",
    disk_gib: int | None = None,
    nic_kind: str,
    nic_source: str,
    system: str = "linux",
    efi: bool = False,
    actor: audit.Actor,
    reason: str = "",
) -> VmBuild:
    """Begin a new VM. `medium` iso: `volume` of `pool` is in its drive, and an empty disk of `disk_gib` is made in
    `disk_pool`. `medium` image: its disk is a copy of `volume`, in the same pool, grown to `disk_gib` where that is more.
    """
    checked_name(name)
    checked_memory(memory_mib, host)
    checked_vcpus(vcpus, host)
    check_place(nic_kind, nic_source, fields=("nic_kind", "nic_source"))
    chosen = next((one for one in systems(host) if one.key == system), None)
    if chosen is None:
        raise InvalidInput(f"{host.name} knows no operating system {system[:60]!r}.", field="system")
    source = volume_of(host, pool, volume)
    wanted = _new_disk(host, name, medium, source, disk_pool, disk_gib)
    target = f"VM {name} on {host.name}"
    with audit.act(actor=actor, action="create VM", target=target, hosts=[host], reason=reason) as event:
        if host.maintenance:
            raise Refused(f"{host.name} is in maintenance.", host=host.name, hint="End its maintenance first.")
        vm = {
            "memory_mib": memory_mib,
            "vcpus": vcpus,
            "nic_kind": nic_kind,
            "nic_source": nic_source,
            "iso": source.path if medium == "iso" else "",
            "family": chosen.family,
            "os_id": chosen.id,
            "efi": efi,
        }
        plan = {"volumes": [wanted], "vm": vm}
        return _begin(event, kind=VmBuild.Kind.CREATE, host=host, source=None, name=name, plan=plan, user=actor.user)


def _begin(event: AuditEvent, **fields: Any) -> VmBuild:
    try:
        with transaction.atomic():
            row = VmBuild.objects.create(event=event, uuid=uuid.uuid4(), **fields)
    except IntegrityError as error:
        message = f"A VM named {fields['name']} is being made already."
        raise Refused(message, host=fields["host"].name, hint="Choose another name, or wait for its end.") from error
    event.left_open = True
    jobs.nudge("hosts.make_vm", row.pk)
    return row


def _copies(vm: VirtualMachine, host: Host, domain: Domain, name: str) -> list[dict[str, Any]]:
    """What is to be copied, with free names beside the originals. Raises Refused."""
    found, needed = [], Counter[int]()
    owned = own_volumes(vm=vm, host=host, domain=domain)
    if missing := {posixpath.dirname(own.source) for own in owned if own.volume is None}:
        _look_into_pools(host, missing)
        owned = own_volumes(vm=vm, host=host, domain=domain)
    for number, own in enumerate(owned):
        row = own.volume if own.volume and own.volume.pool.active else None
        if row is None or row.format not in FORMATS:
            why = f"is {row.format}, not qcow2 or raw" if row else "is in no active pool"
            message = f"{vm.name} is not cloned: its disk {own.target} ({own.source}) {why}."
            hint = f"Define a pool over {posixpath.dirname(own.source)} on {host.name}."
            raise Refused(message, host=host.name, vm=vm.name, hint=hint)
        new = _free_name(row.pool, f"{name}-{own.target}" if number else name, row.format)
        needed[row.pool.pk] += row.allocation_bytes
        found.append({"pool": row.pool.name, "name": new, "from": row.name, "target": own.target})
    if unknown := [disk.target for disk in domain.disks if disk.device == "lun" or disk.encrypted]:
        message = f"{vm.name} is not cloned: {', '.join(unknown)} is a device of its own, or encrypted."
        raise Refused(message, host=host.name, vm=vm.name)
    for pool in StoragePool.objects.filter(pk__in=needed):
        require_room(pool, needed[pool.pk], hint=NO_ROOM)
    return found


def _look_into_pools(host: Host, folders: Collection[str]) -> None:
    """Look anew into the active pools over `folders`: images that were made by other means are not listed before that."""
    with own_storage(host) as (connection, _):
        for pool in StoragePool.objects.filter(host=host, active=True, target__in=folders):
            connection.refresh_pool(pool.name)
    sync(host)


def _new_disk(
    host: Host, name: str, medium: str, source: Volume, disk_pool: str, disk_gib: int | None
) -> dict[str, Any]:
    if medium not in MEDIA:
        raise InvalidInput("A VM is made from an iso or an image.", field="medium")
    if disk_gib is not None and not 1 <= disk_gib <= MOST_GIB:
        raise InvalidInput("A disk has from 1 GiB to 1 PiB.", field="disk_gib")
    if medium == "image":
        if source.format not in FORMATS:
            raise InvalidInput(f"{source.name} is {source.format or 'unknown'}, not qcow2 or raw.", field="volume")
        require_room(source.pool, source.allocation_bytes, hint=NO_ROOM)
        new = _free_name(source.pool, name, source.format)
        more = {"grow_bytes": disk_gib * GIB} if disk_gib and disk_gib * GIB > source.capacity_bytes else {}
        return {"pool": source.pool.name, "name": new, "from": source.name, "target": "disk", **more}
    if disk_gib is None:
        raise InvalidInput("Say how large its disk is to be.", field="disk_gib")
    row = pool_of(host, disk_pool) if disk_pool else source.pool
    new = _free_name(row, name, "qcow2")
    return {"pool": row.name, "name": new, "from": "", "capacity_bytes": disk_gib * GIB, "target": "disk"}


def _free_name(pool: StoragePool, wanted: str, format: str) -> str:
    name = checked_volume_name(f"{wanted}.{'qcow2' if format == 'qcow2' else 'img'}")
    require_free_name(pool, name, hint="Choose another name for the VM.")
    return name
