"""What does a meter's curve say: energy, power, pauses, gaps, and the points that are drawn?"""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.truths import Curve, Point, curve_of
from tests.fulfillment.curves import NOW, at, curve, drawn, recorded, until

points = st.builds(
    Point,
    st.integers(0, 4000).map(at),
    st.integers(0, 40_000),
    st.none() | st.integers(0, 60_000),
    st.none() | st.integers(0, 100),
)
some = st.lists(points, max_size=60)


def test_nothing_is_true_of_no_points() -> None:
    empty = curve_of(())
    assert (empty.delivered_wh, empty.power_w, empty.usual_s, empty.grain_wh) == (0, 0, 0, 0)
    assert (empty.gaps, empty.pauses, empty.standing_since, empty.series()) == ((), (), None, ())
    assert empty.reached(0) is None
    assert empty.charged_to(1) is None


def test_register_that_falls_is_left_out_and_of_two_at_a_time_the_higher_counts() -> None:
    seen = curve_of([Point(NOW, 5), Point(at(10), 30), Point(at(10), 40, 7_200), Point(at(20), 35), Point(at(30), 60)])
    assert seen.points == (Point(NOW, 5), Point(at(10), 40, 7_200), Point(at(30), 60))


def test_energy_counts_from_the_first_register() -> None:
    seen = curve((600, 30_000))
    assert seen.delivered_wh == 5_000
    assert seen.reached(2_500) == at(300)
    assert seen.reached(5_001) is None


def test_state_of_charge_is_reached_at_its_first_point() -> None:
    assert until(recorded("dc_hatchback"), 9999).charged_to(80) == at(1500)


@pytest.mark.parametrize(
    ("stretches", "power_w"),
    [
        ([(600, 30_000)], 30_000),
        ([(600, 30_000), (5, 75_000)], 30_000),
        ([(600, 30_000), (5, 3_000)], 30_000),
        ([(600, 30_000), (60, 20_000)], 20_000),
        ([(600, 30_000), (10, 0)], 0),
        ([(600, 30_000), (5, 0)], 0),
        ([(600, 30_000), (60, 0), (5, 22_000)], 22_000),
        ([(5, 7_000)], 7_000),
    ],
)
def test_power_is_smooth_and_falls_to_nothing_at_once(stretches: list[tuple[float, float]], power_w: int) -> None:
    assert curve(*stretches).power_w == pytest.approx(power_w, rel=0.05)


def test_power_follows_the_register_where_the_station_tells_none() -> None:
    assert curve((600, 30_000), told=False).power_w == pytest.approx(30_000, rel=0.03)
    assert curve((600, 30_000), (10, 0), told=False).power_w == 0


def test_single_nought_in_a_running_register_is_no_stand() -> None:
    seen = drawn((600, 30_000))
    seen.append(Point(at(605), seen[-1].energy_wh + 40, 0))
    assert curve_of(seen).power_w == pytest.approx(30_000, rel=0.02)
    assert curve_of(seen).standing_since is None


def test_register_that_stands_means_no_power_whatever_is_told() -> None:
    seen = drawn((600, 30_000))
    seen.append(Point(at(605), seen[-1].energy_wh, 30_000))
    assert curve_of(seen).power_w == 0
    assert curve_of(seen).standing_since == at(600)


def test_register_of_whole_steps_stands_only_after_a_step_is_missing() -> None:
    coarse = [Point(each.at, each.energy_wh // 10 * 10, each.power_w) for each in drawn((600, 3_300))]
    seen = curve_of(coarse)
    assert seen.grain_wh == 10
    assert not any(seen.still)
    last = coarse[-1]
    assert curve_of([*coarse, Point(last.at + timedelta(seconds=20), last.energy_wh, 3_300)]).standing_since == last.at


def test_pauses_are_from_the_last_energy_to_the_last_point_without() -> None:
    seen = curve((300, 7_200), (120, 0), (300, 7_200), (60, 0))
    assert seen.pauses == ((at(300), at(420)), (at(720), at(780)))
    assert seen.standing_since == at(720)
    assert curve((300, 7_200), (120, 0), (300, 7_200)).standing_since is None


def test_gap_is_longer_than_three_spacings_and_half_a_minute() -> None:
    minutely = [each for each in drawn((3600, 7_200), every_s=60) if not 600 < (each.at - NOW).total_seconds() < 900]
    assert curve_of(minutely).gaps == ((at(600), at(900)),)
    assert curve((600, 7_200), every_s=60).gaps == ()
    five = [each for each in drawn((600, 7_200)) if not 100 < (each.at - NOW).total_seconds() < 130]
    assert curve_of(five).gaps == ()
    six = [each for each in drawn((600, 7_200)) if not 100 < (each.at - NOW).total_seconds() < 135]
    assert curve_of(six).gaps == ((at(100), at(135)),)


def test_power_cut_is_a_pause_and_a_gap_as_recorded() -> None:
    seen = until(recorded("ac_scooter_power_cut"), 99_999)
    assert seen.gaps == ((at(2400), at(3300)),)
    assert seen.pauses == ((at(2370), at(3330)),)
    assert {row[0] for row in seen.series() if 2400 < row[0] < 3300} == set()


def test_series_is_whole_while_it_is_short() -> None:
    seen = curve((50, 7_200))
    assert seen.series()[0] == (0, 0, 0)
    assert seen.series()[-1] == (50, 7_200, 100)
    assert len(seen.series()) == 11


def test_thinned_series_keeps_ends_peaks_and_pauses() -> None:
    long = drawn((7000, 30_000), (5, 42_000), (3000, 30_000), (10, 0), (4000, 30_000))
    seen = curve_of(long)
    rows = seen.series()
    assert len(rows) <= 240
    assert rows[-1] == (14_015, 30_000, seen.delivered_wh)
    assert max(row[1] for row in rows) == 42_000
    assert any(row[1] == 0 and 10_000 < row[0] < 10_020 for row in rows)


def test_points_of_a_burst_are_thinned_too() -> None:
    seen = curve_of([*(Point(at(step / 1000), step) for step in range(900)), Point(at(9000), 1000)])
    assert len(seen.series()) <= 240


@given(some)
def test_energy_never_falls_and_time_runs_forward(history: list[Point]) -> None:
    seen = curve_of(history)
    for before, after in pairwise(seen.points):
        assert after.at > before.at
        assert after.energy_wh >= before.energy_wh
    energies = [row[2] for row in seen.series(40)]
    assert energies == sorted(energies)
    assert len(energies) <= 40
    assert all(power_w >= 0 for power_w in seen.smooth_w)


@given(some, st.randoms(use_true_random=False))
def test_order_of_points_does_not_matter(history: list[Point], rng: random.Random) -> None:
    shuffled = list(history)
    rng.shuffle(shuffled)
    assert curve_of(shuffled) == curve_of(history)
    assert isinstance(curve_of(shuffled), Curve)
