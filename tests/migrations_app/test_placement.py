"""Which VM goes where: laws that hold for every cluster, and the cases that an admin would ask about."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_app.placement import Guest, Other, Placed, Room, Rule, Schedule, Situation, place, schedule

HOSTS = ("h1", "h2", "h3", "h4")
LAW = settings(deadline=None, max_examples=60)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Up to four hosts and ten guests of any of them, with rules among them and a few that stay."""
    rooms = tuple(
        Room(
            name,
            memory_mib=8192,
            free_mib=draw(st.integers(0, 4096)),
            cpus=draw(st.integers(1, 16)),
            vcpus=draw(st.integers(0, 32)),
            why_not=draw(st.sampled_from(["", "", "", "it is in maintenance"])),
        )
        for name in HOSTS[: draw(st.integers(1, 4))]
    )
    guests = tuple(
        Guest(
            key=f"k{number}",
            name=f"vm{number}",
            source=draw(st.sampled_from(HOSTS)),
            memory_mib=draw(st.sampled_from([0, 256, 512, 1024, 2048])),
            vcpus=draw(st.integers(0, 8)),
            wanted=draw(st.sampled_from(["", "", "", "h1", "h2"])),
            why_not=draw(st.sampled_from(["", "", "", "", "it has a host device"])),
            unfit=draw(st.dictionaries(st.sampled_from(HOSTS), st.just("its CPU does not run there"), max_size=2)),
        )
        for number in range(draw(st.integers(0, 10)))
    )
    others = {f"o{number}": Other(f"other{number}", draw(st.sampled_from(HOSTS))) for number in range(3)}
    keys = [*(guest.key for guest in guests), *others]
    rules = tuple(
        Rule(f"rule {number}", draw(st.booleans()), frozenset(draw(st.sets(st.sampled_from(keys), min_size=2))))
        for number in range(draw(st.integers(0, 3)))
    )
    return Situation(rooms, guests, rules, others)


def scheduled(situation: Situation, parallel: int) -> tuple[list[Placed], Schedule]:
    """What `place` finds, cut into steps in its own order."""
    found = place(situation)
    by_key = {guest.key: guest for guest in situation.guests}
    ordered = replace(situation, guests=tuple(by_key[placed.key] for placed in found))
    goals = {placed.key: placed.destination for placed in found}
    return found, schedule(ordered, goals, parallel=parallel)


@LAW
@given(situations())
def test_every_guest_is_told_of_once_and_with_a_reason(situation: Situation) -> None:
    found = place(situation)
    assert sorted(placed.key for placed in found) == sorted(guest.key for guest in situation.guests)
    assert all(placed.why for placed in found)


@LAW
@given(situations(), st.integers(1, 6))
def test_no_host_is_over_capacity_at_any_step(situation: Situation, parallel: int) -> None:
    """While a step runs, its guests are counted at both ends."""
    found, plan = scheduled(situation, parallel)
    assert not plan.stuck
    guests = {guest.key: guest for guest in situation.guests}
    goals = {placed.key: placed.destination for placed in found}
    free = {room.name: room.free_mib for room in situation.rooms}
    for step in plan.steps:
        assert 1 <= len(step.keys) <= parallel
        for key in step.keys:
            free[goals[key]] -= guests[key].memory_mib
        for key in step.keys:
            assert free[goals[key]] >= 0
        assert dict(step.free_mib) == free
        for key in step.keys:
            if guests[key].source in free:
                free[guests[key].source] += guests[key].memory_mib
    moved = [key for step in plan.steps for key in step.keys]
    assert sorted(moved) == sorted(key for key, goal in goals.items() if goal)


@LAW
@given(situations(), st.integers(1, 6))
def test_rules_hold_from_step_to_step(situation: Situation, parallel: int) -> None:
    found, plan = scheduled(situation, parallel)
    goals = {placed.key: placed.destination for placed in found if placed.destination}
    at = {guest.key: guest.source for guest in situation.guests}
    at |= {key: other.host for key, other in situation.others.items()}
    for step in plan.steps:
        for rule in (rule for rule in situation.rules if rule.apart):
            for key in rule.members.intersection(step.keys):
                there = {other for other in rule.members if at[other] == goals[key]}
                coming = {other for other in rule.members.intersection(step.keys) if goals[other] == goals[key]}
                assert not (there | coming) - {key}
        at |= {key: goals[key] for key in step.keys}
    for rule in (rule for rule in situation.rules if not rule.apart):
        if rule.members & goals.keys():
            assert len({at[key] for key in rule.members}) == 1


