"""How fast a guest writes to its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import libvirt

from hosts.libvirt_client.guest_base import ACT_TIMEOUT_S, CALL_TIMEOUT_S, GuestBase

# virDomainDirtyRateStatus, in libvirt's order from 0
_DIRTY_RATE_STATES = ("unstarted", "measuring", "measured")


@dataclass(frozen=True, slots=True)
class DirtyRate:
    """How fast the guest writes to its memory, as measured over `seconds`."""

    mib_per_s: int
    seconds: int
    page_size_bytes: int = 4096

    @property
    def pages_per_s(self) -> int:
        return self.mib_per_s * 2**20 // self.page_size_bytes


class GuestDirtyRate(GuestBase):
    """libvirt's own measurement of it."""

    def start_dirty_rate(self, seconds: int, *, timeout_s: float = ACT_TIMEOUT_S) -> None:
        """Begin to measure, by page sampling, for 1 to 60 seconds. Before a migration, never during one."""
        self._call(lambda: self._raw.startDirtyRateCalc(seconds, 0), timeout_s)

    def dirty_rate(self, *, timeout_s: float = CALL_TIMEOUT_S) -> DirtyRate | None:
        """The last measurement; None while it goes on, or where there was none."""
        stats = self._call(self._dirty_rate_stats, timeout_s)
        if _dirty_rate_state(stats) != "measured":
            return None
        return DirtyRate(stats["dirtyrate.megabytes_per_second"], stats["dirtyrate.calc_period"])

    def is_measuring(self, *, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """Its dirty rate is being measured just now."""
        return _dirty_rate_state(self._call(self._dirty_rate_stats, timeout_s)) == "measuring"

    def _dirty_rate_stats(self) -> dict[str, int]:
        connection = self._connection.raw
        listed = connection.domainListGetStats([self._raw], libvirt.VIR_DOMAIN_STATS_DIRTYRATE)
        return dict(listed[0][1]) if listed else {}


def _dirty_rate_state(stats: Mapping[str, int]) -> str:
    number = stats.get("dirtyrate.calc_status", 0)
    return _DIRTY_RATE_STATES[number] if 0 <= number < len(_DIRTY_RATE_STATES) else "unstarted"
