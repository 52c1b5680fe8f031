"""Is every moment and every session priced exactly, and never by default?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import tariffs
from catalog.tariffs import NoTariff, TariffFault, average_price, describe, energy_lines, price_at, schedule

IST = ZoneInfo("Asia/Kolkata")


def element(price: object, kind: str = "ENERGY", **restrictions: object) -> dict[str, Any]:
    return {"price_components": [{"type": kind, "price": price}], "restrictions": restrictions or None}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST).astimezone(UTC)


DAY = [element("14.00", start_time="09:00", end_time="16:00"), element("18.00"), element("20", "FLAT")]
NIGHT = [element("9", start_time="23:00", end_time="06:00"), element("12")]
WEEKEND = [element("10", day_of_week=["SATURDAY", "SUNDAY"]), element("12")]
FESTIVAL = [element("5", start_date="2026-02-01", end_date="2026-02-03"), element("12")]


@pytest.mark.parametrize(
    ("elements", "moment", "price"),
    [
        (DAY, "2026-02-02T08:59:59", "18.00"),
        (DAY, "2026-02-02T09:00:00", "14.00"),
        (DAY, "2026-02-02T15:59:59", "14.00"),
        (DAY, "2026-02-02T16:00:00", "18.00"),
        (NIGHT, "2026-02-02T23:00:00", "9"),
        (NIGHT, "2026-02-02T05:59:00", "9"),
        (NIGHT, "2026-02-02T06:00:00", "12"),
        (WEEKEND, "2026-02-01T00:00:00", "10"),
        (WEEKEND, "2026-02-02T00:00:00", "12"),
        (FESTIVAL, "2026-01-31T23:59:59", "12"),
        (FESTIVAL, "2026-02-01T00:00:00", "5"),
        (FESTIVAL, "2026-02-03T00:00:00", "12"),
        ([element("7", start_time="20:00"), element("8")], "2026-02-02T23:59:00", "7"),
        ([element("7", end_time="08:00"), element("8")], "2026-02-02T08:00:00", "8"),
        ([element("1", reservation="RESERVATION"), element("8")], "2026-02-02T08:00:00", "8"),
        ([element(12.1)], "2026-02-02T08:00:00", "12.1"),
    ],
)
def test_price_at_boundaries(elements: list[dict[str, Any]], moment: str, price: str) -> None:
    assert price_at(elements, at(moment), tz=IST) == Decimal(price)


def test_price_is_refused_where_no_element_holds() -> None:
    gap = [element("14", start_time="09:00", end_time="16:00")]
    with pytest.raises(NoTariff, match="Monday 2026-02-02 08:00") as refusal:
        price_at(gap, at("2026-02-02T08:00:00"), tz=IST)
    assert refusal.value.code == "no-tariff"


def test_session_across_a_gap_is_refused() -> None:
    gap = [element("14", start_time="09:00", end_time="16:00")]
    with pytest.raises(NoTariff):
        energy_lines(gap, at("2026-02-02T15:30:00"), 10_000, 10_000, IST)


def test_fees_and_time_prices_are_none_where_not_charged() -> None:
    moment = at("2026-02-02T08:00:00")
    assert tariffs.session_fee(DAY, moment, tz=IST) == 20
    assert tariffs.session_fee(NIGHT, moment.astimezone(IST)) is None
    assert tariffs.time_price_at([element("60", "TIME")], moment, tz=IST) == 60
    assert tariffs.time_price_at(DAY, moment, tz=IST) is None
    assert tariffs.parking_price_at([element("90", "PARKING_TIME")], moment, tz=IST) == 90


@pytest.mark.parametrize(
    ("start", "energy_wh", "power_w", "lines"),
    [
        ("2026-02-02T08:30:00", 10_000, 7_400, [("18.00", 3_700), ("14.00", 6_300)]),
        ("2026-02-02T08:00:00", 1_000, 7_400, [("18.00", 1_000)]),
        ("2026-02-02T08:00:00", 26_000, 1_000, [("18.00", 18_000), ("14.00", 8_000)]),
        ("2026-02-02T08:00:00", 0, 7_400, [("18.00", 0)]),
        ("2026-02-02T08:59:59.9", 10, 7_400, [("14.00", 10)]),
    ],
)
def test_energy_lines_split_at_boundaries(
    start: str, energy_wh: int, power_w: int, lines: list[tuple[str, int]]
) -> None:
    expected = [(Decimal(price), part_wh) for price, part_wh in lines]
    assert energy_lines(DAY, at(start), energy_wh, power_w, IST) == expected


def test_energy_lines_are_one_where_the_clock_does_not_matter() -> None:
    assert energy_lines([element("8")], at("2026-02-02T08:00:00"), 10**9, 1, IST) == [(Decimal(8), 10**9)]


@pytest.mark.parametrize(("energy_wh", "power_w"), [(-1, 1000), (1000, 0), (745_000, 1_000)])
def test_energy_lines_refuse_impossible_sessions(energy_wh: int, power_w: int) -> None:
    with pytest.raises(ValueError, match="Wh at"):
        energy_lines(DAY, at("2026-02-02T08:00:00"), energy_wh, power_w, IST)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.integers(0, 200_000),
    st.integers(1_000, 350_000),
)
def test_energy_lines_lose_nothing(moment: datetime, energy_wh: int, power_w: int) -> None:
    lines = energy_lines(DAY, moment, energy_wh, power_w, IST)
    assert sum(part_wh for _, part_wh in lines) == energy_wh
    assert {price for price, _ in lines} <= {Decimal(14), Decimal(18)}


def test_average_price_weighs_by_time() -> None:
    start = at("2026-02-02T08:30:00")
    assert average_price(DAY, start, start + timedelta(hours=2), tz=IST) == Decimal(15)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(days=32)])
def test_average_price_refuses_windows(length: timedelta) -> None:
    with pytest.raises(ValueError, match="the window"):
        average_price(DAY, at("2026-02-02T08:30:00"), at("2026-02-02T08:30:00") + length, tz=IST)


def test_boundaries_follow_summer_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 29, 0, 0, tzinfo=berlin)
    # 00:00 to 06:00 lasts five hours on that night.
    assert energy_lines(NIGHT, start, 6_000, 1_000, berlin) == [(Decimal(9), 5_000), (Decimal(12), 1_000)]


def test_describe_says_base_then_exceptions() -> None:
    assert describe(DAY) == "₹18.00 per kWh, ₹14.00 from 09:00 to 16:00, ₹20.00 per session"
    assert describe([element("5", start_time="10:00")], "EUR") == "EUR 5.00 per kWh from 10:00 to 00:00"
    assert describe(FESTIVAL).endswith("₹5.00 since 2026-02-01 until before 2026-02-03")
    assert describe(WEEKEND) == "₹12.00 per kWh, ₹10.00 on Saturday, Sunday"


def test_schedule_is_returned_as_it_is() -> None:
    plan = schedule(DAY)
    assert schedule(plan) is plan
    assert plan.timed
    assert not schedule([element("8")]).timed


def _faulty(**fields: object) -> list[object]:
    return [element("8") | fields]


@pytest.mark.parametrize(
    ("elements", "path"),
    [
        ([], "elements"),
        ("text", "elements"),
        ([3], "elements[0]"),
        (_faulty(price_components=[]), "elements[0].price_components"),
        (_faulty(price_components="x"), "elements[0].price_components"),
        (_faulty(price_components=[4]), "elements[0].price_components[0]"),
        (_faulty(price_components=[{"type": "GOLD", "price": 1}]), "elements[0].price_components[0].type"),
        (_faulty(price_components=[{"type": "FLAT", "price": 1}] * 2), "elements[0].price_components[1].type"),
        ([element("-1")], "elements[0].price_components[0].price"),
        ([element(None)], "elements[0].price_components[0].price"),
        ([element(True)], "elements[0].price_components[0].price"),
        ([element("Infinity")], "elements[0].price_components[0].price"),
        (_faulty(restrictions=3), "elements[0].restrictions"),
        ([element("8", max_kwh=20)], "elements[0].restrictions.max_kwh"),
        ([element("8", start_time="9")], "elements[0].restrictions.start_time"),
        ([element("8", end_time="24:00")], "elements[0].restrictions.end_time"),
        ([element("8", start_date="soon")], "elements[0].restrictions.start_date"),
        ([element("8", day_of_week=["FUNDAY"])], "elements[0].restrictions.day_of_week"),
        ([element("8", day_of_week="MONDAY")], "elements[0].restrictions.day_of_week"),
    ],
)
def test_faulty_elements_are_refused_by_their_place(elements: Any, path: str) -> None:
    with pytest.raises(TariffFault) as fault:
        schedule(elements)
    assert fault.value.path == path
