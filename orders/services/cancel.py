"""Who may cancel when, and what does it cost?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.conf import settings
from django.db import transaction

from core.errors import NotAllowed, NotFound
from orders.models import Order, Quote
from orders.pricing import Price, cancelled, lines_from
from orders.selectors import offer_quote
from orders.services.holds import release
from orders.services.ledger import lock_order, record, set_quote
from orders.services.wish import OUT_OF_SERVICE
from orders.states import CHARGING
from orders.terms import CANCELLATION_REASONS, OTHER_REASON, fee_percent

By = Literal["CONSUMER", "PROVIDER"]
REASON_PATH = "cancellation_reason_id"


@transaction.atomic
def cancel_order(
    *,
    order_id: int,
    by: By,
    reason_id: str = "",
    text: str = "",
    soft: bool = False,
    now: datetime,
    actor: str,
) -> Order:
    """Cancel an order that has not begun to charge, with its fee and refund as the current quote.

    `soft` only asks whether it could be: nothing changes, `cancellation_quote` says what it would cost.
    Raises NotFound `order-unknown` or `reason-unknown`, NotAllowed `cancel-forbidden` or `not-in-this-state`.
    """
    order = lock_order(order_id)
    _check_cancellable(order)
    reason, words = _reason(reason_id, text)
    if soft:
        return order
    close_cancelled(
        order, by=by, reason_id=reason, text=words, now=now, actor=actor, fulfillment=Order.Fulfillment.ORDER_CANCELLED
    )
    return order


def cancellation_quote(order: Order, *, by: By, now: datetime) -> Quote:
    """What a cancellation would cost, as a quote that is not saved."""
    offer = offer_quote(order)
    price = _price(order, offer, by)
    return Quote(
        order=order,
        kind=Quote.Kind.CANCELLATION,
        currency=price.currency,
        lines=price.rows(),
        total_paise=price.total.paise,
        energy_wh=price.energy_wh,
        tariff=offer.tariff,
        created_at=now,
    )


def close_cancelled(
    order: Order, *, by: By, reason_id: str, text: str, now: datetime, actor: str, fulfillment: Order.Fulfillment
) -> None:
    """Close a locked order as cancelled: quote with the refund, connector given back, one event."""
    offer = offer_quote(order)
    set_quote(order, Quote.Kind.CANCELLATION, price=_price(order, offer, by), tariff=offer.tariff, now=now)
    release(order, now=now)
    order.closed_at = now
    order.cancellation = {"at": now.isoformat(), "by": by, "reason_id": reason_id, "text": text}
    record(
        order,
        "cancelled",
        now=now,
        actor=actor,
        state=Order.State.CANCELLED,
        fulfillment=fulfillment,
        public=by == "PROVIDER",
        data={"by": by, "reason_id": reason_id},
        saved=("closed_at", "cancellation"),
    )


def _check_cancellable(order: Order) -> None:
    if order.state != Order.State.ACTIVE:
        raise NotAllowed(
            "not-in-this-state",
            f"order {order} is {order.state}; only an active order can be cancelled",
            path="order.status",
        )
    if order.fulfillment in CHARGING:
        raise NotAllowed(
            "cancel-forbidden",
            f"order {order} is at {order.fulfillment}; end the charging instead, the bill is for what was delivered",
            path="order.fulfillments[0].state",
        )


def _reason(reason_id: str, text: str) -> tuple[str, str]:
    """The reason as it is kept: our text for our ids, the sender's words for others."""
    reason = reason_id.strip() or OTHER_REASON
    if reason not in CANCELLATION_REASONS and (settings.CANCELLATION_REASONS_STRICT or len(reason) > 64):
        known = ", ".join(CANCELLATION_REASONS)
        raise NotFound("reason-unknown", f"{reason[:64]!r} is not a reason; allowed: {known}", path=REASON_PATH)
    return reason, (text or CANCELLATION_REASONS.get(reason, ""))[:500]


def _price(order: Order, offer: Quote, by: By) -> Price:
    # Whoever cancels an order for a charger that is out of service does not pay for our fault.
    broken = order.connector.evse.status in OUT_OF_SERVICE
    percent = fee_percent(order.fulfillment, by_provider=by == "PROVIDER" or broken)
    return cancelled(lines_from(offer.lines, offer.currency), fee_percent=percent, currency=offer.currency)
