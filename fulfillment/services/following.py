"""What follows from a station's answer to a step? Works on a locked order and session, and saves the session."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalog.models import Evse
from core.errors import DriverError
from fulfillment import states
from fulfillment.drivers import base
from fulfillment.drivers.base import Ack, MeterValue
from fulfillment.models import Command, Session
from fulfillment.services.leaving import still_stands
from fulfillment.services.readings import record_reading
from fulfillment.services.running import (
    BY_STATION,
    FAULT,
    begin,
    begin_stop,
    fail,
    finish,
    follow,
    look_again_at,
    show_evse,
    target_reached,
)
from orders.models import Order

# The station's own word that there is nothing to stop; a wrong token or a bad day is not that.
GONE = frozenset({404, 409, 410})
SILENT = "station silent"
MOST_LIGHT_TRIES = 3
MOST_PAY_TRIES = 5


def take_facts(session: Session, ack: Ack | None) -> None:
    """Keep what the station calls the session and which slot it gave, whatever is wished meanwhile."""
    if ack is None:
        return
    session.remote_id = session.remote_id or ack.session_id
    if session.slot_number is None:
        session.slot_number = ack.slot_number


def succeeded(order: Order, session: Session, ack: Ack | None, *, now: datetime) -> None:
    """The station answered."""
    if session.step in {"start", states.CONFIRM}:
        _started(order, session, ack, now=now)
    elif session.step == states.WATCH:
        _watched(order, session, ack, now=now)
    elif session.step == states.STOP:
        finish(order, session, ack, now=now, next_step=states.PAY)
    else:
        if session.step in {states.UNLOCK, states.UNDO}:
            _freed(session, now=now)
        if session.step == states.UNDO and _may_come_late(session, now):
            session.next_at = (session.asked_at or now) + timedelta(seconds=states.LATE_S)
            session.save()
            return
        _go_on(order, session, now=now)


def failed(order: Order, session: Session, err: DriverError, *, now: datetime) -> None:
    """The station refused or could not be asked: try again later, or give up in the way the step allows."""
    session.attempts += 1
    step = session.step
    if step in states.START_STEPS or step == states.CONFIRM:
        if err.permanent or now >= _deadline(session, now):
            fail(order, session, now=now, reason=err.text)
            return
    elif step == states.WATCH:
        _unwatched(order, session, now=now)
        return
    elif step == states.STOP:
        if err.status in GONE or now >= _deadline(session, now):
            session.fault = "; ".join(part for part in (session.fault, err.text) if part)
            finish(order, session, None, now=now, next_step=states.UNDO)
            return
    elif _enough(session, err, now=now):
        if step not in states.OPTIONAL:
            session.fault = "; ".join(part for part in (session.fault, f"{step}: {err.text}") if part)
        _go_on(order, session, now=now)
        return
    session.next_at = now + timedelta(seconds=states.wait_s(session.attempts, step=step))
    session.save()


def _started(order: Order, session: Session, ack: Ack | None, *, now: datetime) -> None:
    if ack is not None and (ack.status == base.CHARGING or ack.over):
        begin(order, session, ack, now=now)
        if ack.over and session.state == Session.State.CHARGING:
            begin_stop(order, session, now=now, reason=BY_STATION)
        session.save()
        return
    if now >= _deadline(session, now):
        seen = "no session" if ack is None else f"status {ack.status or 'unknown'}"
        reason = f"no energy flows {states.START_DEADLINE_S} s after the start was asked for ({seen})"
        fail(order, session, now=now, reason=reason)
        return
    session.step = states.CONFIRM
    session.next_at = now + timedelta(seconds=states.CONFIRM_EVERY_S)
    session.save()


def _watched(order: Order, session: Session, ack: Ack | None, *, now: datetime) -> None:
    if ack is None:
        begin_stop(order, session, now=now, reason=FAULT, fault="the station knows nothing of the session any more")
        return
    if ack.over:
        reason = "vehicle full" if ack.soc_percent == 100 else BY_STATION
        begin_stop(order, session, now=now, reason=reason)
        return
    if ack.meter_wh is not None:
        value = MeterValue(at=now, energy_wh=ack.meter_wh, power_w=ack.power_w, soc_percent=ack.soc_percent)
        if not record_reading(order, session, value, now=now):
            return
    # The reading was not believed, or there was none: the session goes on, and is looked at again.
    if session.state in {Session.State.CHARGING, Session.State.PAUSED}:
        follow(order, session, now=now)


def _unwatched(order: Order, session: Session, *, now: datetime) -> None:
    """The station cannot be asked: end at the target all the same, settle provisionally after a long silence."""
    reason = target_reached(order, session, now=now)
    heard_at = session.read_at or session.started_at or now
    if reason:
        begin_stop(order, session, now=now, reason=reason)
    elif now - heard_at >= timedelta(seconds=states.PROVISIONAL_AFTER_S):
        session.fault = f"the station is silent since {heard_at.isoformat()}"
        session.stop_reason = SILENT
        finish(order, session, None, now=now, next_step=states.UNDO)
    else:
        soon = now + timedelta(seconds=states.wait_s(session.attempts, step=session.step))
        session.next_at = max(soon, min(look_again_at(order, session, now=now), now + timedelta(seconds=30)))
        session.save()


def _go_on(order: Order, session: Session, *, now: datetime) -> None:
    _close_commands(session)
    broken = session.state == Session.State.FAILED or session.stop_reason in {FAULT, SILENT}
    session.step = states.next_step(session.step, broken=broken)
    session.attempts = 0
    session.next_at = now
    if session.step == states.WATCH:
        follow(order, session, now=now)
        return
    if session.step == states.DONE:
        session.next_at = None
    session.updated_at = now
    session.save()


def _close_commands(session: Session) -> None:
    """No intent stays open once its step is left; giving back settles every earlier one."""
    left = session.commands.filter(state__in=[Command.State.INTENT, Command.State.UNKNOWN])
    if session.step != states.UNDO:
        left = left.filter(name=session.step)
    left.update(state=Command.State.REFUSED)


def _may_come_late(session: Session, now: datetime) -> bool:
    """Whether a command of unknown outcome may still be on its way, so that giving back is to be repeated later."""
    over = now >= (session.asked_at or now) + timedelta(seconds=states.LATE_S)
    return not over and session.commands.filter(state=Command.State.UNKNOWN).exists()


def _freed(session: Session, *, now: datetime) -> None:
    if still_stands(session):
        return
    session.evse.refresh_from_db(fields=["status", "status_at"])
    if session.evse.status in {Evse.Status.CHARGING, Evse.Status.FINISHING, Evse.Status.PREPARING}:
        show_evse(session, Evse.Status.AVAILABLE, now)


def _enough(session: Session, err: DriverError, *, now: datetime) -> bool:
    """Whether a step after the end, or of giving back, is not worth another try."""
    if session.step in states.OPTIONAL:
        return err.permanent or session.attempts >= MOST_LIGHT_TRIES
    if session.step == states.PAY and err.permanent:
        return session.attempts >= MOST_PAY_TRIES
    return err.permanent or now >= _deadline(session, now)


def _deadline(session: Session, now: datetime) -> datetime:
    return states.deadline(session.step, session.asked_at or now)
