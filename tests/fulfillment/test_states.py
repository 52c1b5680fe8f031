"""Do the tables of steps and states hold together?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment import states
from fulfillment.models import Session
from fulfillment.services.asking import CALLS

NOW = datetime(2026, 2, 1, tzinfo=UTC)
STATES = [str(state) for state in Session.State.values]


def test_every_state_has_its_row() -> None:
    assert set(states.MOVES) == set(STATES)


def test_every_step_ends_and_has_its_call() -> None:
    for step in states.NEXT:
        assert step in CALLS
        seen = {step}
        while step != states.DONE and states.NEXT[step] not in seen:
            step = states.NEXT[step]  # noqa: PLW2901 -- walking the chain
            seen.add(step)
        assert step in {states.DONE, states.WATCH}


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


@given(st.integers(0, 1000), st.sampled_from(sorted(states.NEXT)))
def test_wait_grows_up_to_its_limit(attempts: int, step: str) -> None:
    assert 0 < states.wait_s(attempts, step=step) <= states.wait_s(attempts + 1, step=step) <= 30


@pytest.mark.parametrize(
    ("step", "seconds"),
    [("acquire", 60), ("confirm", 60), ("stop", 900), ("pay", 3600), ("unlock", 86_400), ("undo", 86_400)],
)
def test_deadline_by_step(step: str, seconds: int) -> None:
    assert states.deadline(step, NOW) == NOW + timedelta(seconds=seconds)
