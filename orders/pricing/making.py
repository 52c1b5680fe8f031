"""What does a session cost under the terms, line by line?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from zoneinfo import ZoneInfo

from catalog import tariffs
from catalog.tariffs import HOUR_US, Item, NoTariff, PriceLimit, Segment, metered
from catalog.taxes import Tax, gst
from core.money import Money, from_paise, total
from orders.pricing.facts import assumed
from orders.pricing.lines import DISCOUNT, ENERGY_COST, GST, PARKING_FEE, PERCENT, SERVICE_CHARGE, Line, Price
from orders.pricing.terms import ALL_LINES, ENERGY_LINES, PER_KWH, PER_SESSION, PERCENTAGE, Adjustment, Terms

WH_PER_KWH = Decimal(1000)

# How each dimension but energy is named on the bill: the line's code, what it is for, and how much of it is one unit.
FEES: Mapping[str, tuple[str, str, int]] = {
    tariffs.FLAT: (SERVICE_CHARGE, "per session", 1),
    tariffs.TIME: (SERVICE_CHARGE, "{rate} per hour of charging", HOUR_US),
    tariffs.PARKING_TIME: (PARKING_FEE, "{rate} per hour of standing", HOUR_US),
    tariffs.RESERVATION_FEE: (SERVICE_CHARGE, "for the reservation", 1),
    tariffs.RESERVATION_TIME: (SERVICE_CHARGE, "{rate} per hour of reservation", HOUR_US),
}


def price(terms: Terms, segments: Sequence[Segment]) -> Price:
    """What a session costs: its segments, in order of time, under the terms.

    One energy line per price of the tariff, the fees, what a least or greatest price adds or takes off, the
    adjustments, GST on all of them as one line that keeps its parts. A session in which nothing was delivered costs
    nothing; a mere reservation costs what the tariff says of reservations, whatever a session costs at least or most.
    Raises NoTariff where the tariff has no price for a part of it, TariffFault where it cannot be read.
    """
    energy_wh = sum(segment.energy_wh for segment in segments)
    came = any(segment.kind in {tariffs.CHARGING, tariffs.PARKING} for segment in segments)
    if not segments or (came and not energy_wh):
        nothing = Line(ENERGY_COST, Money(Decimal("0.00"), terms.currency), 0)
        return Price((nothing,), 0, terms.currency)
    items = metered(terms.elements, segments, tz=ZoneInfo(terms.time_zone))
    made = (_line(item, terms.currency) for item in items)
    lines = [line for line in made if line.amount.amount or line.code == ENERGY_COST]
    lines.extend(_limited(lines, terms) if came else ())
    for adjustment in terms.adjustments:
        lines.extend(_adjusted(lines, adjustment, currency=terms.currency, energy_wh=energy_wh))
    lines.extend(_gst(lines, terms))
    return Price(tuple(lines), energy_wh, terms.currency)


def energy_for_amount(
    terms: Terms,
    amount: Money,
    *,
    starts_at: datetime,
    power_w: int,
    limit_wh: int,
    voltage_v: int = 0,
    reserved_s: int | None = None,
) -> int:
    """The most energy, Wh, whose price with fees and tax does not exceed `amount`; at most `limit_wh`, 0 if none.

    A session that would run into a time without a price is too long. Raises NoTariff where even the start has none.
    """

    def cost(energy_wh: int) -> Decimal:
        wished = assumed(
            energy_wh=energy_wh, starts_at=starts_at, power_w=power_w, voltage_v=voltage_v, reserved_s=reserved_s
        )
        return price(terms, wished).total.amount

    cost(1)
    low, high = 0, limit_wh
    while low < high:
        middle = (low + high + 1) // 2
        try:
            affordable = cost(middle) <= amount.amount
        except NoTariff:
            affordable = False
        if affordable:
            low = middle
        else:
            high = middle - 1
    return low


def _line(item: Item, currency: str) -> Line:
    """The rounded line of so much under one price; a step that was begun is billed whole and said."""
    rate = f"{item.price:.2f} {currency}"
    if item.dimension == tariffs.ENERGY:
        note = f"{rate}/kWh" + (f", {item.extra} Wh to the full step" if item.extra else "")
        amount = item.price * item.quantity / WH_PER_KWH
        return Line(ENERGY_COST, Money(amount, currency).rounded(), item.quantity - item.extra, note)
    code, unit, scale = FEES[item.dimension]
    return Line(code, Money(item.price * item.quantity / scale, currency).rounded(), note=unit.format(rate=rate))


def _limited(lines: Sequence[Line], terms: Terms) -> list[Line]:
    """What lifts the tariff's lines to its least price or brings them down to its greatest one."""
    if terms.min_price is None and terms.max_price is None:
        return []
    paise = reached = total((line.amount for line in lines), terms.currency).paise
    if terms.min_price is not None:
        reached = _raised(reached, terms.min_price, terms)
    if terms.max_price is not None:
        reached = _lowered(reached, terms.max_price, terms)
    if reached > paise:
        return [Line(SERVICE_CHARGE, from_paise(reached - paise, terms.currency), note="up to the least price")]
    if reached < paise:
        return [Line(DISCOUNT, from_paise(reached - paise, terms.currency), note="down to the greatest price")]
    return []


def _raised(paise: int, least: PriceLimit, terms: Terms) -> int:
    """The smallest sum from `paise` on that is not below the limit, neither without tax nor with it."""
    paise = max(paise, _paise(least.excl_vat, ROUND_CEILING))
    if least.incl_vat is not None:
        paise = max(paise, _paise(_untaxed(least.incl_vat, terms), ROUND_FLOOR) - 1)
        while from_paise(_taxed(paise, terms)).amount < least.incl_vat:
            paise += 1
    return paise


def _lowered(paise: int, most: PriceLimit, terms: Terms) -> int:
    """The greatest sum up to `paise` that is not above the limit, neither without tax nor with it."""
    paise = min(paise, _paise(most.excl_vat, ROUND_FLOOR))
    if most.incl_vat is not None:
        paise = min(paise, _paise(_untaxed(most.incl_vat, terms), ROUND_CEILING) + 1)
        while from_paise(_taxed(paise, terms)).amount > most.incl_vat:
            paise -= 1
    return paise


def _paise(amount: Decimal, rounding: str) -> int:
    return int(amount.scaleb(2).to_integral_value(rounding=rounding))


def _untaxed(amount: Decimal, terms: Terms) -> Decimal:
    return amount * PERCENT / (PERCENT + terms.gst_percent)


def _taxed(paise: int, terms: Terms) -> int:
    return paise + sum(part.amount.paise for part in _parts(from_paise(paise, terms.currency), terms))


def _adjusted(lines: Sequence[Line], adjustment: Adjustment, *, currency: str, energy_wh: int) -> list[Line]:
    """The line of an adjustment; a discount never takes more than the lines it refers to, and nothing is no line."""
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
    """The one line of tax, rounded part by part, on the sum of the lines before it."""
    parts = _parts(total((line.amount for line in lines), terms.currency), terms)
    if not parts:
        return []
    tax = total((part.amount for part in parts), terms.currency)
    return [Line(GST, tax, note=f"{terms.gst_percent.normalize():f} %", tax=parts)]


def _parts(taxable: Money, terms: Terms) -> tuple[Tax, ...]:
    return gst(taxable, terms.gst_percent, supplier_state=terms.supplier_state, place_state=terms.place_state)
