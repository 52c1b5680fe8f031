"""Does every rupee of tax go where it belongs, at the rate of its day?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.taxes import Rate, TaxFault, gst, rate_on, read_rates, taxes_from
from core.money import Money, from_paise

EIGHTEEN = Decimal(18)


def parts(taxable: str, percent: str, supplier: str = "29", place: str = "29") -> list[tuple[str, str]]:
    made = gst(Money(Decimal(taxable)), Decimal(percent), supplier_state=supplier, place_state=place)
    return [(tax.code, tax.amount.wire) for tax in made]


@pytest.mark.parametrize(
    ("taxable", "percent", "supplier", "place", "expected"),
    [
        ("200.00", "18", "29", "29", [("CGST", "18.00"), ("SGST", "18.00")]),
        ("200.00", "18", "29", "27", [("IGST", "36.00")]),
        ("200.00", "18", "", "", [("CGST", "18.00"), ("SGST", "18.00")]),
        ("200.00", "18", "29", "", [("CGST", "18.00"), ("SGST", "18.00")]),
        ("200.00", "5", "38", "38", [("CGST", "5.00"), ("UTGST", "5.00")]),
        ("0.50", "18", "29", "29", [("CGST", "0.04"), ("SGST", "0.04")]),  # 0.045 each, half to even
        ("0.50", "18", "29", "27", [("IGST", "0.09")]),
        ("0.00", "18", "29", "29", [("CGST", "0.00"), ("SGST", "0.00")]),
        ("200.00", "0", "29", "29", []),
    ],
)
def test_gst_by_place_of_supply(
    taxable: str, percent: str, supplier: str, place: str, expected: list[tuple[str, str]]
) -> None:
    assert parts(taxable, percent, supplier, place) == expected


@given(st.integers(0, 10**9), st.sampled_from(["5", "12", "18", "28"]))
def test_halves_are_equal_and_a_paisa_off_at_most(paise: int, percent: str) -> None:
    central, state = gst(from_paise(paise), Decimal(percent))
    (whole,) = gst(from_paise(paise), Decimal(percent), supplier_state="29", place_state="33")
    assert central.amount == state.amount
    assert abs(central.amount.paise + state.amount.paise - whole.amount.paise) <= 1


@given(st.integers(0, 10**6))
def test_taxes_survive_being_kept(paise: int) -> None:
    made = gst(from_paise(paise), EIGHTEEN)
    assert taxes_from([tax.row() for tax in made]) == made


def test_rate_is_that_of_the_day() -> None:
    rates = read_rates([{"percent": "12", "from": "2027-04-01"}, {"percent": "5.5", "sac": "998719"}])
    usual = Rate(EIGHTEEN)
    assert rate_on(rates, date(2027, 3, 31), otherwise=usual) == Rate(Decimal("5.5"), "998719")
    assert rate_on(rates, date(2027, 4, 1), otherwise=usual) == Rate(Decimal(12), "998714", date(2027, 4, 1))
    assert rate_on(rates[1:], date(2027, 3, 31), otherwise=usual) is usual


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ({}, "gst_rates"),
        ([7], "gst_rates[0]"),
        ([{}], "gst_rates[0].percent"),
        ([{"percent": 101}], "gst_rates[0].percent"),
        ([{"percent": -1}], "gst_rates[0].percent"),
        ([{"percent": 18, "from": "soon"}], "gst_rates[0].from"),
        ([{"percent": 18}, {"percent": 12}], "gst_rates"),
    ],
)
def test_faulty_rates_are_refused_by_their_place(rows: object, path: str) -> None:
    with pytest.raises(TaxFault) as fault:
        read_rates(rows)
    assert fault.value.path == path
