"""What do we ask a payer for, and does what came in secure an order?

Nothing here speaks to a provider: what is to be asked there leaves as a due row, see `orders.services.cashier`.
"""

from __future__ import annotations

import base64
import re
import secrets
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from core.errors import Invalid
from core.money import from_paise
from core.nudges import nudge_on_commit
from orders.balances import purse
from orders.models import Collection, Order, Payment, PaymentReference, Quote
from orders.payments import provider_named
from orders.payments.base import Collects, Provider
from orders.services.payment import PATH

QUEUE = "collect"
S = Collection.State
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/@#+=|-]{1,99}")
REFERENCE_BYTES = 10
# A gateway of Razorpay's kind refuses links that end sooner than 15 minutes from now.
SHORTEST_LINK = timedelta(minutes=16)
# It refuses links below one rupee, too: less than that stays owed in the books and is not asked for.
SMALLEST_LINK_PAISE = 100


def own_provider() -> Provider | None:
    """The provider new payments are collected through; None where none is set. Raises PaymentError (permanent)."""
    return provider_named(settings.PAYMENT_PROVIDER, settings) if settings.PAYMENT_PROVIDER else None


def provider_of(collection: Collection) -> Provider:
    """The provider a collection was made at. Raises PaymentError where it is no longer configured."""
    return provider_named(collection.provider, settings)


def agree_collection(order: Order, payment: Payment, quote: Quote, *, now: datetime) -> Collection | None:
    """Ask for the quoted price of a locked order where we collect it; what was asked for before and no longer fits
    is withdrawn. None where the buyer app collects, or nobody does for us.

    Before the order the amount holds the buffer too; later payments wait for their bill.
    """
    provider = own_provider() if payment.collected_by == Payment.CollectedBy.BPP else None
    later = payment.type != Payment.Type.PRE_ORDER
    amount = quote.total_paise if later or provider is None else with_buffer(provider, quote.total_paise)
    kept: Collection | None = None
    for row in _standing(order):
        if provider is not None and kept is None and _fits(row, provider, amount, quote, later=later):
            kept = row
        else:
            withdraw(row, now=now)
    if provider is None or amount == 0:
        return None
    if kept is not None:
        if kept.state in Collection.SECURED:
            _pays(payment, kept, now)
        kept.price_paise, kept.updated_at = quote.total_paise, now
        if kept.state == S.ASKED or (kept.state == S.OPEN and not provider.can_fetch):
            kept.expires_at = _expiry(quote, now)
        kept.save(update_fields=["price_paise", "expires_at", "updated_at"])
        return kept
    return _ask(
        order,
        provider,
        price_paise=quote.total_paise,
        amount_paise=amount,
        currency=quote.currency,
        state=S.WAITING if later else S.ASKED,
        expires_at=None if later else _expiry(quote, now),
        now=now,
    )


def ask_rest(order: Order, *, now: datetime) -> Collection | None:
    """Ask for exactly what a locked, closed order still owes us, on one link; what asks for another sum is withdrawn.

    None where nothing that can be asked for is owed, or where we do not collect for it.
    """
    if not Payment.objects.filter(order=order, collected_by=Payment.CollectedBy.BPP).exists():
        return None
    provider = own_provider()
    due = purse(order).due
    due = due if due >= SMALLEST_LINK_PAISE else 0
    kept: Collection | None = None
    for row in _standing(order):
        if row.state == S.WAITING and due > 0 and kept is None:
            row.state, row.price_paise, row.amount_paise, row.created_at = S.ASKED, due, due, now
            row.next_at, row.updated_at = now, now
            row.save()
            nudge_on_commit(QUEUE)
        if row.state in {S.ASKED, S.OPEN} and row.amount_paise == due and kept is None:
            kept = row
        elif row.state in {S.WAITING, S.ASKED, S.OPEN}:
            withdraw(row, now=now)
    if kept is not None or provider is None or due <= 0:
        return kept
    currency = Quote.objects.get(order=order, current=True).currency
    return _ask(order, provider, price_paise=due, amount_paise=due, currency=currency, state=S.ASKED, now=now)


