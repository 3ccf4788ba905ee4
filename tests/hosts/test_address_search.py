"""Whose address is looked for: often at first, then more and more seldom, and nobody is left out for good."""

from itertools import pairwise

import pytest

from hosts.inventory import addresses
from hosts.inventory.addresses import LOOKUPS_AT_ONCE, AddressSearch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(addresses.time, "monotonic", lambda: now[0])
    return now


def test_a_guest_of_which_nothing_is_found_is_asked_for_more_and_more_seldom(clock: list[float]) -> None:
    search, asked = AddressSearch(), []
    for _ in range(4 * 120):
        if search.due(["a"]):
            asked.append(clock[0] - 1000)
        clock[0] += 30
    assert asked[:7] == [0, 30, 90, 210, 450, 930, 1830]
    assert {later - earlier for earlier, later in pairwise(asked[6:])} == {900}


def test_one_that_starts_anew_is_looked_up_at_once(clock: list[float]) -> None:
    search = AddressSearch()
    for _ in range(3):
        search.due(["a"])
        clock[0] += 60
    assert search.due(["a"]) == []
    search.due([])  # off, or its address is known
    assert search.due(["a"]) == ["a"]


def test_of_many_each_has_its_turn(clock: list[float]) -> None:
    search, guests = AddressSearch(), [f"vm-{number}" for number in range(3 * LOOKUPS_AT_ONCE)]
    asked = [uuid for _ in range(3) for uuid in search.due(guests)]
    assert sorted(asked) == sorted(guests)
    assert search.due(guests) == []
