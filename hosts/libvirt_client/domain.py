"""One guest on one host: all that it can be asked and told, by subject in the guest_… modules."""

from __future__ import annotations

from hosts.libvirt_client.guest_base import ACT_TIMEOUT_S, CALL_TIMEOUT_S
from hosts.libvirt_client.guest_consoles import GuestConsoles
from hosts.libvirt_client.guest_definition import GuestDefinition
from hosts.libvirt_client.guest_dirty_rate import DirtyRate, GuestDirtyRate
from hosts.libvirt_client.guest_facts import KeptStates
from hosts.libvirt_client.guest_hardware import GuestHardware
from hosts.libvirt_client.guest_migration import GuestMigration
from hosts.libvirt_client.guest_snapshots import GuestSnapshots

__all__ = ["ACT_TIMEOUT_S", "CALL_TIMEOUT_S", "DirtyRate", "Guest", "KeptStates"]


class Guest(GuestMigration, GuestDefinition, GuestHardware, GuestSnapshots, GuestConsoles, GuestDirtyRate):
    """A libvirt domain. Each method is one question or act, and raises HostError's children with guest and host in them."""