def with_buffer(provider: Collects, price_paise: int) -> int:
    """The price and the buffer, paise; a provider that cannot be asked gets the price alone."""
    if not provider.can_fetch:
        return price_paise
    factor = 1 + Decimal(settings.PAYMENT_BUFFER_PERCENT) / 100
    return from_paise(price_paise).times(factor).rounded().paise


def withdraw(row: Collection, *, now: datetime) -> None:
    """Ask for nothing more: a link is closed by the cashier, what was paid on it all the same goes back."""
    row.closing, row.updated_at = True, now
    if row.state in {S.WAITING, S.ASKED, S.OPEN}:
        row.state = S.EXPIRED
    if row.state == S.AUTHORISED:
        row.wanted_paise = 0
    row.next_at = now if row.link_ref else None
    row.save(update_fields=["closing", "state", "wanted_paise", "next_at", "updated_at"])
    nudge_on_commit(QUEUE)


def secured(order: Order, price_paise: int) -> Collection | None:
    """The collection that holds or took at least the price for this order; None where there is none yet."""
    return (
        Collection.objects.filter(
            order=order, state__in=Collection.SECURED, closing=False, amount_paise__gte=price_paise
        )
        .exclude(wanted_paise=0)
        .order_by("-number")
        .first()
    )


def secure_order(order: Order, payment: Payment, *, reference: str, now: datetime) -> str:
    """Refuse to confirm what is not paid as agreed; returns the payment's reference as it is to be kept.

    A reference pays for one order. Where a provider collects for us before the order, only its word counts, which the
    cashier fetched. Raises Invalid `payment-proof`.
    """
    reference = reference.strip()
    if payment.collected_by == Payment.CollectedBy.BPP and payment.type == Payment.Type.PRE_ORDER:
        provider = own_provider()
        if provider is not None and provider.can_fetch:
            return _fetched(order, payment, reference)
        if not reference:
            raise Invalid(
                "payment-proof",
                "a payment collected by us needs the payer's transaction id; send it as transaction_id",
                path=f"{PATH}.params.transaction_id",
            )
    if reference:
        claim_reference(order, payment, reference, now=now)
        _believe(order, payment, reference, now)
    return reference


def claim_reference(order: Order, payment: Payment, reference: str, *, now: datetime) -> None:
    """Let a payer's transaction id pay for this order. Raises Invalid `payment-proof` for a used or odd one."""
    path = f"{PATH}.params.transaction_id"
    if not REFERENCE.fullmatch(reference):
        raise Invalid(
            "payment-proof",
            f"{reference[:40]!r} is no transaction id; send 2 to 100 letters, digits or ._:/@#+=|- of it",
            path=path,
        )
    payer = order.bap_id if payment.collected_by == Payment.CollectedBy.BAP else payment.collected_by
    row, _ = PaymentReference.objects.get_or_create(
        payer=payer, reference=reference, defaults={"order": order, "claimed_at": now}
    )
    if row.order_id != order.pk:
        raise Invalid(
            "payment-proof",
            f"transaction id {reference!r} has paid for another order already; send the one of this payment",
            path=path,
        )


def asked_for(order: Order, payment: Payment) -> tuple[Collection | None, list[Collection]]:
    """What the order is paid by, None where we do not collect it, and what its corrected bill asks for beyond that."""
    rows = list(Collection.objects.filter(order=order, closing=False).order_by("number"))
    if not rows or order.closed_at is None or payment.status != Payment.Status.PAID:
        return (rows[-1] if rows else None), []
    paid = next((row for row in rows if row.payment_ref and row.payment_ref == payment.reference), rows[0])
    return paid, [row for row in rows if row.number > paid.number and row.state not in Collection.OVER]


