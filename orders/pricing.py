"""What does energy cost under a tariff, line by line: as an offer, while charging, as the bill, when cancelled?

Pure: a tariff's terms go in, rounded lines come out. Every price of the platform is made here, so that offer, running
cost, bill and refund follow one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from catalog.tariffs import NoTariff, energy_lines, price_at, session_fee, time_price_at
from core.money import Money, from_paise, total

ENERGY_COST = "energy-cost"
SERVICE_CHARGE = "service-charge"
PARKING_FEE = "parking-fee"
GST = "gst"
REFUND = "refund"
CANCELLATION_FEE = "cancellation-fee"

PERCENTAGE, PER_KWH, PER_SESSION = "percent", "per_kwh", "flat"
ENERGY_LINES, ALL_LINES = "energy", "all"

WH_PER_KWH = Decimal(1000)
PERCENT = Decimal(100)
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of the tariff's price before tax: a coupon, a membership, a surge.

    `value` is percent, major units per kWh or major units for the session by `kind`; below 0 it is a discount. It
    refers to the energy lines or to all lines by `scope`; `cap` is the most it may come to, in either direction.
    """

    code: str
    note: str
    kind: str
    value: Decimal
    scope: str = ALL_LINES
    cap: Money | None = None

    def row(self) -> dict[str, Any]:
        """This adjustment as JSON."""
        row = {
            "code": self.code,
            "note": self.note,
            "kind": self.kind,
            "value": str(self.value),
            "scope": self.scope,
        }
        return row if self.cap is None else row | {"cap_paise": self.cap.paise}


