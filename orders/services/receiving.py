"""What does it mean for an order that its payment is authorised, captured, lapsed or not what we asked for?

The provider's own answer is the only thing that moves money here; telling it twice, late or in any order comes to the
same. Each function locks the order first, then the collection.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction

from core.errors import Invalid, NotAllowed
from core.nudges import nudge_on_commit
from orders.models import Collection, Order, Payment
from orders.payments.base import Received, State
from orders.services import books
from orders.services.collecting import QUEUE, claim_reference
from orders.services.ledger import lock_order, record

log = logging.getLogger(__name__)

S = Collection.State
UNPAID = (S.WAITING, S.ASKED, S.OPEN, S.EXPIRED)
FINISHED = (S.CAPTURED, S.RELEASED)
YOUNG, DAY, WEEK = timedelta(minutes=20), timedelta(days=1), timedelta(days=7)


@transaction.atomic
def receive(collection_id: int, seen: Received, *, now: datetime) -> str:
    """Bring our side to what the provider says; returns in a few words what came of it."""
    order, row = locked(collection_id)
    if row.state == S.ALARM:
        return "waits for a person"
    wrong = _mismatch(row, seen)
    if wrong:
        raise_alarm(row, wrong, now=now)
        return wrong
    row.order_ref = seen.order_ref or row.order_ref
    row.problem, row.attempts = "", 0
    outcome = _apply(order, row, seen, now)
    row.updated_at = now
    row.save()
    return outcome


@transaction.atomic
def confirm_by_hand(collection_id: int, *, reference: str, actor: str, now: datetime) -> Collection:
    """Take an operator's word that a transfer without a gateway arrived, with the reference on the bank statement.

    Raises Invalid `payment-proof` for a reference that is odd or paid for another order; told again it is the same.
    """
    order, row = locked(collection_id)
    if row.state not in UNPAID:
        return row
    claim_reference(order, order.payment, reference.strip(), now=now)
    row.payment_ref = reference.strip()[:64]
    books.charged(
        order,
        row.amount_paise,
        by=Payment.CollectedBy.BPP,
        provider=row.provider,
        reference=row.payment_ref,
        now=now,
        actor=actor,
    )
    _captured(order, row, row.amount_paise, now=now, actor=actor)
    row.updated_at = now
    row.save()
    return row


@transaction.atomic
def give_free(collection_id: int, *, now: datetime, why: str) -> None:
    """Let go of an authorised payment that nothing is to be taken of."""
    order, row = locked(collection_id)
    if row.state == S.AUTHORISED:
        _release(order, row, row.authorised_paise, why=why, now=now)
        row.updated_at = now
        row.save()


@transaction.atomic
def look_again(collection_id: int, *, now: datetime) -> Collection:
    """Ask the provider about a payment at once, also about one that waits for a person.

    Raises NotAllowed `not-in-this-state` for one that has no link to ask about.
    """
    _, row = locked(collection_id)
    if not row.link_ref:
        raise NotAllowed("not-in-this-state", f"{row} has no link yet; nothing can be asked about it", path="state")
    if row.state == S.ALARM:
        row.state = _before_alarm(row)
    row.next_at, row.updated_at = now, now
    row.save(update_fields=["state", "next_at", "updated_at"])
    nudge_on_commit(QUEUE)
    return row


@transaction.atomic
def take_unfitting(collection_id: int, seen: Received, *, actor: str, now: datetime) -> Collection:
    """Book money that waits for a person, as the provider tells of it now: it is held for the order or goes back.

    It secures no order: the collection is closed, unless it was paid as asked for before. Raises NotAllowed
    `not-in-this-state` where nothing waits, was taken, or came in the books' currency.
    """
    order, row = locked(collection_id)
    if row.state != S.ALARM or seen.state != State.CAPTURED or seen.currency != row.currency:
        raise NotAllowed(
            "not-in-this-state",
            f"{row} is {row.state} and the provider says {seen.state} in {seen.currency or row.currency}; only a taken "
            f"payment in {row.currency} that needs a person can be booked, put another aside",
            path="state",
        )
    paise = min(seen.captured_paise, seen.amount_paise)
    books.captured(order, paise, provider=row.provider, reference=seen.payment_ref, now=now, actor=actor)
    if row.captured_paise == 0:
        row.payment_ref = row.payment_ref or seen.payment_ref
        row.captured_paise, row.closing = min(paise, row.amount_paise), True
    row.state, row.problem, row.next_at, row.updated_at = S.CAPTURED, "", None, now
    row.save()
    _tell(order, row, "payment-captured", paise, now, actor=actor)
    return row


@transaction.atomic
def put_aside(collection_id: int, *, text: str, actor: str, now: datetime) -> Collection:
    """Close what waits for a person without booking it, with the reason; a hold in the books is given free.

    Raises NotAllowed `not-in-this-state`, Invalid `reason-unknown` without a reason.
    """
    order, row = locked(collection_id)
    if row.state != S.ALARM:
        raise NotAllowed(
            "not-in-this-state", f"{row} is {row.state}; only what needs a person is put aside", path="state"
        )
    if not text.strip():
        raise Invalid("reason-unknown", "say why it is put aside", path="text")
    before = _before_alarm(row)
    if before == S.AUTHORISED:
        _release(order, row, row.authorised_paise, why=text, now=now)
    else:
        row.state = before if before == S.CAPTURED else S.EXPIRED
    row.closing, row.problem, row.next_at, row.updated_at = row.state != S.CAPTURED, text[:500], None, now
    row.save()
    data = {"collection": row.reference, "text": text[:300]}
    record(order, "payment-put-aside", now=now, actor=actor, data=data)
    return row


def locked(collection_id: int) -> tuple[Order, Collection]:
    """A collection and its order, both locked, the order first."""
    order_id = Collection.objects.values_list("order_id", flat=True).get(pk=collection_id)
    order = lock_order(order_id)
    return order, Collection.objects.select_for_update(no_key=True).get(pk=collection_id)


def raise_alarm(row: Collection, why: str, *, now: datetime) -> None:
    """Set a locked collection aside for a person; no money moves."""
    row.state, row.problem, row.next_at, row.updated_at = S.ALARM, why[:500], None, now
    row.save(update_fields=["state", "problem", "next_at", "updated_at"])
    log.error("payment does not fit", extra={"order": row.order_id, "collection": row.reference, "why": why})


def next_look(row: Collection, now: datetime) -> datetime | None:
    """When to ask the provider again, in case its webhook is lost; None once nothing more is expected."""
    if row.state in FINISHED:
        return None
    age = now - row.created_at
    if row.expires_at is not None and now > row.expires_at + timedelta(hours=1) and row.state != S.AUTHORISED:
        return None
    if row.state == S.AUTHORISED:
        # What is decided is done at its own time.
        return now + timedelta(hours=1) if row.wanted_paise is None else row.next_at
    if age > WEEK:
        return None
    return now + timedelta(seconds=10 if age < YOUNG else 300 if age < DAY else 3600)


def actor_of(row: Collection) -> str:
    """Who moved the money, as events and journals name it."""
    return f"provider:{row.provider}"


def _before_alarm(row: Collection) -> Collection.State:
    return S.CAPTURED if row.captured_paise else S.AUTHORISED if row.authorised_paise else S.OPEN


def _apply(order: Order, row: Collection, seen: Received, now: datetime) -> str:
    row.next_at = next_look(row, now)
    if seen.state == State.CAPTURED:
        return _take(order, row, seen, now)
    if seen.state == State.AUTHORISED:
        return _hold(order, row, seen, now)
    if seen.state == State.EXPIRED:
        return _lapse(order, row, now)
    if seen.state == State.FAILED:
        row.problem = "the payer's last attempt failed"
        return row.problem
    if row.state == S.EXPIRED:
        row.next_at = None if now > row.created_at + DAY else row.next_at
    return "not paid yet"


def _hold(order: Order, row: Collection, seen: Received, now: datetime) -> str:
    if row.state not in UNPAID:
        return f"known: {row.get_state_display()}"
    row.state, row.payment_ref, row.authorised_paise = S.AUTHORISED, seen.payment_ref, seen.amount_paise
    books.authorised(
        order, seen.amount_paise, provider=row.provider, reference=seen.payment_ref, now=now, actor=actor_of(row)
    )
    if row.closing:
        row.wanted_paise, row.next_at = 0, now
    elif not row.hold:
        # The account at the provider leaves the capture to us although we asked for all of it at once.
        row.wanted_paise, row.next_at = seen.amount_paise, now
    _mark_paid(order, row, now)
    _tell(order, row, "payment-authorised", seen.amount_paise, now)
    return "held"


def _take(order: Order, row: Collection, seen: Received, now: datetime) -> str:
    if row.state not in {*UNPAID, S.AUTHORISED}:
        return f"known: {row.get_state_display()}"
    row.payment_ref = seen.payment_ref
    books.captured(
        order, seen.captured_paise, provider=row.provider, reference=seen.payment_ref, now=now, actor=actor_of(row)
    )
    if row.authorised_paise > seen.captured_paise:
        rest = row.authorised_paise - seen.captured_paise
        books.released(order, rest, provider=row.provider, reference=seen.payment_ref, now=now, actor=actor_of(row))
    _captured(order, row, seen.captured_paise, now=now, actor=actor_of(row))
    return "taken"


def _captured(order: Order, row: Collection, paise: int, *, now: datetime, actor: str) -> None:
    row.state, row.captured_paise = S.CAPTURED, paise
    row.next_at = now if row.closing else None
    _mark_paid(order, row, now)
    _tell(order, row, "payment-captured", paise, now, actor=actor)


def _lapse(order: Order, row: Collection, now: datetime) -> str:
    row.next_at = None
    if row.state == S.AUTHORISED:
        _release(order, row, row.authorised_paise, why="the provider let the hold lapse", now=now)
        return "the hold lapsed"
    if row.state in {S.ASKED, S.OPEN}:
        row.state = S.EXPIRED
        _tell(order, row, "payment-expired", row.amount_paise, now)
        return "not paid in time"
    return f"known: {row.get_state_display()}"


def _release(order: Order, row: Collection, paise: int, *, why: str, now: datetime) -> None:
    books.released(order, paise, provider=row.provider, reference=row.payment_ref, now=now, actor=actor_of(row))
    row.state, row.next_at, row.problem = S.RELEASED, None, ""
    if order.state in {Order.State.ACTIVE, Order.State.COMPLETE} and row.wanted_paise != 0:
        row.problem = why
        log.error("a hold is gone before it was taken", extra={"order": order.pk, "collection": row.reference})
    _tell(order, row, "payment-released", paise, now)


def _mark_paid(order: Order, row: Collection, now: datetime) -> None:
    """The order's payment is PAID once what was asked for came in and is still wanted."""
    payment = Payment.objects.select_for_update(no_key=True).filter(order=order).first()
    if payment is None or row.closing or payment.collected_by != Payment.CollectedBy.BPP:
        return
    if payment.status == Payment.Status.PAID:
        return
    payment.status, payment.paid_at, payment.reference = Payment.Status.PAID, now, row.payment_ref
    payment.updated_at = now
    payment.save(update_fields=["status", "paid_at", "reference", "updated_at"])


def _tell(order: Order, row: Collection, kind: str, paise: int, now: datetime, *, actor: str = "") -> None:
    record(
        order,
        kind,
        now=now,
        actor=actor or actor_of(row),
        # An order without an id cannot be told of by itself: the answer to init or confirm tells of its payment.
        public=order.code is not None and not row.closing,
        data={"collection": row.reference, "payment": row.payment_ref, "paise": paise, "currency": row.currency},
    )


def _mismatch(row: Collection, seen: Received) -> str:
    """Why what came in is not what was asked for; empty where it is."""
    if seen.state not in {State.AUTHORISED, State.CAPTURED}:
        return ""
    if seen.currency != row.currency:
        return f"paid in {seen.currency}, asked for {row.currency}"
    if seen.amount_paise != row.amount_paise:
        return f"{seen.amount_paise} paise came, {row.amount_paise} were asked for"
    if row.payment_ref and seen.payment_ref != row.payment_ref:
        return f"a second payment {seen.payment_ref} beside {row.payment_ref}"
    if not 0 <= seen.captured_paise <= seen.amount_paise:
        return f"{seen.captured_paise} paise were taken of {seen.amount_paise}"
    return ""
