"""What one host says of a guest, and what that proves. Pure."""

from dataclasses import dataclass

RUNNING = frozenset({"running", "idle"})


@dataclass(frozen=True, slots=True)
class View:
    """What one host says of the guest. `reachable` False: it did not answer, so nothing is known.

    `reason` is libvirt's name of why it is in `state`; `job` whether a job is under way on it; `active` whether a QEMU
    belongs to it; `hung` that libvirtd answers but the guest's QEMU does not, so that `state` may be old. `moved_bytes` is
    how far the job has come.
    """

    reachable: bool
    present: bool = False
    state: str = ""
    reason: str = ""
    persistent: bool = False
    job: bool = False
    active: bool = False
    hung: bool = False
    autostart: bool = False
    moved_bytes: int = 0

    @property
    def runs(self) -> bool:
        return self.present and self.state in RUNNING

    @property
    def paused(self) -> bool:
        return self.present and self.state == "paused"

    @property
    def gone(self) -> bool:
        """Proven not to be active there: shut off or unknown to the host, or crashed without a QEMU that was kept."""
        off = self.state == "shut off" or (self.state == "crashed" and not self.active)
        return self.reachable and not self.hung and (not self.present or off)

    @property
    def in_postcopy(self) -> bool:
        """It has only a part of its memory there."""
        return self.present and self.reason in ("post-copy", "post-copy failed")

    @property
    def broke_in_postcopy(self) -> bool:
        """libvirt keeps the job of such a guest, though nothing moves any more (measured with 9.0)."""
        return self.present and self.reason == "post-copy failed"

    def in_words(self) -> str:
        if not self.reachable:
            return "does not answer"
        if not self.present:
            return "does not know the guest"
        why = f" ({self.reason})" if self.reason and self.reason != "unknown" else ""
        job = ", migration under way" if self.job and not self.broke_in_postcopy else ""
        return f"says {self.state}{why}{job}{', but its QEMU does not answer libvirt' if self.hung else ''}"
