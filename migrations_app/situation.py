"""What the autopilot's rules look at: what the admin allows, what was done already, and how the copy stands. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from migrations_app.standstill import COST_MS, QEMU_DOWNTIME_MS, downtime_for
from migrations_app.trend import Trend

MIB = 1024 * 1024
HARDLY_AHEAD = 0.7
"""A round that leaves more than this share of the one before hardly gets ahead."""
STALL_MS = 3_000
"""A copy has stalled when for so long, and for the time of a whole round, no round got ahead."""
HURRIED, HURRIED_ROUNDS = 0.25, 3
PRESSED, PRESSED_ROUNDS = 0.125, 1.5
OVERHEAD_MS = 2_000
"""Of the time that it must finish within, the last quarter (eighth), or so many rounds and what follows the copy."""


class Act(StrEnum):
    LEAVE = "leave"
    DOWNTIME = "downtime"
    POSTCOPY = "postcopy"
    PAUSE = "pause"
    ASK = "ask"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the admin allows. `cost_ms` is what a switch-over between these hosts costs besides the memory."""

    policy: str = "automatic"
    max_pause_ms: int = 2000
    finish_within_s: int = 0
    may_throttle: bool = False
    may_postcopy: bool = False
    cost_ms: int = COST_MS
    memory_bytes: int = 0

    @property
    def most_downtime_ms(self) -> int:
        """The downtime limit that QEMU may get at the most; Gentle leaves it at what any live migration has."""
        most = downtime_for(self.max_pause_ms, self.cost_ms)
        return min(most, QEMU_DOWNTIME_MS) if self.policy == "gentle" else most

    @property
    def in_words(self) -> str:
        return f"a pause of {seconds(self.max_pause_ms)} is allowed, of which QEMU may plan with {seconds(self.most_downtime_ms)}"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done already. `downtime_ms` 0: QEMU's own; `by_person`: a person set it, so it is left to them.

    `paused_at_ms`: when the autopilot paused the guest; None with `paused` where a person did. `asked_for_ms`: the
    ceiling about which was asked. `refused`: acts that libvirt refused, so they are no means any more.
    """

    downtime_ms: int = 0
    downtime_at_ms: int = 0
    by_person: bool = False
    postcopy: bool = False
    paused: bool = False
    paused_at_ms: int | None = None
    asked_for_ms: int = 0
    asked_at_ms: int = 0
    refused: frozenset[str] = frozenset()

    @property
    def downtime_now_ms(self) -> int:
        return self.downtime_ms or QEMU_DOWNTIME_MS


@dataclass(frozen=True, slots=True)
class Situation:
    """How the copy stands at `now_ms`, in ms since libvirt was asked."""

    trend: Trend
    limits: Limits
    done: Done
    now_ms: int

    @property
    def behind_ms(self) -> int:
        """How long nothing has got ahead with the downtime that QEMU has."""
        return self.now_ms - max(self.trend.low_at_ms, self.done.downtime_at_ms)

    @property
    def quiet_ms(self) -> int:
        """The same, since auto-converge's last step."""
        return min(self.behind_ms, self.now_ms - self.trend.throttled_at_ms)

    @property
    def stalled(self) -> bool:
        return self.trend.rounds > 0 and self.quiet_ms > max(STALL_MS, self.trend.low_ms)

    @property
    def slow(self) -> bool:
        """The last whole round hardly got ahead."""
        return self.trend.rounds > 1 and self.trend.round_bytes > HARDLY_AHEAD * self.trend.before_bytes

    @property
    def can_postcopy(self) -> bool:
        return self.limits.may_postcopy and Act.POSTCOPY not in self.done.refused

    @property
    def has_all_downtime(self) -> bool:
        return self.done.downtime_now_ms >= self.limits.most_downtime_ms or Act.DOWNTIME in self.done.refused

    @property
    def left_ms(self) -> int | None:
        """Milliseconds to the deadline; None where there is none."""
        if self.limits.policy != "must_finish" or not self.limits.finish_within_s:
            return None
        return self.limits.finish_within_s * 1000 - self.now_ms

    @property
    def hurried(self) -> bool:
        """The deadline is near enough to skip steps."""
        return self._within(HURRIED, HURRIED_ROUNDS)

    @property
    def pressed(self) -> bool:
        """The deadline is so near that the last means must be taken now."""
        return self._within(PRESSED, PRESSED_ROUNDS)

    def _within(self, share: float, rounds: float) -> bool:
        if self.left_ms is None:
            return False
        # The first round must pass in any case; how many more are needed nobody knows yet.
        times = rounds if self.trend.rounds else 1
        needed_ms = times * self.trend.remaining_ms + OVERHEAD_MS if self.trend.rate_bytes else 0.0
        return self.left_ms < max(share * self.limits.finish_within_s * 1000, needed_ms)

    @property
    def worst_pause_ms(self) -> float:
        """How long a pause from now on lasts at the worst: with all that can have been written since the last count."""
        trend, memory = self.trend, self.limits.memory_bytes
        if not trend.rate_bytes or not (trend.rounds or memory):
            return float("inf")
        left = trend.now.remaining_bytes + trend.round_bytes if trend.rounds else memory
        # A rate that falls by a fifth meanwhile must not break the promise.
        return min(left, memory or left) * 1000 / (0.8 * trend.rate_bytes) + self.limits.cost_ms

    @property
    def figures(self) -> str:
        """Why the copy does not end by itself."""
        trend = self.trend
        if not trend.rounds:
            return f"the first round is not over: {mib(trend.now.remaining_bytes)} remain, {mib(trend.rate_bytes)}/s are copied"
        return (
            f"the guest writes {mib(trend.now.dirty_bytes_per_s)}/s to its memory and {mib(trend.rate_bytes)}/s are copied; "
            f"{mib(trend.low_bytes)} remain at the end of a round, a standstill of {seconds(trend.low_ms + self.limits.cost_ms)}"
        )


def mib(size: float) -> str:
    value = size / MIB
    return f"{value:.0f} MiB" if value >= 100 else f"{value:.1f} MiB"


def seconds(ms: float) -> str:
    if ms == float("inf"):
        return "no end"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
