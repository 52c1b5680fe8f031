"""Who may cancel when, and what does it cost?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db import transaction

from catalog.models import Evse
from core.errors import NotAllowed, NotFound
from core.money import from_paise
from orders.booking import due_from
from orders.changes import What, Who, may_change
from orders.models import Order, Quote, Refund
from orders.pricing import Price, cancelled, lines_from, price, reservation, terms_from
from orders.selectors import offer_quote
from orders.services.deadlines import drop_deadline
from orders.services.holds import release
from orders.services.ledger import lock_order, record, set_quote
from orders.services.refunds import settle_order
from orders.services.rules import order_rules, order_terms
from orders.terms import CANCELLATION_REASONS, FREE, NO_SHOW_STATE, OTHER_REASON, FeeTerm, refund_within_s, term_for

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
    _check_cancellable(order, Who.BUYER if by == "CONSUMER" else Who.OPERATOR)
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
    price = _price(offer, cancellation_term(order, by=by, now=now))
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


def cancellation_term(order: Order, *, by: By, now: datetime, state: str = "") -> FeeTerm:
    """The term that a cancellation now would come under; `state` where it is not the fulfilment's own.

    Free where we cancel, where the charger is out of service (whoever gives up then does not pay for our fault) and
    within the free time after the confirmation; a driver who did not come has no free time.
    """
    did_not_come = state == NO_SHOW_STATE
    if by == "PROVIDER" and not did_not_come:
        return FREE
    if order.connector.evse.status in Evse.OUT_OF_SERVICE:
        return FREE
    free_s = order_rules(order).free_cancel_s
    if not did_not_come and order.confirmed_at and now < order.confirmed_at + timedelta(seconds=free_s):
        return FREE
    term = term_for(order_terms(order), state=state or order.fulfillment, starts_at=order.starts_at, now=now)
    return _with_expiry(order, term) if did_not_come else term


def close_cancelled(
    order: Order,
    *,
    by: By,
    reason_id: str,
    text: str,
    now: datetime,
    actor: str,
    fulfillment: Order.Fulfillment,
    refund_reason: Refund.Reason = Refund.Reason.CANCELLED,
) -> None:
    """Close a locked order as cancelled: quote with the refund, connector given back, one event.

    `refund_reason` is what the customer reads beside the money that goes back.
    """
    offer = offer_quote(order)
    state = NO_SHOW_STATE if fulfillment == Order.Fulfillment.NO_SHOW else ""
    term = cancellation_term(order, by=by, now=now, state=state)
    within_s = refund_within_s(order_terms(order), state=state or order.fulfillment)
    set_quote(order, Quote.Kind.CANCELLATION, price=_price(offer, term), tariff=offer.tariff, now=now)
    release(order, now=now)
    drop_deadline(order, now=now)
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
    settle_order(order, reason=refund_reason, now=now, actor=actor, within_s=within_s)


def _check_cancellable(order: Order, who: Who) -> None:
    if order.state != Order.State.ACTIVE:
        raise NotAllowed(
            "not-in-this-state",
            f"order {order} is {order.state}; only an active order can be cancelled",
            path="order.status",
        )
    if not may_change(who, What.CANCEL, state=order.state, fulfillment=order.fulfillment):
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


def _with_expiry(order: Order, term: FeeTerm) -> FeeTerm:
    """The term of a no-show, or what the tariff asks for a reservation that ran out, whichever is dearer; never both.

    The place was kept from the booked start until the no-show was called.
    """
    offer = offer_quote(order)
    if order.starts_at is None or not offer.tariff.get("reserved"):
        return term
    expected_at = due_from(order.starts_at, order.confirmed_at or order.starts_at)
    until = expected_at + timedelta(seconds=order_rules(order).no_show_after_s)
    kept = price(terms_from(offer.tariff), [reservation(order.starts_at, until, came=False)]).total.paise
    if kept <= term.fee_paise(offer.total_paise):
        return term
    return replace(term, percent=None, paise=kept)


def _price(offer: Quote, term: FeeTerm) -> Price:
    """What was promised, less a refund that leaves the fee; the fee is never above what was promised."""
    fee = from_paise(term.fee_paise(offer.total_paise), offer.currency)
    return cancelled(lines_from(offer.lines, offer.currency), fee=fee, note=term.words)
