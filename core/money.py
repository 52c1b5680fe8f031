"""How is money held, rounded and added?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

PAISA = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency; `amount` in major units (rupees), of any precision until rounded."""

    amount: Decimal
    currency: str = "INR"

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + other.same_currency(self).amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - other.same_currency(self).amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def times(self, factor: Decimal) -> Money:
        """This amount multiplied, not yet rounded."""
        return Money(self.amount * factor, self.currency)

    def rounded(self) -> Money:
        """This amount at two decimals, half to even: the one rounding rule, applied once, at the line."""
        return Money(self.amount.quantize(PAISA, rounding=ROUND_HALF_EVEN), self.currency)

    @property
    def paise(self) -> int:
        """The amount in paise. Raises ValueError where it has not been rounded to whole paise."""
        scaled = self.amount.scaleb(2)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{self.amount} {self.currency} is not a whole number of paise; round the line first")
        return int(scaled)

    @property
    def wire(self) -> str:
        """The amount as the string messages carry: two decimals, no grouping, for instance `236.00`."""
        return f"{Decimal(self.paise).scaleb(-2):.2f}"

    def same_currency(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ValueError(f"cannot add {self.currency} to {other.currency}")
        return self


def from_paise(paise: int, currency: str = "INR") -> Money:
    """The Money that `paise` whole paise are."""
    return Money(Decimal(paise).scaleb(-2), currency)


def total(lines: Iterable[Money], currency: str = "INR") -> Money:
    """The sum of rounded lines; zero where there are none."""
    result = Money(Decimal("0.00"), currency)
    for line in lines:
        result = result + line
    return result
