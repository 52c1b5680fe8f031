"""When will a session end, and by what; and does it say nothing where nobody can know?"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.truths import ENERGY, FULL, MONEY, TIME, Curve, Flow, Point, Target, curve_of, endings, first_ending
from fulfillment.truths import flow_of as flow
from tests.fulfillment.curves import NOW, at, curve, drawn, recorded, until


def paise(energy_wh: int, moment: datetime) -> int:
    """₹18 a kWh and ₹1 a minute."""
    return energy_wh * 18 // 10 + int((moment - NOW).total_seconds() * 100 / 60)


def left_s(seen: Curve, target: Target, *, kind: str, now: datetime | None = None) -> float | None:
    now = now or seen.points[-1].at
    moment = endings(seen, target, now=now, cost_at=paise).get(kind)
    return None if moment is None else (moment - now).total_seconds()


def test_constant_power_reaches_the_energy_when_it_goes_on() -> None:
    assert left_s(curve((600, 30_000)), Target(energy_wh=10_000), kind=ENERGY) == pytest.approx(600, rel=0.01)


def test_first_reading_is_enough_for_a_level() -> None:
    seen = curve_of([Point(NOW, 100), Point(at(300), 2_600, 30_000)])
    assert left_s(seen, Target(energy_wh=10_000), kind=ENERGY) == pytest.approx(900)


def test_target_that_is_reached_ends_now_and_never_before() -> None:
    seen = curve((600, 30_000))
    assert left_s(seen, Target(energy_wh=100), kind=ENERGY) == 0
    late = at(640)
    assert endings(seen, Target(energy_wh=5_100), now=late)[ENERGY] == late


@pytest.mark.parametrize(
    "seen",
    [
        curve_of(()),
        curve_of([Point(NOW, 5)]),
        curve_of([Point(NOW, 5), Point(at(60), 5, 7_000)]),
        curve((600, 30_000), (10, 0)),
    ],
    ids=["no points", "only the start", "no energy yet", "a pause"],
)
def test_nothing_is_said_where_nobody_knows(seen: Curve) -> None:
    assert endings(seen, Target(energy_wh=10_000, paise=10_000), now=at(630), cost_at=paise) == {}


def test_nothing_but_the_time_is_said_after_a_silence() -> None:
    seen = curve((600, 30_000))
    target = Target(energy_wh=10_000, ends_at=at(3600))
    assert set(endings(seen, target, now=at(660))) == {ENERGY, TIME}
    assert endings(seen, target, now=at(661)) == {TIME: at(3600)}
    assert endings(seen, target, now=at(9999)) == {TIME: at(9999)}
    rare = curve((3600, 7_200), every_s=120)
    assert ENERGY in endings(rare, Target(energy_wh=10_000), now=at(3600 + 350))


def test_power_that_jumps_about_says_nothing() -> None:
    rng = random.Random(3)
    jumps = [(30.0, float(rng.choice((2_000, 30_000, 60_000)))) for _ in range(40)]
    seen = curve(*jumps, told=False)
    assert endings(seen, Target(energy_wh=seen.delivered_wh + 5_000), now=seen.points[-1].at) == {}


def test_throttled_station_is_believed_within_a_minute() -> None:
    seen = curve((1800, 60_000), (60, 30_000))
    more = Target(energy_wh=seen.delivered_wh + 10_000)
    assert left_s(seen, more, kind=ENERGY) == pytest.approx(1200, rel=0.05)
    untold = curve((1800, 60_000), (120, 30_000), told=False)
    more = Target(energy_wh=untold.delivered_wh + 10_000)
    assert left_s(untold, more, kind=ENERGY) == pytest.approx(1200, rel=0.1)


def test_simulated_station_that_runs_faster_than_its_power_is_believed() -> None:
    points = [Point(at(step), 1_000 + step * 500, 30_000 if step else None) for step in range(20)]
    seen = curve_of(points)
    assert seen.power_w == 30_000
    assert left_s(seen, Target(energy_wh=20_000), kind=ENERGY) == pytest.approx(21, rel=0.02)


def test_rising_power_is_not_taken_to_rise_for_ever() -> None:
    seen = curve(*((30.0, 20_000.0 + 500 * step) for step in range(30)), told=False)
    flowing = flow(seen)
    assert flowing is not None
    assert flowing.fade == 0
    assert flowing.power_w == pytest.approx(34_500, rel=0.03)


def taper(power_w: float, scale_s: float, seconds: int) -> list[tuple[float, float]]:
    """Power that falls exponentially over time."""
    return [(5, power_w * 2.718281828 ** (-(step * 5 + 2.5) / scale_s)) for step in range(seconds // 5)]


def test_taper_is_seen_and_goes_on() -> None:
    seen = curve((1200, 40_000), *taper(40_000, 1500, 1200), told=False)
    flowing = flow(seen)
    assert flowing is not None
    assert flowing.fade == pytest.approx(3600 / 1500, rel=0.1)
    gone = 40_000 * 2.718281828 ** (-0.8)
    more_wh = gone * 1500 / 3600 * (1 - 2.718281828**-0.4)
    target = Target(energy_wh=seen.delivered_wh + int(more_wh))
    assert left_s(seen, target, kind=ENERGY) == pytest.approx(600, rel=0.05)


def test_taper_that_stops_before_the_energy_says_so() -> None:
    seen = curve((1200, 40_000), *taper(40_000, 1500, 1800), told=False)
    target = Target(energy_wh=seen.delivered_wh + 30_000, ends_at=at(90_000))
    found = endings(seen, target, now=seen.points[-1].at)
    assert set(found) == {TIME, FULL}
    assert first_ending(found) == (found[FULL], FULL)
    early = curve((1200, 40_000), *taper(40_000, 1500, 600), told=False)
    assert FULL not in endings(early, Target(), now=early.points[-1].at), "half of the power has not gone yet"


@pytest.mark.parametrize(("seconds", "off"), [(900, 0.25), (1400, 0.35), (1800, 0.12), (2200, 0.10)])
def test_hatchback_ends_when_it_was_said(seconds: int, off: float) -> None:
    points = recorded("dc_hatchback")
    target = Target(energy_wh=points[-1].energy_wh - points[0].energy_wh)
    left = left_s(until(points, seconds), target, kind=ENERGY, now=at(seconds))
    assert left == pytest.approx(2613 - seconds, rel=off)


@pytest.mark.parametrize(("name", "seconds"), [("ac_sedan_paused", 4500), ("ac_sedan_paused", 7000)])
def test_sedan_and_its_pause(name: str, seconds: int) -> None:
    points = recorded(name)
    target = Target(energy_wh=points[-1].energy_wh - points[0].energy_wh)
    assert left_s(until(points, seconds), target, kind=ENERGY, now=at(seconds)) == pytest.approx(
        9000 - seconds, rel=0.03
    )
    assert endings(until(points, 3500), target, now=at(3500)) == {}


@pytest.mark.parametrize("seconds", [1000, 2000, 2600, 4000])
def test_bus_in_a_depot_follows_what_it_is_given(seconds: int) -> None:
    points = recorded("dc_depot_shared")
    seen = until(points, seconds)
    now_w = {1000: 31_200, 2000: 31_200, 2600: 48_000, 4000: 48_000}[seconds]
    target = Target(energy_wh=seen.delivered_wh + 5_000)
    assert left_s(seen, target, kind=ENERGY) == pytest.approx(5_000 * 3600 / now_w, rel=0.08)


def charging(percent: float, power_w: float, battery_wh: int, minutes: int) -> Curve:
    """A vehicle that tells its charge, from so many percent on, without any taper."""
    points = drawn((minutes * 60, power_w))
    first_wh = points[0].energy_wh
    told = [
        Point(each.at, each.energy_wh, each.power_w, int(percent + 100 * (each.energy_wh - first_wh) / battery_wh))
        for each in points
    ]
    return curve_of(told)


def test_full_is_expected_by_a_taper_from_eighty_percent() -> None:
    seen = charging(40, 30_000, 40_000, 20)
    moment = left_s(seen, Target(), kind=FULL)
    steady_s = 40_000 * 0.15 * 3600 / 30_000
    taper_s = 40_000 * 0.2 / 0.85 / 30_000 * 3600 * 1.897
    assert moment == pytest.approx(steady_s + taper_s, rel=0.03)


def test_slow_charger_is_the_limit_for_longer() -> None:
    seen = charging(75, 7_200, 50_000, 60)
    assert left_s(seen, Target(energy_wh=seen.delivered_wh + 2_000), kind=ENERGY) == pytest.approx(1000, rel=0.02)


def test_vehicle_that_should_taper_and_does_not_is_believed() -> None:
    seen = charging(75, 30_000, 40_000, 12)
    assert left_s(seen, Target(), kind=FULL) == pytest.approx(0.1 * 40_000 * 3600 / 30_000, rel=0.1)


def test_more_than_fits_ends_with_a_full_vehicle() -> None:
    found = endings(charging(40, 30_000, 40_000, 20), Target(energy_wh=90_000), now=at(1200))
    assert set(found) == {FULL}


def test_charge_that_was_told_too_seldom_or_jumps_counts_for_nothing() -> None:
    few = charging(40, 30_000, 40_000, 2)
    assert flow(few) == flow(curve_of(Point(each.at, each.energy_wh, each.power_w) for each in few.points))
    odd = [Point(each.at, each.energy_wh, each.power_w, (each.at.minute % 2) * 50) for each in drawn((600, 30_000))]
    assert endings(curve_of(odd), Target(), now=at(600)) == {}


def test_full_vehicle_takes_no_more() -> None:
    seen = charging(97, 3_000, 10_000, 12)
    assert seen.points[-1].soc_percent is not None
    assert seen.points[-1].soc_percent > 100
    assert left_s(seen, Target(), kind=FULL) == 0


def test_money_is_spent_when_the_tariff_says_so() -> None:
    seen = curve((600, 30_000))
    left = left_s(seen, Target(paise=20_000), kind=MONEY)
    assert left is not None
    assert paise(5_000 + int(left * 30_000 / 3600), at(600 + left)) == pytest.approx(20_000, rel=0.003)
    assert left_s(seen, Target(paise=9_000), kind=MONEY) == 0


def test_money_that_no_price_or_no_vehicle_takes_is_never_spent() -> None:
    seen = curve((600, 30_000))
    free = endings(seen, Target(paise=20_000), now=at(600), cost_at=lambda energy_wh, moment: 0)
    assert free == {}
    unpriced = endings(seen, Target(paise=20_000), now=at(600), cost_at=lambda energy_wh, moment: None)
    assert unpriced == {}
    assert endings(seen, Target(paise=20_000), now=at(600)) == {}
    nearly = charging(40, 30_000, 40_000, 20)
    assert MONEY not in endings(nearly, Target(paise=90_000), now=at(1200), cost_at=paise)
    assert MONEY in endings(nearly, Target(paise=40_000), now=at(1200), cost_at=paise)


def test_what_takes_longer_than_a_day_is_not_said() -> None:
    assert endings(curve((3600, 1_000)), Target(energy_wh=30_000), now=at(3600)) == {}
    assert endings(curve((3600, 1_000)), Target(energy_wh=900_000), now=at(3600)) == {}


def test_first_of_several_endings_is_named() -> None:
    assert first_ending({}) is None
    assert first_ending({FULL: at(50), ENERGY: at(60), TIME: at(50)}) == (at(50), TIME)


@pytest.mark.parametrize(
    ("given_flow", "energy_wh", "seconds"),
    [
        (Flow(3_600), 100, 100),
        (Flow(3_600, full_wh=90), 100, None),
        (Flow(3_600, fade=3.6, steady_wh=100, full_wh=1_000, floor_w=360), 100, 100),
        (Flow(3_600, fade=3.6, steady_wh=0, floor_w=360), 950, None),
        (Flow(3_600, fade=4, steady_wh=0, full_wh=1_000, floor_w=360), 910, 2072.3 + 1_000),
    ],
)
def test_flow_takes_its_time(given_flow: Flow, energy_wh: float, seconds: float | None) -> None:
    assert given_flow.seconds(energy_wh) == (None if seconds is None else pytest.approx(seconds, rel=0.001))


stretches = st.lists(st.tuples(st.integers(5, 900), st.sampled_from([0, 900, 7_200, 30_000, 120_000])), max_size=8)


@given(stretches, st.integers(1, 90_000), st.integers(1, 300_000), st.integers(0, 400), st.booleans())
def test_no_ending_is_in_the_past_or_more_than_a_day_ahead(
    flowed: list[tuple[float, float]], energy_wh: int, money: int, silent_s: int, told: bool
) -> None:
    seen = curve(*flowed, told=told)
    now = seen.points[-1].at + timedelta(seconds=silent_s)
    target = Target(energy_wh=energy_wh, paise=money, ends_at=at(600))
    for moment in endings(seen, target, now=now, cost_at=paise).values():
        assert now <= moment <= now + timedelta(hours=24)
