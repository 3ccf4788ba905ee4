"""The queue's order and who gets a place: priority, fairness, limits, memory; as tables and as laws."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.queueing import Decision, Entry, Limits, decide, in_order, named

TWO = Limits(per_source=2, per_destination=2, per_link=2, overall=20)


def entry(pk: int, source: str = "h1", destination: str = "h2", **given: object) -> Entry:
    return Entry(pk, source, destination, **given)  # type: ignore[arg-type]


def decided(
    waiting: list[Entry],
    running: list[Entry] | None = None,
    limits: Limits = TWO,
    *,
    free: dict[str, int] | None = None,
    arriving: dict[str, int] | None = None,
) -> Decision:
    return decide(waiting, running or [], limits, free_mib=free or {}, arriving_mib=arriving or {})


def numbers(entries: list[Entry]) -> list[int]:
    return [one.pk for one in entries]


def test_the_higher_priority_goes_first_and_then_the_position() -> None:
    waiting = [entry(1), entry(2, priority=10), entry(3, position=-1), entry(4, priority=-10)]
    assert numbers(in_order(waiting, {})) == [2, 3, 1, 4]


def test_people_take_turns_however_many_each_has_queued() -> None:
    waiting = [entry(n, user="alice") for n in range(1, 6)] + [entry(6, user="bob"), entry(7, user="carol")]
    assert numbers(in_order(waiting, {})) == [1, 6, 7, 2, 3, 4, 5]


def test_who_was_served_longest_ago_is_next() -> None:
    waiting = [entry(1, user="alice"), entry(2, user="bob"), entry(3, user="alice"), entry(4, user="carol")]
    assert numbers(in_order(waiting, {"alice": 30.0, "bob": 20.0, "carol": 10.0})) == [4, 2, 1, 3]


def test_a_place_is_waited_for_with_the_numbers_that_hold_it() -> None:
    running = [entry(12), entry(13, destination="h3")]
    assert decided([entry(20, destination="h4")], running).waits == {
        20: "waits for a place on h1: 2 of 2 leave it, see #12, #13"
    }
    running = [entry(12), entry(13, source="h3")]
    assert "on h2: 2 of 2 go there, see #12, #13" in decided([entry(20, source="h4")], running).waits[20]
    one = Limits(per_source=5, per_destination=5, per_link=1, overall=20)
    assert "between h1 and h2: 1 of 1 use it, see #12" in decided([entry(20)], [entry(12)], one).waits[20]
    full = Limits(per_source=5, per_destination=5, per_link=5, overall=1)
    assert "1 of 1 run in all" in decided([entry(20)], [entry(12, "h8", "h9")], full).waits[20]


def test_a_held_queue_admits_nothing_and_says_so() -> None:
    found = decided([entry(1), entry(2)], limits=Limits(2, 2, 2, overall=0))
    assert found.admitted == () and "the queue is held" in found.waits[2]


def test_one_that_waits_for_another_host_is_not_waited_for() -> None:
    found = decided([entry(1), entry(2), entry(3), entry(4, "h3", "h4")])
    assert found.admitted == (1, 2, 4)


def test_the_first_that_waits_keeps_the_place_that_it_needs() -> None:
    running = [entry(10, "h1", "h5"), entry(11, "h1", "h5"), entry(12, "h7", "h2")]
    found = decided([entry(1, "h1", "h2"), entry(2, "h3", "h2"), entry(3, "h3", "h4")], running)
    assert found.admitted == (3,)
    assert found.waits[2] == "waits for a place on h2: it is kept for #1, which goes first"


def test_two_do_not_count_the_same_free_memory() -> None:
    found = decided([entry(1, memory_mib=600), entry(2, memory_mib=600)], free={"h2": 1000})
    assert found.admitted == (1,)
    assert found.waits[2].startswith("waits for memory on h2: it needs 600 MiB, and 400 MiB are left")
    assert decided([entry(2, memory_mib=600)], free={"h2": 1000}, arriving={"h2": 600}).admitted == ()


def test_what_alone_is_too_large_is_left_to_its_own_check() -> None:
    assert decided([entry(1, memory_mib=9000)], free={"h2": 1000}).admitted == (1,)


def test_memory_is_kept_for_the_first_that_waits_for_it() -> None:
    waiting = [entry(1, memory_mib=800), entry(2, memory_mib=100)]
    found = decided(waiting, [entry(9, "h3", memory_mib=300)], free={"h2": 1000})
    assert found.admitted == () and "kept for #1" in found.waits[2]


def test_a_definition_alone_needs_no_place_on_a_host() -> None:
    running = [entry(1), entry(2)]
    assert decided([entry(3, uses_link=False), entry(4)], running).admitted == (3,)


def test_many_numbers_are_counted() -> None:
    assert named([1, 2, 3, 4, 5, 6]) == "#1, #2, #3, #4 and 2 more"


HOSTS = st.sampled_from(["h1", "h2", "h3", "h4"])
LINK = st.tuples(HOSTS, HOSTS).filter(lambda link: link[0] != link[1])
SOME = st.lists(st.tuples(LINK, st.integers(0, 900), st.sampled_from("abc"), st.integers(-1, 1)), max_size=20)
LIMITS = st.builds(Limits, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 8))


def entries(rows: list[tuple[tuple[str, str], int, str, int]], first: int = 1) -> list[Entry]:
    return [
        Entry(first + n, link[0], link[1], memory_mib=memory, user=user, priority=priority)
        for n, (link, memory, user, priority) in enumerate(rows)
    ]


@given(SOME, LIMITS)
def test_no_limit_is_ever_exceeded_and_memory_is_given_once(
    rows: list[tuple[tuple[str, str], int, str, int]], limits: Limits
) -> None:
    waiting, free = in_order(entries(rows), {}), dict.fromkeys(("h1", "h2", "h3", "h4"), 1000)
    found = decided(waiting, limits=limits, free=free)
    started = [one for one in waiting if one.pk in found.admitted]
    assert len(started) <= limits.overall
    assert max(Counter(one.source for one in started).values(), default=0) <= limits.per_source
    assert max(Counter(one.destination for one in started).values(), default=0) <= limits.per_destination
    assert max(Counter((one.source, one.destination) for one in started).values(), default=0) <= limits.per_link
    for name in free:
        assert sum(one.memory_mib for one in started if one.destination == name) <= free[name]
    assert set(found.admitted) | set(found.waits) == {one.pk for one in waiting}


@given(SOME, LIMITS)
def test_a_queue_always_empties(rows: list[tuple[tuple[str, str], int, str, int]], limits: Limits) -> None:
    left, rounds = entries(rows), 0
    while left:
        found = decided(in_order(left, {}), limits=limits, free={"h2": 500})
        assert found.admitted, "with all places free somebody always starts"
        left = [one for one in left if one.pk not in found.admitted]
        rounds += 1
    assert rounds <= len(rows)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_with_few_places_each_person_gets_the_same_share(limit: int) -> None:
    left = [entry(n, user="alice") for n in range(1, 11)] + [entry(n, user="bob") for n in range(11, 16)]
    served: dict[str, float] = {}
    started: list[str] = []
    while left:
        found = decided(in_order(left, served), limits=Limits(limit, limit, limit, 20))
        for pk in found.admitted:
            one = next(one for one in left if one.pk == pk)
            served[one.user] = float(len(started))
            started.append(one.user)
        left = [one for one in left if one.pk not in found.admitted]
    assert started[:10].count("bob") == 5
