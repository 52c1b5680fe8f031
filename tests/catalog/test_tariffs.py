"""Are elements read as they are meant, every moment priced, and every session divided without loss?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.tariffs import (
    CHARGING,
    EXPIRED,
    PARKING,
    RESERVED,
    Item,
    NoTariff,
    Segment,
    TariffFault,
    describe,
    metered,
    price_at,
    price_limit,
    schedule,
)

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
        ([element("1", "TIME", reservation="RESERVATION"), element("8")], "2026-02-02T08:00:00", "8"),
        ([element(12.1)], "2026-02-02T08:00:00", "12.1"),
        ([element("5", min_kwh=10), element("8")], "2026-02-02T08:00:00", "8"),
        ([element("5", min_duration=60), element("8")], "2026-02-02T08:00:00", "8"),
        ([element("5", max_kwh=10), element("8")], "2026-02-02T08:00:00", "5"),
        ([element("5", max_power=22), element("8")], "2026-02-02T08:00:00", "8"),
        ([element("5", max_power=22)], "2026-02-02T08:00:00", "5"),
    ],
)
def test_price_at_boundaries(elements: list[dict[str, Any]], moment: str, price: str) -> None:
    assert price_at(elements, at(moment), tz=IST) == Decimal(price)


def test_price_is_refused_where_no_element_holds() -> None:
    gap = [element("14", start_time="09:00", end_time="16:00")]
    with pytest.raises(NoTariff, match="Monday 2026-02-02 08:00") as refusal:
        price_at(gap, at("2026-02-02T08:00:00"), tz=IST)
    assert refusal.value.code == "no-tariff"


def flowing(elements: Any, start: datetime, energy_wh: int, power_w: int, zone: ZoneInfo = IST) -> list[Any]:
    """The energy of a session at constant power as (price, Wh)."""
    until = start + timedelta(microseconds=-(-energy_wh * 3_600_000_000 // power_w))
    items = metered(elements, [Segment(start, until, energy_wh, CHARGING, power_w)], tz=zone)
    return [(item.price, item.quantity) for item in items if item.dimension == "ENERGY"]


def test_session_across_a_gap_is_refused() -> None:
    gap = [element("14", start_time="09:00", end_time="16:00")]
    with pytest.raises(NoTariff):
        flowing(gap, at("2026-02-02T15:30:00"), 10_000, 10_000)


@pytest.mark.parametrize(
    ("start", "energy_wh", "power_w", "lines"),
    [
        ("2026-02-02T08:30:00", 10_000, 7_400, [("18.00", 3_700), ("14.00", 6_300)]),
        ("2026-02-02T08:00:00", 1_000, 7_400, [("18.00", 1_000)]),
        ("2026-02-02T08:00:00", 26_000, 1_000, [("18.00", 18_000), ("14.00", 8_000)]),
        ("2026-02-02T08:59:59.9", 10, 7_400, [("14.00", 10)]),
    ],
)
def test_energy_is_split_at_boundaries(start: str, energy_wh: int, power_w: int, lines: list[tuple[str, int]]) -> None:
    expected = [(Decimal(price), part_wh) for price, part_wh in lines]
    assert flowing(DAY, at(start), energy_wh, power_w) == expected


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.integers(1, 200_000),
    st.integers(1_000, 350_000),
)
def test_no_energy_is_lost(moment: datetime, energy_wh: int, power_w: int) -> None:
    lines = flowing(DAY, moment, energy_wh, power_w)
    assert sum(part_wh for _, part_wh in lines) == energy_wh
    assert {price for price, _ in lines} <= {Decimal(14), Decimal(18)}


NOON = at("2026-02-02T12:00:00")
LATER = NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    "segments",
    [
        [Segment(NOON, LATER, -1)],
        [Segment(LATER, NOON, 1)],
        [Segment(NOON, LATER, 1), Segment(NOON, LATER, 1)],
        [Segment(NOON, LATER, 1, RESERVED)],
        [Segment(NOON, LATER, 1, EXPIRED)],
    ],
)
def test_impossible_sessions_are_refused(segments: list[Segment]) -> None:
    with pytest.raises(ValueError, match="backwards"):
        metered(DAY, segments, tz=IST)


def test_nothing_in_no_time_begins_nothing() -> None:
    fee = [element("8"), element("20", "FLAT", min_kwh=10)]
    session = [Segment(NOON, LATER, 10_000), Segment(LATER, LATER, 0)]
    assert metered(fee, session, tz=IST) == (Item("ENERGY", Decimal(8), 10_000),)


def test_energy_in_no_time_is_more_power_than_any_limit() -> None:
    elements = [element("5", max_power=1000), element("9", min_power=1000)]
    assert metered(elements, [Segment(NOON, NOON, 7)], tz=IST) == (Item("ENERGY", Decimal(9), 7),)


def test_energy_in_no_time_passes_thresholds() -> None:
    elements = [element("5", max_kwh=1), element("9")]
    assert flowing_at_once(elements, 1_500) == [(5, 1_000), (9, 500)]


def flowing_at_once(elements: Any, energy_wh: int) -> list[Any]:
    return [(item.price, item.quantity) for item in metered(elements, [Segment(NOON, NOON, energy_wh)], tz=IST)]


def test_energy_while_standing_has_its_price_too() -> None:
    elements = [element("5"), element("60", "PARKING_TIME")]
    used = metered(elements, [Segment(NOON, LATER, 100, PARKING)], tz=IST)
    assert [(item.dimension, item.quantity) for item in used] == [("ENERGY", 100), ("PARKING_TIME", 3_600_000_000)]


def test_segments_may_be_written_in_any_zone_and_leave_gaps() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn = datetime(2026, 10, 25, 0, 0, tzinfo=berlin)
    one = Segment(autumn, datetime(2026, 10, 25, 6, 0, tzinfo=berlin), 7_000)  # seven hours
    other = Segment(datetime(2026, 10, 25, 7, 0, tzinfo=berlin), datetime(2026, 10, 25, 8, 0, tzinfo=berlin), 1_000)
    hourly = [element("12", "TIME")]
    (used,) = metered(hourly, [one, other], tz=berlin)
    assert used.quantity == 8 * 3_600_000_000


def test_a_day_begins_where_the_clock_skips_midnight() -> None:
    beirut = ZoneInfo("Asia/Beirut")  # 2026-03-29 begins at 01:00
    festive = [element("5", start_date="2026-03-29"), element("12")]
    start = datetime(2026, 3, 28, 23, 0, tzinfo=beirut).astimezone(UTC)
    assert flowing(festive, start, 2_000, 1_000, beirut) == [(Decimal(12), 1_000), (Decimal(5), 1_000)]


def test_describe_says_base_then_exceptions() -> None:
    assert describe(DAY) == "₹18.00 per kWh, ₹14.00 from 09:00 to 16:00, ₹20.00 per session"
    assert describe([element("5", start_time="10:00")], "EUR") == "EUR 5.00 per kWh from 10:00 to 00:00"
    assert describe(FESTIVAL).endswith("₹5.00 since 2026-02-01 until before 2026-02-03")
    assert describe(WEEKEND) == "₹12.00 per kWh, ₹10.00 on Saturday, Sunday"


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ([element("5", max_kwh="2.5"), element("8")], "₹8.00 per kWh, ₹5.00 up to 2.5 kWh"),
        ([element("5", min_kwh=20), element("8")], "₹8.00 per kWh, ₹5.00 above 20 kWh"),
        ([element("5", max_duration=1800), element("8")], "₹8.00 per kWh, ₹5.00 in the first 30 min"),
        ([element("5", min_duration=7200), element("8")], "₹8.00 per kWh, ₹5.00 after 2 h"),
        ([element("5", max_power=22), element("8")], "₹8.00 per kWh, ₹5.00 below 22 kW"),
        ([element("5", min_power="7.4"), element("8")], "₹8.00 per kWh, ₹5.00 from 7.4 kW"),
        ([element("5", min_current=16, max_current=32)], "₹5.00 per kWh from 16 A below 32 A"),
        ([element("4", "FLAT", reservation="RESERVATION_EXPIRES")], "₹4.00 per reservation not used"),
        ([element("2", "TIME", reservation="RESERVATION")], "₹2.00 per hour of reservation"),
    ],
)
def test_describe_says_every_restriction(elements: list[dict[str, Any]], words: str) -> None:
    assert describe(elements) == words


def test_describe_says_steps_and_grace() -> None:
    components = [
        {"type": "ENERGY", "price": 8, "step_size": 500},
        {"type": "TIME", "price": 6, "step_size": 90},
        {"type": "PARKING_TIME", "price": 60, "step_size": 900, "grace": 600},
    ]
    assert describe([{"price_components": components}]) == (
        "₹8.00 per kWh in steps of 500 Wh, ₹6.00 per hour of charging in steps of 90 s, "
        "₹60.00 per hour of parking after 10 min in steps of 15 min"
    )


def test_describe_speaks_the_languages_of_drivers() -> None:
    assert describe(DAY, language="hi") == "प्रति kWh ₹18.00, 09:00 से 16:00 तक ₹14.00, प्रति सत्र ₹20.00"
    assert describe(DAY, language="kn") == "ಪ್ರತಿ kWh ಗೆ ₹18.00, 09:00 ರಿಂದ 16:00 ರವರೆಗೆ ₹14.00, ಪ್ರತಿ ಸೆಷನ್‌ಗೆ ₹20.00"
    assert describe(DAY, language="zz") == describe(DAY)


def test_schedule_is_read_once_for_the_same_content() -> None:
    assert schedule([element("8.75")]) is schedule([element("8.75")])
    assert schedule([element("8.75")]) is not schedule([element("8.76")])


def test_a_schedule_in_use_is_kept_however_many_others_are_read() -> None:
    first = schedule([element("0.02")])
    for number in range(600):
        schedule([element(f"2000.{number}")])
        assert schedule([element("0.02")]) is first


def test_old_schedules_are_forgotten() -> None:
    first = schedule([element("0.01")])
    for number in range(600):
        schedule([element(f"1000.{number}")])
    assert schedule([element("0.01")]) is not first


@pytest.mark.parametrize(
    ("limit", "path"),
    [
        ("50", "min_price"),
        ({}, "min_price.excl_vat"),
        ({"excl_vat": -1}, "min_price.excl_vat"),
        ({"excl_vat": 5, "incl_vat": "x"}, "min_price.incl_vat"),
        ({"excl_vat": 5, "incl_vat": 4}, "min_price.incl_vat"),
    ],
)
def test_faulty_price_limits_are_refused_by_their_place(limit: object, path: str) -> None:
    with pytest.raises(TariffFault) as fault:
        price_limit(limit, "min_price")
    assert fault.value.path == path


def test_price_limits_survive_being_kept() -> None:
    for row in ({"excl_vat": "50.00"}, {"excl_vat": "50.00", "incl_vat": "59.00"}):
        limit = price_limit(row, "min_price")
        assert limit is not None
        assert limit.row() == row
    assert price_limit(None, "min_price") is None


def test_schedule_is_returned_as_it_is() -> None:
    plan = schedule(DAY)
    assert schedule(plan) is plan
    assert plan.timed
    assert not schedule([element("8")]).timed


STEP = "elements[0].price_components[0].step_size"


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
        ([element("8", max_speed=20)], "elements[0].restrictions.max_speed"),
        ([element("8", max_kwh=0)], "elements[0].restrictions.max_kwh"),
        ([element("8", max_kwh="many")], "elements[0].restrictions.max_kwh"),
        ([element("8", min_power=22, max_power=22)], "elements[0].restrictions.max_power"),
        ([element("8", reservation="MAYBE")], "elements[0].restrictions.reservation"),
        ([element("8", reservation="RESERVATION")], "elements[0].price_components"),
        (_faulty(price_components=[{"type": "ENERGY", "price": 1, "step_size": "0.5"}]), STEP),
        (_faulty(price_components=[{"type": "ENERGY", "price": 1, "step_size": -1}]), STEP),
        (_faulty(price_components=[{"type": "ENERGY", "price": 1, "grace": 60}]), f"{STEP[:-9]}grace"),
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


@pytest.mark.parametrize(
    ("elements", "by_energy_alone", "by_standing"),
    [
        ([{"price_components": [{"type": "ENERGY", "price": "18"}, {"type": "FLAT", "price": "20"}]}], True, False),
        ([{"price_components": [{"type": "ENERGY", "price": "18"}, {"type": "TIME", "price": "6"}]}], False, False),
        ([{"price_components": [{"type": "ENERGY", "price": "18"}, {"type": "PARKING_TIME", "price": "6"}]}],
         False, True),
        ([{"price_components": [{"type": "ENERGY", "price": "18"}], "restrictions": {"max_kwh": 5}},
          {"price_components": [{"type": "ENERGY", "price": "20"}]}], True, False),
        *(
            ([{"price_components": [{"type": "ENERGY", "price": "18"}], "restrictions": limit},
              {"price_components": [{"type": "ENERGY", "price": "20"}]}], False, False)
            for limit in ({"start_time": "09:00", "end_time": "16:00"}, {"max_power": 30}, {"max_duration": 600})
        ),
        ([{"price_components": [{"type": "FLAT", "price": "9"}], "restrictions": {"reservation": "RESERVATION"}},
          {"price_components": [{"type": "ENERGY", "price": "20"}]}], False, False),
    ],
)  # fmt: skip
def test_elements_say_what_decides_the_price(elements: Any, *, by_energy_alone: bool, by_standing: bool) -> None:
    plan = schedule(elements)
    assert (plan.by_energy_alone, plan.by_standing) == (by_energy_alone, by_standing)
