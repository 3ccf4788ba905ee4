"""What both hosts say decides; no combination of answers may let a guest run twice."""

import itertools

import pytest

from migrations_app.verdict import Finding, View, judge

AWAY = View(reachable=False)
ABSENT = View(reachable=True)


def at(state: str, reason: str = "", *, job: bool = False, persistent: bool = True) -> View:
    return View(True, True, state, reason, persistent, job)


TABLE = [
    (at("running", job=True), at("paused"), Finding.UNDER_WAY),
    (at("running"), ABSENT, Finding.AT_SOURCE),
    (at("running"), at("paused"), Finding.AT_SOURCE),
    (at("running"), at("shut off"), Finding.AT_SOURCE),
    (at("running"), at("paused", job=True), Finding.AT_SOURCE),
    (at("paused", "migration"), at("paused", job=True), Finding.UNDER_WAY),
    (at("shut off", "migrated"), at("running"), Finding.AT_DESTINATION),
    (ABSENT, at("running"), Finding.AT_DESTINATION),
    (at("paused", "migration"), at("running"), Finding.AT_DESTINATION),
    (at("paused", "migration"), ABSENT, Finding.RESUME_AT_SOURCE),
    (at("paused", "migration"), at("shut off"), Finding.RESUME_AT_SOURCE),
    (at("paused", "postcopy-failed"), at("paused", "postcopy-failed"), Finding.POSTCOPY_BROKEN),
    (at("running"), at("running"), Finding.TWO_COPIES),
    (AWAY, at("running"), Finding.AT_DESTINATION),
    (at("running"), AWAY, Finding.UNKNOWN),
    (AWAY, AWAY, Finding.UNKNOWN),
    (AWAY, at("paused"), Finding.UNKNOWN),
    (at("shut off"), AWAY, Finding.UNKNOWN),
    (at("shut off"), ABSENT, Finding.NOWHERE),
    (at("paused"), at("paused"), Finding.UNKNOWN),
    (at("shut off", "migrated"), at("paused", "user"), Finding.RESUME_AT_DESTINATION),
    (ABSENT, at("paused", "migration"), Finding.RESUME_AT_DESTINATION),
]


@pytest.mark.parametrize(
    ("source", "destination", "finding"), TABLE, ids=lambda value: str(getattr(value, "state", value))
)
def test_the_table_of_crash_points(source: View, destination: View, finding: Finding) -> None:
    verdict = judge(source, destination)
    assert verdict.finding is finding
    assert source.in_words() in verdict.because and destination.in_words() in verdict.because


STATES = ["running", "idle", "paused", "shut off", "crashed", "in shutdown", "pmsuspended"]
VIEWS = [AWAY, ABSENT, *(at(state, job=job) for state in STATES for job in (False, True))]


@pytest.mark.parametrize(("source", "destination"), list(itertools.product(VIEWS, VIEWS)))
def test_nothing_may_be_resumed_unless_the_other_host_proves_it_is_not_active_there(
    source: View, destination: View
) -> None:
    verdict = judge(source, destination)
    resumes_source = "resume_at_source" in verdict.choices or verdict.finding is Finding.RESUME_AT_SOURCE
    if resumes_source:
        assert destination.reachable and destination.state in ("", "shut off", "crashed")
    if "resume_at_destination" in verdict.choices:
        assert source.reachable and source.state in ("", "shut off", "crashed")


@pytest.mark.parametrize("other", VIEWS)
def test_no_answer_is_not_taken_for_not_running(other: View) -> None:
    if not other.runs:
        assert judge(AWAY, other).finding is Finding.UNKNOWN
    assert judge(other, AWAY).finding is Finding.UNKNOWN
