"""The policy at the wheel: what convergence.decide says becomes a wish in the row and a line in the timeline.

The sampler carries wishes out, a person's and these alike. All that the policy needs is in the rows, so another worker
that takes a migration over steers on from where the last one was.
"""

from migrations_app import record
from migrations_app.convergence import Decision, decide
from migrations_app.models import Migration, TimelineEntry
from migrations_app.plan import Options
from migrations_app.progress import Progress
from migrations_app.situation import Act, Done, Limits
from migrations_app.standstill import COST_MS
from migrations_app.trend import Sample, Trend, advance

DECISION, EVENT, WARNING = TimelineEntry.Kind.DECISION, TimelineEntry.Kind.EVENT, TimelineEntry.Kind.WARNING
MIB = 1024 * 1024
ACT_OF = {"max_downtime_ms": Act.DOWNTIME, "postcopy": Act.POSTCOPY, "paused": Act.PAUSE}
"""The policy's act by the wish that carries it."""


class Autopilot:
    """Steers one migration by its policy; asked after each sample."""

    def __init__(self, migration: Migration, options: Options) -> None:
        self.m, self.options = migration, options
        self.trend = Trend.of(_kept(migration))

    def look(self, progress: Progress, *, at_ms: int) -> None:
        """Decide after one more sample. Raises Overtaken where the lease was lost."""
        before = self.trend.now.throttle_percent
        self.trend = advance(self.trend, sample_of(progress, at_ms))
        self._note_throttle(before)
        decision = decide(self.trend, self.limits, self.done, at_ms)
        if wishes := self._wishes(decision, at_ms):
            record.steer(self.m, **wishes)
            kind = WARNING if decision.act is Act.ASK else DECISION
            record.tell(self.m, decision.text, kind=kind, reason=decision.reason)

    def _note_throttle(self, before: int) -> None:
        percent = self.trend.now.throttle_percent
        if percent > before:
            dirty, rate = self.trend.now.dirty_bytes_per_s / MIB, self.trend.rate_bytes / MIB
            why = f"It writes {dirty:.1f} MiB/s, {rate:.1f} MiB/s are copied; QEMU goes on step by step until that is enough."
            record.tell(self.m, f"Auto-converge slows the guest down by {percent} %", kind=EVENT, reason=why)

    @property
    def limits(self) -> Limits:
        estimate = self.m.estimate
        measured = (estimate.get("downtime_ms") or 0) - (estimate.get("memory_ms") or 0)
        return Limits(
            policy=self.options.policy,
            max_pause_ms=self.m.tuning.get("max_pause_ms") or self.options.max_pause_ms,
            finish_within_s=self.options.finish_within_s,
            may_throttle=self.options.allows_auto_converge,
            may_postcopy=self.options.allows_postcopy,
            cost_ms=max(COST_MS, measured),
            memory_bytes=self.m.vm.memory_mib * MIB if self.m.vm else 0,
        )

    @property
    def done(self) -> Done:
        tuning = self.m.tuning
        return Done(
            downtime_ms=tuning.get("max_downtime_ms") or 0,
            downtime_at_ms=tuning.get("max_downtime_at_ms") or 0,
            by_person=bool(tuning.get("max_downtime_by_person")),
            postcopy=bool(tuning.get("postcopy")),
            paused=bool(tuning.get("paused")),
            paused_at_ms=tuning.get("paused_at_ms"),
            asked_for_ms=tuning.get("asked_for_ms") or 0,
            asked_at_ms=tuning.get("asked_at_ms") or 0,
            refused=frozenset(ACT_OF[name] for name in tuning.get("refused") or () if name in ACT_OF),
        )

    def _wishes(self, decision: Decision, at_ms: int) -> dict[str, object]:
        """What goes into the row; nothing where all is left alone."""
        wishes: dict[Act, dict[str, object]] = {
            Act.LEAVE: {},
            Act.DOWNTIME: {
                "max_downtime_ms": decision.value,
                "max_downtime_at_ms": at_ms,
                "max_downtime_by_person": 0,
            },
            Act.POSTCOPY: {"postcopy": 1},
            Act.PAUSE: {"paused": 1, "paused_at_ms": at_ms},
            Act.ASK: {
                "asked_for_ms": self.limits.max_pause_ms,
                "asked_at_ms": at_ms,
                "wanted_pause_ms": decision.value,
            },
            Act.GIVE_UP: {"gave_up": decision.reason},
        }
        return wishes[decision.act]


def sample_of(progress: Progress, at_ms: int) -> Sample:
    return Sample(
        at_ms=at_ms,
        remaining_bytes=progress.remaining_bytes - progress.disk_remaining_bytes,
        transferred_bytes=progress.transferred_bytes,
        dirty_bytes_per_s=progress.dirty_pages_per_s * progress.page_size_bytes,
        iteration=progress.iteration,
        throttle_percent=progress.throttle_percent,
    )


def _kept(migration: Migration) -> list[Sample]:
    """The samples of an earlier worker."""
    page = migration.progress.get("page_size_bytes") or Progress().page_size_bytes
    columns = ("at_ms", "remaining_bytes", "transferred_bytes", "dirty_pages_per_s", "iteration", "throttle_percent")
    rows = migration.samples.order_by("at_ms").values_list(*columns, "disk_remaining_bytes")
    return [Sample(at, left - disk, sent, dirty * page, *rest) for at, left, sent, dirty, *rest, disk in rows]