@LAW
@given(situations())
def test_nobody_goes_where_it_may_not(situation: Situation) -> None:
    open_rooms = {room.name for room in situation.rooms if not room.why_not}
    guests = {guest.key: guest for guest in situation.guests}
    for placed in place(situation):
        guest = guests[placed.key]
        if placed.destination:
            assert placed.destination in open_rooms - {guest.source} - guest.unfit.keys()
            assert not guest.why_not
            assert guest.wanted in ("", placed.destination)


@LAW
@given(situations(), st.randoms())
def test_the_order_of_what_is_known_changes_nothing(situation: Situation, randomly: random.Random) -> None:
    rooms, guests = list(situation.rooms), list(situation.guests)
    randomly.shuffle(rooms)
    randomly.shuffle(guests)
    assert place(replace(situation, rooms=tuple(rooms), guests=tuple(guests))) == place(situation)


def guest(name: str, memory_mib: int = 1024, **values: object) -> Guest:
    return Guest(key=name, name=name, source="h1", memory_mib=memory_mib, vcpus=1, **values)  # type: ignore[arg-type]


def room(name: str, free_mib: int = 4096, **values: object) -> Room:
    return Room(name, memory_mib=8192, free_mib=free_mib, cpus=4, **values)  # type: ignore[arg-type]


def goals(situation: Situation) -> dict[str, str]:
    return {placed.key: placed.destination for placed in place(situation)}


def test_the_load_is_spread() -> None:
    found = goals(Situation((room("h2"), room("h3")), tuple(guest(f"vm{n}") for n in range(4))))
    assert sorted(found.values()) == ["h2", "h2", "h3", "h3"]


def test_a_busy_cpu_counts_as_a_full_memory_does() -> None:
    assert goals(Situation((room("h2", vcpus=16), room("h3", 3072)), (guest("web"),))) == {"web": "h3"}


def test_where_spreading_leaves_one_behind_the_fullest_host_is_filled_first() -> None:
    rooms = (room("h2", 3072), room("h3", 2048))
    found = goals(Situation(rooms, (guest("big", 2048), guest("a", 1536), guest("b", 1536))))
    assert found == {"big": "h3", "a": "h2", "b": "h2"}


def test_what_can_not_move_says_why_host_by_host() -> None:
    rooms = (room("h2", 512), room("h3", why_not="it is in maintenance"))
    [found] = place(Situation(rooms, (guest("web"),)))
    assert found.destination == ""
    assert "h2: needs 1024 MiB, 512 MiB are free; h3: it is in maintenance" in found.why


def test_rules_name_themselves_and_whom_they_are_about() -> None:
    apart = Rule("two masters", True, frozenset({"a", "b"}))
    [_, found] = place(Situation((room("h2"),), (guest("a"), guest("b", 512)), (apart,)))
    assert "“two masters” keeps it apart from a" in found.why
    together = Rule("app and db", False, frozenset({"app", "db"}))
    stays = guest("db", why_not="it has a host device")
    [app, _] = place(Situation((room("h2"),), (guest("app"), stays), (together,)))
    assert "keeps it together with db, which stays on h1" in app.why


def test_a_swap_of_two_full_hosts_waits_for_the_room_that_the_first_leaves() -> None:
    rooms = (room("h1", 0), room("h2", 1024))
    guests = (guest("a"), replace(guest("b"), source="h2", wanted="h1"))
    plan = schedule(Situation(rooms, guests), {"a": "h2", "b": "h1"}, parallel=4)
    assert [step.keys for step in plan.steps] == [("a",), ("b",)]
    full = (room("h1", 0), room("h2", 0))
    assert set(schedule(Situation(full, guests), {"a": "h2", "b": "h1"}, parallel=4).stuck) == {"a", "b"}


def test_the_canary_goes_alone() -> None:
    guests = tuple(guest(f"vm{n}") for n in range(4))
    found = {one.key: "h2" for one in guests}
    plan = schedule(Situation((room("h2", 8192),), guests), found, parallel=3, canary=True)
    assert [len(step.keys) for step in plan.steps] == [1, 3]
