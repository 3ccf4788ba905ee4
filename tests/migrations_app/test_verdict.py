"""What both hosts say decides; no combination of answers may let a guest run twice or be lost."""

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrations_app import verdict
from migrations_app.host_view import View
from migrations_app.verdict import CHOICES, Finding, judge

AWAY = View(reachable=False)
ABSENT = View(reachable=True)


def at(state: str, reason: str = "", *, job: bool = False, persistent: bool = True, hung: bool = False) -> View:
    active = state not in ("shut off", "crashed")
    return View(True, True, state, reason, persistent, job, active=active, hung=hung)


SENT = at("paused", "post-copy", job=True)
TABLE = [
    (at("running", job=True), at("paused"), Finding.UNDER_WAY),
    (at("running", job=True), AWAY, Finding.UNDER_WAY),
    (at("running"), ABSENT, Finding.AT_SOURCE),
    (at("running"), at("paused"), Finding.AT_SOURCE),
    (at("running"), at("shut off"), Finding.AT_SOURCE),
    (at("running"), at("paused", job=True), Finding.AT_SOURCE),
    (at("running", "booted"), AWAY, Finding.AT_SOURCE),
    (at("running", "migration canceled"), AWAY, Finding.UNKNOWN),
    (at("running", "unpaused"), AWAY, Finding.UNKNOWN),
    (at("paused", "migration"), at("paused", job=True), Finding.UNDER_WAY),
    (at("shut off", "crashed"), at("paused", "migration", job=True), Finding.UNKNOWN),
    (at("shut off", "migrated"), at("running"), Finding.AT_DESTINATION),
    (ABSENT, at("running"), Finding.AT_DESTINATION),
    (at("paused", "migration"), at("running"), Finding.AT_DESTINATION),
    (at("paused", "post-copy"), at("running", "migrated"), Finding.AT_DESTINATION),
    (at("in shutdown"), at("running"), Finding.UNKNOWN),
    (at("paused", "migration"), ABSENT, Finding.RESUME_AT_SOURCE),
    (at("paused", "migration"), at("shut off"), Finding.RESUME_AT_SOURCE),
    (SENT, at("running", "post-copy", job=True), Finding.UNDER_WAY),
    (at("paused", "post-copy failed", job=True), at("running", "post-copy", job=True), Finding.POSTCOPY_BROKEN),
    (at("paused", "post-copy failed", job=True), at("running", "post-copy failed", job=True), Finding.POSTCOPY_BROKEN),
    (at("paused", "post-copy failed"), at("paused", "post-copy failed"), Finding.POSTCOPY_BROKEN),
    (SENT, at("running", "post-copy failed", job=True), Finding.POSTCOPY_BROKEN),
    (at("paused", "post-copy failed", job=True), at("shut off", "crashed"), Finding.POSTCOPY_LOST),
    (at("shut off", "crashed"), at("paused", "post-copy failed", job=True), Finding.POSTCOPY_LOST),
    (at("shut off", "crashed"), at("running", "post-copy", job=True), Finding.POSTCOPY_LOST),
    (at("shut off", "migrated"), at("running", "post-copy", job=True), Finding.UNKNOWN),
    (AWAY, at("running", "post-copy failed", job=True), Finding.UNKNOWN),
    (at("running"), at("running"), Finding.TWO_COPIES),
    (at("running", job=True), at("running"), Finding.TWO_COPIES),
    (AWAY, at("running", "migrated"), Finding.AT_DESTINATION),
    (AWAY, at("running", "booted"), Finding.UNKNOWN),
    (at("running"), AWAY, Finding.UNKNOWN),
    (AWAY, AWAY, Finding.UNKNOWN),
    (AWAY, at("paused"), Finding.UNKNOWN),
    (at("shut off"), AWAY, Finding.UNKNOWN),
    (at("running", hung=True), ABSENT, Finding.UNKNOWN),
    (at("shut off"), ABSENT, Finding.NOWHERE),
    (at("paused"), at("paused"), Finding.UNKNOWN),
    (at("shut off", "migrated"), at("paused", "user"), Finding.RESUME_AT_DESTINATION),
    (ABSENT, at("paused", "migration"), Finding.RESUME_AT_DESTINATION),
    (View(True, True, "crashed", "panicked", active=True), ABSENT, Finding.UNKNOWN),
]


def named(value: object) -> str:
    return re.sub(r"[^a-z]+", "-", value.in_words()) if isinstance(value, View) else str(value)


@pytest.mark.parametrize(("source", "destination", "finding"), TABLE, ids=named)
def test_the_table_of_crash_points(source: View, destination: View, finding: Finding) -> None:
    found = judge(source, destination)
    assert found.finding is finding
    assert source.in_words() in found.because and destination.in_words() in found.because


def test_every_finding_stands_in_the_table() -> None:
    assert {finding for _, _, finding in TABLE} == set(Finding) - {Finding.STALLED}


def test_a_job_in_which_nothing_moves_is_a_finding_of_its_own() -> None:
    stalled = judge(at("running", job=True), at("paused"), stalled=True)
    assert stalled.finding is Finding.STALLED and "cancel_copy" in stalled.choices
    assert "resume_postcopy" in judge(SENT, at("running", "post-copy", job=True), stalled=True).choices
    assert judge(at("running"), ABSENT, stalled=True).finding is Finding.AT_SOURCE


