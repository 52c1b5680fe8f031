"""What do we offer for a wish, and what do we hold for a buyer who is about to pay?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from catalog.gstin import registered_state
from catalog.versions import mark_used
from core.errors import DomainError, NotAllowed
from orders.models import Order, Payment, Quote, Reservation
from orders.services.collecting import agree_collection
from orders.services.holds import hold, release
from orders.services.ledger import lock_transaction, record, set_quote
from orders.services.overlaying import claim_coupons, return_coupons
from orders.services.payment import check_finder_fee, check_kind
from orders.services.rules import check_bookable, order_rules, promised
from orders.services.wish import Plan, Said, Wish, check_free, plan_for

WISH_FIELDS = (
    "operator",
    "connector",
    "quantity_kind",
    "quantity",
    "energy_wh",
    "starts_at",
    "ends_at",
    "context",
    "rules",
    "asked",
)


@transaction.atomic
def select_offer(
    *,
    bap_id: str,
    transaction_id: str,
    operator_code: str,
    item_id: str,
    quantity_kind: str = "",
    quantity: int | None = None,
    evse_uid: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    said: Said | None = None,
    context: dict[str, Any],
    now: datetime,
) -> Order:
    """Price a wish as the draft of the buyer app's transaction, with a fresh quote; nothing is held yet.

    `quantity` is Wh, paise (tax included) or seconds by `quantity_kind`; without one what fills the vehicle, the whole
    window or the operator's default.
    Raises NotFound (`provider-unknown`, `item-unknown`, `fulfillment-unknown`, `offer-unknown`), Unavailable
    (`no-tariff`, `quantity-unavailable`, `connector-busy`, `station-closed`), Invalid, NotAllowed (`booking-limit`,
    once it is confirmed `not-in-this-state`).
    """
    order = lock_transaction(bap_id, transaction_id)
    _refuse_promised(order)
    wanted = (operator_code, item_id, quantity_kind, quantity, evse_uid, starts_at, ends_at)
    wish = Wish(*wanted, bap_id=bap_id, said=said or Said())
    plan = plan_for(wish, now=now, order_id=order.pk if order is not None else None)
    if order is None:
        order = _create(plan, bap_id=bap_id, transaction_id=transaction_id, context=context, now=now)
    else:
        _apply(order, plan, context=context)
    _check_bookable(order, now=now)
    check_free(order, now=now)
    release(order, now=now)
    return_coupons(order, now=now)
    _save_draft(order, now=now)
    _offer(order, plan, now)
    return order


@transaction.atomic
def init_order(
    *,
    bap_id: str,
    transaction_id: str,
    operator_code: str,
    item_id: str,
    quantity_kind: str = "",
    quantity: int | None = None,
    evse_uid: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    said: Said | None = None,
    billing: dict[str, Any],
    customer: dict[str, Any],
    collected_by: str = "",
    payment_type: str = "",
    may_redirect: bool = False,
    finder_fee: tuple[str, Decimal] = ("", Decimal(0)),
    context: dict[str, Any],
    now: datetime,
) -> Order:
    """Freeze the price and hold the connector until the quote's end; the draft is made where select was skipped.

    What the wish leaves out is taken from the draft; an unchanged wish keeps its quote's number and price, unless the
    payer's GSTIN divides the tax otherwise.
    Raises as select_offer, and NotAllowed `payment-kind`.
    """
    collector, kind = check_kind(collected_by, payment_type)
    order = lock_transaction(bap_id, transaction_id)
    _refuse_promised(order)
    wanted = (operator_code, item_id, quantity_kind, quantity, evse_uid, starts_at, ends_at)
    wish = Wish(*wanted, bap_id=bap_id, said=_with_tax_state(said, billing))
    order, quote = _quoted(order, wish, transaction_id=transaction_id, context=context, now=now)
    _check_bookable(order, now=now)
    check_free(order, now=now)
    _save_initiated(order, now, billing=billing, customer=customer, context=context, may_redirect=may_redirect)
    _reserve(order, quote, now)
    _agree_payment(order, quote, collected_by=collector, kind=kind, finder_fee=finder_fee, now=now)
    return order


def _with_tax_state(said: Said | None, billing: dict[str, Any]) -> Said:
    return replace(said or Said(), gst_state=registered_state(str(billing.get("tax_id", ""))))


def unchanged(order: Order, wish: Wish) -> bool:
    """Whether the wish is what the order already says; what it leaves out is not a change.

    An order by money or time may be repeated by the energy we answered with.
    """
    same_quantity = wish.open_quantity or (wish.quantity_kind, wish.quantity) in {
        (order.quantity_kind, order.quantity),
        (Order.Quantity.ENERGY.value, order.energy_wh),
    }
    return (
        wish.item_id == order.connector.item_id
        and same_quantity
        and wish.starts_at in {None, order.starts_at}
        and wish.ends_at in {None, order.ends_at}
    )


def _refuse_promised(order: Order | None) -> None:
    if order is not None and order.state in Order.CONFIRMED:
        raise NotAllowed(
            "not-in-this-state",
            f"the order of this transaction is {order.code} and {order.state}; begin a new transaction",
            path="context.transaction_id",
        )


def _quoted(
    order: Order | None, wish: Wish, *, transaction_id: str, context: dict[str, Any], now: datetime
) -> tuple[Order, Quote]:
    """The order, made where there is none, and its offer: the one that stands for this wish, else a new one."""
    kept = _standing_quote(order, wish, now)
    if order is not None:
        wish = _completed(order, wish)
        if kept is not None:
            quote = _renewed(order, kept, wish, now)
            order.rules = promised(order.connector)
            return order, quote
    plan = plan_for(wish, now=now, order_id=order.pk if order is not None else None)
    if order is None:
        order = _create(plan, bap_id=wish.bap_id, transaction_id=transaction_id, context=context, now=now)
        _save_draft(order, now=now)
    else:
        _apply(order, plan, context=context)
    return order, _offer(order, plan, now)


def _reserve(order: Order, quote: Quote, now: datetime) -> None:
    """Keep coupons and connector for the order until its quote ends."""
    claim_coupons(order, quote, now=now)
    hold(order, state=Reservation.State.HELD, held_until=quote.valid_until, now=now)


def _create(plan: Plan, *, bap_id: str, transaction_id: str, context: dict[str, Any], now: datetime) -> Order:
    """The draft of this transaction, locked; where another worker made it meanwhile, that one."""
    order = Order(bap_id=bap_id, transaction_id=transaction_id, created_at=now, updated_at=now)
    _apply(order, plan, context=context)
    Order.objects.bulk_create([order], ignore_conflicts=True)
    made = lock_transaction(bap_id, transaction_id)
    if made is None:
        raise RuntimeError("the order vanished between its insertion and its lock")
    _refuse_promised(made)
    _apply(made, plan, context=context, rules=order.rules)
    return made


def _apply(order: Order, plan: Plan, *, context: dict[str, Any], rules: dict[str, Any] | None = None) -> None:
    """Write the plan into the order; `rules` where they were read for it a moment ago."""
    order.connector = plan.connector
    order.operator = plan.connector.evse.station.operator
    order.quantity_kind, order.quantity = plan.quantity_kind, plan.quantity
    order.energy_wh = plan.price.energy_wh
    order.starts_at, order.ends_at = plan.starts_at, plan.ends_at
    order.asked = plan.asked
    order.context = context
    order.rules = promised(plan.connector) if rules is None else rules


def _check_bookable(order: Order, *, now: datetime) -> None:
    check_bookable(order.connector, order_rules(order), starts_at=order.starts_at, ends_at=order.ends_at, now=now)


def _save_draft(order: Order, *, now: datetime) -> None:
    if order.state == Order.State.DRAFT and order.last_event:
        order.updated_at = now
        order.save(update_fields=["updated_at", *WISH_FIELDS])
        return
    record(
        order,
        "selected",
        now=now,
        actor=order.bap_id,
        state=Order.State.DRAFT,
        fulfillment=Order.Fulfillment.NONE,
        saved=WISH_FIELDS,
    )


def _save_initiated(order: Order, now: datetime, **told: Any) -> None:
    """Save the order as initiated, with the fields that were `told`."""
    for field, value in told.items():
        setattr(order, field, value)
    saved = (*WISH_FIELDS, "billing", "customer", "may_redirect")
    if order.state == Order.State.INITIATED:
        order.updated_at = now
        order.save(update_fields=["updated_at", *saved])
        return
    record(
        order,
        "initiated",
        now=now,
        actor=order.bap_id,
        state=Order.State.INITIATED,
        fulfillment=Order.Fulfillment.ORDER_INITIATED,
        saved=saved,
    )


def _standing_quote(order: Order | None, wish: Wish, now: datetime) -> Quote | None:
    """The offer still standing for this very wish."""
    if order is None or order.state == Order.State.EXPIRED or not unchanged(order, wish):
        return None
    return Quote.objects.filter(order=order, current=True, kind=Quote.Kind.OFFER, valid_until__gt=now).first()


def _completed(order: Order, wish: Wish) -> Wish:
    """The wish with what it leaves out taken from the draft of the same item."""
    if wish.item_id != order.connector.item_id:
        return wish
    if wish.open_quantity:
        wish = replace(wish, quantity_kind=order.quantity_kind, quantity=order.quantity)
    if wish.starts_at is None and wish.ends_at is None:
        wish = replace(wish, starts_at=order.starts_at, ends_at=order.ends_at)
    return replace(wish, said=wish.said.or_else(order.asked))


def _renewed(order: Order, kept: Quote, wish: Wish, now: datetime) -> Quote:
    """The standing quote; its time begins anew while today's price is still the promised one.

    What the buyer says more of itself than before may change the price, and makes a new quote where it does.
    """
    told = wish.said.row() != order.asked
    try:
        plan = plan_for(wish, now=now, order_id=order.pk)
    except DomainError as refusal:
        if told or refusal.code != "offer-unknown":
            raise
        return kept  # a coupon that ran out meanwhile was promised until the quote ends
    if kept.lines == plan.price.rows():
        kept.valid_until = _valid_until(now)
        kept.save(update_fields=["valid_until"])
        order.asked = plan.asked
    elif told:
        _apply(order, plan, context=order.context)
        return _offer(order, plan, now)
    return kept


def _agree_payment(
    order: Order, quote: Quote, *, collected_by: str, kind: str, finder_fee: tuple[str, Decimal], now: datetime
) -> None:
    fee = check_finder_fee(*finder_fee, total_paise=quote.total_paise)
    agreed = {
        "collected_by": collected_by,
        "type": kind,
        "status": Payment.Status.NOT_PAID,
        "amount_paise": quote.total_paise,
        "finder_fee_type": fee[0],
        "finder_fee": fee[1],
        "currency": quote.currency,
        "updated_at": now,
    }
    payment = Payment(order=order, **agreed)
    Payment.objects.bulk_create([payment], update_conflicts=True, unique_fields=["order"], update_fields=[*agreed])
    agree_collection(order, payment, quote, now=now)


def _offer(order: Order, plan: Plan, now: datetime) -> Quote:
    mark_used(plan.connector.tariff_id or 0, plan.terms.version, now=now)
    return set_quote(
        order, Quote.Kind.OFFER, price=plan.price, tariff=plan.tariff, now=now, valid_until=_valid_until(now)
    )


def _valid_until(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.QUOTE_TTL_S)
