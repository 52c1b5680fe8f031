"""Which meter readings do we believe? Every one is kept; the refused ones with their reason, out of the bill."""

from __future__ import annotations

from datetime import datetime

from fulfillment import metering
from fulfillment.drivers.base import MeterValue
from fulfillment.metering import DUPLICATE, Register
from fulfillment.models import Session
from fulfillment.selectors import newest_register
from fulfillment.services.correcting import take_late
from fulfillment.services.keeping import keep_reading
from fulfillment.services.running import follow, limits
from orders.models import Order

S = Session.State


def record_reading(order: Order, session: Session, value: MeterValue, *, now: datetime) -> str:
    """Take one reading into a locked session, and do what follows from it; returns why it was refused, empty if not.

    Wh of the register; a repeated reading is recorded once. Saves the session.
    """
    if session.state == S.ENDED:
        return take_late(order, session, value, now=now)
    reason = _state_refusal(session) or _meter_refusal(session, value, now=now)
    if reason == DUPLICATE:
        return reason
    if not keep_reading(session, value, reason=reason):
        return DUPLICATE
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


def _state_refusal(session: Session) -> str:
    return "" if session.state in {S.CHARGING, S.PAUSED, S.ENDING} else f"the session is {session.state}"


def _meter_refusal(session: Session, value: MeterValue, *, now: datetime) -> str:
    return metering.refusal(Register(value.at, value.energy_wh), newest_register(session), limits(session), now=now)