def test_a_guest_whose_source_died_in_postcopy_can_be_started_anew_though_its_qemu_says_nothing() -> None:
    found = judge(at("shut off", "crashed"), at("running", "post-copy", job=True))
    assert found.choices == ("start_at_destination", "look_again")
    assert "The source lost its part" in found.because
    assert "start_at_destination" not in judge(at("shut off", "crashed"), at("running", "post-copy", hung=True)).choices


STATES = ["running", "idle", "paused", "shut off", "crashed", "in shutdown", "pmsuspended", "unknown", "made up"]
REASONS = [
    "",
    "booted",
    "migrated",
    "unpaused",
    "migration canceled",
    "migration",
    "user",
    "post-copy",
    "post-copy failed",
    "crashed",
]
OF_HOST = st.builds(
    lambda state, **flags: View(True, True, state, **flags),
    st.sampled_from(STATES),
    reason=st.sampled_from(REASONS),
    persistent=st.booleans(),
    job=st.booleans(),
    active=st.booleans(),
    hung=st.booleans(),
)
VIEWS = st.one_of(st.just(AWAY), st.just(ABSENT), OF_HOST)


def proven_inactive(view: View) -> bool:
    """In the test's own words, apart from those of the code."""
    if not view.reachable or view.hung:
        return False
    return not view.present or view.state == "shut off" or (view.state == "crashed" and not view.active)


def lets_go_on_at(source: View, destination: View) -> set[str]:
    """The hosts at which a decision or an offered choice would let the guest go on or start."""
    found = judge(source, destination)
    stalled = judge(source, destination, stalled=True)
    offered = {*found.choices, *stalled.choices}
    hosts = {"source" for name in ("resume_at_source", "start_at_source") if name in offered}
    hosts |= {"destination" for name in ("resume_at_destination", "start_at_destination") if name in offered}
    if verdict.never_ran_at_destination(source, destination, persists=True):
        hosts.add("source")
    if found.finding is Finding.RESUME_AT_SOURCE:
        hosts.add("source")
    if found.finding is Finding.RESUME_AT_DESTINATION:
        hosts.add("destination")
    return hosts


@given(VIEWS, VIEWS)
@example(at("paused", "post-copy failed"), at("shut off"))
@example(at("paused", "migration"), View(True, True, "crashed", active=True))
def test_nothing_is_started_or_resumed_unless_the_other_host_is_proven_not_active(
    source: View, destination: View
) -> None:
    going_on = lets_go_on_at(source, destination)
    assert "source" not in going_on or proven_inactive(destination)
    assert "destination" not in going_on or proven_inactive(source)
    for name in CHOICES:
        if verdict.is_safe(name, source, destination) and name.endswith("at_source") and not name.startswith("stop"):
            assert proven_inactive(destination), name
        if verdict.is_safe(name, source, destination) and name in ("resume_at_destination", "start_at_destination"):
            assert proven_inactive(source), name


@given(VIEWS, VIEWS)
def test_nothing_is_forced_off_unless_the_guest_is_proven_to_run_on_the_other_host(
    source: View, destination: View
) -> None:
    def runs_whole(view: View) -> bool:
        whole = view.reachable and not view.hung and not view.in_postcopy
        return whole and view.state in ("running", "idle")

    offered = judge(source, destination).choices
    if verdict.leftover_at_source(source, destination) or "stop_at_source" in offered:
        assert runs_whole(destination)
    if verdict.leftover_at_destination(source, destination) or "stop_at_destination" in offered:
        assert runs_whole(source) and not source.job


@given(VIEWS, VIEWS)
def test_half_a_memory_is_never_resumed_and_never_taken_for_a_whole_guest(source: View, destination: View) -> None:
    found = judge(source, destination)
    if source.in_postcopy:
        assert "resume_at_source" not in found.choices
        assert not verdict.never_ran_at_destination(source, destination, persists=True)
    if destination.in_postcopy:
        assert "resume_at_destination" not in found.choices
        assert found.finding is not Finding.AT_DESTINATION


@given(VIEWS, VIEWS)
def test_what_is_offered_is_safe_now_and_what_is_unsettled_can_be_asked_again(source: View, destination: View) -> None:
    found = judge(source, destination)
    assert all(verdict.is_safe(name, source, destination) for name in found.choices)
    settled = (Finding.UNDER_WAY, Finding.AT_SOURCE, Finding.AT_DESTINATION)
    assert ("look_again" in found.choices) is (found.finding not in settled)


@given(VIEWS)
def test_no_answer_is_not_taken_for_not_running(other: View) -> None:
    without_source, without_destination = judge(AWAY, other), judge(other, AWAY)
    if without_source.finding is not Finding.UNKNOWN:
        assert without_source.finding is Finding.AT_DESTINATION and other.runs and other.reason != "booted"
    if without_destination.finding is not Finding.UNKNOWN:
        assert without_destination.finding in (Finding.UNDER_WAY, Finding.AT_SOURCE)
        assert other.job or (other.runs and other.reason in verdict.NEVER_STOPPED)
    assert set(without_source.choices) | set(without_destination.choices) <= {"look_again"}


@given(VIEWS, VIEWS)
def test_two_that_run_are_always_called_two_copies(source: View, destination: View) -> None:
    two = source.runs and destination.runs
    assert (judge(source, destination).finding is Finding.TWO_COPIES) is two


def test_a_choice_that_does_not_exist_is_not_safe() -> None:
    assert not any(
        verdict.is_safe(name, a, b) for name in ("", "start") for a, b in itertools.product((AWAY, ABSENT), repeat=2)
    )
