"""A guest that QEMU copies, simulated, and the autopilot's policy at the wheel: to see how each policy ends."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from migrations_app.convergence import Decision, decide
from migrations_app.situation import Act, Done, Limits
from migrations_app.trend import Sample, Trend, advance

MIB = 1024 * 1024
TICK_MS = 100
SAMPLE_MS = 200


@dataclass
class Copy:
    """Pre-copy as QEMU does it: a round ends when what remains seems to fit into the downtime limit; then it is counted.

    The guest rewrites `working_mib` again and again with `dirty` MiB/s; `rate` MiB/s are sent. `swing`: by how much the
    rate that QEMU plans with differs from the true one, in turn. `first_ms` of throttle after two bad rounds, as in QEMU.
    """

    memory_mib: float
    working_mib: float
    dirty: float
    rate: float
    swing: tuple[float, ...] = (1.0,)
    cost_ms: float = 100
    throttles: bool = False
    limit_ms: int = 300
    at_ms: int = 0
    iteration: int = 1
    throttle: int = 0
    standstill_ms: float | None = None
    left: float = field(init=False)
    again: float = 0.0
    sent: float = 0.0
    written: float = 0.0
    counted: tuple[int, float, float] = (0, 0.0, 0.0)
    bad: int = 0

    def __post_init__(self) -> None:
        self.left = self.memory_mib

    def tick(self) -> None:
        seconds = TICK_MS / 1000
        self.at_ms += TICK_MS
        moved = min(self.left, self.rate * seconds)
        self.left -= moved
        self.sent += moved
        waiting = self.left * (self.working_mib / self.memory_mib if self.iteration == 1 else 1)
        clean = max(0.0, 1 - (waiting + self.again) / self.working_mib)
        written = self.dirty * (1 - self.throttle / 100) * seconds * clean
        self.again = min(self.working_mib, self.again + written)
        self.written += written
        seen = self.rate * self.swing[self.at_ms // TICK_MS % len(self.swing)]
        if self.left <= seen * self.limit_ms / 1000:
            self.count()
            if self.left <= seen * self.limit_ms / 1000:
                self.standstill_ms = self.left * 1000 / self.rate + self.cost_ms

    def count(self) -> None:
        """QEMU counts the dirty pages; at most once a second it looks whether to throttle."""
        self.left, self.again, self.iteration = self.left + self.again, 0.0, self.iteration + 1
        at_ms, sent, written = self.counted
        if self.at_ms - at_ms < 1000:
            return
        self.bad = self.bad + 1 if self.written - written > (self.sent - sent) / 2 else 0
        self.counted = (self.at_ms, self.sent, self.written)
        if self.throttles and self.bad >= 2:
            self.throttle, self.bad = min(99, self.throttle + 20 if self.throttle else 5), 0

    def sample(self) -> Sample:
        dirty = self.dirty * (1 - self.throttle / 100) * MIB
        return Sample(self.at_ms, int(self.left * MIB), int(self.sent * MIB), int(dirty), self.iteration, self.throttle)


@dataclass
class End:
    """How it ended: `how` is "switched over", "post-copy", "gave up", or "endless"."""

    how: str
    at_ms: int
    standstill_ms: float
    decisions: list[tuple[int, Decision]]

    def acts(self) -> list[Act]:
        return [decision.act for _, decision in self.decisions]


def steer(copy: Copy, limits: Limits, *, most_s: int = 24 * 3600, refused: frozenset[str] = frozenset()) -> End:
    """Let the policy steer `copy` to its end, at most for `most_s` of simulated time."""
    trend, done, decisions = Trend(), Done(refused=refused), []
    for sample in _samples(copy, most_s):
        trend = advance(trend, sample)
        decision = decide(trend, limits, done, copy.at_ms)
        if decision.act is Act.LEAVE:
            continue
        decisions.append((copy.at_ms, decision))
        if decision.act is Act.GIVE_UP:
            return End("gave up", copy.at_ms, 0, decisions)
        if decision.act is Act.POSTCOPY:
            return End("post-copy", copy.at_ms, copy.cost_ms, decisions)
        if decision.act is Act.PAUSE:
            rest_ms = (copy.left + copy.again) * 1000 / copy.rate + copy.cost_ms
            return End("switched over", copy.at_ms + round(rest_ms), rest_ms, decisions)
        if decision.act is Act.DOWNTIME:
            copy.limit_ms = decision.value
            done = replace(done, downtime_ms=decision.value, downtime_at_ms=copy.at_ms)
        if decision.act is Act.ASK:
            done = replace(done, asked_for_ms=limits.max_pause_ms, asked_at_ms=copy.at_ms)
    how = "endless" if copy.standstill_ms is None else "switched over"
    return End(how, copy.at_ms, copy.standstill_ms or 0, decisions)


def _samples(copy: Copy, most_s: int) -> Iterator[Sample]:
    while copy.standstill_ms is None and copy.at_ms < most_s * 1000:
        copy.tick()
        if copy.at_ms % SAMPLE_MS == 0 and copy.standstill_ms is None:
            yield copy.sample()
