"""A guest's name, memory, vCPUs and devices, as it runs and as it is defined."""

from __future__ import annotations

import libvirt

from hosts.libvirt_client.guest_base import ACT_TIMEOUT_S, GuestBase

KIB_PER_MIB = 1024


class GuestHardware(GuestBase):
    """Changes of it. Those of devices in the definition go through its XML: see hardware_xml.py."""

    def rename(self, name: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Of a guest that is off."""
        self._call(lambda: self._raw.rename(name, 0), timeout_s)
        self.name = name

    def define_memory(self, memory_mib: int, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """What it has from its next start on; nothing is kept back for a balloon."""

        def change() -> None:
            size = memory_mib * KIB_PER_MIB
            self._raw.setMemoryFlags(size, libvirt.VIR_DOMAIN_MEM_MAXIMUM | libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            self._raw.setMemoryFlags(size, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

        self._call(change, timeout_s)

    def balloon(self, memory_mib: int, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Ask the running guest to do with so much, at most what it was started with. It may take its time."""
        self._call(
            lambda: self._raw.setMemoryFlags(memory_mib * KIB_PER_MIB, libvirt.VIR_DOMAIN_AFFECT_LIVE), timeout_s
        )

    def define_vcpus(self, count: int, *, most: int, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """What it has from its next start on, and how many it could have then without another."""

        def change() -> None:
            self._raw.setVcpusFlags(most, libvirt.VIR_DOMAIN_VCPU_MAXIMUM | libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            self._raw.setVcpusFlags(count, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

        self._call(change, timeout_s)

    def plug_vcpus(self, count: int, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Give the running guest so many."""
        self._call(lambda: self._raw.setVcpusFlags(count, libvirt.VIR_DOMAIN_AFFECT_LIVE), timeout_s)

    def plug(self, device_xml: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Plug a device into the running guest."""
        self._call(lambda: self._raw.attachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE), timeout_s)

    def unplug(self, device_xml: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Ask the running guest to let go of a device; it is gone only when its live XML no longer has it."""
        self._call(lambda: self._raw.detachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE), timeout_s)

    def replug(self, device_xml: str, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Change a device of the running guest, such as the medium of a drive."""
        self._call(lambda: self._raw.updateDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE), timeout_s)
