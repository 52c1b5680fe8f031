"""Which offers and promises ran out, which sessions need their connector longer, and whose moment has come?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from core.due import lock_next
from orders.models import Deadline, Order, Quote, Reservation
from orders.services.approve import close_no_show, decide_overdue, remind
from orders.services.deadlines import ACTOR, Deed, do_due
from orders.services.holds import prolong, release
from orders.services.ledger import record
from orders.services.move import give_up

PROLONG_AHEAD_S = 300
PROLONG_BY_S = 1_800
DEEDS: dict[str, Deed] = {
    Deadline.Kind.APPROVAL: decide_overdue,
    Deadline.Kind.REMINDER: remind,
    Deadline.Kind.NO_SHOW: close_no_show,
    Deadline.Kind.ANSWER: give_up,
}


def expire_due(now: datetime, limit: int = 100) -> int:
    """Close drafts and initialised orders whose quote ran out and free what they held; returns how many.

    One transaction an order: its promise must not be locked together with another's.
    """
    for done in range(limit):
        if not _expire_one(now):
            return done
    return limit


def deadlines_due(now: datetime, limit: int = 100) -> int:
    """Decide what was not approved in time, remind, close no-shows and what nobody answered; returns how many."""
    return do_due(DEEDS, now=now, limit=limit)


def prolong_due(now: datetime, limit: int = 100) -> int:
    """Extend promises in use that are about to run out, where nobody else was promised the time; returns how many."""
    soon = now + timedelta(seconds=PROLONG_AHEAD_S)
    due = Reservation.objects.filter(state=Reservation.State.ACTIVE, during__endswith__lte=soon).order_by("pk")
    return sum(_prolong_one(order_id, soon, now) for order_id in list(due.values_list("order_id", flat=True)[:limit]))


@transaction.atomic
def _expire_one(now: datetime) -> bool:
    order = lock_next(
        Order.objects.filter(
            state__in=[Order.State.DRAFT, Order.State.INITIATED],
            quotes__current=True,
            quotes__kind=Quote.Kind.OFFER,
            quotes__valid_until__lte=now,
        ).order_by("updated_at", "pk")
    )
    if order is None:
        return False
    release(order, now=now)
    record(order, "expired", now=now, actor=ACTOR, state=Order.State.EXPIRED, fulfillment=Order.Fulfillment.NONE)
    return True


@transaction.atomic
def _prolong_one(order_id: int, soon: datetime, now: datetime) -> bool:
    order = lock_next(Order.objects.filter(pk=order_id, state=Order.State.ACTIVE))
    if order is None:
        return False
    current = Reservation.objects.filter(order=order, state=Reservation.State.ACTIVE).first()
    if current is None or current.during.upper > soon:
        return False
    return prolong(current, until=now + timedelta(seconds=PROLONG_BY_S), now=now)
