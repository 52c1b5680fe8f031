"""What of a bill or of a cancellation fee is earned, and what is tax to be passed on?

Pure: the lines as a quote keeps them go in, paise by account come out; the accounts add up to the total of the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.money import Money, from_paise
from orders.pricing import GST, REFUND

Rows = Sequence[Mapping[str, Any]]

REVENUE, FEES = "revenue", "fees"
CGST, SGST = "cgst", "sgst"
HALF = Decimal("0.5")


def earnings(rows: Rows) -> dict[str, int]:
    """A bill: its taxes as the lines name them, the rest is revenue."""
    return _parts(REVENUE, _sum(rows), taxes(rows))


def fee_earnings(rows: Rows) -> dict[str, int]:
    """A cancellation: the promised lines and the refund that leaves the fee, which contains its share of their tax.

    Each tax is the promised one in the proportion of fee to promised total, rounded half to even.
    """
    promised = [row for row in rows if row["code"] != REFUND]
    whole, fee = _sum(promised), _sum(rows)
    if not whole or not fee:
        return {}
    shares = {account: _share(paise, fee, whole) for account, paise in taxes(promised).items()}
    return _parts(FEES, fee, shares)


def taxes(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The taxes in the lines, paise by account."""
    found: dict[str, int] = {}
    for row in rows:
        for account, paise in _taxes(row).items():
            found[account] = found.get(account, 0) + paise
    return found


def _taxes(row: Mapping[str, Any]) -> dict[str, int]:
    """The parts a tax line names; one that names none is split in halves, an odd paisa as rounding has it."""
    if row["code"] != GST:
        return {}
    if row.get("tax"):
        return {part["code"].lower(): int(part["paise"]) for part in row["tax"]}
    central = from_paise(row["paise"]).times(HALF).rounded().paise
    return {CGST: central, SGST: row["paise"] - central}


def _share(paise: int, fee: int, whole: int) -> int:
    return Money(Decimal(paise * fee) / Decimal(whole * 100)).rounded().paise


def _parts(name: str, whole: int, taxed: Mapping[str, int]) -> dict[str, int]:
    found = {name: whole - sum(taxed.values()), **taxed}
    return {account: paise for account, paise in found.items() if paise}


def _sum(rows: Iterable[Mapping[str, Any]]) -> int:
    return sum(int(row["paise"]) for row in rows)
