"""The rows that are the truth: hosts, storage, VMs, who may do what, and what was done."""

from hosts.models.access import ApiToken, AuditEvent, RoleBinding
from hosts.models.group_mount import GroupMount, GroupMountHost
from hosts.models.inventory import Host, HostGroup, HostState, Placement, VirtualMachine, VmState
from hosts.models.metrics import HostSeries, VmSeries
from hosts.models.moving import ImageMove, ImageMoveFile
from hosts.models.nfs_server import NfsServer
from hosts.models.saved_view import SavedView
from hosts.models.sharing import SharingProof
from hosts.models.shutdown import Shutdown
from hosts.models.storage import NOT_AS_WANTED, Export, Mount, MountSample, MountState, StoragePool, Volume
from hosts.models.vm_build import VmBuild
from hosts.models.watchers import WatcherProcess

__all__ = [
    "NOT_AS_WANTED",
    "ApiToken",
    "AuditEvent",
    "Export",
    "GroupMount",
    "GroupMountHost",
    "Host",
    "HostGroup",
    "HostSeries",
    "HostState",
    "ImageMove",
    "ImageMoveFile",
    "Mount",
    "MountSample",
    "MountState",
    "NfsServer",
    "Placement",
    "RoleBinding",
    "SavedView",
    "SharingProof",
    "Shutdown",
    "StoragePool",
    "VirtualMachine",
    "VmBuild",
    "VmSeries",
    "VmState",
    "Volume",
    "WatcherProcess",
]