def adjustments_from(rows: Iterable[Mapping[str, Any]], currency: str = "INR") -> tuple[Adjustment, ...]:
    """The adjustments that were kept as JSON."""
    return tuple(
        Adjustment(
            code=row["code"],
            note=row["note"],
            kind=row["kind"],
            value=Decimal(row["value"]),
            scope=row["scope"],
            cap=from_paise(row["cap_paise"], currency) if "cap_paise" in row else None,
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Terms:
    """A tariff as it was when a price was promised: OCPI elements, GST in percent, the station's time zone.

    `adjustments` are applied in their order, between the tariff's lines and the tax; they are kept with the quote, so
    that the bill applies the same ones.
    """

    code: str
    name: str
    currency: str
    elements: list[dict[str, Any]]
    gst_percent: Decimal
    time_zone: str
    adjustments: tuple[Adjustment, ...] = ()

    def snapshot(self, starts_at: datetime) -> dict[str, Any]:
        """These terms as JSON, to be kept beside the quote, with the price of one kWh at the start for display."""
        return {
            "code": self.code,
            "name": self.name,
            "currency": self.currency,
            "elements": self.elements,
            "gst_percent": str(self.gst_percent),
            "time_zone": self.time_zone,
            "adjustments": [adjustment.row() for adjustment in self.adjustments],
            "price_per_kwh": str(price_at(self.elements, starts_at, tz=ZoneInfo(self.time_zone))),
        }


def terms_from(snapshot: Mapping[str, Any]) -> Terms:
    """The terms a quote was made under. Raises KeyError where the snapshot is not one of ours."""
    return Terms(
        code=snapshot["code"],
        name=snapshot["name"],
        currency=snapshot["currency"],
        elements=snapshot["elements"],
        gst_percent=Decimal(snapshot["gst_percent"]),
        time_zone=snapshot["time_zone"],
        adjustments=adjustments_from(snapshot.get("adjustments", ()), snapshot["currency"]),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One rounded line of a price; `energy_wh` where it is for energy."""

    code: str
    amount: Money
    energy_wh: int | None = None
    note: str = ""

    def row(self) -> dict[str, Any]:
        """This line as JSON."""
        row: dict[str, Any] = {"code": self.code, "paise": self.amount.paise, "note": self.note}
        if self.energy_wh is not None:
            row["energy_wh"] = self.energy_wh
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
        Line(row["code"], from_paise(row["paise"], currency), row.get("energy_wh"), row.get("note", "")) for row in rows
    )


def price(terms: Terms, *, energy_wh: int, starts_at: datetime, power_w: int) -> Price:
    """What `energy_wh` cost when charged at a constant `power_w` from `starts_at`.

    One energy line per price of the tariff, the fees, GST on all of them as one line. Nothing delivered costs
    nothing. Raises NoTariff where the tariff has no price for the time.
    """
    if energy_wh == 0:
        nothing = Line(ENERGY_COST, Money(Decimal("0.00"), terms.currency), 0)
        return Price((nothing,), 0, terms.currency)
    lines = _energy(terms, energy_wh=energy_wh, starts_at=starts_at, power_w=power_w)
    lines.extend(_fees(terms, energy_wh=energy_wh, starts_at=starts_at, power_w=power_w))
    for adjustment in terms.adjustments:
        lines.extend(_adjusted(lines, adjustment, energy_wh=energy_wh))
    lines.extend(_gst(lines, terms))
    return Price(tuple(lines), energy_wh, terms.currency)


def average_power_w(energy_wh: int, *, started_at: datetime, ended_at: datetime, limit_w: int) -> int:
    """The constant power that delivers the energy in the time, at least 1 W; `limit_w` where no time passed."""
    seconds = int((ended_at - started_at).total_seconds())
    if seconds <= 0:
        return limit_w
    return max(1, -(-energy_wh * HOUR_S // seconds))


def energy_for_amount(terms: Terms, amount: Money, *, starts_at: datetime, power_w: int, limit_wh: int) -> int:
    """The most energy, Wh, whose price with fees and tax does not exceed `amount`; at most `limit_wh`, 0 if none.

    A session that would run into a time without a price is too long. Raises NoTariff where even the start has none.
    """
    price(terms, energy_wh=1, starts_at=starts_at, power_w=power_w)
    low, high = 0, limit_wh
    while low < high:
        middle = (low + high + 1) // 2
        try:
            affordable = (
                price(terms, energy_wh=middle, starts_at=starts_at, power_w=power_w).total.amount <= amount.amount
            )
        except NoTariff:
            affordable = False
        if affordable:
            low = middle
        else:
            high = middle - 1
    return low


def energy_in_time(time_s: int, power_w: int) -> int:
    """The energy, Wh, that `power_w` delivers in `time_s`, rounded down."""
    return time_s * power_w // HOUR_S


def time_for_energy(energy_wh: int, power_w: int) -> int:
    """The time, s, that `power_w` needs for the energy, rounded up."""
    return -(-energy_wh * HOUR_S // power_w)


def cancelled(lines: Sequence[Line], *, fee_percent: Decimal, currency: str = "INR") -> Price:
    """The price after a cancellation: what was promised, less a refund that leaves `fee_percent` of the total."""
    promised = total((line.amount for line in lines), currency)
    fee = promised.times(fee_percent / PERCENT).rounded()
    refund = Line(REFUND, fee - promised, note=f"cancellation fee {fee_percent.normalize():f} %")
    return Price((*lines, refund), 0, currency)


def _energy(terms: Terms, *, energy_wh: int, starts_at: datetime, power_w: int) -> list[Line]:
    bands = energy_lines(terms.elements, starts_at, energy_wh, power_w, ZoneInfo(terms.time_zone))
    return [
        Line(
            ENERGY_COST,
            Money(per_kwh * band_wh / WH_PER_KWH, terms.currency).rounded(),
            band_wh,
            f"{per_kwh:.2f} {terms.currency}/kWh",
        )
        for per_kwh, band_wh in bands
    ]


def _fees(terms: Terms, *, energy_wh: int, starts_at: datetime, power_w: int) -> list[Line]:
    """The fee per session and, where the tariff has one, the price of the charging time, at the price of the start."""
    zone, lines = ZoneInfo(terms.time_zone), []
    per_session = session_fee(terms.elements, starts_at, tz=zone)
    if per_session:
        lines.append(Line(SERVICE_CHARGE, Money(per_session, terms.currency).rounded(), note="per session"))
    per_hour = time_price_at(terms.elements, starts_at, tz=zone)
    if per_hour:
        amount = Money(per_hour * energy_wh / power_w, terms.currency).rounded()
        lines.append(Line(SERVICE_CHARGE, amount, note=f"{per_hour:.2f} {terms.currency} per hour of charging"))
    return lines


def _adjusted(lines: Sequence[Line], adjustment: Adjustment, *, energy_wh: int) -> list[Line]:
    """The line of an adjustment; a discount never takes more than the lines it refers to, and nothing is no line."""
    currency = lines[0].amount.currency
    sums = {
        ENERGY_LINES: total((line.amount for line in lines if line.code == ENERGY_COST), currency),
        ALL_LINES: total((line.amount for line in lines), currency),
    }
    base = sums[adjustment.scope]
    amount = {
        PERCENTAGE: base.amount * adjustment.value / PERCENT,
        PER_KWH: adjustment.value * energy_wh / WH_PER_KWH,
        PER_SESSION: adjustment.value,
    }[adjustment.kind]
    if adjustment.cap is not None:
        amount = max(-adjustment.cap.amount, min(amount, adjustment.cap.amount))
    change = Money(max(amount, -base.amount, -sums[ALL_LINES].amount), currency).rounded()
    return [Line(adjustment.code, change, note=adjustment.note)] if change.amount else []


def _gst(lines: Sequence[Line], terms: Terms) -> list[Line]:
    if not terms.gst_percent:
        return []
    taxable = total((line.amount for line in lines), terms.currency)
    tax = taxable.times(terms.gst_percent / PERCENT).rounded()
    return [Line(GST, tax, note=f"{terms.gst_percent.normalize():f} %")]
