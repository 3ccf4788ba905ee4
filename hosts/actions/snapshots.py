"""Snapshots of a guest: listed, created, reverted to, deleted. None of it lets a guest run twice, or two write to a disk."""

import re

from hosts import audit, reach
from hosts.actions.framing import acting, guest_on
from hosts.actions.starting import claim, require_may_start, require_nothing_saved, require_own_disks
from hosts.errors import DomainNotFound, HostError, InvalidInput, Refused
from hosts.libvirt_client.guest_snapshots import Snapshot
from hosts.models import Host, VirtualMachine

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LONGEST_DESCRIPTION = 500
KINDS = ("memory", "disks")
TIMEOUT_S = 300.0
"""With memory, all of it is written into the image: 16 GiB at 100 MiB/s take 160 s."""


def snapshots(*, vm: VirtualMachine, host: Host) -> list[Snapshot]:
    """Those that `host` has, the oldest first. Changes nothing; raises HostError."""
    try:
        with reach.libvirt(host) as connection:
            return connection.guest(str(vm.uuid)).snapshots()
    except DomainNotFound:
        raise
    except HostError as error:
        error.vm, error.host = error.vm or vm.name, error.host or host.name
        raise


def create_snapshot(
    *,
    vm: VirtualMachine,
    host: Host,
    name: str,
    description: str = "",
    kind: str = "memory",
    actor: audit.Actor,
    reason: str = "",
) -> None:
    """Keep the guest as it is: `kind` memory (of one that is active, inside its qcow2 images) or disks alone.

    Raises InvalidInput, Refused.
    """
    if not NAME.fullmatch(name):
        message = (
            f"{name[:80]!r} can't be a snapshot's name: letters, digits, dots, dashes and underscores, 63 at most."
        )
        raise InvalidInput(message, field="name")
    if len(description) > LONGEST_DESCRIPTION or any(ord(character) < 32 for character in description):
        raise InvalidInput(f"One line of at most {LONGEST_DESCRIPTION} characters.", field="description")
    if kind not in KINDS:
        raise InvalidInput("A snapshot is of memory (and disks) or of disks.", field="kind")
    with acting("create snapshot", vm, host, actor, reason, about=name), guest_on(vm, host) as (_, guest):
        require_own_disks(vm, host, guest, act="snapshotted")
        if not guest.is_persistent(timeout_s=TIMEOUT_S):
            message = f"{vm.name} on {host.name} is transient: its snapshots would be lost with it."
            raise Refused(message, host=host.name, vm=vm.name, hint="Define it first.")
        if any(found.name == name for found in guest.snapshots()):
            message = f"{vm.name} has a snapshot named {name} already."
            raise Refused(message, host=host.name, vm=vm.name, hint="Choose another name, or delete that one first.")
        guest.create_snapshot(name=name, description=description, disks_only=kind == "disks", timeout_s=TIMEOUT_S)


def revert_to_snapshot(*, vm: VirtualMachine, host: Host, name: str, actor: audit.Actor, reason: str = "") -> None:
    """Make the guest what it was: all that was written since is lost, and its present memory.

    A snapshot of a guest that ran starts it, so that the rules of a start hold, whatever the snapshot is of.
    """
    with (
        acting("revert to snapshot", vm, host, actor, reason, about=name),
        claim(vm, host),
        guest_on(vm, host) as (_, guest),
    ):
        require_may_start(vm, host, guest, act=f"reverted to {name}")
        require_nothing_saved(vm, host, guest, act=f"reverted to {name}")
        guest.snapshot(name)
        guest.revert_to_snapshot(name, timeout_s=TIMEOUT_S)


def delete_snapshot(*, vm: VirtualMachine, host: Host, name: str, actor: audit.Actor, reason: str = "") -> None:
    """Give up what it keeps; the guest as it is, and the other snapshots, stay."""
    with acting("delete snapshot", vm, host, actor, reason, about=name), guest_on(vm, host) as (_, guest):
        require_own_disks(vm, host, guest, act="rid of its snapshot")
        guest.delete_snapshot(name, timeout_s=TIMEOUT_S)
