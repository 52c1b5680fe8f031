"""What is said of silence, pauses, unrest and costly standing, from when on, and when no more?"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.truths import (
    FLUCTUATING,
    GRID,
    IDLE_NOW,
    IDLE_SOON,
    SILENT,
    STALE,
    STATION_PAUSED,
    VEHICLE_PAUSED,
    Place,
    Point,
    Remark,
    costs_from,
    curve_of,
    fluctuation,
    fluctuations,
    idle,
    pause,
    silence,
)
from tests.fulfillment.curves import NOW, at, curve, recorded, until

PAUSED_CURVE = curve((300, 7_200), (60, 0))


@pytest.mark.parametrize(
    ("after_s", "code", "told_s"), [(15, "", 0), (15.1, STALE, 15), (60, STALE, 15), (60.1, SILENT, 60)]
)
def test_silence_is_stale_first(after_s: float, code: str, told_s: int) -> None:
    said = silence(NOW, at(after_s))
    assert said == (Remark(code, NOW, at(told_s)) if code else None)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (Place("charging"), VEHICLE_PAUSED),
        (Place(), VEHICLE_PAUSED),
        (Place("finishing", voltage_v=Decimal(231)), VEHICLE_PAUSED),
        (Place("preparing"), STATION_PAUSED),
        (Place("unavailable"), STATION_PAUSED),
        (Place("charging", "HighTemperature: too hot"), STATION_PAUSED),
        (Place("faulted", "UnderVoltage: 140 V"), GRID),
        (Place("charging", "the mains are gone"), GRID),
        (Place("charging", "Power failure"), GRID),
        (Place("charging", voltage_v=Decimal(0)), GRID),
    ],
)
def test_pause_is_the_vehicles_the_stations_or_the_grids(place: Place, code: str) -> None:
    assert pause(PAUSED_CURVE, place) == Remark(code, at(300), at(360))


def test_flow_is_no_pause() -> None:
    assert pause(curve((300, 7_200)), Place("faulted", "grid", Decimal(0))) is None
    assert pause(curve_of(()), Place()) is None


def test_steady_tapering_and_pausing_power_does_not_fluctuate() -> None:
    assert fluctuations(curve((3600, 30_000))) == []
    assert fluctuations(curve((600, 30_000), (120, 0), (600, 30_000))) == []
    assert fluctuations(until(recorded("dc_hatchback"), 9_999)) == []
    assert fluctuation(curve_of(())) is None


def test_ramp_at_the_start_is_no_fluctuation() -> None:
    assert fluctuations(curve((10, 2_000), (10, 8_000), (10, 16_000), (1800, 50_000))) == []


def test_short_dip_is_no_fluctuation() -> None:
    assert fluctuations(curve((600, 30_000), (20, 12_000), (600, 30_000))) == []


def test_power_that_departs_for_long_is_told_until_it_is_back() -> None:
    seen = curve((600, 30_000), (60, 12_000))
    said = fluctuation(seen)
    assert said is not None
    assert said.code == FLUCTUATING
    assert at(600) < said.since <= at(620)
    assert said.told_at > said.since + timedelta(seconds=30)
    back = curve((600, 30_000), (60, 12_000), (120, 30_000))
    assert fluctuation(back) is None
    (unrest,) = fluctuations(back)
    assert unrest.until is not None
    assert unrest.until - unrest.raised_at > timedelta(seconds=30)


def test_new_level_is_a_level_in_the_end() -> None:
    assert fluctuation(curve((600, 30_000), (240, 12_000))) is not None
    assert fluctuation(curve((600, 30_000), (900, 12_000))) is None


def test_time_without_points_raises_nothing() -> None:
    quiet = [each for each in curve((600, 30_000), (300, 12_000)).points if not at(610) < each.at < at(880)]
    assert fluctuation(curve_of(quiet)) is None


levels = st.lists(st.tuples(st.integers(5, 200), st.sampled_from([0, 4_000, 7_000, 12_000, 30_000])), max_size=20)


@given(levels)
def test_fluctuation_never_flaps_within_half_a_minute(stretches: list[tuple[float, float]]) -> None:
    told: list[datetime] = []
    for each in fluctuations(curve(*stretches)):
        assert each.since < each.raised_at
        told += [each.raised_at, *([each.until] if each.until else [])]
    for before, after in pairwise(told):
        assert after - before > timedelta(seconds=30)


def test_what_was_told_stays_told_as_points_come(rng_points: list[Point]) -> None:
    """The unrest up to a point is the same whatever comes later."""
    seen = curve_of(rng_points)
    whole = fluctuations(seen)
    assert whole
    for each in whole:
        known = fluctuations(curve_of(point for point in rng_points if point.at <= each.raised_at))
        assert known[-1].since == each.since


@pytest.fixture
def rng_points() -> list[Point]:
    return list(curve((600, 30_000), (100, 12_000), (300, 30_000), (100, 50_000), (600, 30_000)).points)


def hourly(moment: datetime) -> int:
    """Two rupees a minute after a quarter of an hour."""
    return 5_000 + max(0, int((moment - at(900)).total_seconds() * 100 / 30))


def test_first_paisa_of_standing_is_found_to_the_second() -> None:
    assert costs_from(hourly, NOW, at(1500)) == at(901)
    assert costs_from(hourly, NOW, at(900)) is None
    assert costs_from(hourly, NOW, NOW) is None
    assert costs_from(lambda moment: None, NOW, at(1500)) is None


@pytest.mark.parametrize(("now_s", "code"), [(-1, ""), (0, IDLE_SOON), (599, IDLE_SOON), (600, IDLE_NOW)])
def test_standing_is_warned_of_ten_minutes_before_it_costs(now_s: int, code: str) -> None:
    said = idle(at(600), at(now_s))
    expected = {
        IDLE_SOON: Remark(IDLE_SOON, NOW, NOW, at(600)),
        IDLE_NOW: Remark(IDLE_NOW, at(600), at(600)),
    }
    assert said == expected.get(code)
