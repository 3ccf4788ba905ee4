"""Who uses a volume: every VM of every host that sees the same file, and every image that is based on it."""

import posixpath
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connections

from hosts.errors import HostError, Refused
from hosts.models import Host, Mount, MountState, Placement, StoragePool, Volume
from hosts.moving_images import guests

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Use:
    """A VM on a host that uses a volume; `how` is "disk" or "backing file"."""

    vm: str
    host: str
    active: bool
    how: str


def same_file(host: Host, path: str) -> list[tuple[Host, str]]:
    """Every host that has the share in which `path` lies on `host`, with the path there; that host itself first."""
    mounts = Mount.objects.filter(host=host).exclude(state__in=(MountState.NOT_MOUNTED, MountState.MISSING))
    above = [row for row in mounts if path.startswith(f"{row.target}/")]
    if not above:
        return [(host, path)]
    share = max(above, key=lambda row: len(row.target))
    relative = path[len(share.target) + 1 :]
    rows = Mount.objects.filter(source=share.source).exclude(host=host).select_related("host")
    return [(host, path), *((row.host, f"{row.target}/{relative}") for row in rows)]


def by_rows(pool: StoragePool) -> dict[str, list[Use]]:
    """The uses of a pool's volumes as the inventory knows them, by path: for pages. Asks nobody."""
    places = same_file(pool.host, f"{pool.target}/x")
    folders = {host.pk: posixpath.dirname(path) for host, path in places}
    found: dict[str, list[Use]] = {}
    rows = Placement.objects.filter(host__in=folders, present=True, stale=False).select_related("vm", "host")
    for row in rows:
        for disk in row.facts.get("disks", []):
            source = disk.get("source") or ""
            if disk.get("pool"):
                source = f"{folders[row.host_id]}/{source}"
            named = [(source, "disk"), *((one, "backing file") for one in disk.get("backing_chain") or ())]
            for path, how in named:
                if posixpath.dirname(path) == folders[row.host_id]:
                    here = f"{pool.target}/{posixpath.basename(path)}"
                    found.setdefault(here, []).append(Use(row.vm.name, row.host.name, row.is_active, how))
    backed: dict[str, list[Use]] = {}
    for volume in pool.volumes.exclude(backing=""):
        backed.setdefault(volume.backing, []).append(Use(volume.name, pool.host.name, False, "image based on it"))
    for path, uses in backed.items():
        found.setdefault(path, []).extend(uses)
    return found


def ask(volume: Volume) -> list[Use]:
    """The uses of a volume, asked of every host that sees its file, at this moment. Raises Refused where one gives no answer."""
    places = same_file(volume.pool.host, volume.path)

    def one(place: tuple[Host, str]) -> list[Use]:
        host, path = place
        try:
            using = guests.users(host, folder=posixpath.dirname(path))
        except HostError as error:
            raise Refused(
                f"{host.name} does not answer, so nothing proves that no VM there uses {volume.name}.",
                host=host.name,
                hint=f"Bring {host.name} back, or remove it from the console if it is gone for good.",
                raw=str(error),
            ) from error
        finally:
            if len(places) > 1:
                connections.close_all()
        found = []
        for user in using:
            if path in user.paths | user.volumes:
                found.append(Use(user.name, host.name, user.active, "disk"))
            elif path in user.chain:
                found.append(Use(user.name, host.name, user.active, "backing file"))
        return found

    if len(places) == 1:
        uses = one(places[0])
    else:
        with ThreadPoolExecutor(max_workers=AT_ONCE) as workers:
            uses = [use for found in workers.map(one, places) for use in found]
    return uses + _images_on_top(volume)


def _images_on_top(volume: Volume) -> list[Use]:
    """Images of the same pool that are based on it, whether a VM uses them or not."""
    host = volume.pool.host
    others = [row.path for row in volume.pool.volumes.exclude(pk=volume.pk)]
    chains = guests.chains(host, others)
    return [
        Use(posixpath.basename(path), host.name, False, "image based on it")
        for path, image in chains.items()
        if volume.path in image.chain
    ]


def require_unused(volume: Volume, act: str) -> None:
    """Raises Refused with who uses it."""
    uses = ask(volume)
    if uses:
        raise Refused(
            f"{volume.name} is not {act}: {listed(uses)}.",
            host=volume.pool.host.name,
            hint="Take it out of these first.",
        )


def require_off(volume: Volume, act: str) -> None:
    """Raises Refused while a VM that is active uses it, or an image is based on it."""
    uses = [use for use in ask(volume) if use.active or use.how != "disk"]
    if uses:
        raise Refused(
            f"{volume.name} is not {act}: {listed(uses)}.",
            host=volume.pool.host.name,
            hint="Shut these VMs down first. What others are based on never changes its size.",
        )


def listed(uses: Iterable[Use]) -> str:
    words = {"disk": "is a disk of", "backing file": "is a backing file of", "image based on it": "is what is below"}
    return "; ".join(f"it {words[use.how]} {use.vm} on {use.host}{' (running)' if use.active else ''}" for use in uses)
