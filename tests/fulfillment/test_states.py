"""Do the tables of states hold together?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment import states
from fulfillment.models import Session

STATES = [str(state) for state in Session.State.values]


def test_every_state_has_its_row() -> None:
    assert set(states.MOVES) == set(STATES)


@given(st.sampled_from(STATES), st.sampled_from(STATES))
def test_move_follows_the_table(before: str, after: str) -> None:
    if after == before or after in states.MOVES[before]:
        assert states.move(before, after) == after
    else:
        with pytest.raises(states.IllegalMoveError, match="allowed"):
            states.move(before, after)


@given(st.lists(st.sampled_from(STATES), max_size=8))
def test_nothing_leaves_a_final_state(moves: list[str]) -> None:
    state = "waiting"
    for after in moves:
        if after in states.MOVES[state]:
            assert state not in {"ended", "failed", "cancelled"}
            state = after


@given(st.integers(0, 1000))
def test_wait_grows_up_to_its_limit(attempts: int) -> None:
    assert 0 < states.wait_s(attempts) <= states.wait_s(attempts + 1) <= states.LONGEST_WAIT_S