def pay_path(row: Collection) -> str:
    """The path of the page on which this is paid."""
    return f"/pay/{row.token}"


def _believe(order: Order, payment: Payment, reference: str, now: datetime) -> None:
    """A transfer without a gateway came, by the buyer app's word: nobody else can be asked."""
    if payment.collected_by == Payment.CollectedBy.BPP:
        for row in _standing(order):
            if row.state in {S.ASKED, S.OPEN}:
                row.state, row.payment_ref, row.captured_paise = S.CAPTURED, reference[:64], row.amount_paise
                row.next_at, row.updated_at = None, now
                row.save(update_fields=["state", "payment_ref", "captured_paise", "next_at", "updated_at"])


def _pays(payment: Payment, row: Collection, now: datetime) -> None:
    payment.status, payment.paid_at, payment.reference = Payment.Status.PAID, now, row.payment_ref
    payment.save(update_fields=["status", "paid_at", "reference"])


def _fetched(order: Order, payment: Payment, reference: str) -> str:
    found = secured(order, payment.amount_paise)
    due = from_paise(payment.amount_paise, payment.currency)
    if found is None:
        raise Invalid(
            "payment-proof",
            f"{due.wire} {due.currency} have not reached us yet; pay at the url of payments[0], then confirm again",
            path=f"{PATH}.status",
        )
    if reference and reference not in {found.payment_ref, found.reference, found.link_ref, found.order_ref}:
        raise Invalid(
            "payment-proof",
            f"transaction id {reference[:40]!r} is not the payment we received for this order; send its id or none",
            path=f"{PATH}.params.transaction_id",
        )
    return found.payment_ref


def _standing(order: Order) -> list[Collection]:
    rows = Collection.objects.select_for_update(no_key=True).filter(order=order, closing=False)
    return list(rows.exclude(state__in=(*Collection.OVER, S.ALARM)).order_by("-number"))


def _fits(row: Collection, provider: Collects, amount: int, quote: Quote, *, later: bool) -> bool:
    if row.provider != provider.name or row.currency != quote.currency:
        return False
    if row.state in Collection.SECURED:
        return row.amount_paise >= quote.total_paise
    if row.state == S.OPEN and provider.can_fetch and _ends_before(row, quote):
        return False  # a link keeps the end it was made with
    return row.amount_paise == amount and (row.state == S.WAITING) == later


def _ends_before(row: Collection, quote: Quote) -> bool:
    return row.expires_at is not None and quote.valid_until is not None and row.expires_at < quote.valid_until


def _ask(
    order: Order,
    provider: Collects,
    *,
    price_paise: int,
    amount_paise: int,
    currency: str,
    state: Collection.State,
    now: datetime,
    expires_at: datetime | None = None,
) -> Collection:
    row = Collection.objects.create(
        order=order,
        number=Collection.objects.filter(order=order).count() + 1,
        provider=provider.name,
        reference="VB" + base64.b32encode(secrets.token_bytes(REFERENCE_BYTES)).decode(),
        state=state,
        price_paise=price_paise,
        amount_paise=amount_paise,
        currency=currency,
        hold=_is_held(order, provider, now) and state == S.ASKED,
        next_at=now if state == S.ASKED else None,
        expires_at=expires_at,
        created_at=now,
        updated_at=now,
    )
    nudge_on_commit(QUEUE)
    return row


def _is_held(order: Order, provider: Collects, now: datetime) -> bool:
    """Whether the money is only authorised until the bill: before the order, where the hold outlives the session."""
    if order.state not in {Order.State.DRAFT, Order.State.INITIATED}:
        return False
    ends_at = order.ends_at or order.starts_at or now
    lasts = ends_at <= now + timedelta(seconds=settings.PAYMENT_HOLD_S)
    return lasts and provider.can_hold and provider.can_capture_part


def _expiry(quote: Quote, now: datetime) -> datetime:
    return max(quote.valid_until or now, now + SHORTEST_LINK)
