"""What follows a confirmation: an approval, a reminder, the moment when it is too late to come?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from orders.booking import ADVANCE, APPROVE, PROVISIONAL, due_from
from orders.changes import What, Who, check
from orders.models import Deadline, Order
from orders.services.cancel import close_cancelled
from orders.services.deadlines import ACTOR, drop_deadline, set_deadline
from orders.services.ledger import lock_order, record
from orders.services.no_energy import energy_within_s
from orders.services.rules import order_rules
from orders.terms import DECLINED, NO_SHOW

F = Order.Fulfillment
K = Deadline.Kind
DECLINED_TEXT = "The operator did not approve the order"
NO_SHOW_TEXT = "The driver did not come in time"


def first_step(order: Order) -> Order.Fulfillment:
    """Where a confirmed order begins: waiting for approval where its operator wants that, else ready."""
    return F.PENDING_APPROVAL if order_rules(order).mode == PROVISIONAL else F.PAYMENT_COMPLETED


def plan_ahead(order: Order, *, now: datetime) -> None:
    """Set what falls due for a locked order that was just confirmed, approved or changed."""
    rules = order_rules(order)
    expected_at = due_from(order.starts_at, now)
    if order.fulfillment == F.PENDING_APPROVAL:
        limit = now + timedelta(seconds=rules.approval_s)
        booked = order.starts_at is not None and order.starts_at > now
        set_deadline(order, K.APPROVAL, at=min(limit, expected_at) if booked else limit)
        return
    if _refunded_first(order, rules.no_show_after_s):
        drop_deadline(order, K.NO_SHOW, now=now)
    else:
        set_deadline(order, K.NO_SHOW, at=expected_at + timedelta(seconds=rules.no_show_after_s))
    remind_at = expected_at - timedelta(seconds=rules.reminder_s)
    if rules.mode == ADVANCE and remind_at > now:
        set_deadline(order, K.REMINDER, at=remind_at)
        drop_deadline(order, K.APPROVAL, now=now)
    else:
        drop_deadline(order, K.APPROVAL, K.REMINDER, now=now)


@transaction.atomic
def approve_order(order_id: int, *, now: datetime, actor: str) -> Order:
    """Approve an order that waits for it; the buyer app is told.

    Raises NotAllowed `update-forbidden` where it does not wait, `not-in-this-state` where it is closed.
    """
    order = lock_order(order_id)
    check(Who.OPERATOR, What.APPROVE, state=order.state, fulfillment=order.fulfillment)
    _approve(order, now=now, actor=actor)
    return order


@transaction.atomic
def decline_order(order_id: int, *, text: str = "", now: datetime, actor: str) -> Order:
    """Decline an order that waits for approval: cancelled by us, refunded in full. Raises as approve_order."""
    order = lock_order(order_id)
    check(Who.OPERATOR, What.DECLINE, state=order.state, fulfillment=order.fulfillment)
    _decline(order, text=text, now=now, actor=actor)
    return order


def decide_overdue(order: Order, now: datetime) -> None:
    """The approval did not come in time: the outcome that the operator's rules name."""
    outcome = order_rules(order).approval_outcome
    what = What.APPROVE if outcome == APPROVE else What.DECLINE
    check(Who.SYSTEM, what, state=order.state, fulfillment=order.fulfillment)
    if what is What.APPROVE:
        _approve(order, now=now, actor=ACTOR)
    else:
        _decline(order, text="", now=now, actor=ACTOR)


def remind(order: Order, now: datetime) -> None:
    """Remind the driver of a booked start through the buyer app."""
    check(Who.SYSTEM, What.REMIND, state=order.state, fulfillment=order.fulfillment)
    record(order, "reminder", now=now, actor=ACTOR, public=True)


def close_no_show(order: Order, now: datetime) -> None:
    """The driver did not come: the connector is free, the fee is what the terms say of a no-show."""
    check(Who.SYSTEM, What.CLOSE, state=order.state, fulfillment=order.fulfillment)
    close_cancelled(
        order, by="PROVIDER", reason_id=NO_SHOW, text=NO_SHOW_TEXT, now=now, actor=ACTOR, fulfillment=F.NO_SHOW
    )


def _refunded_first(order: Order, no_show_after_s: int) -> bool:
    """Whether a paid order that charges now is refunded for want of energy before its driver counts as a no-show.

    At the same moment the refund goes first; a booked time is always the no-show's.
    """
    if order.starts_at is not None:
        return False
    within_s = energy_within_s(order)
    return within_s is not None and within_s <= no_show_after_s


def _approve(order: Order, *, now: datetime, actor: str) -> None:
    record(order, "approved", now=now, actor=actor, fulfillment=F.PAYMENT_COMPLETED, public=True)
    plan_ahead(order, now=now)


def _decline(order: Order, *, text: str, now: datetime, actor: str) -> None:
    close_cancelled(
        order,
        by="PROVIDER",
        reason_id=DECLINED,
        text=text[:500] or DECLINED_TEXT,
        now=now,
        actor=actor,
        fulfillment=F.ORDER_CANCELLED,
    )
