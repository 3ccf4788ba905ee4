"""How long a migration will take and how long the guest will stand still, before it starts. Pure.

Pre-copy sends all memory once; each further round sends what was written during the one before. With dirty rate d and
rate b, what remains shrinks by d/b a round, until it can be sent within the allowed downtime.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from migrations_app.standstill import COST_MS, QEMU_DOWNTIME_MS, downtime_for

Verdict = Literal["converges", "needs_help", "will_not", "unknown"]

MIB = 1024 * 1024
BASE_DOWNTIME_MS, LEAST_BASE_MS = 50, 10
"""What stopping and going on costs besides the memory, where no migration between the hosts said better; and at the least."""
OVERHEAD_S = 1.0
"""Checks, verifying, defining, where no migration between the hosts said better."""
THROTTLE_FIRST, THROTTLE_STEP, THROTTLE_MOST = 0.20, 0.10, 0.99
"""QEMU's cpu-throttle-initial, -increment, and max-cpu-throttle: the steps of auto-converge."""
MOST_ROUNDS = 60
"""After so many rounds a copy that has not converged is called endless."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beforehand. Bytes and bytes per second; None where nobody measured it.

    `sent_share`: how much of the used memory was really sent the last times (empty pages are not). `rate_from`: "pair" (migrations between these two hosts), "source" (from the same source) or "".
    """

    memory_used_bytes: int
    memory_bytes: int
    sent_share: float = 1.0
    dirty_bytes_per_s: int | None = None
    dirty_age_s: int | None = None
    rate_bytes_per_s: int | None = None
    rate_from: str = ""
    base_downtime_ms: int = BASE_DOWNTIME_MS
    overhead_s: float = OVERHEAD_S

    @property
    def first_round_bytes(self) -> float:
        return self.memory_used_bytes * self.sent_share


@dataclass(frozen=True, slots=True)
class Means:
    """What the migration may do: the downtime allowed at first, the longest pause, and the helps.

    `throttle`: auto-converge's first step and the further ones. The helps are taken as the autopilot does: downtime, throttle, post-copy.
    """

    max_downtime_ms: int = QEMU_DOWNTIME_MS
    max_pause_ms: int = 0
    may_throttle: bool = False
    throttle: tuple[float, float] = (THROTTLE_FIRST, THROTTLE_STEP)
    may_postcopy: bool = False
    bandwidth_bytes_per_s: int = 0
    finish_within_s: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """`converges`: by itself, with no help; None where the dirty rate is not known.

    `memory_ms` is the memory's part of the downtime.
    """

    total_s: float | None
    downtime_ms: int | None
    converges: bool | None
    verdict: Verdict
    because: str
    rounds: int | None = None
    memory_ms: int | None = None
    memory_used_bytes: int | None = None
    dirty_bytes_per_s: int | None = None
    dirty_age_s: int | None = None
    rate_bytes_per_s: int | None = None
    rate_from: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Copy:
    """A simulated copy: seconds, rounds, what remains at the switch-over, and whether it got there."""

    seconds: float
    rounds: int
    remaining_bytes: float
    ends: bool


def estimate(known: Known, means: Means) -> Estimate:
    """What to expect, and why."""
    rate = known.rate_bytes_per_s
    if rate and means.bandwidth_bytes_per_s:
        rate = min(rate, means.bandwidth_bytes_per_s)
    rate = rate or means.bandwidth_bytes_per_s or None
    if not rate:
        why = "Nothing was migrated from this host yet, so the rate of the copy is not known."
        return _answer(known, rate, None, None, None, "unknown", why)
    if known.dirty_bytes_per_s is None:
        seconds = known.first_round_bytes / rate
        why = "How fast the guest writes to its memory was not measured; this is the time of one round."
        return _answer(known, rate, Copy(seconds, 1, 0, True), None, None, "unknown", why)
    found = _judge(known, means, rate, known.dirty_bytes_per_s)
    if means.finish_within_s and (found.total_s or 0) > means.finish_within_s:
        late = f"It would take longer than the {means.finish_within_s} s allowed. {found.because}"
        return replace(found, verdict="will_not", because=late)
    return found


def with_disks(found: Estimate, copied_bytes: int) -> Estimate:
    """`found` with the time of disks that are copied before the memory, at the rate of the memory."""
    if not copied_bytes or found.total_s is None or not found.rate_bytes_per_s:
        return found
    seconds = copied_bytes / found.rate_bytes_per_s
    told = f"{found.because} The disks, {_mib(copied_bytes)} MiB, are copied before: about {seconds:.0f} s."
    return replace(found, total_s=round(found.total_s + seconds, 1), because=told)


