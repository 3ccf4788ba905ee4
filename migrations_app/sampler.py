"""Watches a running migration on a connection of its own: figures to the pages, wishes and decisions to libvirt."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils import timezone

from hosts.errors import DomainNotFound, MigrationFailed
from hosts.job_stats import JobStats
from hosts.libvirt_client.domain import Guest
from migrations_app import record
from migrations_app.autopilot import Autopilot
from migrations_app.continuity import Continuity
from migrations_app.models import Migration, TimelineEntry
from migrations_app.plan import Options
from migrations_app.progress import MIB, Progress, advance
from migrations_app.stall import STALL_S, Stall
from migrations_app.standstill import QEMU_DOWNTIME_MS
from migrations_app.states import State
from migrations_app.wishes import Wishes

EVERY_S = 0.2
"""The design's 250 ms, less what rows and socket take, so that a change is seen within 300 ms."""
ASK_S = 40.0
"""How long a job figure may take. It can hang with QEMU's monitor, so there is a limit (KubeVirt's is 30 s); ours lies above
the 30 s for which libvirt waits for the job lock before it says that the guest is busy."""


class Stalled(MigrationFailed):
    """Nothing has moved for too long, so the copy was given up, or could not even be given up."""

    title = "The copy stood still"
    slug = "migration-stalled"
    hint = "Look at the network between the hosts and at QEMU on the destination, then start again."


@dataclass
class Sampler:
    """The monitor of one migration; `watch` returns when `over` says so or libvirt has no job any more."""

    migration: Migration
    guest: Guest
    continuity: Continuity
    progress: Progress = field(default_factory=Progress)
    reason: str = ""
    quiet: int = 0
    stall: Stall = field(default_factory=Stall)
    stalled: Stalled | None = None
    wishes: Wishes = field(init=False)

    def __post_init__(self) -> None:
        """Where disks are copied along, memory comes after them: count it from the start, or the bar would lie."""
        self.wishes = Wishes(self.migration, self.guest)
        disks, vm = self.migration.disks, self.migration.vm
        if disks and vm:
            planned = sum(disk["data_bytes"] for disk in disks)
            self.progress = Progress(
                disk_total_bytes=planned, disk_remaining_bytes=planned, memory_total_bytes=vm.memory_mib * MIB
            )

    def watch(
        self, over: Callable[[], bool], *, lost: Callable[[], bool], pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Sample until `over`, with a `pause` of so many seconds between samples.

        Raises Overtaken once the lease is `lost`, HostError where the source stops answering, Stalled where nothing moves
        and libvirt does not give it up either.
        """
        options = Options.from_dict(self.migration.options)
        autopilot = Autopilot(self.migration, options)
        while not over():
            if lost():
                raise record.Overtaken(str(self.migration))
            started = time.monotonic()
            try:
                self._take(self.guest.job_stats(timeout_s=ASK_S))
                if not self.quiet:
                    self._steer(options, autopilot)
            except DomainNotFound:
                return
            pause(max(0.0, EVERY_S - (time.monotonic() - started)))

    def _take(self, stats: JobStats) -> None:
        state, reason = self.guest.state(timeout_s=ASK_S) if stats.is_active else ("", "")
        self.reason = reason
        # libvirt keeps the job of a post-copy that broke, for the one that resumes it; nothing moves in it.
        if not stats.is_active or reason == "post-copy failed":
            self.quiet += 1
            return
        self.quiet = 0
        self._look_for_stall(stats, reason)
        limit_ms = self.migration.tuning.get("max_downtime_ms") or QEMU_DOWNTIME_MS
        self.progress = advance(self.progress, stats, limit_ms=limit_ms)
        self.continuity.note()
        record.sample(self.migration, self.progress, at_ms=self.at_ms)
        # Paused on purpose, its memory is still copied. libvirt's reason is "user" then, but for a moment "migration".
        on_purpose = reason == "user" or self.migration.tuning.get("paused")
        if state == "paused" and not on_purpose and self.migration.state == State.COPYING:
            record.end_step(self.migration, "copy")
            record.begin_step(self.migration, "switch_over")
            record.advance(self.migration, State.SWITCHING)

    def _look_for_stall(self, stats: JobStats, reason: str) -> None:
        """Give a copy up that stands still, which leaves the guest at the source; in post-copy that is no way out."""
        moved = stats.data_processed_bytes or 0
        now = time.monotonic()
        if not self.stall.see(stats.data_remaining_bytes, reason, moved_bytes=moved, now_s=now):
            return
        if self.stalled or reason == "post-copy":
            raise self.stalled or Stalled(f"Nothing has moved for {STALL_S:.0f} s, in post-copy.")
        self.stalled = Stalled(f"Nothing had moved for {STALL_S:.0f} s, so the copy was given up.")
        self.stall.forgive(now)
        record.tell(self.migration, "Gave the copy up", kind=TimelineEntry.Kind.WARNING, reason=str(self.stalled))
        self.wishes.abort()

    def _steer(self, options: Options, autopilot: Autopilot) -> None:
        """What people ask for comes first; then the policy looks, and its wishes are carried out at once."""
        self.wishes.read()
        self.wishes.keep_time(options, at_ms=self.at_ms)
        ends = self.wishes.cancelling or self.stalled
        if self.migration.state == State.COPYING and options.live and not ends:
            autopilot.look(self.progress, at_ms=self.at_ms)
        self.wishes.carry_out(begun=self.progress.transferred_bytes > 0, reason=self.reason)

    @property
    def at_ms(self) -> int:
        """Milliseconds since libvirt was first asked, also where a later worker goes on with it."""
        began = self.migration.launched or timezone.now()
        return max(0, round((timezone.now() - began).total_seconds() * 1000))
