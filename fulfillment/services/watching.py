"""How do we notice what a charging session came to, where the station does not tell by itself?

A session that charges is asked about after a silence, when its time is over, and when its target should be reached.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from fulfillment import states
from fulfillment.models import Session
from fulfillment.services.asking import UNKNOWN, Answer, Watch, reading_of, why_over
from fulfillment.services.readings import record_reading
from fulfillment.services.running import (
    FAULT,
    SILENT,
    abandon,
    begin_stop,
    finish,
    follow,
    look_again_at,
    target_reached,
)
from fulfillment.services.sessions import lock_session
from fulfillment.services.spending import used_up_at
from orders.models import Order

S = Session.State


def watch_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Ask about the sessions that are due; returns how many. `now` replaces the clock."""
    return Watch(_due, lambda session: session.evse.station, _take_in).ask_due(now, limit=limit)


def _due(now: datetime) -> QuerySet[Session]:
    return Session.objects.filter(next_at__lte=now, state__in=[S.CHARGING, S.PAUSED]).select_related("evse__station")


def _take_in(due: Session, answer: Answer, now: datetime) -> None:
    order, session = lock_session(due.order_id)
    ack = answer.ack
    if session.state not in {S.CHARGING, S.PAUSED}:
        return
    if order.state != Order.State.ACTIVE:
        abandon(session, now=now)
        return
    if answer.err is not None:
        session.attempts += 1
        _unheard(order, session, now=now)
        return
    session.attempts = 0
    if ack is None:
        begin_stop(order, session, now=now, reason=FAULT, fault=UNKNOWN)
    elif ack.over:
        begin_stop(order, session, now=now, reason=why_over(ack))
    elif ack.meter_wh is not None and not record_reading(order, session, reading_of(ack, now), now=now):
        return
    elif session.state in {S.CHARGING, S.PAUSED}:
        # The reading was not believed, or there was none: the session goes on, and is looked at again.
        follow(order, session, now=now)


def _unheard(order: Order, session: Session, *, now: datetime) -> None:
    """The station cannot be asked: end at the target all the same, settle provisionally after a long silence."""
    spent_at = used_up_at(order, session, now=now)
    reason = target_reached(order, session, spent_at=spent_at, now=now)
    heard_at = session.read_at or session.started_at or now
    if reason:
        begin_stop(order, session, now=now, reason=reason)
    elif now - heard_at >= timedelta(seconds=states.PROVISIONAL_AFTER_S):
        session.fault = f"the station is silent since {heard_at.isoformat()}"
        session.stop_reason = SILENT
        finish(order, session, None, now=now, release=True)
    else:
        soon = now + timedelta(seconds=states.wait_s(session.attempts))
        wanted = look_again_at(order, session, spent_at=spent_at, now=now)
        session.next_at = max(soon, min(wanted, now + timedelta(seconds=30)))
        session.save()
