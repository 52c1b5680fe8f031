"""What does an order cost, and how long does it take, once its time, connector or tariff is another?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catalog.versions import mark_used
from orders.models import Order, Payment, Quote
from orders.pricing import Price, Terms, energy_in_time, time_for_energy
from orders.selectors import offer_quote
from orders.services.amount import Amount, basis_in_words
from orders.services.holds import session_power_w
from orders.services.ledger import set_quote
from orders.services.wish import priced


def reprice(
    order: Order, terms: Terms, *, starts_at: datetime, now: datetime, reserved: bool | None = None
) -> Price | None:
    """Put a locked order on `terms` from `starts_at`: a new offer, and a new amount for the payment not made yet.

    `reserved` says whether its place is kept for it before the charging, None leaves that as it is.
    Returns the price, None where neither it nor its terms nor the time it takes is another. Raises as `priced`.
    """
    offer = offer_quote(order)
    kept_before = bool(offer.tariff.get("reserved"))
    reserved = kept_before if reserved is None else reserved
    made = priced(
        terms,
        energy_wh=order.energy_wh,
        starts_at=starts_at,
        power_w=session_power_w(order),
        voltage_v=order.connector.max_voltage_v,
        reserved_s=0 if reserved else None,
    )
    kept = offer.tariff | terms.snapshot(starts_at) | _estimate(order, terms.currency)
    if reserved != kept_before:
        kept["reserved"] = reserved
    if made.rows() == offer.lines and kept == offer.tariff:
        return None
    set_quote(order, Quote.Kind.OFFER, price=made, tariff=kept, now=now)
    tariff = order.connector.tariff
    if tariff is not None and tariff.code == terms.code:
        mark_used(tariff.pk, terms.version, now=now)
    Payment.objects.filter(order=order, status=Payment.Status.NOT_PAID).update(
        amount_paise=made.total.paise, updated_at=now
    )
    return made


def _estimate(order: Order, currency: str) -> dict[str, Any]:
    """How long the charging takes at its connector; the basis is renewed where it follows from the time."""
    power_w = session_power_w(order)
    kept = {"power_w": power_w, "duration_s": time_for_energy(order.energy_wh, power_w)}
    by_time = order.quantity_kind == Order.Quantity.TIME
    if not by_time or order.energy_wh != energy_in_time(order.quantity, power_w):
        return kept
    amount = Amount(order.quantity_kind, order.quantity)
    basis = basis_in_words(amount, power_w=power_w, currency=currency)
    return kept | {"basis": basis}
