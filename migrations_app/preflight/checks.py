"""The checks before a migration: facts of both hosts in, a list of findings out. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from hosts.domain_xml import Domain
from migrations_app.plan import Options

Level = Literal["ok", "warning", "blocker"]

SHARED_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "gfs2", "ocfs2", "afs", "smb3", "cifs", "ceph", "fuse.glusterfs", "gpfs", "beegfs", "fuse.quobyte"}
)
"""What libvirt takes for shared: virFileIsSharedFS in libvirt's src/util/virfile.c."""
SAFE_CACHE_MODES = frozenset({"none", "directsync"})
"""qemuMigrationSrcIsSafe in libvirt's src/qemu/qemu_migration.c."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it stands, and what to do about it."""

    name: str
    title: str
    level: Level
    message: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Folder:
    """What one disk folder is on both hosts; `same` only if a file written on one was read on the other."""

    path: str
    source_mount: str = ""
    source_kind: str = ""
    destination_mount: str = ""
    destination_kind: str = ""
    same: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the checks look at. An error text stands where a host did not answer."""

    vm_name: str
    source: str
    destination: str
    source_error: str = ""
    destination_error: str = ""
    state: str = ""
    job: bool = False
    domain: Domain | None = None
    same_machine: bool = False
    maintenance: bool = False
    source_libvirt: str = ""
    destination_libvirt: str = ""
    peer_error: str = ""
    other_of_same_name: str = ""
    known_at_destination: str = ""
    memory_free_mib: int | None = None
    cpu: str = ""
    cpu_text: str = ""
    capabilities_error: str = ""
    links: frozenset[str] | None = None
    networks: frozenset[str] = frozenset()
    folders: tuple[Folder, ...] = ()
    missing_files: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


def findings(facts: Facts, options: Options) -> list[Check]:
    """Every check, in the order in which an admin would look."""
    checks = list(_hosts(facts))
    if facts.domain and not facts.source_error:
        checks += _guest(facts, facts.domain)
    if facts.domain and not facts.destination_error:
        checks += [*_room(facts, facts.domain), *_network(facts, facts.domain), *_storage(facts, facts.domain, options)]
    return checks


def _hosts(facts: Facts) -> Iterator[Check]:
    for name, host, error in (
        ("source_reachable", facts.source, facts.source_error),
        ("destination_reachable", facts.destination, facts.destination_error),
    ):
        if error:
            yield Check(
                name, "Hosts reachable", "blocker", f"{host}: {error}", "Repair the connection, then check again."
            )
    if not (facts.source_error or facts.destination_error):
        yield Check("hosts_reachable", "Hosts reachable", "ok", f"{facts.source} and {facts.destination} answer.")
    if facts.same_machine:
        fix = "Choose another destination; if they are two machines, give each its own host_uuid in libvirtd.conf."
        yield Check("hosts_differ", "Two hosts", "blocker", "Both names lead to hosts with one and the same UUID.", fix)
    if facts.maintenance:
        fix = "Choose another destination, or end its maintenance."
        yield Check("maintenance", "Maintenance", "blocker", f"{facts.destination} is in maintenance.", fix)
    if facts.peer_error:
        message = f"{facts.source} itself can't reach libvirt on {facts.destination}: {facts.peer_error}"
        fix = f"As root on {facts.source}, make `virsh -c URI-of-{facts.destination} hostname` work (ssh key and known_hosts of root)."
        yield Check("peer", "Source reaches destination", "blocker", message, fix)
    elif not (facts.source_error or facts.destination_error):
        message = f"{facts.source} reaches libvirt on {facts.destination} by itself."
        yield Check("peer", "Source reaches destination", "ok", message)
    if _version(facts.destination_libvirt) < _version(facts.source_libvirt):
        message = f"libvirt {facts.destination_libvirt} on {facts.destination} is older than {facts.source_libvirt} on {facts.source}."
        yield Check(
            "versions", "Versions", "warning", message, "It often works; upgrade the destination where it does not."
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _guest(facts: Facts, domain: Domain) -> Iterator[Check]:
    if facts.state != "running":
        message = f"{facts.vm_name} is {facts.state or 'not there'} on {facts.source}."
        fix = "Only a running VM migrates live; start or resume it first."
        yield Check("running", "VM running", "blocker", message, fix)
    else:
        yield Check("running", "VM running", "ok", f"{facts.vm_name} is {facts.state} on {facts.source}.")
    if facts.job:
        message = f"Another job (migration, save, snapshot) works on {facts.vm_name}."
        yield Check("job", "No other job", "blocker", message, "Wait until it is over.")
    for blocker in domain.blockers():
        message = f"{facts.vm_name} has a {blocker.kind}: {blocker.what}."
        yield Check("devices", "Devices", "blocker", message, "It is bound to its host; remove it from the VM first.")


def _room(facts: Facts, domain: Domain) -> Iterator[Check]:
    if facts.other_of_same_name:
        message = f"{facts.destination} has another VM named {facts.vm_name} (UUID {facts.other_of_same_name})."
        yield Check("name", "Name free", "blocker", message, "Rename one of the two.")
    if facts.known_at_destination in ("running", "paused"):
        message = (
            f"{facts.vm_name} is already {facts.known_at_destination} on {facts.destination}: two copies of one VM."
        )
        yield Check(
            "copy", "No second copy", "blocker", message, "Find out which one is the real one before anything else."
        )
    elif facts.known_at_destination:
        message = f"{facts.destination} has an old definition of {facts.vm_name}, shut off; it is replaced."
        yield Check("copy", "No second copy", "warning", message)
    free = facts.memory_free_mib
    if free is not None and free < domain.memory_mib:
        message = f"{facts.vm_name} needs {domain.memory_mib} MiB, {facts.destination} has {free} MiB free."
        yield Check("memory", "Memory", "blocker", message, "Free memory there, or choose another destination.")
    elif free is not None:
        yield Check("memory", "Memory", "ok", f"{domain.memory_mib} MiB needed, {free} MiB free.")
    if facts.capabilities_error:
        message = f"{facts.destination} can't run machine type {domain.machine}: {facts.capabilities_error}"
        yield Check("machine", "Machine type", "blocker", message, "Update QEMU there, or choose another destination.")
    else:
        yield Check("machine", "Machine type", "ok", f"{facts.destination} knows machine type {domain.machine}.")
    if facts.cpu == "incompatible":
        message = f"The guest's CPU does not run on {facts.destination}: {facts.cpu_text}"
        yield Check("cpu", "CPU", "blocker", message, "Give the guest a CPU model that both hosts have.")
    elif facts.cpu == "unknown":
        yield Check("cpu", "CPU", "warning", f"The CPUs could not be compared: {facts.cpu_text}")
    else:
        yield Check("cpu", "CPU", "ok", f"{facts.destination} offers the guest's CPU.")


def _network(facts: Facts, domain: Domain) -> Iterator[Check]:
    missing = []
    for nic in domain.interfaces:
        if nic.type == "network" and nic.source not in facts.networks:
            missing.append(f"network {nic.source}")
        if nic.type in ("bridge", "direct") and facts.links is not None and nic.source not in facts.links:
            missing.append(f"{nic.type} {nic.source}")
    if missing:
        message = f"{facts.destination} lacks {', '.join(missing)}."
        yield Check("network", "Network", "blocker", message, f"Create it on {facts.destination} under the same name.")
    elif facts.links is None and domain.interfaces:
        yield Check("network", "Network", "warning", f"The bridges of {facts.destination} could not be listed.")
    else:
        names = ", ".join(nic.source for nic in domain.interfaces) or "no NIC"
        yield Check("network", "Network", "ok", f"{facts.destination} has {names}.")


def _storage(facts: Facts, domain: Domain, options: Options) -> Iterator[Check]:
    apart = [folder for folder in facts.folders if not folder.same]
    for folder in apart:
        message = f"{folder.path} is not the same storage on both hosts: {folder.problem}"
        fix = f"Mount on {facts.destination} what {facts.source} has there ({folder.source_mount or 'nothing is mounted'})."
        yield Check("storage", "Shared storage", "blocker", message, fix)
    for path in facts.missing_files:
        message = f"{facts.destination} does not see {path}."
        yield Check("files", "Disk images", "blocker", message, "Mount the share there, at the same path.")
    if facts.folders and not apart and not facts.missing_files:
        paths = ", ".join(folder.path for folder in facts.folders)
        message = f"A file written to {paths} on {facts.source} was read on {facts.destination}."
        yield Check("storage", "Shared storage", "ok", message)
    unsafe = list(_unsafe_disks(facts, domain))
    if unsafe and not options.unsafe:
        message = f"libvirt will call this unsafe: {'; '.join(unsafe)}."
        fix = "Set the disk's cache to none, or tick Unsafe where the storage is proven to be the same (see above)."
        yield Check("cache", "Cache mode", "blocker", message, fix)
    elif unsafe:
        message = f"Unsafe was ticked; libvirt's own check is skipped: {'; '.join(unsafe)}."
        yield Check("cache", "Cache mode", "warning", message)
    elif domain.disks:
        yield Check("cache", "Cache mode", "ok", "Shared file system and a safe cache mode.")


def _unsafe_disks(facts: Facts, domain: Domain) -> Iterator[str]:
    kinds = {folder.path: folder.source_kind for folder in facts.folders}
    for disk in domain.disks:
        if disk.type != "file" or not disk.source or disk.readonly or disk.shareable:
            continue
        kind = kinds.get(str(PurePosixPath(disk.source).parent), "")
        if kind and kind not in SHARED_FILE_SYSTEMS:
            yield f"{disk.target} lies on {kind}, which libvirt does not know as shared"
        elif disk.cache not in SAFE_CACHE_MODES:
            yield f"{disk.target} has cache mode {disk.cache or 'default'}"
