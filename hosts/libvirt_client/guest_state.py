"""A guest's state and what changes it: start, stop, pause, save; and what is known of it besides its definition."""

from __future__ import annotations

from collections.abc import Collection

from hosts.errors import Refused
from hosts.libvirt_client import guest_facts
from hosts.libvirt_client.domain_list import read_state
from hosts.libvirt_client.guest_base import ACT_TIMEOUT_S, CALL_TIMEOUT_S, GuestBase
from hosts.libvirt_client.guest_facts import KeptStates
from hosts.libvirt_client.states import State


class GuestState(GuestBase):
    """Whether it runs, and the buttons of its case."""

    def state(self, *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[State, str]:
        """Its state, and libvirt's name of the reason."""
        return self._call(lambda: read_state(self._raw), timeout_s)

    def is_active(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """Running, paused, or any other state with a QEMU process."""
        return self._call(lambda: bool(self._raw.isActive()), timeout_s)

    def is_persistent(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """It has a definition, and will still be known after it is shut down."""
        return self._call(lambda: bool(self._raw.isPersistent()), timeout_s)

    def autostart(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        return self._call(lambda: bool(self._raw.autostart()), timeout_s)

    def set_autostart(self, on: bool, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Whether libvirtd starts it when the host boots."""
        self._call(lambda: self._raw.setAutostart(int(on)), timeout_s)

    def suspend(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._call(self._raw.suspend, timeout_s)

    def resume(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._call(self._raw.resume, timeout_s)

    def create(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Start it from its definition."""
        self._call(self._raw.create, timeout_s)

    def shutdown(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Press its power button; the guest may take its time, or not listen."""
        self._call(self._raw.shutdown, timeout_s)

    def reboot(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        self._call(self._raw.reboot, timeout_s)

    def reset(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Press its reset button."""
        self._call(lambda: self._raw.reset(0), timeout_s)

    def save(self, *, timeout_s: float) -> None:
        """Write its memory to the host's disk and stop it; `create` then restores it (a managed save)."""
        self._call(lambda: self._raw.managedSave(0), timeout_s)

    def discard_save(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Remove what `save` wrote. Refused where there is nothing."""

        def discard() -> None:
            if not self._raw.hasManagedSaveImage(0):
                raise Refused(f"{self.name} has no saved memory on {self.host}.", host=self.host, vm=self.name)
            self._raw.managedSaveRemove(0)

        self._call(discard, timeout_s)

    def destroy(self, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Pull its plug."""
        self._call(self._raw.destroy, timeout_s)

    def kept_states(self, *, timeout_s: float = CALL_TIMEOUT_S) -> KeptStates:
        """Its snapshots, checkpoints and saved state."""
        return self._call(lambda: guest_facts.read_kept_states(self._raw), timeout_s)

    def snapshot_names(self, *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[str, ...]:
        """Those that libvirt knows of, also on a guest that is off."""
        return self._call(lambda: tuple(sorted(self._raw.snapshotListNames(0))), timeout_s)

    def block_jobs(self, targets: Collection[str], *, timeout_s: float = CALL_TIMEOUT_S) -> tuple[str, ...]:
        """Those of the disks `targets` on which a block job works."""
        return self._call(lambda: guest_facts.read_block_jobs(self._raw, targets), timeout_s)

    def memory_used_mib(self, *, timeout_s: float = CALL_TIMEOUT_S) -> int | None:
        """How much of its memory holds anything; None where neither the guest nor the host can say."""
        return self._call(lambda: guest_facts.read_memory_used_mib(self._raw), timeout_s)

    def disk_sizes(self, targets: Collection[str], *, timeout_s: float = CALL_TIMEOUT_S) -> dict[str, tuple[int, int]]:
        """By target: how big the guest sees the disk, and how much of it is allocated on the host, in bytes."""
        return self._call(lambda: guest_facts.read_disk_sizes(self._raw, targets), timeout_s)
