"""Does the drawing of a session show what was measured, and nothing where nothing was?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment.drawing import HEIGHT, WIDTH, Row, drawing_of, pauses, thinned, unbroken

FLAT: tuple[Row, ...] = ((0, 10_000, 0), (60, 10_000, 167), (120, 10_000, 333))


@pytest.mark.parametrize("series", [(), FLAT[:1], ((5, 1, 1), (5, 2, 2))])
def test_less_than_two_moments_are_no_drawing(series: tuple[Row, ...]) -> None:
    assert drawing_of(series, ()) is None


def test_power_is_an_area_and_energy_a_line() -> None:
    drawn = drawing_of(FLAT, ())
    assert drawn is not None
    assert drawn.areas == ("M0.0,200 L0.0,12.0 300.0,12.0 600.0,12.0 L600.0,200 Z",)
    assert drawn.lines == ("0.0,200.0 300.0,105.7 600.0,12.0",)
    assert (drawn.peak_w, drawn.energy_wh, drawn.span_s) == (10_000, 333, 120)


def test_gap_breaks_area_and_line() -> None:
    drawn = drawing_of((*FLAT, (240, 9_000, 600), (300, 9_000, 750)), [(120, 240)])
    assert drawn is not None
    assert (len(drawn.areas), len(drawn.lines)) == (2, 2)
    assert [(band.x, band.width) for band in drawn.gaps] == [("240.0", "240.0")]


def test_gap_up_to_now_widens_the_drawing() -> None:
    drawn = drawing_of(FLAT, [(120, 240)])
    assert drawn is not None
    assert drawn.span_s == 240
    assert [(band.x, band.width) for band in drawn.gaps] == [("300.0", "300.0")]


def test_nothing_delivered_is_drawn_on_the_floor() -> None:
    drawn = drawing_of(((0, 0, 0), (60, 0, 0)), ())
    assert drawn is not None
    assert drawn.lines == ("0.0,200.0 600.0,200.0",)
    assert [(band.x, band.width) for band in drawn.pauses] == [("0.0", "600.0")]


def test_pauses_are_joined_and_end_at_gaps() -> None:
    series = ((0, 5, 0), (10, 0, 1), (20, 0, 1), (30, 0, 1), (40, 5, 1), (50, 0, 2), (90, 0, 2), (95, 0, 2))
    assert pauses(series, ()) == [(10, 30), (50, 95)]
    assert pauses(series, [(50, 90)]) == [(10, 30), (90, 95)]


def test_thinned_keeps_first_and_last() -> None:
    rows = [(at_s, 0, 0) for at_s in range(240)]
    few = thinned(rows, 30)
    assert (len(few), few[0], few[-1]) == (30, rows[0], rows[-1])
    assert thinned(rows[:7], 30) == rows[:7]


steps_of = st.tuples(st.integers(1, 900), st.integers(0, 200_000), st.integers(0, 500))


@given(st.lists(steps_of, min_size=2, max_size=60))
def test_every_shape_lies_in_the_box(steps: list[tuple[int, int, int]]) -> None:
    at_s = energy = 0
    series: list[Row] = []
    for later, power_w, more in steps:
        at_s, energy = at_s + later, energy + more
        series.append((at_s, power_w, energy))
    gaps = [(series[0][0], series[1][0])]
    drawn = drawing_of(series, gaps)
    assert drawn is not None
    assert sum(len(part) for part in unbroken(series, gaps)) == len(series)
    points = [point.split(",") for line in drawn.lines for point in line.split()]
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)
    assert all(float(band.x) + float(band.width) <= WIDTH + 2.1 for band in (*drawn.pauses, *drawn.gaps))
