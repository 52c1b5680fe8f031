"""How much is wanted: as asked, as the vehicle needs it, or as its operator assumes where nobody says?"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from catalog.models import Connector
from catalog.tariffs.words import plain
from core.errors import Invalid
from core.money import from_paise
from orders.estimates import Vehicle, filling
from orders.models import Order, QuoteRules
from orders.pricing import energy_in_time

QUANTITY_PATH = "order.items[0].quantity"
KINDS = Order.Quantity


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity (Wh, paise or seconds by kind) and, where it was not asked for as such, its basis in words."""

    kind: str
    quantity: int
    basis: str = ""


def wanted_amount(
    connector: Connector,
    *,
    kind: str,
    quantity: int | None,
    vehicle: Vehicle,
    until_full: bool,
    window_s: int | None,
    power_w: int,
) -> Amount:
    """The amount of a wish; where it is left open, what fills the vehicle, the whole window, or the operator's default.

    Raises Invalid `quantity-unavailable` for an amount that is none, a full battery, or an open amount where the
    operator assumes none.
    """
    if kind or quantity:
        return _asked(kind, quantity)
    rules = quote_rules(connector)
    limit_s = min(window_s or settings.MAX_SESSION_S, settings.MAX_SESSION_S)
    filled = _filled(connector, rules, vehicle, limit_wh=energy_in_time(limit_s, power_w))
    if filled is not None:
        return filled
    if window_s is not None and not until_full:
        return Amount(KINDS.TIME.value, min(max(window_s, 1), settings.MAX_SESSION_S))
    return _assumed(rules, until_full=until_full)


def quote_rules(connector: Connector) -> QuoteRules:
    """The operator's rules of quoting, or those that stand where it wrote none."""
    operator = connector.evse.station.operator
    return getattr(operator, "quote_rules", None) or QuoteRules(operator_id=operator.pk)


def change_terms(connector: Connector) -> dict[str, str | int]:
    """Whether a price quoted here may change later, and how long before it is told: kept with the quote."""
    rules = quote_rules(connector)
    return {"price_change": rules.price_change, "notice_s": rules.notice_s}


def basis_in_words(amount: Amount, *, power_w: int, currency: str) -> str:
    """On which basis an energy was worked out; empty where it was asked for as such."""
    if amount.basis or amount.kind == KINDS.ENERGY:
        return amount.basis
    kilowatts = plain(Decimal(power_w) / 1000)
    if amount.kind == KINDS.TIME:
        return f"estimate: {kilowatts} kW over {amount.quantity // 60} minutes"
    return f"estimate: the energy that {from_paise(amount.quantity).wire} {currency} pay for at {kilowatts} kW"


def _asked(kind: str, quantity: int | None) -> Amount:
    if quantity is None or quantity <= 0 or kind not in KINDS.values:
        raise Invalid(
            "quantity-unavailable",
            f"{quantity} ({kind or 'of no kind'}) is not a quantity; ask for a positive amount of "
            f"{', '.join(KINDS.values)}",
            path=QUANTITY_PATH,
        )
    return Amount(kind, quantity)


def _filled(connector: Connector, rules: QuoteRules, vehicle: Vehicle, *, limit_wh: int) -> Amount | None:
    """What fills the vehicle, as far as the time allows; None where too little is known of it."""
    losses = rules.loss_percent_ac if connector.current == Connector.Current.AC else rules.loss_percent_dc
    full = filling(vehicle, loss_percent=losses)
    if full is None:
        return None
    if full.energy_wh <= 0:
        raise Invalid(
            "quantity-unavailable",
            f"the battery is at {vehicle.soc_percent} % already; ask for an amount, or for a higher charge",
            path=QUANTITY_PATH,
        )
    if full.energy_wh > limit_wh:
        return Amount(KINDS.ENERGY.value, limit_wh, f"{full.basis}; as much of it as the time allows")
    return Amount(KINDS.ENERGY.value, full.energy_wh, full.basis)


def _assumed(rules: QuoteRules, *, until_full: bool) -> Amount:
    wanted = "the battery's capacity and its state of charge" if until_full else "an amount of energy, money or time"
    if rules.without_amount == QuoteRules.Open.REFUSE:
        raise Invalid("quantity-unavailable", f"this provider assumes no amount; send {wanted}", path=QUANTITY_PATH)
    assumed_wh = rules.assumed_wh or settings.DEFAULT_ENERGY_WH
    basis = f"assumed: {Decimal(assumed_wh) / 1000:f} kWh, since {wanted} was not sent"
    return Amount(KINDS.ENERGY.value, assumed_wh, basis)
