"""The policies on series that libvirt really told on the lab: each file's header says of which hosts, guest and command."""

import json

import pytest
from django.conf import settings

from hosts.job_stats import JobStats
from migrations_app.autopilot import sample_of
from migrations_app.convergence import Decision, decide
from migrations_app.progress import Progress, advance
from migrations_app.situation import Act, Done, Limits
from migrations_app.trend import Trend
from migrations_app.trend import advance as advance_trend

FOLDER = settings.BASE_DIR / "tests" / "data" / "jobstats"
MIB = 1024 * 1024


def recorded(name: str) -> list[tuple[int, JobStats]]:
    """Milliseconds since the call, and what libvirt said."""
    rows = json.loads((FOLDER / f"{name}.json").read_text())["samples"]
    return [(at_ms, JobStats.from_libvirt(said)) for at_ms, said in rows]


def first_decision(name: str, limits: Limits, done: Done | None = None) -> tuple[int, Decision, Trend]:
    """The first thing that is decided on the series, and when."""
    progress, trend = Progress(), Trend()
    for at_ms, stats in recorded(name):
        progress = advance(progress, stats)
        trend = advance_trend(trend, sample_of(progress, at_ms))
        decision = decide(trend, limits, done or Done(), at_ms)
        if decision.act is not Act.LEAVE:
            return at_ms, decision, trend
    return at_ms, Decision(Act.LEAVE), trend


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_each_series_says_where_it_comes_from(path: object) -> None:
    about = json.loads(path.read_text())["about"]  # type: ignore[attr-defined]
    assert set(about) == {"hosts", "date", "guest", "command", "columns"}


def test_rounds_and_rate_are_seen_in_what_libvirt_told() -> None:
    *_, trend = first_decision("busy-plain", Limits("manual"))
    assert trend.rounds == 6
    assert 58 < trend.low_bytes / MIB < 66
    assert 16 < trend.rate_bytes / MIB < 20


def test_automatic_raises_the_downtime_once_a_round_hardly_got_ahead() -> None:
    at_ms, decision, trend = first_decision("busy-plain", Limits("automatic", 2000, may_throttle=True))
    assert (decision.act, trend.rounds) == (Act.DOWNTIME, 2)
    assert decision.value == 1110 and at_ms < 12_000


def test_gentle_gives_up_with_the_figures() -> None:
    at_ms, decision, _ = first_decision("busy-plain", Limits("gentle"))
    assert decision.act is Act.GIVE_UP and at_ms < 25_000
    assert decision.reason.startswith("It can't converge, because the guest writes 1")
    assert "a standstill of 3." in decision.reason


def test_fast_switches_to_post_copy() -> None:
    at_ms, decision, _ = first_decision("busy-plain", Limits("fast", may_postcopy=True))
    assert decision.act is Act.POSTCOPY and at_ms < 12_000


def test_a_copy_that_gets_ahead_with_its_downtime_is_left_alone() -> None:
    done = Done(downtime_ms=1700, downtime_at_ms=300)
    _, decision, trend = first_decision("busy-downtime-1700", Limits("automatic", 3000), done)
    assert decision.act is Act.LEAVE and trend.low_bytes < 31 * MIB


def test_auto_converge_at_work_is_left_alone() -> None:
    done = Done(downtime_ms=1410, downtime_at_ms=8500)
    limits = Limits("automatic", 2500, may_throttle=True)
    _, decision, trend = first_decision("busy-auto-converge", limits, done)
    assert decision.act is Act.LEAVE
    assert trend.now.throttle_percent == 25
