"""Do prices add up, grow with the energy, and stay within what a driver wants to spend?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.tariffs import CHARGING, PARKING, NoTariff, PriceLimit
from core.money import Money, from_paise, total
from orders.pricing import (
    ENERGY_LINES,
    PER_KWH,
    PER_SESSION,
    PERCENTAGE,
    Adjustment,
    MeterPoint,
    Terms,
    assumed,
    cancelled,
    energy_for_amount,
    energy_in_time,
    lines_from,
    session_segments,
    terms_from,
    time_for_energy,
)
from orders.pricing import price as price_of
from tests.orders.assuming import MOMENTS, NOON, price

LIMIT_WH = 720_000


def element(*parts: tuple[str, str], **restrictions: Any) -> dict[str, Any]:
    priced: dict[str, Any] = {"price_components": [{"type": kind, "price": amount} for kind, amount in parts]}
    return priced | ({"restrictions": restrictions} if restrictions else {})


def terms(*elements: dict[str, Any], gst: str = "18.00") -> Terms:
    return Terms("T", "Day", "INR", list(elements), Decimal(gst), "Asia/Kolkata")


FLAT = terms(element(("ENERGY", "18.00"), ("FLAT", "20.00")))
BY_CLOCK = terms(
    element(("ENERGY", "14.00"), start_time="09:00", end_time="16:00"), element(("ENERGY", "21.37"), ("FLAT", "7.77"))
)
ALL_TERMS = st.sampled_from(
    [FLAT, BY_CLOCK, terms(element(("ENERGY", "0.37"), ("TIME", "60"))), terms(element(("ENERGY", "9.99")), gst="0")]
)


def test_ten_kilowatt_hours_cost_as_published() -> None:
    made = price(FLAT, energy_wh=10_000, starts_at=NOON, power_w=30_000)
    assert [(line.code, line.amount.wire) for line in made.lines] == [
        ("energy-cost", "180.00"),
        ("service-charge", "20.00"),
        ("gst", "36.00"),
    ]
    assert made.total.wire == "236.00"


def test_session_over_a_tariff_boundary_has_a_line_for_each_price() -> None:
    before_four = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)  # 15:30 in Bengaluru
    made = price(BY_CLOCK, energy_wh=30_000, starts_at=before_four, power_w=30_000)
    assert [(line.note, line.energy_wh, line.amount.wire) for line in made.lines[:2]] == [
        ("14.00 INR/kWh", 15_000, "210.00"),
        ("21.37 INR/kWh", 15_000, "320.55"),
    ]


def test_charging_time_is_priced_where_the_tariff_says_so() -> None:
    hourly = terms(element(("ENERGY", "10"), ("TIME", "60")), gst="0")
    made = price(hourly, energy_wh=15_000, starts_at=NOON, power_w=30_000)
    assert [(line.code, line.amount.wire) for line in made.lines] == [
        ("energy-cost", "150.00"),
        ("service-charge", "30.00"),
    ]


def test_nothing_delivered_costs_nothing() -> None:
    made = price(FLAT, energy_wh=0, starts_at=NOON, power_w=30_000)
    assert [(line.code, line.amount.wire, line.energy_wh) for line in made.lines] == [("energy-cost", "0.00", 0)]


def test_cancelled_price_leaves_the_fee() -> None:
    offer = price(FLAT, energy_wh=10_000, starts_at=NOON, power_w=30_000)
    made = cancelled(offer.lines, fee=from_paise(7_080), note="cancellation fee 30 %")
    assert (made.lines[-1].code, made.lines[-1].amount.wire, made.total.wire) == ("refund", "-165.20", "70.80")
    assert cancelled(offer.lines, fee=from_paise(0), note="").total.wire == "0.00"


def test_amount_buys_nothing_where_the_fee_is_more() -> None:
    amount = Money(Decimal("20.00"))
    assert energy_for_amount(FLAT, amount, starts_at=NOON, power_w=30_000, limit_wh=LIMIT_WH) == 0


def test_amount_buys_only_what_has_a_price() -> None:
    until_two = terms(element(("ENERGY", "10"), start_time="12:00", end_time="14:00"))
    rich = Money(Decimal(100_000))
    assert energy_for_amount(until_two, rich, starts_at=NOON, power_w=30_000, limit_wh=LIMIT_WH) == 60_000
    with pytest.raises(NoTariff):
        energy_for_amount(until_two, rich, starts_at=NOON + timedelta(hours=3), power_w=30_000, limit_wh=LIMIT_WH)


@given(ALL_TERMS, st.integers(0, LIMIT_WH), MOMENTS, st.integers(1_000, 350_000))
@settings(deadline=None)
def test_total_is_the_sum_of_its_lines(under: Terms, energy_wh: int, starts_at: datetime, power_w: int) -> None:
    made = price(under, energy_wh=energy_wh, starts_at=starts_at, power_w=power_w)
    assert made.total.paise == sum(row["paise"] for row in made.rows())
    assert sum(line.energy_wh or 0 for line in made.lines) == energy_wh
    assert lines_from(made.rows()) == made.lines


@given(ALL_TERMS, st.integers(0, LIMIT_WH), st.integers(0, 5_000), MOMENTS, st.integers(3_000, 350_000))
@settings(deadline=None)
def test_more_energy_never_costs_less(
    under: Terms, energy_wh: int, more_wh: int, starts_at: datetime, power_w: int
) -> None:
    less = price(under, energy_wh=energy_wh, starts_at=starts_at, power_w=power_w)
    more = price(under, energy_wh=energy_wh + more_wh, starts_at=starts_at, power_w=power_w)
    assert less.total.paise <= more.total.paise


@given(ALL_TERMS, st.integers(1, 1_000_000), MOMENTS)
@settings(deadline=None, max_examples=60)
def test_amount_is_never_exceeded_and_well_used(under: Terms, paise: int, starts_at: datetime) -> None:
    amount = from_paise(paise)
    energy_wh = energy_for_amount(under, amount, starts_at=starts_at, power_w=30_000, limit_wh=LIMIT_WH)
    assert price(under, energy_wh=energy_wh, starts_at=starts_at, power_w=30_000).total.paise <= paise
    if energy_wh < LIMIT_WH:
        assert price(under, energy_wh=energy_wh + 1, starts_at=starts_at, power_w=30_000).total.paise > paise


@given(st.integers(0, 100_000), st.integers(0, 10_000), st.integers(0, 110_000))
def test_refund_and_fee_make_up_the_promise(energy_paise: int, gst_paise: int, fee_paise: int) -> None:
    rows = [{"code": "energy-cost", "paise": energy_paise}, {"code": "gst", "paise": gst_paise}]
    lines = lines_from(rows)
    made = cancelled(lines, fee=from_paise(fee_paise), note="")
    assert made.total - made.lines[-1].amount == total(line.amount for line in lines)
    assert made.total.paise == fee_paise


@given(st.integers(1, 10**6), st.integers(1, 350_000))
def test_time_for_energy_suffices(energy_wh: int, power_w: int) -> None:
    assert energy_in_time(time_for_energy(energy_wh, power_w), power_w) >= energy_wh


@given(ALL_TERMS)
def test_terms_survive_being_kept(under: Terms) -> None:
    assert terms_from(under.snapshot(NOON)) == under


def test_bill_follows_the_meter_and_not_the_mean() -> None:
    before_four = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)  # 15:30 in Bengaluru
    half_past = before_four + timedelta(minutes=60)
    points = [MeterPoint(before_four + timedelta(minutes=30), 9_000)]
    session = session_segments(points, energy_wh=10_000, started_at=before_four, ended_at=half_past, limit_w=30_000)
    made = price_of(BY_CLOCK, session)
    assert [(line.energy_wh, line.amount.wire) for line in made.lines[:2]] == [(9_000, "126.00"), (1_000, "21.37")]


def test_standing_begins_where_the_energy_ended() -> None:
    minutes = [NOON + timedelta(minutes=minute) for minute in range(61)]
    points = [MeterPoint(at, min(number, 20) * 100) for number, at in enumerate(minutes)]
    whole: dict[str, Any] = {"energy_wh": 2_000, "started_at": NOON, "ended_at": minutes[60], "limit_w": 9_000}
    *_, last = session_segments(points, **whole)
    assert (last.kind, last.starts_at, last.ends_at) == (PARKING, minutes[20], minutes[60])
    gone = session_segments(points, unplugged_at=minutes[60] + timedelta(hours=1), **whole)[-1]
    assert gone.ends_at == minutes[60] + timedelta(hours=1)
    soon = session_segments(points, unplugged_at=minutes[60] + timedelta(seconds=60), **whole)[-1]
    assert soon.ends_at == minutes[60]


def test_a_minute_without_energy_is_no_standing() -> None:
    points = [MeterPoint(NOON + timedelta(minutes=29), 1_000)]
    ended_at = NOON + timedelta(minutes=30)
    made = session_segments(points, energy_wh=1_000, started_at=NOON, ended_at=ended_at, limit_w=9_000)
    assert {segment.kind for segment in made} == {CHARGING}


def test_readings_against_clock_or_meter_do_not_count() -> None:
    points = [
        MeterPoint(NOON - timedelta(minutes=1), 5),
        MeterPoint(NOON + timedelta(minutes=10), 500, Decimal(16)),
        MeterPoint(NOON + timedelta(minutes=5), 600),
        MeterPoint(NOON + timedelta(minutes=15), 400),
        MeterPoint(NOON + timedelta(minutes=20), 5_000),
        MeterPoint(NOON + timedelta(minutes=40), 900),
    ]
    ended_at = NOON + timedelta(minutes=30)
    made = session_segments(points, energy_wh=1_000, started_at=NOON, ended_at=ended_at, limit_w=9_000)
    assert [(segment.energy_wh, segment.ends_at) for segment in made] == [
        (500, NOON + timedelta(minutes=10)),
        (500, ended_at),
    ]


def test_energy_in_no_time_is_taken_at_the_limit() -> None:
    (segment,) = session_segments([], energy_wh=1_000, started_at=NOON, ended_at=NOON, limit_w=60_000)
    assert segment.ends_at == NOON + timedelta(minutes=1)
    (empty,) = session_segments([], energy_wh=0, started_at=NOON, ended_at=NOON, limit_w=60_000)
    assert price_of(FLAT, [empty]).total.wire == "0.00"


@pytest.mark.parametrize(("energy_wh", "power_w"), [(-1, 1_000), (1_000, 0), (745_000, 1_000)])
def test_impossible_wishes_are_refused(energy_wh: int, power_w: int) -> None:
    with pytest.raises(ValueError, match="Wh at"):
        assumed(energy_wh=energy_wh, starts_at=NOON, power_w=power_w)


def test_wish_is_reserved_then_charged_then_stands() -> None:
    made = assumed(energy_wh=6_000, starts_at=NOON, power_w=6_000, voltage_v=240, idle_s=60, reserved_s=900)
    assert [(segment.kind, (segment.ends_at - segment.starts_at).seconds) for segment in made] == [
        ("reserved", 900),
        ("charging", 3_600),
        ("parking", 60),
    ]
    assert made[1].current_a == 25


TEN_PERCENT = Adjustment("discount", "members", PERCENTAGE, Decimal(-10))


@pytest.mark.parametrize(
    ("adjustments", "amounts"),
    [
        ([TEN_PERCENT], "-20.00"),
        ([Adjustment("discount", "", PERCENTAGE, Decimal(-10), ENERGY_LINES)], "-18.00"),
        ([Adjustment("discount", "", PERCENTAGE, Decimal(-50), cap=Money(Decimal("30.00")))], "-30.00"),
        ([Adjustment("surge", "", PERCENTAGE, Decimal(25), ENERGY_LINES)], "45.00"),
        ([Adjustment("surge", "", PERCENTAGE, Decimal(25), cap=Money(Decimal(5)))], "5.00"),
        ([Adjustment("discount", "", PER_KWH, Decimal("-1.25"))], "-12.50"),
        ([Adjustment("discount", "", PER_SESSION, Decimal(-500))], "-200.00"),
        ([Adjustment("discount", "", PER_SESSION, Decimal(-500), ENERGY_LINES)], "-180.00"),
        ([TEN_PERCENT, TEN_PERCENT], "-20.00 -18.00"),
        ([Adjustment("discount", "", PER_SESSION, Decimal(-199)), TEN_PERCENT], "-199.00 -0.10"),
        ([Adjustment("discount", "", PER_SESSION, Decimal(-200)), TEN_PERCENT], "-200.00"),
    ],
)
def test_adjustments_come_before_the_tax_and_never_below_nothing(adjustments: list[Adjustment], amounts: str) -> None:
    adjusted = replace(FLAT, adjustments=tuple(adjustments))
    made = price(adjusted, energy_wh=10_000, starts_at=NOON, power_w=30_000)
    *before, tax = made.lines
    assert " ".join(line.amount.wire for line in before[2:]) == amounts
    taxable = total(line.amount for line in before)
    assert taxable.paise >= 0
    assert tax.amount == taxable.times(Decimal("0.09")).rounded().times(Decimal(2))
    assert terms_from(adjusted.snapshot(NOON)) == adjusted


def test_terms_keep_limits_states_and_caps() -> None:
    kept = replace(
        BY_CLOCK,
        min_price=PriceLimit(Decimal("50.00")),
        max_price=PriceLimit(Decimal("500.00"), Decimal("590.00")),
        sac="998714",
        supplier_state="29",
        place_state="33",
        adjustments=(Adjustment("surge", "", PERCENTAGE, Decimal(25), cap=Money(Decimal("5.00"))),),
    )
    assert terms_from(kept.snapshot(NOON)) == kept


@pytest.mark.parametrize(
    ("supplier", "place", "parts"),
    [
        ("29", "29", [("CGST", "9", 1800), ("SGST", "9", 1800)]),
        ("", "29", [("CGST", "9", 1800), ("SGST", "9", 1800)]),
        ("04", "04", [("CGST", "9", 1800), ("UTGST", "9", 1800)]),
        ("29", "33", [("IGST", "18", 3600)]),
    ],
)
def test_one_line_of_gst_keeps_its_parts(supplier: str, place: str, parts: list[tuple[str, str, int]]) -> None:
    made = price(
        replace(FLAT, supplier_state=supplier, place_state=place), energy_wh=10_000, starts_at=NOON, power_w=30_000
    )
    row = made.rows()[-1]
    assert (row["code"], row["paise"]) == ("gst", 3600)
    assert [(part["code"], part["percent"], part["paise"]) for part in row["tax"]] == parts
