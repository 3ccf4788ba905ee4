"""A guest's definition, and what is kept with it."""

from __future__ import annotations

import libvirt
from lxml import etree

from hosts.domain_xml import METADATA_PREFIX, METADATA_URI
from hosts.libvirt_client import guest_facts
from hosts.libvirt_client.guest_base import ACT_TIMEOUT_S, CALL_TIMEOUT_S, GuestBase
from hosts.xml_reading import parse_xml


class GuestDefinition(GuestBase):
    """Its XML, its metadata, and its end."""

    def xml(
        self,
        *,
        inactive: bool = False,
        secure: bool = False,
        migratable: bool = False,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> str:
        """The live XML, or the definition (`inactive`). `secure` shows passwords too: never keep or show that."""
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0
        flags |= libvirt.VIR_DOMAIN_XML_SECURE if secure else 0
        flags |= libvirt.VIR_DOMAIN_XML_MIGRATABLE if migratable else 0
        return self._call(lambda: str(self._raw.XMLDesc(flags)), timeout_s)

    def undefine(self, *, remove_nvram: bool = False, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Remove the definition. Disks, and firmware variables unless `remove_nvram`, stay: on shared storage the
        guest may be using them elsewhere. A guest with snapshots or a saved image is refused."""

        def undefine() -> None:
            os = parse_xml(self._raw.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find("os")
            flags = 0
            if _has_nvram(os):
                # without either flag, libvirt refuses where there are such variables
                flags = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if remove_nvram else libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
            self._raw.undefineFlags(flags)

        self._call(undefine, timeout_s)

    def delete(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Remove the definition and all that libvirt keeps with it: saved memory, snapshots' descriptions, firmware
        variables. Disks stay, with what snapshots keep inside them."""

        def delete() -> None:
            kept = guest_facts.read_kept_states(self._raw)
            os = parse_xml(self._raw.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find("os")
            # Only those that are needed: not every driver knows every flag.
            self._raw.undefineFlags(
                (libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE if kept.managed_save else 0)
                | (libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA if kept.snapshots else 0)
                | (libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA if kept.checkpoints else 0)
                | (libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if _has_nvram(os) else 0)
            )

        self._call(delete, timeout_s)

    def title(self, *, timeout_s: float = CALL_TIMEOUT_S) -> str:
        """Its title, "" where it has none."""
        return self._metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None, timeout_s) or ""

    def metadata(self, *, uri: str = METADATA_URI, timeout_s: float = CALL_TIMEOUT_S) -> str | None:
        """The element that `set_metadata` stored under `uri`, in the definition or, where there is none, live.

        libvirt hands it out without its prefix, so its root has no namespace.
        """
        return self._metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, uri, timeout_s)

    def set_metadata(
        self,
        element: str | None,
        *,
        key: str = METADATA_PREFIX,
        uri: str = METADATA_URI,
        timeout_s: float = ACT_TIMEOUT_S,
    ) -> None:
        """Store an XML element with the guest, in its definition and in what runs; None removes it. `key` is a prefix."""

        def store() -> None:
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if self._raw.isPersistent() else 0
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE if self._raw.isActive() else 0
            self._raw.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, key, uri, flags)

        self._call(store, timeout_s)

    def unmark_stale(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Take the console's own mark (stale_mark.py) away; where there is none, nothing happens."""
        if self.metadata(timeout_s=timeout_s) is not None:
            self.set_metadata(None, timeout_s=timeout_s)

    def eject(self, target: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Take the medium out of the drive `target`, now and for the next start. Refused where there is no such drive."""
        self._call(lambda: guest_facts.eject(self._raw, target), timeout_s)

    def _metadata(self, kind: int, uri: str | None, timeout_s: float) -> str | None:
        def read() -> str | None:
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if self._raw.isPersistent() else libvirt.VIR_DOMAIN_AFFECT_LIVE
            try:
                return str(self._raw.metadata(kind, uri, flags))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                    raise
                return None

        return self._call(read, timeout_s)


def _has_nvram(os: etree._Element | None) -> bool:
    return os is not None and (os.find("nvram") is not None or os.get("firmware") == "efi")
