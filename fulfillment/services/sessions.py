"""How do the wishes of a buyer app become a session: opened for a promise, started, stopped, cancelled?

Whoever changes a session locks its order first and the session second, everywhere.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, transaction

from catalog.models import Evse
from core.due import each_alone
from core.errors import NotAllowed, NotFound, Unavailable
from core.nudges import nudge_on_commit
from fulfillment import states
from fulfillment.models import Session
from fulfillment.services.instances import START, ask
from fulfillment.services.running import begin_stop, start_release
from orders import services as orders
from orders.models import Order

S = Session.State
PATH = "order.fulfillments[0].state"


class Locked(NamedTuple):
    """An order and its session, both locked until the transaction ends."""

    order: Order
    session: Session


def nudge_advance() -> None:
    """Wake a worker for sessions once the surrounding transaction has committed."""
    nudge_on_commit("advance")


def lock_session(order_id: int) -> Locked:
    """The order and its session, opened where nobody has yet. Raises NotFound `order-unknown`."""
    order = (
        Order.objects.select_for_update(no_key=True, of=("self",))
        .select_related("connector__evse__station")
        .filter(pk=order_id)
        .first()
    )
    if order is None:
        raise NotFound("order-unknown", f"there is no order {order_id}", path="order.id")
    session = _locked_session(order_id)
    if session is None and order.state == Order.State.ACTIVE:
        Session.objects.bulk_create([_new_session(order)], ignore_conflicts=True)
        session = _locked_session(order_id)
    if session is None:
        raise _refused(order, f"order {order} is {order.state}; only a confirmed order can be charged")
    session.order = order  # one and the same object, so that neither is read or written twice
    if session.state == S.WAITING and session.evse_id != order.connector.evse_id:
        session.evse = order.connector.evse  # the order was moved to another charger
        session.save(update_fields=["evse"])
    return Locked(order, session)


@transaction.atomic
def follow_order(order_id: int) -> None:
    """Take the waiting session of an order that was moved along to its new charger; nothing where there is none."""
    if Session.objects.filter(order_id=order_id).exists():
        lock_session(order_id)


def close_sessions_due(now: datetime, *, limit: int = 100) -> int:
    """Close the sessions that still wait for orders which were cancelled; returns how many."""
    left = Session.objects.filter(state=S.WAITING, order__state=Order.State.CANCELLED).order_by("order_id")
    return each_alone(left, lambda key: cancel_waiting(key, now), limit=limit, name="order_id")


@transaction.atomic
def open_sessions_due(now: datetime, *, limit: int = 50) -> int:
    """Give every confirmed order that has none its session; returns how many were opened. `now` is when we look."""
    waiting = (
        Order.objects.filter(state=Order.State.ACTIVE, session__isnull=True, confirmed_at__lte=now)
        .select_related("connector__evse")
        .order_by("pk")[:limit]
    )
    made = [_new_session(order) for order in waiting]
    Session.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


@transaction.atomic
def request_start(order_id: int, now: datetime, *, actor: str = "") -> Session:
    """Ask for charging to start; asking again changes nothing. `actor` empty is the order's buyer app.

    Raises NotFound `order-unknown`, NotAllowed `not-in-this-state`, Unavailable `connector-busy`.
    """
    order, session = lock_session(order_id)
    if session.state in {S.STARTING, S.CHARGING, S.PAUSED}:
        return session
    if session.state != S.WAITING:
        raise _refused(order, f"the session of order {order} is {session.state}; it can be started only once")
    _check_evse(order, session, now)
    session.state = states.move(session.state, S.STARTING)
    session.asked_at = session.updated_at = now
    try:
        with transaction.atomic():
            session.save()
    except IntegrityError as err:
        if "session_one_active_per_evse" not in str(err):
            raise
        raise _busy(session, "another session is running there") from err
    ask(START, session, now=now, patient=True)
    orders.mark_starting(order.pk, now=now, actor=actor or order.bap_id)
    nudge_advance()
    return session


@transaction.atomic
def request_stop(order_id: int, now: datetime, *, reason: str = "requested", actor: str = "") -> Session:
    """Ask for charging to end; asking again, or after the end, changes nothing.

    A stop asked for while the station is still starting is kept and done as soon as the outcome is known.
    Raises NotFound `order-unknown`, NotAllowed `not-in-this-state`.
    """
    order, session = lock_session(order_id)
    if session.state in {S.ENDING, S.ENDED}:
        return session
    if session.state == S.STARTING:
        session.stop_reason = session.stop_reason or reason[:40]
        session.save(update_fields=["stop_reason"])
        return session
    if session.state not in {S.CHARGING, S.PAUSED}:
        raise _refused(order, f"the session of order {order} is {session.state}; there is nothing to stop")
    begin_stop(order, session, now=now, reason=reason, actor=actor or order.bap_id)
    nudge_advance()
    return session


@transaction.atomic
def cancel_waiting(order_id: int, now: datetime) -> bool:
    """Close the session of an order that was cancelled before energy flowed; whether there was one to close."""
    session = Session.objects.select_for_update(no_key=True, of=("self",)).filter(order_id=order_id).first()
    if session is None or session.state not in {S.WAITING, S.STARTING}:
        return False
    held_something = session.state == S.STARTING
    session.state = states.move(session.state, S.CANCELLED)
    session.next_at, session.ended_at, session.updated_at = None, now, now
    if held_something:
        session.asked_at = now
        start_release(session, now=now)
    session.save()
    nudge_advance()
    return True


def _locked_session(order_id: int) -> Session | None:
    return (
        Session.objects.select_for_update(no_key=True, of=("self",))
        .select_related("evse__station")
        .filter(order_id=order_id)
        .first()
    )


def _new_session(order: Order) -> Session:
    return Session(order=order, evse_id=order.connector.evse_id, card=f"VB{secrets.token_hex(8)}")


def _check_evse(order: Order, session: Session, now: datetime) -> None:
    if order.ends_at is not None and now >= order.ends_at:
        raise _refused(order, f"the booked time of order {order} ended at {order.ends_at.isoformat()}")
    if session.evse.status in Evse.OUT_OF_SERVICE:
        raise _busy(session, f"it is {session.evse.status} since {session.evse.status_at.isoformat()}")


def _busy(session: Session, why: str) -> Unavailable:
    return Unavailable("connector-busy", f"{session.evse.uid} cannot be started: {why}", path=PATH)


def _refused(order: Order, text: str) -> NotAllowed:
    return NotAllowed("not-in-this-state", text, path=PATH)
