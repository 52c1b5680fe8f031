"""Which meter readings do we believe? Every one is kept; the refused ones with their reason, out of the bill."""

from __future__ import annotations

from datetime import datetime, timedelta

from fulfillment import metering
from fulfillment.drivers.base import MeterValue
from fulfillment.metering import Register
from fulfillment.models import Session
from fulfillment.services.keeping import keep_reading
from fulfillment.services.running import follow, limits
from orders.models import Order

S = Session.State
DUPLICATE = "duplicate"
# A station that was cut off this long leaves its bill to the operator.
LATE_WITHIN = timedelta(days=7)


def record_reading(order: Order, session: Session, value: MeterValue, *, now: datetime) -> str:
    """Take one reading into a locked session, and do what follows from it; returns why it was refused, empty if not.

    Wh of the register; a repeated reading is recorded once. Saves the session.
    """
    if session.state == S.ENDED and session.provisional:
        return _late(order, session, value, now=now)
    reason = _state_refusal(session, value) or _meter_refusal(session, value, now=now)
    if reason == DUPLICATE:
        return reason
    keep_reading(session, value, reason=reason)
    if reason:
        return reason
    if session.meter_start_wh is None:
        session.meter_start_wh = value.energy_wh
    session.meter_wh, session.read_at = value.energy_wh, value.at
    session.power_w = value.power_w if value.power_w is not None else session.power_w
    session.current_a = value.current_a if value.current_a is not None else session.current_a
    session.voltage_v = value.voltage_v if value.voltage_v is not None else session.voltage_v
    session.soc_percent = value.soc_percent if value.soc_percent is not None else session.soc_percent
    follow(order, session, now=now)
    return ""


def _late(order: Order, session: Session, value: MeterValue, *, now: datetime) -> str:
    """A session that was settled without its last register hears more: the bill follows when the station is through."""
    if value.energy_wh in {session.meter_stop_wh, session.meter_wh}:
        return DUPLICATE
    reason = _meter_refusal(session, value, now=now)
    if not reason and order.state != Order.State.COMPLETE:
        reason = f"the order is {order.state}"
    if not reason and session.ended_at is not None and now > session.ended_at + LATE_WITHIN:
        reason = f"the session ended more than {LATE_WITHIN.days} days ago"
    keep_reading(session, value, reason=reason)
    if not reason:
        session.meter_wh, session.read_at, session.updated_at = value.energy_wh, value.at, now
        session.save(update_fields=["meter_wh", "read_at", "updated_at"])
    return reason


def _state_refusal(session: Session, value: MeterValue) -> str:
    if session.state in {S.CHARGING, S.PAUSED, S.ENDING}:
        return ""
    if session.state == S.ENDED and value.energy_wh == session.meter_stop_wh:
        return DUPLICATE  # the station tells the end once more
    return f"the session is {session.state}"


def _meter_refusal(session: Session, value: MeterValue, *, now: datetime) -> str:
    last = None
    if session.meter_wh is not None and session.started_at is not None:
        last = Register(session.read_at or session.started_at, session.meter_wh)
    return metering.refusal(Register(value.at, value.energy_wh), last, limits(session), now=now)
