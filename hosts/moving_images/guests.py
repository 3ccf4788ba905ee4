"""Which VMs of a host use the files of a move, and what their definitions say of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from hosts import reach
from hosts.errors import HostError, Refused
from hosts.libvirt_client.connection import Connection
from hosts.models import Host, ImageMove, Mount, Placement
from hosts.models.inventory import ACTIVE_STATES
from hosts.moving_images import facts, scripts

ASK_TIMEOUT_S = 15.0
CHAINS_TIMEOUT_S = 120.0
ACT_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class User:
    """A VM that uses files below the mount point: it names `paths`, writes to `written`, and its disks are based on `chain`."""

    uuid: str
    name: str
    active: bool
    persistent: bool
    managed_save: bool
    paths: frozenset[str]
    volumes: frozenset[str]
    chain: frozenset[str]
    written: frozenset[str]


def chains(host: Host, paths: Iterable[str]) -> dict[str, facts.Image]:
    """What qemu-img on `host` says of these files. Raises Refused where it has none."""
    given = "".join(f"{path}\0" for path in sorted(set(paths)))
    result = reach.run(host, scripts.argv(scripts.CHAINS), timeout_s=CHAINS_TIMEOUT_S, check=False, input=given)
    if result.returncode == scripts.NO_QEMU_IMG:
        raise Refused(
            f"qemu-img is not on {host.name}, so nobody can tell which images others are based on.",
            host=host.name,
            hint="Install it there: apt install qemu-utils, or dnf install qemu-img.",
        )
    return facts.parse_chains(result.stdout)


def users(host: Host, *, folder: str, images: Mapping[str, facts.Image] | None = None) -> list[User]:
    """The VMs on `host` that use anything below `folder`. With `images` those of `folder` are known already.

    A connection of its own is asked, since a pool on dead storage can make libvirt's answer wait for ever.
    """
    stale = {str(row.vm.uuid) for row in Placement.objects.filter(host=host, stale=True).select_related("vm")}
    with reach.open_own(host, timeout_s=ASK_TIMEOUT_S) as connection:
        domains = [domain for domain in connection.domains(timeout_s=ASK_TIMEOUT_S) if domain.uuid not in stale]
        pools = {pool.name: pool.target for pool in connection.pools(timeout_s=ASK_TIMEOUT_S)}
    texts = {domain.uuid: [xml for xml in (domain.live_xml, domain.persistent_xml) if xml] for domain in domains}
    sources = {
        path for each in texts.values() for xml in each for path in facts.disk_sources(xml) if path.startswith("/")
    }
    known = dict(images or {})
    known |= chains(host, sources - set(known))
    found = []
    for domain in domains:
        xmls = texts[domain.uuid]
        paths = frozenset().union(*(facts.paths_below(xml, folder) for xml in xmls))
        volumes = frozenset().union(*(facts.volumes_below(xml, pools, folder) for xml in xmls))
        disks = frozenset().union(*(facts.disk_sources(xml) for xml in xmls)) | volumes
        below = {link for path in disks if path in known for link in known[path].chain if facts.is_below(link, folder)}
        if paths or volumes or below:
            found.append(
                User(
                    uuid=domain.uuid,
                    name=domain.name,
                    active=domain.state in ACTIVE_STATES,
                    persistent=domain.persistent,
                    managed_save=domain.managed_save,
                    paths=paths,
                    volumes=volumes,
                    chain=frozenset(below),
                    written=volumes.union(*(facts.written_disks(xml) for xml in xmls)),
                )
            )
    return sorted(found, key=lambda user: user.name)


def used_elsewhere(move: ImageMove) -> dict[str, str]:
    """Paths on the share, as the other hosts' rows name them, with the VM and host that use each."""
    targets = {row.host_id: row.target for row in Mount.objects.filter(source=move.source).exclude(host=move.host)}
    rows = Placement.objects.filter(host__in=targets, present=True).select_related("vm", "host")
    found = {}
    for row in rows:
        for disk in row.facts.get("disks", []):
            for path in (disk.get("source"), *(disk.get("backing_chain") or ())):
                if path and PurePosixPath(path).is_relative_to(targets[row.host_id]):
                    name = str(PurePosixPath(path).relative_to(targets[row.host_id]))
                    found[name] = f"{row.vm.name} on {row.host.name}"
    return found


def renamed(move: ImageMove) -> dict[str, str]:
    """Old and new absolute paths of the files that get another name on the share."""
    rows = move.files.exclude(new_name="")
    return {f"{move.target}/{row.path}": f"{move.target}/{row.new_name}" for row in rows}


def definitions(
    connection: Connection, *, uuids: Iterable[str], folder: str, paths: Iterable[str]
) -> list[tuple[str, str]]:
    """UUID and name of those of the VMs whose definition names one of `paths`, which lie below `folder`."""
    wanted = set(paths)
    found = []
    for uuid in uuids if wanted else ():
        try:
            guest = connection.guest(uuid, timeout_s=ASK_TIMEOUT_S)
            xml = guest.xml(inactive=True, timeout_s=ASK_TIMEOUT_S)
        except HostError:
            continue  # undefined meanwhile: it can't be started from here either
        if facts.paths_below(xml, folder) & wanted:
            found.append((uuid, guest.name))
    return found


def redefine(connection: Connection, uuid: str, changes: Mapping[str, str]) -> None:
    """Define the VM anew with each old path changed to the new one."""
    guest = connection.guest(uuid, timeout_s=ASK_TIMEOUT_S)
    xml = guest.xml(inactive=True, secure=True, timeout_s=ASK_TIMEOUT_S)
    connection.define(facts.replace_paths(xml, changes), timeout_s=ACT_TIMEOUT_S)
