"""When does an offer become a promise?"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from core.errors import Invalid, NotAllowed
from orders.balances import purse
from orders.models import Order, Payment, Quote, Reservation
from orders.services.approve import first_step, plan_ahead
from orders.services.books import charged
from orders.services.collecting import secure_order
from orders.services.consent import Declared, require_consent
from orders.services.holds import hold
from orders.services.ledger import lock_transaction, record
from orders.services.offer import unchanged
from orders.services.payment import Proof, check_proof
from orders.services.rules import check_tax_state
from orders.services.wish import Wish, check_in_service

CODE_BYTES = 5


@transaction.atomic
def confirm_order(
    *,
    bap_id: str,
    transaction_id: str,
    collected_by: str = "",
    payment_type: str = "",
    payment_status: str = "",
    amount: Decimal | None = None,
    currency: str = "",
    reference: str = "",
    quoted: Decimal | None = None,
    billing: dict[str, Any],
    customer: dict[str, Any],
    context: dict[str, Any],
    now: datetime,
    item_id: str = "",
    quantity_kind: str = "",
    quantity: int | None = None,
    declared: Sequence[Declared] = (),
) -> Order:
    """Make the transaction's offer an active order with a code; asked again it is the same order, without new effect.

    Raises Invalid (`no-quote`, `quote-expired`, `price-differs`, `payment-proof`, `consent-differs`), NotAllowed
    (`not-in-this-state`, `already-confirmed`, `payment-kind`, `consent-missing`, `update-forbidden`), Unavailable
    `connector-busy`.
    """
    order = _begun(bap_id, transaction_id)
    if order.state == Order.State.ACTIVE:
        return order
    offer = _offer(order, now)
    billing = _payer(order, billing)
    _check_wish(order, Wish("", item_id or order.connector.item_id, quantity_kind, quantity))
    require_consent(order, declared, now=now)
    proof = Proof(collected_by, payment_type, payment_status, amount, currency, reference, quoted)
    paid = _secured(order, offer, proof, now)
    check_in_service(order.connector)
    hold(order, state=Reservation.State.CONFIRMED, held_until=None, now=now)
    order.billing, order.customer = billing, customer or order.customer
    _promise(order, offer.payment, context=context, paid=paid, now=now)
    return order


@dataclass(frozen=True, slots=True)
class _Offer:
    quote: Quote
    payment: Payment


def _begun(bap_id: str, transaction_id: str) -> Order:
    """The order of the transaction, locked."""
    order = lock_transaction(bap_id, transaction_id)
    if order is None:
        raise Invalid(
            "no-quote", "this transaction has no quote; select and initialise first", path="context.transaction_id"
        )
    return order


def _offer(order: Order, now: datetime) -> _Offer:
    """The initialised offer that stands now."""
    if order.state in Order.BILLED:
        raise NotAllowed(
            "already-confirmed",
            f"the order of this transaction is {order.code} and {order.state}; begin a new transaction",
            path="context.transaction_id",
        )
    if order.state == Order.State.DRAFT:
        raise NotAllowed("not-in-this-state", "the order is a draft; initialise it first", path="order")
    quote = Quote.objects.filter(order=order, current=True, kind=Quote.Kind.OFFER).first()
    payment = Payment.objects.filter(order=order).first()
    if order.state == Order.State.EXPIRED or quote is None or quote.valid_until is None or quote.valid_until <= now:
        until = f" at {quote.valid_until.isoformat()}" if quote is not None and quote.valid_until else ""
        raise Invalid("quote-expired", f"the quote ran out{until}; initialise again", path="order.quote")
    if payment is None:
        raise Invalid("no-quote", "no payment was agreed; initialise first", path="order.payments")
    return _Offer(quote, payment)


def _payer(order: Order, billing: dict[str, Any]) -> dict[str, Any]:
    """The payer's details, with the tax id of before where none is sent: the tax in the price goes by it."""
    before: dict[str, Any] = order.billing
    if not billing:
        return before
    kept = {"tax_id": before["tax_id"]} if before.get("tax_id") else {}
    check_tax_state(order, kept | billing, path="order.billing.tax_id")
    return kept | billing


def _check_wish(order: Order, wish: Wish) -> None:
    if not unchanged(order, wish):
        raise Invalid(
            "price-differs",
            f"the quote is for {order.quantity} ({order.quantity_kind}) of {order.connector.item_id}, the confirmation "
            f"for {wish.quantity} ({wish.quantity_kind or 'as quoted'}) of {wish.item_id}; initialise again",
            path="order.items[0]",
        )


def _secured(order: Order, offer: _Offer, proof: Proof, now: datetime) -> bool:
    """Whether the order is paid; keeps the payment's reference. Raises where the proof is not what was agreed."""
    paid = check_proof(offer.payment, offer.quote, proof)
    reference = secure_order(order, offer.payment, reference=proof.reference, now=now)
    _keep_payment(offer.payment, reference=reference, paid=paid, now=now)
    return paid


def _keep_payment(payment: Payment, *, reference: str, paid: bool, now: datetime) -> None:
    payment.reference = reference.strip()[:255]
    payment.updated_at = now
    if paid:
        payment.status, payment.paid_at = Payment.Status.PAID, now
    payment.save(update_fields=["reference", "status", "paid_at", "updated_at"])


def _promise(order: Order, payment: Payment, *, context: dict[str, Any], paid: bool, now: datetime) -> None:
    """Give the order its code, tell that it is confirmed, and book what was paid."""
    order.context, order.code, order.confirmed_at = context, _new_code(), now
    record(
        order,
        "confirmed",
        now=now,
        actor=order.bap_id,
        state=Order.State.ACTIVE,
        fulfillment=first_step(order),
        saved=("billing", "customer", "context", "code", "confirmed_at"),
    )
    plan_ahead(order, now=now)
    if paid:
        _book(order, payment, now)


def _book(order: Order, payment: Payment, now: datetime) -> None:
    """What the buyer app collected is its debt; what we collect was booked when the provider told of it."""
    ours = payment.collected_by == Payment.CollectedBy.BPP
    if payment.amount_paise <= 0 or (ours and purse(order).paid):
        return
    by = Payment.CollectedBy(payment.collected_by)
    charged(order, payment.amount_paise, by=by, reference=payment.reference, now=now, actor=order.bap_id)


def _new_code() -> str:
    """An order id that cannot be guessed and was never given before."""
    while True:
        code = "VB-" + base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode()
        if not Order.objects.filter(code=code).exists():
            return code
