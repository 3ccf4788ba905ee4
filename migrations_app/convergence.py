"""What to do next with a migration that copies, given its figures: the autopilot's policy. Pure.

It returns a decision as a value; autopilot.py carries it out. A standstill is the memory that remains, sent at the rate
of the copy, plus what the switch-over costs (standstill.py). Nothing here lets it be longer than the ceiling, and
nothing here raises the ceiling: where it stands in the way, the decision is to ask.
"""

from collections.abc import Callable
from dataclasses import dataclass

from migrations_app.situation import Act, Done, Limits, Situation, seconds
from migrations_app.standstill import pause_for
from migrations_app.trend import Trend

STEPS = 4
"""In so many equal steps the allowed downtime is raised to its most; Nova takes 10, oVirt 5, of 500 ms."""
ASK_AFTER_MS = 10_000
"""Stalled for so long with all the downtime that is allowed, the person is told that the ceiling stands in the way."""
GENTLE_ROUNDS = 3
"""So many rounds in a row that don't get ahead, and Gentle gives up."""
THROTTLE_WAIT_MS, THROTTLE_WAIT_ROUNDS = 30_000, 6
"""How long auto-converge may take for its next step: QEMU takes one after two rounds of a second or more in which the guest
wrote half of what was sent."""
THROTTLE_MOST, THROTTLE_BEFORE_POSTCOPY = 99, 50
"""Beyond 99 % there is no throttle (max-cpu-throttle). Where post-copy is allowed the guest is not slowed down so far."""
PATIENCE_MS = 120_000
"""How long a question waits for its answer before the migration is given up."""
BRAKE_MS = 1_000
"""What it takes to end a migration and to let a paused guest go on at the source; kept free of each pause."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in words, and why, with the figures. `value`: ms of downtime, or of the ceiling that is asked for."""

    act: Act
    text: str = ""
    reason: str = ""
    value: int = 0


LEAVE = Decision(Act.LEAVE)


def decide(trend: Trend, limits: Limits, done: Done, now_ms: int) -> Decision:
    """The next thing to do, asked after each sample; the first line that fits decides.

    | when | gentle | automatic | fast | must_finish |
    |---|---|---|---|---|
    | post-copy has begun, or a person paused the guest | leave alone | ← | ← | ← |
    | paused by the autopilot, and the ceiling but for 1 s is reached | | | | give up: the guest goes on at the source |
    | the deadline has passed | | | | give up |
    | the downtime limit is more than the ceiling allows, and no person set it | lower it | ← | ← | ← |
    | the first round, or rounds get ahead | leave alone | ← | ← | ← |
    | a round hardly gets ahead | leave alone | raise it a step, to what the ceiling allows | post-copy | as automatic; near the deadline all at once |
    | stalled with all the downtime | give up after 3 rounds; QEMU's own 300 ms are all it has | after 10 s ask for a higher ceiling | post-copy, else as automatic | as automatic; near the deadline post-copy where allowed, else pause where even the worst case stays below the ceiling |
    | still stalled | | let auto-converge work, then post-copy where allowed; 120 s after the last change give up | the same without auto-converge | as automatic |

    `manual` decides nothing, ever. A copy in which nothing moves any more is stall.py's, whatever the policy.
    """
    if limits.policy == "manual" or done.postcopy:
        return LEAVE
    now = Situation(trend, limits, done, now_ms)
    return next((decision for rule in RULES if (decision := rule(now)) is not None), LEAVE)


def _paused(now: Situation) -> Decision | None:
    if not now.done.paused:
        return None
    stood = now.now_ms - (now.now_ms if now.done.paused_at_ms is None else now.done.paused_at_ms)
    if stood + BRAKE_MS < now.limits.max_pause_ms or now.done.paused_at_ms is None:
        return LEAVE
    why = f"the guest has stood still for {seconds(stood)}, {seconds(now.limits.max_pause_ms)} are allowed"
    return _give_up(now, f"it can't end within the longest pause, because {why}.")


def _deadline(now: Situation) -> Decision | None:
    if now.left_ms is None or now.left_ms > 0:
        return None
    within = f"It did not finish within {now.limits.finish_within_s} s, because"
    return _give_up(now, f"{within} {now.figures}; {now.limits.in_words}.")


def _keep_ceiling(now: Situation) -> Decision | None:
    most, is_ = now.limits.most_downtime_ms, now.done.downtime_now_ms
    if now.done.by_person or is_ <= most or Act.DOWNTIME in now.done.refused:
        return None
    whose = "It was" if now.done.downtime_ms else "QEMU's own is"
    why = f"{whose} {seconds(is_)}; {now.limits.in_words}."
    return Decision(Act.DOWNTIME, f"Lowered the maximum downtime to {seconds(most)}", why, most)


