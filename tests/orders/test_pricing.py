"""Do prices add up, grow with the energy, and stay within what a driver wants to spend?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.tariffs import NoTariff
from core.money import Money, from_paise, total
from orders.pricing import (
    Terms,
    average_power_w,
    cancelled,
    energy_for_amount,
    energy_in_time,
    lines_from,
    price,
    terms_from,
    time_for_energy,
)

NOON = datetime(2026, 2, 1, 6, 30, tzinfo=UTC)
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
MOMENTS = st.integers(0, 7 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds))


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
    made = cancelled(offer.lines, fee_percent=Decimal(30))
    assert (made.lines[-1].code, made.lines[-1].amount.wire, made.total.wire) == ("refund", "-165.20", "70.80")
    assert cancelled(offer.lines, fee_percent=Decimal(0)).total.wire == "0.00"


def test_average_power_delivers_the_energy_in_the_time() -> None:
    later = NOON + timedelta(minutes=30)
    assert average_power_w(10_000, started_at=NOON, ended_at=later, limit_w=30_000) == 20_000
    assert average_power_w(10_000, started_at=NOON, ended_at=NOON, limit_w=30_000) == 30_000
    assert average_power_w(0, started_at=NOON, ended_at=later, limit_w=30_000) == 1


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


@given(st.integers(0, 100_000), st.integers(0, 10_000), st.integers(0, 100))
def test_refund_and_fee_make_up_the_promise(energy_paise: int, gst_paise: int, percent: int) -> None:
    rows = [{"code": "energy-cost", "paise": energy_paise}, {"code": "gst", "paise": gst_paise}]
    lines = lines_from(rows)
    made = cancelled(lines, fee_percent=Decimal(percent))
    assert made.total - made.lines[-1].amount == total(line.amount for line in lines)
    assert 0 <= made.total.paise <= energy_paise + gst_paise


@given(st.integers(1, 10**6), st.integers(1, 350_000))
def test_time_for_energy_suffices(energy_wh: int, power_w: int) -> None:
    assert energy_in_time(time_for_energy(energy_wh, power_w), power_w) >= energy_wh


@given(ALL_TERMS)
def test_terms_survive_being_kept(under: Terms) -> None:
    assert terms_from(under.snapshot(NOON)) == under
