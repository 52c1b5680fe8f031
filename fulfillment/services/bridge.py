"""What do sessions and the event sink learn from what a workflow tells?

A workflow tells by the events it emits; they are taken in within the transaction that writes down its progress, so that
the station's news, the order and the callbacks commit together. What is public among them is owed to the sink, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from catalog.models import Evse
from core.errors import DriverError
from fulfillment.drivers.base import Ack
from fulfillment.drivers.supplier_json import ack_of
from fulfillment.models import Session, WalkIn, WorkflowInstance
from fulfillment.services.emitting import owe
from fulfillment.services.instances import ASKS, RELEASE, STOP
from fulfillment.services.journal import in_doubt
from fulfillment.services.leaving import still_stands
from fulfillment.services.running import (
    BY_STATION,
    add_fault,
    begin,
    begin_stop,
    fail,
    finish,
    show_evse,
    start_release,
)
from orders.models import Order

S = Session.State
AT_WORK = {Evse.Status.CHARGING, Evse.Status.FINISHING, Evse.Status.PREPARING}
LOST = frozenset({S.ENDED, S.FAILED, S.CANCELLED})
TIMEOUT = "/errors/timeout"
Heard = Callable[[Order, Session, dict[str, Any], datetime], None]


def hear(instance: WorkflowInstance, session: Session, events: Iterable[dict[str, Any]], *, now: datetime) -> None:
    """Take in what the instance of a locked session told, in order; saves the session. `now` is when it was told."""
    for event in events:
        heard = HEARD.get(event["type"].removeprefix(ASKS))
        if heard is not None and event["type"].startswith(ASKS):
            heard(session.order, session, event["data"], now)
    pass_on(instance, events, now=now)


def pass_on(instance: WorkflowInstance, events: Iterable[dict[str, Any]], *, now: datetime) -> None:
    """Owe the sink what a workflow told to the public; its own words between us stay here."""
    for event in events:
        if not event["type"].startswith(ASKS):
            owe(event, subject=instance.card or str(instance.uid), at=now)


def over(instance: WorkflowInstance, session: Session, *, now: datetime) -> None:
    """Nothing of a locked session is left hanging when an instance ends in whatever way; saves the session."""
    text = how_it_ended(instance)
    if session.state == S.STARTING and instance.trigger not in {STOP, RELEASE}:
        fail(session.order, session, now=now, reason=text)
    elif session.state == S.ENDING and instance.trigger == STOP:
        add_fault(session, text)
        finish(session.order, session, None, now=now, release=True)
    elif instance.trigger == RELEASE:
        session.release_owed = False
        if instance.status != WorkflowInstance.Status.COMPLETED:
            add_fault(session, text)
        session.save()
    elif session.state in LOST and instance.status != WorkflowInstance.Status.COMPLETED:
        # It told the end before it had given everything back.
        start_release(session, now=now)
        session.save()
    elif session.state in LOST and in_doubt(instance):
        start_release(session, now=now, late=True)
        session.save()


def how_it_ended(instance: WorkflowInstance) -> str:
    """Why an instance that is over did not come to what was asked of it, in words."""
    if instance.fault:
        return str(instance.fault.get("detail") or instance.fault.get("title") or "the workflow ended with an error")
    return instance.reason or "the workflow ended without saying how"


def _acquired(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    session.remote_id = session.remote_id or str(data.get("sessionId") or "")[:128]
    number = data.get("slotNumber")
    if session.slot_number is None and isinstance(number, int) and 0 < number <= 32_767:
        session.slot_number = number
    session.save()


def _flows(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    if session.state != S.STARTING:
        return
    ack = ack_told(session, data) or Ack(status="charging")
    begin(order, session, ack, now=now)
    if ack.over and session.state == S.CHARGING:
        begin_stop(order, session, now=now, reason=BY_STATION)
    session.save()


def _start_failed(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    if session.state == S.STARTING:
        fail(order, session, now=now, reason=reason_told(data), release=False)


def _ended(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    if session.state == S.ENDING:
        finish(order, session, ack_told(session, data), now=now)


def _lost(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    if session.state == S.ENDING:
        add_fault(session, reason_told(data))
        finish(order, session, None, now=now)


def _payment_due(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    session.payment_due = True
    add_fault(session, f"pay: {reason_told(data)}")
    session.save()


def _stuck(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    add_fault(session, f"unlock: {reason_told(data)}")
    session.save()


def _freed(order: Order, session: Session, data: dict[str, Any], now: datetime) -> None:
    if still_stands(session):
        return
    session.evse.refresh_from_db(fields=["status", "status_at"])
    if session.evse.status in AT_WORK:
        show_evse(session, Evse.Status.AVAILABLE, now)


HEARD: dict[str, Heard] = {
    "slot-acquired.v1": _acquired,
    "energy-flows.v1": _flows,
    "start-failed.v1": _start_failed,
    "charging-ended.v1": _ended,
    "session-lost.v1": _lost,
    "payment-due.v1": _payment_due,
    "slot-stuck.v1": _stuck,
    "slot-freed.v1": _freed,
}


def ack_told(session: Session | WalkIn, data: dict[str, Any]) -> Ack | None:
    """The supplier's record of a session as it was told; None where it is no such thing, with a word in the session."""
    record = data.get("session")
    try:
        return ack_of({"session": record if isinstance(record, dict) else {}})
    except DriverError as err:
        add_fault(session, err.text)
        return None


def reason_told(data: dict[str, Any]) -> str:
    """What went wrong in the words of whoever refused; a start that took too long in ours."""
    error = data.get("error")
    if not isinstance(error, dict):
        return "the station did not say why"
    if str(error.get("type", "")).endswith(TIMEOUT):
        return f"no energy flows after the start was asked for ({error.get('detail', 'it took too long')})"
    said = str(error.get("detail") or error.get("title") or "no reason given")
    return f"{error.get('status', '')} {said}".strip()