def _judge(known: Known, means: Means, rate: int, dirty: int) -> Estimate:
    figures = f"it writes {_mib(dirty)} MiB/s, {_mib(rate)} MiB/s are copied"
    natural = copy(known, rate=rate, dirty=dirty, downtime_ms=means.max_downtime_ms)
    if natural.ends:
        told = f"After {natural.rounds} round{'s' if natural.rounds > 1 else ''} what remains fits into the allowed downtime: {figures}."
        return _answer(known, rate, natural, natural, True, "converges", told)
    # Of a pause QEMU may plan with a part only, so that the guest never stands still for longer (standstill.py).
    planned = downtime_for(means.max_pause_ms, max(COST_MS, known.base_downtime_ms)) if means.max_pause_ms else 0
    most = max(planned, means.max_downtime_ms)
    paused = copy(known, rate=rate, dirty=dirty, downtime_ms=most)
    if most > means.max_downtime_ms and paused.ends:
        told = f"It needs a longer downtime than {means.max_downtime_ms} ms, within the pause of {means.max_pause_ms} ms allowed: {figures}."
        return _answer(known, rate, paused, paused, False, "needs_help", told)
    if means.may_throttle:
        slowed = copy(known, rate=rate, dirty=dirty, downtime_ms=most, throttle=means.throttle)
        if slowed.ends:
            told = f"The guest must be slowed down (auto-converge): {figures}."
            return _answer(known, rate, slowed, slowed, False, "needs_help", told)
    if means.may_postcopy:
        seconds = known.first_round_bytes / rate
        told = f"Post-copy will be needed: {figures}. The guest then waits for each page that is not there yet."
        return _answer(known, rate, Copy(2 * seconds, 1, 0, True), Copy(0, 1, 0, True), False, "needs_help", told)
    told = f"The copy does not get ahead of the guest: {figures}. Allow post-copy, a longer pause or auto-converge, or a faster network."
    return _answer(known, rate, None, None, False, "will_not", told)


def copy(known: Known, *, rate: int, dirty: int, downtime_ms: int, throttle: tuple[float, float] | None = None) -> Copy:
    """Round after round, until what remains can be sent within `downtime_ms`.

    `throttle`: QEMU slows the guest by so much, then by further steps, each after a round in which it wrote more than
    half of what was sent.
    """
    seconds, remaining, slowed = 0.0, known.first_round_bytes, 0.0
    enough = rate * downtime_ms / 1000
    for number in range(1, MOST_ROUNDS + 1):
        lasts = remaining / rate
        seconds += lasts
        # It can't have written to more memory than it has.
        written = min(dirty * (1 - slowed) * lasts, float(known.memory_bytes))
        if written <= enough:
            return Copy(seconds, number, written, True)
        if throttle and written > remaining / 2:
            slowed = min(THROTTLE_MOST, slowed + throttle[1] if slowed else throttle[0])
        elif not throttle and written >= remaining:
            break
        remaining = written
    return Copy(seconds, number, remaining, False)


def _answer(
    known: Known,
    rate: int | None,
    total: Copy | None,
    pause: Copy | None,
    converges: bool | None,
    verdict: Verdict,
    because: str,
) -> Estimate:
    downtime_ms = memory_ms = None
    if rate and pause:
        memory_ms = round(pause.remaining_bytes * 1000 / rate)
        downtime_ms = memory_ms + known.base_downtime_ms
    elif rate and verdict == "unknown":
        downtime_ms = known.base_downtime_ms
    total_s = None
    if total:
        total_s = round(total.seconds + (downtime_ms or 0) / 1000 + known.overhead_s, 1)
    return Estimate(
        total_s=total_s,
        downtime_ms=downtime_ms,
        converges=converges,
        verdict=verdict,
        because=because,
        rounds=total.rounds if total else None,
        memory_ms=memory_ms,
        memory_used_bytes=known.memory_used_bytes,
        dirty_bytes_per_s=known.dirty_bytes_per_s,
        dirty_age_s=known.dirty_age_s,
        rate_bytes_per_s=rate,
        rate_from=known.rate_from if known.rate_bytes_per_s else "",
    )


def _mib(bytes_per_s: int) -> str:
    value = bytes_per_s / MIB
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def error_percent(*, expected: float | None, actual: float | None) -> int | None:
    """By how much what was expected misses what came, in percent of that; negative where it was too low."""
    if expected is None or not actual:
        return None
    return round((expected - actual) * 100 / actual)
