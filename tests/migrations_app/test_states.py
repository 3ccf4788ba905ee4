"""Every state has words, every move is known, and an end is an end."""

import pytest

from migrations_app import states
from migrations_app.states import State


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_label_a_meaning_and_its_moves(state: State) -> None:
    label, meaning = states.LABELS[state]
    assert label and meaning.endswith(".")
    assert state in states.TRANSITIONS


@pytest.mark.parametrize("state", sorted(states.TERMINAL))
def test_an_end_is_an_end(state: State) -> None:
    assert not states.TRANSITIONS[state]


@pytest.mark.parametrize("state", sorted(states.ACTIVE))
def test_every_active_state_can_reach_an_end(state: State) -> None:
    reached, frontier = {state}, [state]
    while frontier:
        new = states.TRANSITIONS[frontier.pop()] - reached
        reached |= new
        frontier += new
    assert reached & states.TERMINAL


def test_a_completed_migration_can_not_go_on() -> None:
    with pytest.raises(states.ForbiddenMove, match="completed can't become copying"):
        states.require(State.COMPLETED, State.COPYING)
