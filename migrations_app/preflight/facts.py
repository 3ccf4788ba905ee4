"""All that the checks look at, as values. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Literal

from hosts.domain_needs import Needs
from hosts.domain_xml import Domain
from migrations_app.preflight.look import Look
from migrations_app.preflight.ports import Way

Level = Literal["ok", "warning", "blocker"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it stands, and what to do about it.

    `fix_act` names an act of fixes.py that does it, `fix_arg` what it is done to; "" where no button can.
    """

    name: str
    title: str
    level: Level
    message: str
    fix: str = ""
    fix_act: str = ""
    fix_arg: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Folder:
    """What one disk folder is on both hosts; `same` only if a file written on one was read on the other.

    `copied`: it was read, but as another file: the inode numbers differ. `apart`: it is proven to be other storage, the
    file was written on the source and the destination, asked, has none; where nothing could be proven both are False.
    """

    path: str
    source_mount: str = ""
    source_kind: str = ""
    destination_mount: str = ""
    destination_kind: str = ""
    same: bool = False
    problem: str = ""
    copied: bool = False
    apart: bool = False
    source_options: str = ""
    destination_options: str = ""
    last_same: str = ""
    """When it was proven to be the same, where it could not be proven now."""


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
    block_jobs: tuple[str, ...] = ()
    snapshots: int = 0
    checkpoints: int = 0
    managed_save: bool = False
    domain: Domain | None = None
    needs: Needs = field(default_factory=Needs)
    same_machine: bool = False
    maintenance: bool = False
    source_libvirt: str = ""
    destination_libvirt: str = ""
    source_qemu: str = ""
    destination_qemu: str = ""
    peer_error: str = ""
    peer_uri: str = ""
    source_uri: str = ""
    destination_uri: str = ""
    other_of_same_name: str = ""
    known_at_destination: str = ""
    saved_at_destination: bool = False
    memory_free_mib: int | None = None
    cpu: str = ""
    cpu_text: str = ""
    capabilities_error: str = ""
    links: frozenset[str] | None = None
    networks: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    folders: tuple[Folder, ...] = ()
    missing_files: tuple[str, ...] = ()
    source_look: Look | None = None
    destination_look: Look | None = None
    way: Way | None = None
    migration_address: str = ""
    memory_used_mib: int | None = None
    disk_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By a disk's target: how big the guest sees it, and how much of it is allocated on the source, in bytes."""
