"""Storage pools and volumes as values. Each function makes its calls on the given connection."""

from __future__ import annotations

from dataclasses import dataclass

import libvirt
from lxml import etree

from hosts.xml_reading import attribute, parse_xml, text


@dataclass(frozen=True, slots=True)
class Pool:
    """A storage pool. `kind` is libvirt's type (dir, netfs, logical …); `source` is server:/path for one over NFS."""

    uuid: str
    name: str
    kind: str
    active: bool
    autostart: bool
    target: str
    source: str
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a pool, usually a disk image; `backing` is the file that it is based on."""

    name: str
    path: str
    format: str
    capacity_bytes: int
    allocation_bytes: int
    backing: str = ""


def read_pools(raw: libvirt.virConnect) -> list[Pool]:
    """Two calls, and one for each pool. Asks no server: sizes are those of the last refresh."""
    autostart = {
        pool.UUIDString() for pool in raw.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART)
    }
    active = {pool.UUIDString() for pool in raw.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)}
    found = []
    for pool in raw.listAllStoragePools():
        try:
            root = parse_xml(pool.XMLDesc())
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                raise
            continue  # undefined since it was listed
        uuid = pool.UUIDString()
        found.append(_pool(root, uuid=uuid, active=uuid in active, autostart=uuid in autostart))
    return found


def read_volumes(raw: libvirt.virConnect, pool_name: str) -> list[Volume]:
    """Two calls, and one for each volume, for which libvirt reads the head of the image."""
    found = []
    for volume in raw.storagePoolLookupByName(pool_name).listAllVolumes():
        try:
            root = parse_xml(volume.XMLDesc())
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
            continue  # deleted since it was listed
        found.append(
            Volume(
                name=text(root, "name"),
                path=text(root, "target/path"),
                format=attribute(root, "target/format", "type"),
                capacity_bytes=_bytes(root, "capacity"),
                allocation_bytes=_bytes(root, "allocation"),
                backing=text(root, "backingStore/path"),
            )
        )
    return found


def _pool(root: etree._Element, *, uuid: str, active: bool, autostart: bool) -> Pool:
    return Pool(
        uuid=uuid,
        name=text(root, "name"),
        kind=root.get("type", ""),
        active=active,
        autostart=autostart,
        target=text(root, "target/path"),
        source=_source(root),
        capacity_bytes=_bytes(root, "capacity"),
        allocation_bytes=_bytes(root, "allocation"),
        available_bytes=_bytes(root, "available"),
    )


def _source(root: etree._Element) -> str:
    host, folder = attribute(root, "source/host", "name"), attribute(root, "source/dir", "path")
    if host and ":" in host:
        host = f"[{host}]"
    parts = [part for part in (host, folder or text(root, "source/name")) if part]
    return ":".join(parts) or attribute(root, "source/device", "path")


def _bytes(root: etree._Element, path: str) -> int:
    """libvirt writes these in bytes (virStoragePoolDefFormat in src/conf/storage_conf.c)."""
    return int(text(root, path) or 0)
