"""Is every price, under every tariff of the table, a sum, never falling, and one and the same for the same facts?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.tariffs import CHARGING, PARKING, NoTariff, PriceLimit, Segment
from orders.pricing import MeterPoint, Terms, assumed, lines_from, session_segments, terms_from
from orders.pricing import price as price_of
from tests.orders.assuming import MOMENTS, price
from tests.orders.tariff_cases import TARIFFS

# Without prices by power: more energy in the same time would be another power.
STEADY = sorted(set(TARIFFS) - {"power", "fast", "trickle", "ocpi complex", "all at once"})
# Where standing follows, OCPI no longer rounds the charging time up; these have one step for both, or none.
WITHOUT_STEPS = sorted(set(STEADY) - {"ocpi steps", "hourly", "three and five", "one and two", "step mixed"})


def under(name: str, gst: str = "18", zone: str = "Asia/Kolkata", **more: Any) -> Terms:
    return Terms("T", name, "INR", TARIFFS[name], Decimal(gst), zone, **more)


@given(st.sampled_from(sorted(TARIFFS)), st.integers(1, 90_000), MOMENTS, st.integers(0, 7_200), st.data())
@settings(deadline=None)
def test_every_total_is_the_sum_of_its_lines(
    name: str, energy_wh: int, starts_at: datetime, idle_s: int, data: st.DataObject
) -> None:
    least = data.draw(st.sampled_from([None, PriceLimit(Decimal(99), Decimal("120.01"))]))
    supplier, place = data.draw(st.sampled_from([("", ""), ("29", "33")]))
    terms = under(name, min_price=least, supplier_state=supplier, place_state=place)
    session = assumed(energy_wh=energy_wh, starts_at=starts_at, power_w=30_000, voltage_v=400, idle_s=idle_s)
    try:
        made = price_of(terms, session)
    except NoTariff:
        return
    assert made.total.paise == sum(row["paise"] for row in made.rows())
    assert lines_from(made.rows()) == made.lines
    tax = next((line for line in made.lines if line.code == "gst"), None)
    assert tax is None or tax.amount.paise == sum(part.amount.paise for part in tax.tax)


@given(st.sampled_from(STEADY), st.integers(1, 60_000), st.integers(1, 9_000), MOMENTS, st.integers(3_000, 350_000))
@settings(deadline=None)
def test_more_energy_costs_no_less_under_any_tariff(
    name: str, energy_wh: int, more_wh: int, starts_at: datetime, power_w: int
) -> None:
    less = price(under(name), energy_wh=energy_wh, starts_at=starts_at, power_w=power_w)
    more = price(under(name), energy_wh=energy_wh + more_wh, starts_at=starts_at, power_w=power_w)
    assert less.total.paise <= more.total.paise + step_paise(name)


@given(st.sampled_from(WITHOUT_STEPS), st.integers(0, 9_000), st.integers(1, 9_000), MOMENTS)
@settings(deadline=None)
def test_standing_longer_costs_no_less(name: str, idle_s: int, more_s: int, starts_at: datetime) -> None:
    less = price(under(name), energy_wh=9_000, starts_at=starts_at, power_w=30_000, idle_s=idle_s)
    more = price(under(name), energy_wh=9_000, starts_at=starts_at, power_w=30_000, idle_s=idle_s + more_s)
    assert less.total.paise <= more.total.paise


def step_paise(name: str) -> int:
    """What one step is worth at most: where another step begins to count, less may be rounded up than before."""
    if name not in {"step mixed", "ocpi steps"}:
        return 0
    components = [component for entry in TARIFFS[name] for component in entry["price_components"]]
    unit = {"ENERGY": 1000, "TIME": 3600, "PARKING_TIME": 3600}
    worth = [Decimal(part["price"]) * part["step_size"] / unit[part["type"]] * 118 for part in components]
    return int(max(worth)) + 1


def cut(segment: Segment, parts: int, whole_parts: int) -> list[Segment]:
    """A segment in two at a reading on its line: after `parts` of `whole_parts` of its time and energy."""
    length = segment.ends_at - segment.starts_at
    middle, first_wh = segment.starts_at + length * parts / whole_parts, segment.energy_wh * parts // whole_parts
    return [
        Segment(segment.starts_at, middle, first_wh, segment.kind, None, segment.current_a),
        Segment(middle, segment.ends_at, segment.energy_wh - first_wh, segment.kind, None, segment.current_a),
    ]


@given(
    st.sampled_from(sorted(TARIFFS)),
    st.sampled_from(["Asia/Kolkata", "Europe/Berlin", "America/New_York"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40), st.sampled_from([CHARGING, PARKING])), max_size=4),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=300)
def test_splitting_a_session_at_readings_changes_nothing(
    name: str, zone: str, starts_at: datetime, pieces: list[tuple[int, int, str]], parts: int
) -> None:
    whole, halves, at = [], [], starts_at
    for minutes, tens_wh, kind in [(10, 100, CHARGING), *pieces]:
        until = at + timedelta(minutes=minutes)
        segment = Segment(at, until, tens_wh * 10 if kind == CHARGING else 0, kind, None, Decimal(minutes))
        whole.append(segment)
        halves += cut(segment, parts, 10)
        at = until
    try:
        made = price_of(under(name, zone=zone), whole)
    except NoTariff:
        with pytest.raises(NoTariff):
            price_of(under(name, zone=zone), halves)
        return
    assert price_of(under(name, zone=zone), halves) == made


@given(st.sampled_from(sorted(set(TARIFFS) - {"ocpi complex"})), MOMENTS, st.integers(1, 40), st.integers(1, 90))
@settings(deadline=None)
def test_preview_quote_running_cost_and_bill_are_one_price(
    name: str, starts_at: datetime, units: int, every_s: int
) -> None:
    energy_wh, power_w = units * 720, 7_200  # two Wh each second
    preview = quote = price(under(name), energy_wh=energy_wh, starts_at=starts_at, power_w=power_w)
    ended_at = starts_at + timedelta(seconds=energy_wh // 2)
    points = [
        MeterPoint(starts_at + timedelta(seconds=second), 2 * second) for second in range(0, energy_wh // 2, every_s)
    ]
    whole: dict[str, Any] = {"energy_wh": energy_wh, "started_at": starts_at, "ended_at": ended_at, "limit_w": 9}
    running = price_of(under(name), session_segments(points, **whole))
    bill = (
        price_of(terms_from(under(name).snapshot(starts_at)), session_segments([], **whole)) if priced(name) else quote
    )
    assert preview == quote == running == bill


def priced(name: str) -> bool:
    """Whether a tariff has a price per kWh, as what we sell must have."""
    return any(part["type"] == "ENERGY" for entry in TARIFFS[name] for part in entry["price_components"])
