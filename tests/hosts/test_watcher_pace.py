"""A process that computes nearly all the time looks at its hosts more seldom, and as often as before when it has time."""

from importlib import import_module

import pytest

from hosts.watcher.pace import MOST, Pace

module = import_module("hosts.watcher.pace")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"wall": 100.0, "used": 0.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(module.time, "process_time", lambda: now["used"])
    return now


def test_looks_become_seldom_under_load_and_come_back(clock: dict[str, float]) -> None:
    def live(seconds: int, *, cores: float) -> float:
        for _ in range(seconds):
            clock["wall"] += 1
            clock["used"] += cores
            pace.note()
        return pace.factor

    pace = Pace()
    assert live(60, cores=0.5) == 1
    assert live(3, cores=1.0) == 1  # a burst
    assert live(10, cores=1.0) > 1.3
    assert live(60, cores=1.2) == MOST
    held = live(5, cores=0.65)
    assert live(30, cores=0.65) == held  # neither busy nor idle: as it is
    assert live(120, cores=0.2) == 1


def test_two_calls_at_one_moment_do_no_harm(clock: dict[str, float]) -> None:
    pace = Pace()
    pace.note()
    assert pace.factor == 1
