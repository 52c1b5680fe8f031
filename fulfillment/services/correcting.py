"""What if the meter of a session is read right only after its bill was made?

A station that was cut off tells the end when it is back; an operator may know better than a broken register. The
session takes the register, the order a corrected bill; the reading is kept like any other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from core.due import each_alone
from core.errors import Invalid, NotAllowed, NotFound
from core.nudges import nudge_on_commit
from fulfillment.drivers.base import MeterValue
from fulfillment.models import Session
from fulfillment.selectors import meter_points
from fulfillment.services.keeping import keep_reading
from fulfillment.services.running import STATION
from orders import services as orders
from orders.models import Order
from orders.services.ledger import lock_order

LATE = "the meter told its end after the bill"
PATH = "session.meter_stop_wh"
THROUGH_S = 60


@transaction.atomic
def correct_meter(order_id: int, *, meter_stop_wh: int, now: datetime, actor: str, reason: str) -> Session:
    """Put the last register of a billed session right, and its bill; the same again changes nothing.

    It is the last word: what the station tells afterwards is kept, and not billed.
    Raises NotFound `session-unknown`, NotAllowed `not-in-this-state` before the bill, Invalid `update-inconsistent` for
    a register below the first one.
    """
    order = lock_order(order_id)
    session = Session.objects.select_for_update(no_key=True, of=("self",)).filter(order=order).first()
    if session is None:
        raise NotFound("session-unknown", f"order {order} has no session", path=PATH)
    if session.state != Session.State.ENDED or order.state != Order.State.COMPLETE:
        raise NotAllowed(
            "not-in-this-state", f"the session is {session.state}, its order {order.state}; there is no bill", path=PATH
        )
    first_wh = session.meter_start_wh or 0
    if meter_stop_wh < first_wh:
        raise Invalid(
            "update-inconsistent", f"{meter_stop_wh} Wh are below the first register, {first_wh} Wh", path=PATH
        )
    if meter_stop_wh != session.meter_stop_wh:
        keep_reading(session, MeterValue(at=now, energy_wh=meter_stop_wh), reason="")
        _bill_again(order, session, meter_stop_wh, now=now, actor=actor, reason=reason)
    if session.provisional:
        session.provisional, session.meter_wh = False, meter_stop_wh
        session.save(update_fields=["provisional", "meter_wh"])
    return session


def bill_late_due(*, now: datetime, limit: int = 20) -> int:
    """Bill anew what a station told after its session was settled without it, once it is through; returns how many."""
    through = now - timedelta(seconds=THROUGH_S)
    told = Session.objects.filter(
        state=Session.State.ENDED, provisional=True, meter_wh__gt=F("meter_stop_wh"), updated_at__lte=through
    )
    return each_alone(told.order_by("updated_at"), lambda key: _bill_late(key, now), limit=limit, name="order_id")


def _bill_late(order_id: int, now: datetime) -> bool:
    order = lock_order(order_id)
    session = Session.objects.select_for_update(no_key=True, of=("self",)).get(order=order)
    if session.meter_wh is None or session.meter_wh <= (session.meter_stop_wh or 0):
        return False
    _bill_again(order, session, session.meter_wh, now=now, actor=STATION, reason=LATE)
    return True


def _bill_again(order: Order, session: Session, meter_stop_wh: int, *, now: datetime, actor: str, reason: str) -> None:
    """Give a locked, ended session its last register, Wh, and the order the bill that follows from it. Saves."""
    session.meter_wh = session.meter_stop_wh = meter_stop_wh
    session.updated_at = now
    session.save(update_fields=["meter_wh", "meter_stop_wh", "updated_at"])
    orders.correct_bill(
        order.pk,
        energy_wh=session.energy_wh,
        started_at=session.started_at or now,
        ended_at=session.ended_at or now,
        unplugged_at=session.left_at,
        readings=meter_points(session),
        now=now,
        actor=actor,
        reason=reason,
    )
    nudge_on_commit("process")
