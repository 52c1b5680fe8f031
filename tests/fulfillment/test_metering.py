"""Which readings are believed?"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.metering import Limits, Register, most_wh, reached_at, refusal

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
LIMITS = Limits(power_w=30_000)
LAST = Register(NOW - timedelta(seconds=60), 100_000)


@pytest.mark.parametrize(
    ("ago_s", "energy_wh", "word"),
    [
        (0, 100_500, ""),
        (0, 100_000, ""),
        (-9, 100_500, ""),
        (-11, 100_500, "in the future"),
        (60, 100_000, "duplicate"),
        (60, 100_001, "out of order"),
        (61, 99_000, "out of order"),
        (0, 99_999, "decreasing"),
        (0, 100_600, ""),
        (0, 100_601, "implausible"),
        (0, 100_000_000, "implausible"),
    ],
)
def test_refusal(ago_s: int, energy_wh: int, word: str) -> None:
    said = refusal(Register(NOW - timedelta(seconds=ago_s), energy_wh), LAST, LIMITS, now=NOW)
    assert said.startswith(word)
    assert bool(said) == bool(word)


def test_first_reading_only_has_to_be_in_the_past() -> None:
    assert refusal(Register(NOW, 5), None, LIMITS, now=NOW) == ""


def test_simulated_station_may_run_faster() -> None:
    assert refusal(Register(NOW, 130_000), LAST, Limits(power_w=30_000, speed=60), now=NOW) == ""


readings = st.lists(st.tuples(st.integers(-300, 300), st.integers(0, 300_000)), max_size=60)


@given(readings)
def test_believed_registers_never_run_backwards_nor_too_fast(history: list[tuple[int, int]]) -> None:
    believed = [LAST]
    for seconds, energy_wh in history:
        new = Register(NOW + timedelta(seconds=seconds), energy_wh)
        if not refusal(new, believed[-1], LIMITS, now=NOW):
            believed.append(new)
    for before, after in itertools.pairwise(believed):
        assert after.at > before.at
        gained_wh = after.energy_wh - before.energy_wh
        assert 0 <= gained_wh <= most_wh((after.at - before.at).total_seconds(), LIMITS)


def test_target_is_reached_when_the_flow_goes_on() -> None:
    last = Register(NOW, 100_500)
    assert reached_at(last, LAST, target_wh=101_000) == NOW + timedelta(seconds=60)
    assert reached_at(last, LAST, target_wh=100_000) == NOW
    assert reached_at(LAST, LAST, target_wh=101_000) is None
