"""What people do to hosts and guests: used by pages, API and commands alike. Who may is for the edges to check."""

from hosts.actions.connection import ConnectionTest, test_connection, test_ssh, trust_host_key
from hosts.actions.definitions import Definitions, read_definitions
from hosts.actions.describe import describe
from hosts.actions.hosts import add_host, edit_host, refresh_host, remove_host, set_maintenance
from hosts.actions.lifecycle import ACTS as LIFECYCLE_ACTS
from hosts.actions.shutting_down import look_after_shutdowns, shutdown
from hosts.actions.snapshots import create_snapshot, delete_snapshot, revert_to_snapshot, snapshots
from hosts.actions.vms import (
    ACTS,
    adopt,
    compatible_cpu,
    define,
    destroy,
    eject,
    mark_stale,
    reboot,
    redefine,
    start,
    undefine_stale,
    use_compatible_cpu,
)

__all__ = [
    "VM_ACTS",
    "ConnectionTest",
    "Definitions",
    "add_host",
    "adopt",
    "compatible_cpu",
    "create_snapshot",
    "define",
    "delete_snapshot",
    "describe",
    "destroy",
    "edit_host",
    "eject",
    "look_after_shutdowns",
    "mark_stale",
    "read_definitions",
    "reboot",
    "redefine",
    "refresh_host",
    "remove_host",
    "revert_to_snapshot",
    "set_maintenance",
    "shutdown",
    "snapshots",
    "start",
    "test_connection",
    "test_ssh",
    "trust_host_key",
    "undefine_stale",
    "use_compatible_cpu",
]

VM_ACTS = {**ACTS, **LIFECYCLE_ACTS}
"""All acts on one guest where it is, by the name that paths give them."""
