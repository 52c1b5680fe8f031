"""What if the meter of a session is read right only after its bill was made?

A station that was cut off tells the end when it is back, whether charging went on meanwhile or stopped early; an
operator may know better than a broken register. The session takes the register, the order a corrected bill; the
reading is kept like any other. Source: DEG EV-charging guide, sections A and B (power cut, offline continuation).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from core.due import each_alone
from core.errors import Invalid, NotAllowed, NotFound
from core.nudges import nudge_on_commit
from fulfillment import metering
from fulfillment.drivers.base import MeterValue
from fulfillment.metering import DUPLICATE, Register
from fulfillment.models import Reading, Session
from fulfillment.selectors import meter_points, newest_register
from fulfillment.services.keeping import keep_reading
from fulfillment.services.running import STATION, limits
from orders import services as orders
from orders.models import Order
from orders.services.ledger import lock_order

LATE = "the meter told its end after the bill"
PATH = "session.meter_stop_wh"
THROUGH_S = 60
# A station that was cut off this long leaves its bill to the operator.
LATE_WITHIN = timedelta(days=7)


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
    session.provisional, session.by_hand, session.meter_wh = False, True, meter_stop_wh
    session.save(update_fields=["provisional", "by_hand", "meter_wh"])
    return session


def take_late(order: Order, session: Session, value: MeterValue, *, now: datetime) -> str:
    """Take what a station tells of a locked session after its bill; returns why it was refused, empty if not.

    The last register is billed at once, whether it is more or less than was billed. Any other reading can only raise
    the register, and is billed once the station is through (`bill_late_due`): those that were on their way when the
    session ended say nothing new. Saves the session.
    """
    if value.final:
        return _take_last(order, session, value, now=now)
    if value.energy_wh in {session.meter_stop_wh, session.meter_wh}:
        return DUPLICATE
    reason = ""
    if value.energy_wh < (session.meter_stop_wh or 0):
        reason = f"the session is {session.state}"
    reason = reason or _refusal(order, session, value, newest_register(session), now=now)
    if not keep_reading(session, value, reason=reason):
        return DUPLICATE
    if not reason:
        session.meter_wh, session.read_at, session.updated_at = value.energy_wh, value.at, now
        session.provisional = True
        session.save(update_fields=["meter_wh", "read_at", "updated_at", "provisional"])
    return reason


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


def _take_last(order: Order, session: Session, value: MeterValue, *, now: datetime) -> str:
    """The register a session really ended on: it counts against what the meter told before, not against our bill."""
    if value.energy_wh == session.meter_stop_wh == session.meter_wh:
        Session.objects.filter(pk=session.pk, provisional=True).update(provisional=False)
        return DUPLICATE
    told = Reading.objects.filter(session=session, accepted=True).order_by("-at").first()
    last = Register(told.at, told.energy_wh) if told is not None else _first(session)
    reason = _refusal(order, session, value, last, now=now)
    if reason == DUPLICATE:
        return reason
    if not keep_reading(session, value, reason=reason):
        return DUPLICATE
    if not reason:
        session.read_at, session.provisional = value.at, False
        session.save(update_fields=["read_at", "provisional"])
        _bill_again(order, session, value.energy_wh, now=now, actor=STATION, reason=LATE)
    return reason


def _refusal(order: Order, session: Session, value: MeterValue, last: Register | None, *, now: datetime) -> str:
    """Why a late reading is not believed or changes no bill, in words; empty where it does."""
    if order.state != Order.State.COMPLETE:
        return f"the order is {order.state}"
    if session.by_hand:
        return "an operator has put the meter right"
    if session.ended_at is not None and now > session.ended_at + LATE_WITHIN:
        return f"the session ended more than {LATE_WITHIN.days} days ago"
    following = (
        Session.objects.filter(evse=session.evse_id, slot_number=session.slot_number, meter_start_wh__isnull=False)
        .filter(started_at__gt=session.started_at or value.at)
        .order_by("started_at")
        .first()
    )
    if following is not None and value.energy_wh > (following.meter_start_wh or 0):
        return f"beyond {following.meter_start_wh} Wh, with which the slot's next session began"
    return metering.refusal(Register(value.at, value.energy_wh), last, limits(session), now=now)


def _first(session: Session) -> Register | None:
    if session.meter_start_wh is None or session.started_at is None:
        return None
    return Register(session.started_at, session.meter_start_wh)


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
