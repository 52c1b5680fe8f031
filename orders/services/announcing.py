"""When may a promised price change, and how is that told before it applies?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from core.errors import NotAllowed
from orders.models import Order, Payment, Quote, QuoteRules
from orders.pricing import terms_from
from orders.selectors import offer_quote
from orders.services.ledger import lock_order, record
from orders.services.repricing import reprice
from orders.services.wish import current_terms

PRICE_CHANGED = "price-changed"
ANNOUNCED = QuoteRules.Change.ANNOUNCED.value


@transaction.atomic
def announce_price_change(order_id: int, *, now: datetime, actor: str) -> Order:
    """Put a confirmed booking on today's tariff for its time and tell the buyer app; the overlays stay as promised.

    A price is guaranteed unless the order was quoted by rules that let it change, and then until the notice before the
    start; what is paid already or runs keeps its price. Told again without another price it changes nothing.
    Raises NotAllowed `price-guaranteed`, Unavailable `no-tariff`.
    """
    order = lock_order(order_id)
    offer = offer_quote(order)
    starts_at = _check(order, offer, now)
    promised = terms_from(offer.tariff)
    terms = replace(current_terms(order.connector, at=starts_at), adjustments=promised.adjustments)
    made = reprice(order, terms, starts_at=starts_at, now=now)
    if made is None:
        return order
    data = {"from_paise": offer.total_paise, "to_paise": made.total.paise, "applies_at": starts_at.isoformat()}
    record(order, PRICE_CHANGED, now=now, actor=actor, public=True, data=data)
    return order


def _check(order: Order, offer: Quote, now: datetime) -> datetime:
    """The start of a session whose price may still change. Raises NotAllowed `price-guaranteed`."""
    notice = timedelta(seconds=offer.tariff.get("notice_s", 0))
    paid = Payment.objects.filter(order=order).exclude(status=Payment.Status.NOT_PAID).exists()
    waiting = order.state == Order.State.ACTIVE and order.fulfillment in {
        Order.Fulfillment.PENDING_APPROVAL,
        Order.Fulfillment.PAYMENT_COMPLETED,
    }
    why = ""
    if offer.tariff.get("price_change") != ANNOUNCED:
        why = "its quote guarantees the price"
    elif not waiting or order.starts_at is None:
        why = "only a booking that has not begun can change its price"
    elif order.starts_at - now < notice:
        why = f"it begins in less than the {notice} that a change is told before"
    elif paid:
        why = "it is paid"
    if why or order.starts_at is None:
        raise NotAllowed("price-guaranteed", f"order {order} keeps its price: {why}", path="order.quote")
    return order.starts_at
