"""Does a session cost what OCPI's rules say, to the paisa?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from catalog.tariffs import CHARGING, EXPIRED, PARKING, RESERVED, NoTariff, PriceLimit, Segment
from orders.pricing import Line, Terms, price
from tests.orders.tariff_cases import CASES, TARIFFS, el

FACT = re.compile(r"(idle|reserved|expired) ([0-9.]+)|([0-9.]+)/([0-9.]+)(?:@([0-9.]+))?")
KINDS = {"idle": PARKING, "reserved": RESERVED, "expired": EXPIRED}


def terms(elements: list[dict[str, object]], zone: str = "Asia/Kolkata", gst: str = "0", **more: object) -> Terms:
    return Terms("T", "Table", "INR", elements, Decimal(gst), zone, **more)  # type: ignore[arg-type]


def segments(begin: str, facts: str) -> tuple[list[Segment], str]:
    """The facts as segments, in UTC, and the name of the zone their begin is written in."""
    day, clock, zone = (*begin.split(), "Asia/Kolkata")[:3]
    at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return list(_segments(at, facts)), zone


def _segments(at: datetime, facts: str) -> Iterator[Segment]:
    for word, minutes, kwh, charged, amperes in FACT.findall(facts):
        until = at + timedelta(seconds=float(Decimal(minutes or charged) * 60))
        current_a = Decimal(amperes) if amperes else None
        energy_wh = int(Decimal(kwh or 0) * 1000)
        yield Segment(at, until, energy_wh, KINDS.get(word, CHARGING), None, current_a)
        at = until


def name(line: Line) -> str:
    if line.code != "service-charge":
        return {"energy-cost": "energy", "parking-fee": "idle", "discount": "cap"}.get(line.code, line.code)
    return {
        "per session": "fee",
        "for the reservation": "reservation",
        "up to the least price": "least",
    }.get(line.note) or ("reserved" if line.note.endswith("of reservation") else "time")


def shown(lines: tuple[Line, ...]) -> str:
    return " + ".join(f"{name(line)} {line.amount.wire}" for line in lines)


def test_the_table_is_long_enough() -> None:
    assert len(CASES) == len(set(CASES)) >= 150
    assert {case[0] for case in CASES} == set(TARIFFS)


@pytest.mark.parametrize(("tariff", "begin", "facts", "amounts"), CASES)
def test_session_costs_what_the_rules_say(tariff: str, begin: str, facts: str, amounts: str) -> None:
    made, zone = segments(begin, facts)
    bill = price(terms(TARIFFS[tariff], zone), made)
    assert shown(bill.lines) == amounts
    assert sum(line.energy_wh or 0 for line in bill.lines if line.energy_wh) in {bill.energy_wh, 0}


PER_25 = [el("E 25")]
WITH_FEE = [el("E 25", "F 50")]


@pytest.mark.parametrize(
    ("elements", "limits", "gst", "facts", "amounts"),
    [
        (PER_25, ("50", None, None), "0", "1/10", "energy 25.00 + least 25.00"),
        (PER_25, ("50", None, None), "0", "1.999/20", "energy 49.98 + least 0.02"),
        (PER_25, ("50", None, None), "0", "2/20", "energy 50.00"),
        (PER_25, ("50", None, None), "0", "20/20", "energy 500.00"),
        (WITH_FEE, (None, "1000", None), "0", "30/60", "energy 750.00 + fee 50.00"),
        (WITH_FEE, (None, "1000", None), "0", "38/60", "energy 950.00 + fee 50.00"),
        (WITH_FEE, (None, "1000", None), "0", "38.001/60", "energy 950.02 + fee 50.00 + cap -0.02"),
        (WITH_FEE, (None, "1000", None), "0", "50/60", "energy 1250.00 + fee 50.00 + cap -300.00"),
        (PER_25, ("50", "50", None), "0", "1/10", "energy 25.00 + least 25.00"),
        (PER_25, ("50", "50", None), "0", "9/10", "energy 225.00 + cap -175.00"),
        # 50.84 and twice 4.58 are 60.00; 50.83 and twice 4.57 would be 59.97
        (PER_25, ("50", None, "60"), "18", "1/10", "energy 25.00 + least 25.84 + gst 9.16"),
        # 932.20 and twice 83.90 are 1100.00
        (PER_25, (None, "1000", "1100"), "18", "50/60", "energy 1250.00 + cap -317.80 + gst 167.80"),
    ],
)
def test_least_and_greatest_price(
    elements: list[dict[str, object]], limits: tuple[str | None, ...], gst: str, facts: str, amounts: str
) -> None:
    least, most, with_tax = (Decimal(limit) if limit else None for limit in limits)
    made, _ = segments("2026-02-02 12:00", facts)
    under = terms(
        elements,
        gst=gst,
        min_price=PriceLimit(least, None if most else with_tax) if least else None,
        max_price=PriceLimit(most, with_tax) if most else None,
    )
    assert shown(price(under, made).lines) == amounts


@pytest.mark.parametrize(
    ("tariff", "begin", "facts"),
    [
        ([el("E 14", start_time="09:00", end_time="16:00")], "2026-02-02 08:00", "6/60"),
        ([el("E 14", start_time="09:00", end_time="16:00")], "2026-02-02 15:30", "6/60"),
        ([el("E 14", max_kwh=5)], "2026-02-02 12:00", "6/60"),
        ([el("E 14", max_duration=1800), el("F 5", "T 9")], "2026-02-02 12:00", "6/60"),
        ([el("P 14")], "2026-02-02 12:00", "6/60"),
        ([el("T 14", start_time="09:00", end_time="16:00")], "2026-02-02 15:30", "6/60"),
        ([el("E 14", min_power=22)], "2026-02-02 12:00", "6/60"),
        ([el("T 14", reservation="RESERVATION")], "2026-02-02 12:00", "6/60"),
    ],
)
def test_energy_without_a_price_is_refused(tariff: list[dict[str, object]], begin: str, facts: str) -> None:
    made, _ = segments(begin, facts)
    with pytest.raises(NoTariff, match="names no price per kWh for Monday 2026-02-02") as refusal:
        price(terms(tariff), made)
    assert refusal.value.code == "no-tariff"


def test_unknown_current_is_refused_where_a_price_depends_on_it() -> None:
    made, _ = segments("2026-02-02 12:00", "6/60")
    with pytest.raises(NoTariff, match="depends on the current"):
        price(terms(TARIFFS["ocpi complex"]), made)


@pytest.mark.parametrize("facts", ["", "0/60", "0/60 idle 60", "reserved 30 0/10"])
def test_nothing_delivered_costs_nothing(facts: str) -> None:
    made, _ = segments("2026-02-02 12:00", facts)
    assert shown(price(terms(TARIFFS["reserve fee"], gst="18"), made).lines) == "energy 0.00"
