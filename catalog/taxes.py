"""How much GST is due, at which rate of which day, and to whom does it go?

The place of supply divides the tax. Charging is none of the services for which the law names the place where they are
performed (hotels, restaurants, grooming: IGST Act s. 12(3), 12(4)), so that the general rule holds. A buyer who gives a
GSTIN is supplied in the state of that GSTIN (s. 12(2)(a)): where the seller is registered in another it is IGST, for
which the buyer can take credit. Anybody else is supplied where the charger stands: a driver's home is not on record,
and who sells in a state is registered there (s. 12(2)(b)(ii)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Final

from core.money import Money, from_paise

CGST, SGST, UTGST, IGST = "CGST", "SGST", "UTGST", "IGST"
HUNDRED: Final = Decimal(100)
# Charging of electric vehicles is a service under 998714, taxed at 18 % (Karnataka AAR 24/2023). A ruling binds only
# who asked for it, so that each operator may keep rates of its own.
SAC: Final = "998714"
# Union territories without a legislature levy UTGST where states levy SGST.
UNION_TERRITORIES: Final = frozenset({"04", "26", "31", "35", "38", "97"})


class TaxFault(ValueError):
    """Rates that cannot be read; `path` names the culprit, for instance `gst_rates[0].percent`."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of GST, percent, for a service of code `sac`, from a local day on (None: ever)."""

    percent: Decimal
    sac: str = SAC
    starts_on: date | None = None


@dataclass(frozen=True, slots=True)
class Tax:
    """One tax of an amount, rounded to whole paise."""

    code: str
    percent: Decimal
    amount: Money

    def row(self) -> dict[str, Any]:
        """This tax as JSON."""
        return {"code": self.code, "percent": f"{self.percent.normalize():f}", "paise": self.amount.paise}


def taxes_from(rows: Sequence[Mapping[str, Any]], currency: str = "INR") -> tuple[Tax, ...]:
    """The taxes that were kept as JSON."""
    return tuple(Tax(row["code"], Decimal(row["percent"]), from_paise(row["paise"], currency)) for row in rows)


def read_rates(rows: object) -> tuple[Rate, ...]:
    """An operator's rates, in order of their begin; rows of {percent, sac, from}, `sac` and `from` optional.

    Raises TaxFault where they cannot be read or two begin on one day.
    """
    if not isinstance(rows, list | tuple):
        raise TaxFault("gst_rates", f"{rows!r} is not a list of rates")
    rates = sorted(
        (_rate(row, f"gst_rates[{number}]") for number, row in enumerate(rows)),
        key=lambda rate: rate.starts_on or date.min,
    )
    for one, other in pairwise(rates):
        if one.starts_on == other.starts_on:
            raise TaxFault("gst_rates", f"two rates begin on {one.starts_on or 'no day'}; keep one of them")
    return tuple(rates)


def rate_on(rates: Sequence[Rate], day: date, *, otherwise: Rate) -> Rate:
    """The rate of a local day: the one that began last, `otherwise` where none has begun."""
    begun = [rate for rate in rates if rate.starts_on is None or rate.starts_on <= day]
    return begun[-1] if begun else otherwise


def gst(taxable: Money, percent: Decimal, *, supplier_state: str = "", place_state: str = "") -> tuple[Tax, ...]:
    """The taxes on a rounded amount, none at 0 percent; states by their GST codes.

    Within one state, and where a state is not known, half of the rate goes to the union (CGST) and half to the state
    (SGST) or union territory (UTGST): each half is rounded by itself, half to even, and both are always the same.
    Between states all of it is IGST, rounded once; it may differ from the two halves by one paisa.
    Source: CGST Act s. 9, IGST Act s. 5, 7, 8, UTGST Act s. 7.
    """
    if not percent:
        return ()
    if supplier_state and place_state and supplier_state != place_state:
        return (Tax(IGST, percent, taxable.times(percent / HUNDRED).rounded()),)
    half = percent / 2
    amount = taxable.times(half / HUNDRED).rounded()
    return (Tax(CGST, half, amount), Tax(UTGST if place_state in UNION_TERRITORIES else SGST, half, amount))


def _rate(row: object, path: str) -> Rate:
    if not isinstance(row, Mapping):
        raise TaxFault(path, f"{row!r} is not a rate; write an object with percent, sac and from")
    try:
        percent = Decimal(str(row.get("percent")))
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not 0 <= percent <= HUNDRED:
        raise TaxFault(f"{path}.percent", f"{row.get('percent')!r} is not a rate; write a number from 0 to 100")
    begins = row.get("from")
    try:
        starts_on = None if begins is None else date.fromisoformat(str(begins))
    except ValueError as err:
        raise TaxFault(f"{path}.from", f"{begins!r} is not a date; write YYYY-MM-DD") from err
    return Rate(percent, str(row.get("sac") or SAC), starts_on)
