"""Is money exact, rounded once, and never mixed between currencies?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money, from_paise, total

paise = st.integers(min_value=-(10**12), max_value=10**12)


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        ("0.005", "0.00"),
        ("0.015", "0.02"),
        ("0.025", "0.02"),
        ("-0.015", "-0.02"),
        ("12.344999", "12.34"),
        ("7", "7.00"),
    ],
)
def test_rounded_goes_half_to_even(exact: str, rounded: str) -> None:
    assert Money(Decimal(exact)).rounded().wire == rounded


@given(paise)
def test_from_paise_and_back_is_the_same(amount: int) -> None:
    assert from_paise(amount).paise == amount


@given(st.lists(paise, max_size=30))
def test_total_is_the_exact_sum_of_its_lines(amounts: list[int]) -> None:
    assert total(from_paise(amount) for amount in amounts).paise == sum(amounts)


def test_paise_refuses_an_unrounded_amount() -> None:
    with pytest.raises(ValueError, match="round the line first"):
        Money(Decimal("0.005")).paise  # noqa: B018 - the property is what is tested


def test_adding_two_currencies_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot add USD to INR"):
        Money(Decimal(1)) + Money(Decimal(1), "USD")


def test_subtracting_and_negating_keep_the_currency() -> None:
    assert (Money(Decimal("5.00"), "USD") - Money(Decimal("7.50"), "USD")) == -Money(Decimal("2.50"), "USD")
    assert Money(Decimal("2.00")).times(Decimal("1.5")).wire == "3.00"
