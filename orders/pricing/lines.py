"""Which lines is a price made of, and how are they kept?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.taxes import Tax, taxes_from
from core.money import Money, from_paise, total

ENERGY_COST = "energy-cost"
SERVICE_CHARGE = "service-charge"
PARKING_FEE = "parking-fee"
DISCOUNT = "discount"
GST = "gst"
REFUND = "refund"
CANCELLATION_FEE = "cancellation-fee"

PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Line:
    """One rounded line of a price; `energy_wh` where it is for energy, `tax` what a line of tax consists of."""

    code: str
    amount: Money
    energy_wh: int | None = None
    note: str = ""
    tax: tuple[Tax, ...] = ()

    def row(self) -> dict[str, Any]:
        """This line as JSON."""
        row: dict[str, Any] = {"code": self.code, "paise": self.amount.paise, "note": self.note}
        if self.energy_wh is not None:
            row["energy_wh"] = self.energy_wh
        if self.tax:
            row["tax"] = [part.row() for part in self.tax]
        return row


@dataclass(frozen=True, slots=True)
class Price:
    """Lines and their sum, for `energy_wh` of energy."""

    lines: tuple[Line, ...]
    energy_wh: int
    currency: str = "INR"

    @property
    def total(self) -> Money:
        return total((line.amount for line in self.lines), self.currency)

    def rows(self) -> list[dict[str, Any]]:
        """The lines as JSON."""
        return [line.row() for line in self.lines]


def lines_from(rows: Iterable[Mapping[str, Any]], currency: str = "INR") -> tuple[Line, ...]:
    """The lines that were kept as JSON."""
    return tuple(
        Line(
            row["code"],
            from_paise(row["paise"], currency),
            row.get("energy_wh"),
            row.get("note", ""),
            taxes_from(row.get("tax", ()), currency),
        )
        for row in rows
    )


def cancelled(lines: Sequence[Line], *, fee: Money, note: str) -> Price:
    """The price after a cancellation: what was promised, less a refund that leaves the `fee`, tax included."""
    promised = total((line.amount for line in lines), fee.currency)
    return Price((*lines, Line(REFUND, fee - promised, note=note)), 0, fee.currency)
