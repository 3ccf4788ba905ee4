"""Deleting a VM, with a choice about its volumes: kept unless somebody says otherwise, and never one that others use."""

from collections.abc import Collection
from dataclasses import dataclass

from hosts import audit, pools
from hosts.actions.elsewhere import ask_others
from hosts.actions.framing import ACT_TIMEOUT_S, acting, guest_on
from hosts.actions.starting import require_good_copy
from hosts.domain_xml import Disk, Domain
from hosts.errors import HostError, InvalidInput, Refused
from hosts.libvirt_client.domain import Guest
from hosts.models import Host, VirtualMachine, Volume
from hosts.pools import users


@dataclass(frozen=True, slots=True)
class OwnVolume:
    """A disk of a VM with the volume that it is, if it is one; `why_not` says why it can't be deleted along, "" if it can."""

    target: str
    source: str
    volume: Volume | None
    why_not: str = ""

    @property
    def key(self) -> str:
        return f"{self.volume.pool.name}/{self.volume.name}" if self.volume else ""


def own_volumes(*, vm: VirtualMachine, host: Host, domain: Domain) -> list[OwnVolume]:
    """The VM's disks as far as the rows tell who uses them: for pages. Media in drives are not among them."""
    return [_own(vm, host, disk) for disk in domain.disks if disk.device == "disk" and disk.source]


def delete(
    *,
    vm: VirtualMachine,
    host: Host,
    confirm: str,
    volumes: Collection[str] = (),
    actor: audit.Actor,
    reason: str = "",
) -> str:
    """Delete the definition, snapshots, saved memory and firmware variables of a VM that is off.

    `volumes` (POOL/VOLUME, disks of this VM) are deleted too; the others stay. `confirm` is its name, as typed. Refused
    while another host has the VM, and for a volume that anything else uses. Returns what could not be deleted, "" if nothing.
    """
    if confirm != vm.name:
        raise InvalidInput(f"Type the name of the VM, {vm.name}, to delete it.", field="confirm")
    with acting("delete VM", vm, host, actor, reason, about=", ".join(volumes)[:200]):
        with guest_on(vm, host) as (_, guest):
            require_good_copy(vm, host, guest)
            _require_off(vm, host, guest)
            _require_only_here(vm, host)
            rows = _chosen(vm, host, guest, volumes)
            guest.delete(timeout_s=ACT_TIMEOUT_S)
        left = []
        for row in rows:
            try:
                pools.delete(volume=row, actor=actor)
            except HostError as error:
                left.append(f"{row.name} was not deleted: {error}")
    return " ".join(left)


def _own(vm: VirtualMachine, host: Host, disk: Disk) -> OwnVolume:
    rows = Volume.objects.filter(pool__host=host).select_related("pool__host")
    if disk.source_pool:
        row = rows.filter(pool__name=disk.source_pool, name=disk.source).first()
    else:
        row = rows.filter(path=disk.source).first()
    if row is None:
        return OwnVolume(disk.target, disk.source, None, "It is in no pool of this host.")
    if disk.shareable:
        return OwnVolume(disk.target, disk.source, row, "It is marked as shareable: others may write to it.")
    others = [use for use in users.by_rows(row.pool).get(row.path, []) if not _is_own(use, vm, host)]
    return OwnVolume(disk.target, disk.source, row, f"Kept: {users.listed(others)}." if others else "")


def _chosen(vm: VirtualMachine, host: Host, guest: Guest, keys: Collection[str]) -> list[Volume]:
    """The volumes of these names, each proven by all hosts that see its file to be this VM's alone."""
    if not keys:
        return []
    domain = Domain.parse(guest.xml(inactive=True, timeout_s=ACT_TIMEOUT_S))
    own = {found.key: found for found in own_volumes(vm=vm, host=host, domain=domain) if found.volume}
    rows = []
    for key in keys:
        found = own.get(key)
        if found is None or found.volume is None:
            raise InvalidInput(f"{key} is no volume of a disk of {vm.name}.", field="volumes")
        others = [use for use in users.ask(found.volume) if not _is_own(use, vm, host)]
        if others or found.why_not:
            raise Refused(
                f"{vm.name} is not deleted with {key}: {users.listed(others) or found.why_not}.",
                host=host.name,
                vm=vm.name,
                hint="Keep this volume, or take it out of these first.",
            )
        rows.append(found.volume)
    return rows


def _is_own(use: users.Use, vm: VirtualMachine, host: Host) -> bool:
    return use.vm == vm.name and use.host == host.name and use.how == "disk"


def _require_off(vm: VirtualMachine, host: Host, guest: Guest) -> None:
    if guest.is_active(timeout_s=ACT_TIMEOUT_S):
        message = f"{vm.name} is active on {host.name}; only a VM that is off is deleted."
        raise Refused(message, host=host.name, vm=vm.name, hint="Shut it down, or force it off, first.")


def _require_only_here(vm: VirtualMachine, host: Host) -> None:
    """Raises Refused unless every other host that may have the VM says, now, that it does not."""
    for answer in ask_others(vm=vm, host=host):
        where = answer.host.name
        if answer.is_active:
            message = f"{vm.name} is {answer.state} on {where}: what {host.name} has is a leftover of it."
            raise Refused(message, host=where, vm=vm.name, hint=f"Remove the leftover on {host.name} instead.")
        if answer.error:
            raise Refused(
                f"{where} does not answer, so nothing proves that it does not have {vm.name} too.",
                host=where,
                vm=vm.name,
                hint=f"Bring {where} back, or, if it is gone for good, remove it from the console first.",
                raw=str(answer.error),
            )
        if answer.state is not None:
            message = f"{where} has {vm.name} too, on the same disks."
            raise Refused(message, host=where, vm=vm.name, hint=f"Remove the leftover on {where} first.")
