"""What can wait does, while hosts are new; and no longer than it should."""

import pytest

from hosts.watcher import arrivals
from hosts.watcher.arrivals import LONGEST_S, Arrivals


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"s": 1000.0}
    monkeypatch.setattr(arrivals.time, "monotonic", lambda: now["s"])
    return now


def test_the_others_wait_until_the_last_was_seen_or_failed(clock: dict[str, float]) -> None:
    new = Arrivals()
    assert not new.are_expected()
    new.expect("h1")
    new.expect("h2")
    new.forget("h1")
    assert new.are_expected()
    new.forget("h2")
    new.forget("h2")
    assert not new.are_expected()


def test_one_that_neither_comes_nor_fails_is_not_waited_for_for_ever(clock: dict[str, float]) -> None:
    new = Arrivals()
    new.expect("hangs")
    clock["s"] += LONGEST_S - 1
    assert new.are_expected()
    clock["s"] += 2
    assert not new.are_expected()
    new.expect("comes later")
    assert new.are_expected()
    new.forget("comes later")
    clock["s"] += LONGEST_S + 1
    assert not new.are_expected()
