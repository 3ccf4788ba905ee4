"""Whether anything still moves in a job, so that a migration that hangs does not stay under way for ever."""

from dataclasses import dataclass

STALL_S = 60.0
"""libvirt itself gives a dead network up after 30 s (keepalive_interval 5 s, keepalive_count 5 in qemu.conf): what has
not moved a byte for twice that hangs otherwise. The least bandwidth that can be set moves 1 MiB a second."""
BEGIN_S = 300.0
"""How long the first byte may take: the destination starts a QEMU first, which took a minute on the slowest host seen."""


@dataclass(slots=True)
class Stall:
    """Fed with a job's figures, it says for how many seconds none of them has changed beyond what is allowed."""

    figures: tuple[object, ...] = ()
    since_s: float = 0.0
    begun: bool = False

    def see(self, *figures: object, moved_bytes: int, now_s: float) -> bool:
        """Take the job's `figures` at `now_s`; True where they have stood still for too long."""
        if (moved_bytes, *figures) != self.figures:
            self.figures, self.since_s = (moved_bytes, *figures), now_s
        self.begun = self.begun or moved_bytes > 0
        return now_s - self.since_s > (STALL_S if self.begun else BEGIN_S)

    def forgive(self, now_s: float) -> None:
        """Count anew: something was done about it."""
        self.since_s = now_s
