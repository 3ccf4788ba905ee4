"""What is done to pools and volumes. Use a connection of one's own: a pool on dead storage can make a call hang for ever."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import IO

import libvirt
from lxml import etree
from lxml.builder import E

from hosts.libvirt_client.connection import Connection

ACT_TIMEOUT_S = 60.0
"""netfs pools mount: mount.nfs tries a server that is away for longer than this, and then the connection is given up."""
WRITE_TIMEOUT_S = 3600.0
CHUNK_BYTES = 262144


def pool_xml(*, name: str, kind: str, target: str, server: str = "", folder: str = "") -> str:
    """The definition of a pool of kind dir (a folder that is there) or netfs (a share that libvirt mounts)."""
    pool = E.pool(E.name(name), type=kind)
    if kind == "netfs":
        pool.append(E.source(E.host(name=server), E.dir(path=folder), E.format(type="nfs")))
    pool.append(E.target(E.path(target)))
    return etree.tostring(pool, encoding="unicode")


def volume_xml(
    *, name: str, format: str, capacity_bytes: int, full: bool, backing: str = "", backing_format: str = ""
) -> str:
    """The definition of a volume; with `full` all of its space is taken at once."""
    volume = E.volume(
        E.name(name),
        E.capacity(str(capacity_bytes), unit="bytes"),
        E.allocation(str(capacity_bytes if full else 0), unit="bytes"),
        E.target(E.format(type=format)),
    )
    if backing:
        volume.append(E.backingStore(E.path(backing), E.format(type=backing_format)))
    return etree.tostring(volume, encoding="unicode")


class Storage:
    """The pools of one host, over one connection that nobody else uses."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._raw = connection, connection.raw

    def define(self, xml: str) -> None:
        self._call(lambda: self._raw.storagePoolDefineXML(xml, 0))

    def start(self, pool: str) -> None:
        """Start it; one that is active stays so. Makes nothing: the folder must be there."""
        self._pool(pool, lambda found: None if found.isActive() else found.create(0))

    def stop(self, pool: str) -> None:
        """Stop it: nothing of it is deleted; a netfs pool is unmounted."""
        self._pool(pool, lambda found: found.destroy() if found.isActive() else None)

    def set_autostart(self, pool: str, on: bool) -> None:
        self._pool(pool, lambda found: found.setAutostart(int(on)))

    def refresh(self, pool: str) -> None:
        self._pool(pool, lambda found: found.refresh(0))

    def undefine(self, pool: str) -> None:
        """Forget a pool that is stopped; its files stay."""
        self._pool(pool, lambda found: found.undefine())

    def create(self, pool: str, xml: str) -> None:
        self._pool(pool, lambda found: found.createXML(xml, 0), timeout_s=WRITE_TIMEOUT_S)

    def clone(self, pool: str, volume: str, xml: str) -> None:
        self._pool(
            pool,
            lambda found: found.createXMLFrom(xml, found.storageVolLookupByName(volume), 0),
            timeout_s=WRITE_TIMEOUT_S,
        )

    def resize(self, pool: str, volume: str, capacity_bytes: int) -> None:
        self._volume(pool, volume, lambda found: found.resize(capacity_bytes, 0))

    def delete(self, pool: str, volume: str) -> None:
        self._volume(pool, volume, lambda found: found.delete(0))

    def upload(self, pool: str, volume: str, content: IO[bytes], size_bytes: int, tell: Callable[[int], None]) -> None:
        """Write `content` into the volume; `tell` hears how many bytes are written. Its end is libvirt's own word."""
        sent = 0

        def chunk(_stream: libvirt.virStream, wanted: int, _opaque: object) -> bytes:
            nonlocal sent
            piece = content.read(min(wanted, CHUNK_BYTES))
            sent += len(piece)
            tell(sent)
            return piece

        def write(found: libvirt.virStorageVol) -> None:
            stream = self._raw.newStream(0)
            try:
                found.upload(stream, 0, size_bytes, 0)
                stream.sendAll(chunk, None)
                stream.finish()
            except BaseException:
                with suppress(libvirt.libvirtError):  # sendAll has ended it already where `content` failed
                    stream.abort()
                raise

        self._volume(pool, volume, write, timeout_s=WRITE_TIMEOUT_S)

    def _call(self, function: Callable[[], object], timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._connection.call(function, timeout_s=timeout_s)

    def _pool(
        self, name: str, act: Callable[[libvirt.virStoragePool], object], timeout_s: float = ACT_TIMEOUT_S
    ) -> None:
        self._call(lambda: act(self._raw.storagePoolLookupByName(name)), timeout_s)

    def _volume(
        self, pool: str, name: str, act: Callable[[libvirt.virStorageVol], object], timeout_s: float = ACT_TIMEOUT_S
    ) -> None:
        self._pool(pool, lambda found: act(found.storageVolLookupByName(name)), timeout_s)
