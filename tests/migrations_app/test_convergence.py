"""The autopilot's policies, on simulated copies: none pauses a guest longer than allowed, each comes to an end."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_app.convergence import decide
from migrations_app.plan import POLICIES
from migrations_app.situation import Act, Done, Limits
from migrations_app.standstill import QEMU_DOWNTIME_MS, downtime_for, pause_for
from migrations_app.trend import Sample, Trend
from tests.migrations_app.copying import Copy, End, steer

SWINGS = (1.0, 1.1, 0.9, 1.05, 1.6, 0.95)
"""The rate that QEMU plans with, beside the true one, as seen on the lab."""
MIB = 1024 * 1024


def limits(policy: str, **more: int) -> Limits:
    """As plan.Options allows it by default."""
    return Limits(policy, may_throttle=policy in ("automatic", "must_finish"), may_postcopy=policy == "fast", **more)


def copied(policy: str, *, dirty: float, rate: float = 20, **more: int) -> End:
    """A guest of 1000 MiB that works on 300 of them."""
    allowed = limits(policy, **more)
    return steer(Copy(1000, 300, dirty, rate, SWINGS, throttles=allowed.may_throttle), allowed)


@pytest.mark.parametrize("policy", ["automatic", "gentle", "fast", "must_finish"])
def test_a_guest_that_writes_little_is_left_alone(policy: str) -> None:
    end = copied(policy, dirty=1, finish_within_s=3600)
    assert (end.how, end.decisions) == ("switched over", [])
    assert end.standstill_ms <= QEMU_DOWNTIME_MS * 1.6 + 100


@pytest.mark.parametrize(
    ("policy", "how", "acts"),
    [
        ("automatic", "switched over", [Act.DOWNTIME, Act.ASK]),
        ("gentle", "gave up", [Act.GIVE_UP]),
        ("fast", "post-copy", [Act.POSTCOPY]),
    ],
)
def test_a_guest_that_writes_faster_than_is_copied(policy: str, how: str, acts: list[Act]) -> None:
    end = copied(policy, dirty=100)
    assert (end.how, end.acts()) == (how, acts)
    assert all("MiB/s are copied" in decision.reason for _, decision in end.decisions)


def test_gentle_says_why_it_can_not_converge() -> None:
    last = copied("gentle", dirty=100).decisions[-1][1]
    assert last.reason.startswith("It can't converge, because the guest writes 100 MiB/s")
    assert "runs on at the source" in last.text


def test_downtime_is_raised_in_steps_no_higher_than_needed() -> None:
    """What remains would need 0.8 s: half of the 1110 ms that the ceiling allows is tried first."""
    trend = rounds(16, 15.5, rate=20)
    first = decide(trend, limits("automatic"), Done(), trend.now.at_ms)
    assert (first.act, first.value) == (Act.DOWNTIME, 555)
    done = Done(downtime_ms=555, downtime_at_ms=trend.now.at_ms)
    assert decide(trend, limits("automatic"), done, trend.now.at_ms + 200).act is Act.LEAVE
    assert decide(trend, limits("automatic"), done, trend.now.at_ms + 4000).value == 832


def rounds(*left: float, rate: float, dirty: float = 19) -> Trend:
    """A first round and further ones that left so many MiB, sampled five times a second."""
    at_ms, sent, samples = 0, 0.0, []
    for number, size in enumerate((100, *left), 1):
        for step in range(5):
            at_ms, sent = at_ms + 200, sent + rate / 5
            samples.append(Sample(at_ms, int((size - step) * MIB), int(sent * MIB), int(dirty * MIB), number))
    return Trend.of(samples)


def test_a_ceiling_below_qemus_own_downtime_is_kept_from_the_start() -> None:
    first = decide(Trend(), limits("automatic", max_pause_ms=400), Done(), 200)
    assert (first.act, first.value) == (Act.DOWNTIME, downtime_for(400))
    assert "lowered" in first.text.lower()


def test_a_lowered_ceiling_takes_back_what_was_raised_but_not_what_a_person_set() -> None:
    raised = Done(downtime_ms=1110, downtime_at_ms=100)
    assert decide(Trend(), limits("automatic", max_pause_ms=1000), raised, 200).value == downtime_for(1000)
    assert (
        decide(Trend(), limits("automatic", max_pause_ms=1000), replace(raised, by_person=True), 200).act is Act.LEAVE
    )


def test_a_question_names_the_ceiling_with_which_it_would_end() -> None:
    asked = next(d for _, d in copied("automatic", dirty=100).decisions if d.act is Act.ASK)
    end = copied("automatic", dirty=100, max_pause_ms=asked.value)
    assert Act.ASK not in end.acts() and end.how == "switched over"
    assert end.standstill_ms <= asked.value


def test_a_question_without_an_answer_ends_after_some_minutes() -> None:
    allowed = Limits("automatic", may_throttle=False)
    end = steer(Copy(1000, 300, 100, 20), allowed)
    assert end.how == "gave up" and end.acts() == [Act.DOWNTIME, Act.ASK, Act.GIVE_UP]
    assert end.decisions[-1][0] - end.decisions[-2][0] >= 120_000


def test_fast_without_post_copy_goes_on_by_other_means() -> None:
    end = steer(Copy(1000, 60, 19, 20, SWINGS), limits("fast"), refused=frozenset({Act.POSTCOPY}))
    assert end.how == "switched over"


def test_what_must_finish_takes_post_copy_only_where_that_is_allowed() -> None:
    end = copied("must_finish", dirty=100, finish_within_s=120)
    assert (end.how, end.at_ms) == ("gave up", 120_000)
    assert "did not finish within 120 s, because" in end.decisions[-1][1].reason
    allowed = replace(limits("must_finish", finish_within_s=120), may_postcopy=True)
    end = steer(Copy(1000, 300, 100, 20, SWINGS, throttles=True), allowed)
    assert end.how == "post-copy" and end.at_ms < 105_000


def test_what_must_finish_pauses_the_guest_where_even_the_worst_case_fits() -> None:
    """QEMU thinks that the way is a third as fast as it is, so it does not switch over by itself."""
    allowed = Limits("must_finish", 100_000, 400, memory_bytes=1000 * MIB)
    end = steer(Copy(1000, 300, 100, 10, (0.3,)), allowed)
    assert set(end.acts()) == {Act.DOWNTIME, Act.PAUSE} and end.acts()[-1] is Act.PAUSE
    assert end.how == "switched over" and end.at_ms <= 400_000 and end.standstill_ms <= 100_000


def test_a_pause_that_lasts_too_long_is_ended_before_the_ceiling() -> None:
    trend, allowed = rounds(60, 60, rate=20), limits("must_finish", finish_within_s=60, max_pause_ms=5000)
    paused = Done(paused=True, paused_at_ms=3000)
    assert decide(trend, allowed, paused, 6900).act is Act.LEAVE
    ended = decide(trend, allowed, paused, 7000)
    assert ended.act is Act.GIVE_UP and "goes on at the source" in ended.text


@pytest.mark.parametrize("done", [Done(postcopy=True), Done(paused=True)])
def test_what_a_person_or_post_copy_has_begun_is_left_alone(done: Done) -> None:
    trend = rounds(60, 60, 60, 60, rate=20)
    assert decide(trend, limits("automatic"), done, trend.now.at_ms + 60_000).act is Act.LEAVE


speeds = st.floats(4, 400)


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from([policy for policy in POLICIES if policy != "manual"]),
    working=st.floats(1, 1000),
    dirty=st.floats(0, 400),
    rate=speeds,
    ceiling=st.integers(300, 20_000),
    postcopy=st.booleans(),
    throttles=st.booleans(),
    swing=st.lists(st.floats(0.7, 1.6), min_size=1, max_size=8),
)
def test_every_policy_ends_and_none_pauses_longer_than_the_ceiling(
    policy: str,
    working: float,
    dirty: float,
    rate: float,
    ceiling: int,
    postcopy: bool,
    throttles: bool,
    swing: list[float],
) -> None:
    allowed = Limits(policy, ceiling, 600, throttles, postcopy or policy == "fast", 100, 1000 * MIB)
    end = steer(Copy(1000, working, dirty, rate, tuple(swing), throttles=throttles), allowed)
    assert end.how != "endless"
    assert end.standstill_ms <= ceiling
    if policy == "gentle":
        assert all(decision.value < QEMU_DOWNTIME_MS for _, decision in end.decisions)
        assert end.standstill_ms <= QEMU_DOWNTIME_MS * 1.6 + 100
    if policy == "must_finish":
        assert end.at_ms <= 600_000 + 1000
    if end.how == "post-copy":
        assert allowed.may_postcopy


@given(speed=speeds, dirty=speeds)
@settings(max_examples=20, deadline=None)
def test_manual_decides_nothing(speed: float, dirty: float) -> None:
    assert steer(Copy(100, 50, dirty, speed), Limits("manual"), most_s=300).decisions == []


@given(ceiling=st.integers(100, 600_000), cost=st.integers(10, 2000))
def test_what_qemu_may_plan_with_leaves_room_for_its_errors(ceiling: int, cost: int) -> None:
    downtime = downtime_for(ceiling, cost)
    assert downtime >= 1
    if ceiling > cost + 10:
        assert downtime * 1.6 + cost <= ceiling
        assert downtime_for(pause_for(downtime, cost), cost) >= downtime


def test_a_ceiling_in_the_way_is_told_although_auto_converge_goes_on_meanwhile() -> None:
    end = copied("automatic", dirty=100, max_pause_ms=700)
    asked_ms = next(at_ms for at_ms, decision in end.decisions if decision.act is Act.ASK)
    raised_ms = next(at_ms for at_ms, decision in end.decisions if decision.act is Act.DOWNTIME)
    assert end.how == "switched over" and asked_ms < end.at_ms
    assert asked_ms - raised_ms < 60_000
