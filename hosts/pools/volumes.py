"""Volumes: made, uploaded, cloned, resized, deleted. Who uses one is asked of every host that sees its file."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import IO

from hosts import audit
from hosts.errors import HostError, InvalidInput, Refused
from hosts.libvirt_client.storage import volume_xml
from hosts.models import AuditEvent, StoragePool, Volume
from hosts.pools import users
from hosts.pools.acts import own_storage, sync

FORMATS = ("qcow2", "raw")
MOST_BYTES = 2**50
SPARE_BYTES = 16 * 2**20


def create(
    *,
    pool: StoragePool,
    name: str,
    format: str,
    capacity_bytes: int,
    full: bool = False,
    backing: str = "",
    actor: audit.Actor,
) -> None:
    """Make an empty volume, or with `backing` (a volume of the pool) an image on top of it."""
    name = checked_name(name)
    _require_format(format)
    base = pool.volumes.filter(name=backing).first() if backing else None
    if backing and (base is None or format != "qcow2"):
        raise InvalidInput("A base is a volume of the same pool, and only a qcow2 image can have one.", field="backing")
    if base and capacity_bytes < base.capacity_bytes:
        capacity_bytes = base.capacity_bytes
    if not 2**20 <= capacity_bytes <= MOST_BYTES:
        raise InvalidInput("A volume has from 1 MiB to 1 PiB.", field="capacity_mib")
    with _act("create volume", pool, name, actor):
        if full:
            require_room(pool, capacity_bytes)
        xml = volume_xml(
            name=name,
            format=format,
            capacity_bytes=capacity_bytes,
            full=full,
            backing=base.path if base else "",
            backing_format=base.format if base else "",
        )
        require_free_name(pool, name)
        with own_storage(pool.host) as (_, storage):
            storage.create(pool.name, xml)
        sync(pool.host)


def upload(
    *,
    pool: StoragePool,
    name: str,
    content: IO[bytes],
    size_bytes: int,
    tell: Callable[[int], None] = lambda _: None,
    actor: audit.Actor,
) -> None:
    """Write a file into a new volume. Its size is checked first; where it breaks off, no half of it stays."""
    name = checked_name(name)
    if size_bytes <= 0:
        raise InvalidInput("The file is empty.", field="content")
    with _act("upload volume", pool, name, actor):
        require_room(pool, size_bytes)
        require_free_name(pool, name)
        xml = volume_xml(name=name, format="raw", capacity_bytes=size_bytes, full=False)
        with own_storage(pool.host) as (_, storage):
            storage.create(pool.name, xml)
            try:
                storage.upload(pool.name, name, content, size_bytes, tell)
            except BaseException:
                with suppress(HostError), own_storage(pool.host) as (_, again):
                    again.delete(pool.name, name)
                raise
            storage.refresh(pool.name)
        sync(pool.host)


def clone(*, volume: Volume, name: str, actor: audit.Actor) -> None:
    """A copy of the whole volume in the same pool. Refused while a VM that runs writes to it: the copy would be torn."""
    name, pool = checked_name(name), volume.pool
    with _act("clone volume", pool, f"{volume.name} as {name}", actor):
        running = [use for use in users.ask(volume) if use.active and use.how == "disk"]
        if running:
            raise Refused(
                f"{volume.name} is not cloned: {users.listed(running)}.",
                host=pool.host.name,
                hint="Shut the VM down first, or the copy would hold half-written data.",
            )
        require_room(pool, volume.allocation_bytes)
        require_free_name(pool, name)
        kind = volume.format if volume.format in FORMATS else "raw"
        xml = volume_xml(name=name, format=kind, capacity_bytes=volume.capacity_bytes, full=False)
        with own_storage(pool.host) as (_, storage):
            storage.clone(pool.name, volume.name, xml)
        sync(pool.host)


def resize(*, volume: Volume, capacity_bytes: int, actor: audit.Actor) -> None:
    """Make it larger. Smaller is refused: what lies beyond the new end would be lost; so is one in use."""
    pool = volume.pool
    with _act("resize volume", pool, volume.name, actor):
        if capacity_bytes <= volume.capacity_bytes or capacity_bytes > MOST_BYTES:
            raise InvalidInput(
                f"{volume.name} has {volume.capacity_bytes // 2**20} MiB; it only grows, up to 1 PiB.",
                field="capacity_mib",
            )
        users.require_off(volume, "resized")
        with own_storage(pool.host) as (_, storage):
            storage.resize(pool.name, volume.name, capacity_bytes)
        sync(pool.host)


def delete(*, volume: Volume, actor: audit.Actor) -> None:
    """Delete it for good. Refused while any VM, running or not, on any host that sees the file uses it, also as a backing file."""
    pool = volume.pool
    with _act("delete volume", pool, volume.name, actor):
        users.require_unused(volume, "deleted")
        with own_storage(pool.host) as (_, storage):
            storage.delete(pool.name, volume.name)
        sync(pool.host)


def checked_name(name: str) -> str:
    """A file name that is one. Raises InvalidInput(field="name")."""
    if not name.strip() or name.startswith((".", "-")) or "/" in name or len(name.encode()) > 200:
        raise InvalidInput(f"{name!r} can't be a volume's name: a file name without slashes.", field="name")
    if any(ord(character) < 32 for character in name):
        raise InvalidInput(f"{name!r} holds control characters.", field="name")
    return name


def _require_format(format: str) -> None:
    if format not in FORMATS:
        raise InvalidInput("A volume is qcow2 or raw.", field="format")


def require_room(
    pool: StoragePool, needed_bytes: int, *, hint: str = "Make room there, or choose another pool."
) -> None:
    """Raises Refused unless the pool has so much free, and a little to spare, as its row knows."""
    if needed_bytes + SPARE_BYTES > pool.available_bytes:
        raise Refused(
            f"The pool {pool.name} on {pool.host.name} has {pool.available_bytes // 2**20} MiB free; "
            f"this needs {needed_bytes // 2**20} MiB.",
            host=pool.host.name,
            hint=hint,
        )


def require_free_name(pool: StoragePool, name: str, *, hint: str = "Choose another name.") -> None:
    """Raises Refused where the pool has a volume of that name, as its rows know."""
    if pool.volumes.filter(name=name).exists():
        raise Refused(f"The pool {pool.name} has a volume named {name} already.", host=pool.host.name, hint=hint)


def _act(action: str, pool: StoragePool, what: str, actor: audit.Actor) -> AbstractContextManager[AuditEvent]:
    return audit.act(
        actor=actor, action=action, target=f"{what} in pool {pool.name} on {pool.host.name}", hosts=[pool.host]
    )