def _getting_ahead(now: Situation) -> Decision | None:
    if now.hurried:
        return None
    if not (now.slow or now.stalled):
        return LEAVE
    fits = now.trend.round_ms <= now.done.downtime_now_ms  # then QEMU switches over by itself
    return LEAVE if fits and not now.stalled else None


def _fast(now: Situation) -> Decision | None:
    if now.limits.policy != "fast" or not now.can_postcopy:
        return None
    return Decision(Act.POSTCOPY, "Switched to post-copy", f"The copy does not get ahead: {now.figures}.")


def _raise(now: Situation) -> Decision | None:
    """A step is given until the copy has stalled with it; the first needs no more than a round that hardly got ahead."""
    if now.has_all_downtime or (now.done.downtime_at_ms and not (now.stalled or now.hurried)):
        return None
    step = most = now.limits.most_downtime_ms
    if not now.hurried:
        # What is written again while it still waits to be sent costs nothing, so half of what remains is often enough.
        wanted = max(now.done.downtime_now_ms + 1, now.trend.low_ms / 2)
        step = next((found for n in range(1, STEPS) if (found := most * n // STEPS) >= wanted), most)
    because = f"{seconds(max(0, now.left_ms or 0))} are left" if now.hurried else "The copy does not get ahead"
    why = f"{because}: {now.figures}; {now.limits.in_words}."
    return Decision(Act.DOWNTIME, f"Raised the maximum downtime to {seconds(step)}", why, step)


def _wait(now: Situation) -> Decision | None:
    return None if now.stalled or now.hurried else LEAVE


def _gentle(now: Situation) -> Decision | None:
    if now.limits.policy != "gentle":
        return None
    if now.trend.rounds - now.trend.low_round < GENTLE_ROUNDS:
        return LEAVE
    allowed = f"Gentle allows {seconds(now.limits.most_downtime_ms)} and nothing else"
    return _give_up(now, f"It can't converge, because {now.figures}, and {allowed}.")


def _last_means(now: Situation) -> Decision | None:
    """Near the deadline: post-copy, or a pause where even the worst case fits."""
    if not (now.pressed or (now.hurried and now.stalled)):
        return None
    left = f"{seconds(max(0, now.left_ms or 0))} are left"
    if now.can_postcopy:
        return Decision(Act.POSTCOPY, "Switched to post-copy", f"{left}: {now.figures}.")
    worst = now.worst_pause_ms
    if worst + BRAKE_MS <= now.limits.max_pause_ms and Act.PAUSE not in now.done.refused:
        why = f"{left}; what remains takes {seconds(worst)} at the worst, {now.limits.in_words}."
        return Decision(Act.PAUSE, "Paused the guest for the rest of the copy", why)
    return None


def _ask(now: Situation) -> Decision | None:
    ceiling = now.limits.max_pause_ms
    if now.done.asked_for_ms == ceiling or not now.trend.rounds or not now.trend.rate_bytes:
        return None
    wanted = pause_for(now.trend.low_ms, now.limits.cost_ms)
    if wanted <= ceiling:
        return None
    if now.behind_ms < ASK_AFTER_MS and not now.pressed:
        return LEAVE
    why = f"{now.figures}; {now.limits.in_words}. With a longest pause of {seconds(wanted)} it would end now."
    return Decision(Act.ASK, "The longest pause that is allowed stands in the way", _sentence(why), wanted)


def _throttle(now: Situation) -> Decision | None:
    """Auto-converge works by itself once it is on; it is spent at its most, or when it takes no more steps."""
    most = THROTTLE_BEFORE_POSTCOPY if now.can_postcopy else THROTTLE_MOST
    waited = now.quiet_ms > max(THROTTLE_WAIT_MS, THROTTLE_WAIT_ROUNDS * now.trend.low_ms)
    spent = now.trend.now.throttle_percent >= most or waited
    return LEAVE if now.limits.may_throttle and not spent else None


def _end(now: Situation) -> Decision | None:
    if now.can_postcopy:
        return Decision(Act.POSTCOPY, "Switched to post-copy", f"Nothing else is left: {now.figures}.")
    asked_at = now.done.asked_at_ms if now.done.asked_for_ms == now.limits.max_pause_ms else 0
    if now.now_ms - max(asked_at, now.now_ms - now.quiet_ms) < PATIENCE_MS:
        return LEAVE
    return _give_up(now, f"It can't converge, because {now.figures}, and {now.limits.in_words}.")


RULES: tuple[Callable[[Situation], Decision | None], ...] = (
    _paused,
    _deadline,
    _keep_ceiling,
    _getting_ahead,
    _fast,
    _raise,
    _wait,
    _gentle,
    _last_means,
    _ask,
    _throttle,
    _end,
)
"""In this order; the first that returns a decision ends it, LEAVE included."""


def _give_up(now: Situation, reason: str) -> Decision:
    on = "goes on" if now.done.paused else "runs on"
    return Decision(Act.GIVE_UP, f"Gave up; the guest {on} at the source", _sentence(reason))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
