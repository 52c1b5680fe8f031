"""Which refund is sent next, and what came of it?

The row is the queue: claimed by pushing its time past the call's deadline, then the provider is asked outside any
transaction, under the refund's one key, so that asking again can never pay twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from core.due import each_alone
from core.errors import PaymentError
from orders.balances import CAME_IN, purse
from orders.models import Account, Collection, Journal, Order, Posting, Quote, Refund
from orders.payments.base import Refunded, Repays
from orders.services.collecting import provider_of
from orders.services.deadlines import ACTOR
from orders.services.ledger import lock_order
from orders.services.refunds import finish_refund, lock_refund, move_refund, settle_order

log = logging.getLogger(__name__)

S = Refund.State
CLAIM = timedelta(seconds=120)
SHORTEST_REST_S, LONGEST_REST_S = 30, 6 * 3600
MOST_ATTEMPTS = 8
ASK_AGAIN_S = 600
LOOK_BACK = timedelta(days=2)

Find = Callable[[Refund], Repays | None]


def refunds_due(*, now: datetime, limit: int = 50, find: Find | None = None) -> int:
    """Send, ask about or hand over the refunds whose time has come; returns how many. `find` names their provider."""
    for done in range(limit):
        due = Refund.objects.filter(next_at__lte=now).order_by("next_at", "pk").values_list("pk", flat=True).first()
        if due is None:
            return done
        by_hand = Refund.objects.filter(pk=due, state=S.APPROVED, attempts__gt=0).exists()
        refund = _claim(due, now)
        if refund is not None:
            try:
                _work(refund, find or provider_for, now, again=by_hand)
            except Exception:
                # The claim has pushed its time: it holds up nobody else meanwhile.
                log.exception("refund not worked on", extra={"order": refund.order_id, "refund": refund.key})
    return limit


def settle_due(*, now: datetime, limit: int = 50, whole: bool = False) -> int:
    """Return money that came for orders which are over or were never confirmed; returns how many orders.

    What came late for a closed order pays what is still owed first. `whole` looks at all orders instead of those money
    came for in the last days: dearer, for the one that was missed then. One transaction an order.
    """
    return each_alone(_unsettled(now, whole=whole), lambda key: _settle(key, now), limit=limit)


def provider_for(refund: Refund) -> Repays | None:
    """Where the refund's payment was collected; None where no provider of ours did."""
    collection = Collection.objects.filter(order=refund.order_id, payment_ref=refund.payment_ref).first()
    return provider_of(collection) if collection is not None and refund.payment_ref else None


def _settle(order_id: int, now: datetime) -> bool:
    order = lock_order(order_id)
    stand = purse(order)
    if stand.held <= stand.authorised or not _is_over(order, now):
        return False
    late = order.state in Order.BILLED
    reason = Refund.Reason.OVERPAID if late else Refund.Reason.UNCONFIRMED
    settle_order(order, reason=reason, now=now, actor=ACTOR, told=late)
    return True


@transaction.atomic
def _claim(refund_id: int, now: datetime) -> Refund | None:
    """The refund, to be asked for at its provider by us alone; None where another took it or a person has to."""
    order, refund = lock_refund(refund_id)
    if refund.next_at is None or refund.next_at > now:
        return None
    if refund.way == Refund.Way.BAP:
        _hand_over(order, refund, f"{order.bap_id} has not confirmed it by {refund.next_at:%Y-%m-%d}; ask there", now)
        return None
    refund.attempts += 1
    if refund.state == S.SENT:
        refund.next_at = now + CLAIM
        refund.save(update_fields=["attempts", "next_at"])
    else:
        move_refund(order, refund, S.SENT, next_at=now + CLAIM, now=now, actor=ACTOR, problem="")
    return refund


def _work(refund: Refund, find: Find, now: datetime, *, again: bool) -> None:
    """Ask the provider about a refund that was claimed just now; `again` where a person wants another try."""
    try:
        provider = find(refund)
        if provider is None:
            raise PaymentError("no payment provider collected it; pay it back by hand", permanent=True)
        seen = provider.refund(refund.payment_ref, refund.paise, key=refund.key, again=again)
    except PaymentError as err:
        _failed(refund, err, now)
        return
    _answered(refund, seen, now)


def _answered(refund: Refund, seen: Refunded, now: datetime) -> None:
    if seen.amount_paise != refund.paise:
        text = f"the provider says {seen.amount_paise} paise, asked were {refund.paise}"
        _failed(refund, PaymentError(text, permanent=True), now)
    elif seen.failed:
        _failed(refund, PaymentError(f"the provider gave up refund {seen.ref}", permanent=True), now)
    elif seen.done:
        finish_refund(refund.pk, reference=seen.ref, now=now, actor=f"provider:{refund.provider or 'own'}")
    else:
        Refund.objects.filter(pk=refund.pk, state=S.SENT).update(
            next_at=now + timedelta(seconds=ASK_AGAIN_S), reference=seen.ref, attempts=0
        )


def _failed(refund: Refund, err: PaymentError, now: datetime) -> None:
    """Try again later, or hand over to a person where that cannot help or did not."""
    with transaction.atomic():
        order, fresh = lock_refund(refund.pk)
        if fresh.state != S.SENT:
            return
        if err.permanent or fresh.attempts >= MOST_ATTEMPTS:
            _hand_over(order, fresh, err.text, now)
            return
        rest_s = min(SHORTEST_REST_S * 2**fresh.attempts, LONGEST_REST_S)
        next_at = now + timedelta(seconds=rest_s)
        move_refund(order, fresh, S.FAILED, next_at=next_at, now=now, actor=ACTOR, problem=err.text)
    log.warning("refund not sent", extra={"order": order.pk, "refund": fresh.key, "why": err.text})


def _hand_over(order: Order, refund: Refund, text: str, now: datetime) -> None:
    move_refund(order, refund, S.PERSON, next_at=None, now=now, actor=ACTOR, problem=text)
    log.error("refund needs a person", extra={"order": order.pk, "refund": refund.key, "why": text})


def _unsettled(now: datetime, *, whole: bool) -> QuerySet[Order]:
    """Orders that are over and hold more than a provider may still let go; without `whole` of late ones alone."""
    sums = Posting.objects.filter(order__isnull=False, account__in=[Account.HELD, Account.AUTHORISED])
    if not whole:
        came = Journal.objects.filter(kind__in=CAME_IN, at__gt=now - LOOK_BACK)
        sums = sums.filter(order__in=came.values("order"))
    owed = sums.order_by().values("order").annotate(sum=Sum("paise")).filter(sum__lt=0)
    stands = Quote.objects.filter(order=OuterRef("pk"), current=True, valid_until__gt=_lapsed(now))
    over = Order.objects.exclude(state=Order.State.ACTIVE).filter(Q(state__in=Order.ENDED) | ~Exists(stands))
    return over.filter(pk__in=owed.values("order")).order_by("pk")


def _is_over(order: Order, now: datetime) -> bool:
    """Whether the order is closed, or its offer ran out before anybody confirmed it."""
    if order.state in Order.ENDED:
        return True
    offer = Quote.objects.filter(order=order, current=True).first()
    return order.state != Order.State.ACTIVE and (
        offer is None or offer.valid_until is None or offer.valid_until <= _lapsed(now)
    )


def _lapsed(now: datetime) -> datetime:
    """An offer that ended by then is given up, with the time a confirmation on its way may take."""
    return now - timedelta(seconds=settings.REFUND_UNCONFIRMED_S)
