"""The charging curve: constant, then falling, never backwards, full in the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.meter import ChargingCurve, first_register_wh

CURVE = ChargingCurve(power_w=30_000, capacity_wh=40_000, soc_start_percent=20)
CURVES = st.builds(
    ChargingCurve,
    power_w=st.integers(1_400, 350_000),
    capacity_wh=st.integers(5_000, 200_000),
    soc_start_percent=st.integers(1, 99),
)


def test_power_is_constant_then_tapers() -> None:
    assert CURVE.energy_wh(60) == 500
    assert CURVE.power_at_w(60) == 30_000
    after_taper_s = CURVE.to_taper_wh / 30_000 * 3600 + 60
    assert CURVE.power_at_w(CURVE.full_after_s - 1) < CURVE.power_at_w(after_taper_s) < 30_000


def test_vehicle_is_full_in_the_end() -> None:
    assert CURVE.soc_percent(CURVE.full_after_s) == 100
    assert CURVE.energy_wh(CURVE.full_after_s * 2) == 32_000
    assert CURVE.power_at_w(CURVE.full_after_s) == 0


@given(curve=CURVES, at=st.floats(0, 1), later=st.floats(0, 1))
def test_energy_only_grows(curve: ChargingCurve, at: float, later: float) -> None:
    first, second = sorted((at * curve.full_after_s, later * curve.full_after_s))
    assert 0 <= curve.energy_wh(first) <= curve.energy_wh(second) + 1e-6
    assert curve.energy_wh(second) <= curve.to_full_wh + 1e-6


@given(curve=CURVES)
def test_energy_has_no_jump_when_full(curve: ChargingCurve) -> None:
    assert curve.energy_wh(curve.full_after_s * (1 - 1e-9)) == pytest.approx(curve.to_full_wh, rel=1e-3, abs=1)


def test_first_register_is_never_zero_and_always_the_same() -> None:
    assert first_register_wh("A", 1) == first_register_wh("A", 1) >= 100_000
    assert first_register_wh("A", 1) != first_register_wh("A", 2)
