"""What a guest's disk proves about its life: how often it booted, and that no write was lost and no second copy ran.

The disk, in sectors of 512 bytes, each one line of text, written by guest_init.sh with O_DIRECT:
    0 to 62       `boot ID`, one for each boot ever, in order. A guest started twice therefore has two lines here,
                  whether the second start came after the first or beside it.
    63            `conflict ID COUNTER UPTIME`: a guest found its own next counter already written, so a second copy
                  of the very same boot (one on each host, as after a migration gone wrong) was running.
    64 to 4159    a ring: `beat ID COUNTER UPTIME` at 64 + COUNTER % 4096; the counter starts at 1 with each boot.
    4160          what a guest is that was not booted but restored (saved.py).
"""

from dataclasses import dataclass
from itertools import pairwise

SECTOR_BYTES = 512
BOOT_SECTORS = 63
CONFLICT_SECTOR = 63
RING_START = 64
RING_SECTORS = 4096
WORDS_SECTOR = RING_START + RING_SECTORS
DISK_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What stands on the disk at one moment. `first`, `last`, `missing` and `longest_gap_s` are of the newest boot."""

    boot_ids: tuple[str, ...]
    first: int
    last: int
    missing: tuple[int, ...]
    longest_gap_s: float
    conflict: str | None

    @property
    def restarts(self) -> int:
        """How often the guest was started again after its first start on this disk."""
        return max(0, len(self.boot_ids) - 1)

    @property
    def whole(self) -> bool:
        """One boot, no counter missing, no second copy."""
        return len(self.boot_ids) == 1 and self.last > 0 and not self.missing and self.conflict is None

    def went_on_since(self, earlier: "Heartbeat") -> bool:
        """Is this the same, unbroken life as `earlier`, only later: whole, the same boot, a higher counter?"""
        return self.whole and self.boot_ids == earlier.boot_ids and self.last > earlier.last


def parse(disk: bytes) -> Heartbeat:
    """Read the first RING_START + RING_SECTORS sectors of a guest's disk."""
    lines = [
        disk[start : start + SECTOR_BYTES].decode("ascii", "replace").strip("\0 \n").split()
        for start in range(0, min(len(disk), (RING_START + RING_SECTORS) * SECTOR_BYTES), SECTOR_BYTES)
    ]
    boot_ids = tuple(line[1] for line in lines[:BOOT_SECTORS] if line[:1] == ["boot"])
    conflict = " ".join(lines[CONFLICT_SECTOR]) if len(lines) > CONFLICT_SECTOR else ""
    newest = boot_ids[-1] if boot_ids else None
    beats = {
        int(line[2]): float(line[3])
        for line in lines[RING_START:]
        if len(line) == 4 and line[0] == "beat" and line[1] == newest
    }
    counters = sorted(beats)
    last = counters[-1] if counters else 0
    # The ring holds the newest RING_SECTORS counters: older ones are overwritten, not lost.
    expected = range(max(1, last - RING_SECTORS + 1), last + 1)
    return Heartbeat(
        boot_ids=boot_ids,
        first=counters[0] if counters else 0,
        last=last,
        missing=tuple(counter for counter in expected if counter not in beats),
        longest_gap_s=max((beats[b] - beats[a] for a, b in pairwise(counters)), default=0.0),
        conflict=conflict or None,
    )
