"""Changing a VM: its name, memory, vCPUs, boot order, drives, disks and interfaces, live where libvirt can."""

from collections.abc import Callable

from hosts.editing import definition
from hosts.editing.deleting import delete, own_volumes
from hosts.editing.disks import add_disk, add_drive, eject, insert, remove_disk
from hosts.editing.looking import Hardware, look
from hosts.editing.machine import rename, set_boot_order, set_memory, set_vcpus
from hosts.editing.nics import add_nic, remove_nic

__all__ = [
    "CHANGES",
    "Hardware",
    "add_disk",
    "add_drive",
    "add_nic",
    "definition",
    "delete",
    "eject",
    "insert",
    "look",
    "own_volumes",
    "remove_disk",
    "remove_nic",
    "rename",
    "set_boot_order",
    "set_memory",
    "set_vcpus",
]

CHANGES: dict[str, Callable[..., str]] = {
    "rename": rename,
    "memory": set_memory,
    "vcpus": set_vcpus,
    "boot-order": set_boot_order,
    "add-drive": add_drive,
    "insert": insert,
    "eject": eject,
    "add-disk": add_disk,
    "remove-disk": remove_disk,
    "add-nic": add_nic,
    "remove-nic": remove_nic,
}
"""By the name that paths give them, the same for pages and API. Each says what waits for the next start, "" if nothing."""
