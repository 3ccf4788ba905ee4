"""A guest's snapshots: list, create, revert to, delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import libvirt
from lxml import etree
from lxml.builder import E

from hosts.errors import Refused
from hosts.libvirt_client.guest_base import ACT_TIMEOUT_S, CALL_TIMEOUT_S, GuestBase, T
from hosts.xml_reading import attribute, parse_xml, text


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as libvirt keeps it. `state` is what the guest was then: running, paused, shutoff or disk-snapshot.

    `external`: its disks go on in files of their own, so it lies in no image itself.
    """

    name: str
    state: str
    created: datetime
    parent: str = ""
    description: str = ""
    current: bool = False
    has_memory: bool = False
    external: bool = False
    disks: tuple[str, ...] = ()

    @property
    def starts_guest(self) -> bool:
        """Whether the guest is active after a revert to it."""
        return self.state in ("running", "paused", "blocked")


class GuestSnapshots(GuestBase):
    """libvirt's own snapshots of this guest, on this host."""

    def snapshots(self, *, timeout_s: float = CALL_TIMEOUT_S) -> list[Snapshot]:
        """The oldest first. Two calls, and two for each."""
        return self._call(lambda: _in_order([_read(raw) for raw in self._raw.listAllSnapshots(0)]), timeout_s)

    def create_snapshot(self, *, name: str, description: str, disks_only: bool, timeout_s: float) -> None:
        """Keep its disks, and its memory where it is active, unless `disks_only`: then its disks go on in new files.

        Of a guest that is off the disks are kept inside their images either way.
        """

        def create() -> None:
            snapshot = E.domainsnapshot(E.name(name), E.description(description))
            flags = 0
            if disks_only and self._raw.isActive():
                flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
            self._raw.snapshotCreateXML(etree.tostring(snapshot, encoding="unicode"), flags)

        self._call(create, timeout_s)

    def snapshot(self, name: str, *, timeout_s: float = CALL_TIMEOUT_S) -> Snapshot:
        """Raises Refused where there is none of that name."""
        return self._of(name, _read, timeout_s)

    def revert_to_snapshot(self, name: str, *, timeout_s: float) -> None:
        """Go back: what is in disks and memory now is lost. The guest is afterwards what it was then."""
        self._of(name, lambda found: self._raw.revertToSnapshot(found, 0), timeout_s)

    def delete_snapshot(self, name: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Forget it; the snapshots made after it, and the guest as it is, stay."""
        self._of(name, lambda found: found.delete(0), timeout_s)

    def _of(self, name: str, act: Callable[[libvirt.virDomainSnapshot], T], timeout_s: float) -> T:
        def find() -> T:
            try:
                return act(self._raw.snapshotLookupByName(name, 0))
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
                    message = f"{self.name} has no snapshot named {name} on {self.host}."
                    raise Refused(message, host=self.host, vm=self.name, hint="Look at its snapshots again.") from error
                raise

        return self._call(find, timeout_s)


def _read(raw: libvirt.virDomainSnapshot) -> Snapshot:
    root = parse_xml(raw.getXMLDesc(0))
    disks = root.findall("disks/disk")
    kept = [disk.get("name", "") for disk in disks if disk.get("snapshot") != "no"]
    return Snapshot(
        name=raw.getName(),
        state=text(root, "state"),
        created=datetime.fromtimestamp(int(text(root, "creationTime") or 0), tz=UTC),
        parent=text(root, "parent/name"),
        description=text(root, "description"),
        current=bool(raw.isCurrent(0)),
        has_memory=attribute(root, "memory", "snapshot") not in ("", "no"),
        external=any(disk.get("snapshot") == "external" for disk in disks),
        disks=tuple(kept),
    )


def _in_order(found: list[Snapshot]) -> list[Snapshot]:
    """By age, which libvirt keeps in seconds; of one second a parent comes first."""
    parents = {snapshot.name: snapshot.parent for snapshot in found}

    def depth(name: str) -> int:
        above = 0
        while (name := parents.get(name, "")) and above < len(parents):
            above += 1
        return above

    return sorted(found, key=lambda one: (one.created, depth(one.name), one.name))
