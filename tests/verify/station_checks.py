"""What must hold of every ordered session, however its station behaved? Held against what the supplier saw."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from fulfillment.models import Reading, Session, StationEvent, TaskRun, WorkflowInstance
from orders import states
from orders.models import Order, OrderEvent, Quote
from sandbox.stations import Session as Stay
from tests.verify.rig import Verdict
from tests.verify.station_lives import Place

UNKNOWN_FOR = timedelta(minutes=15)
# A deadline is met when a worker looks the next time.
SLACK = timedelta(seconds=60)
OVER = {Order.State.COMPLETE, Order.State.CANCELLED}
S = Session.State


def unresolved(session: Session, now: datetime) -> str:
    """What has been unknown of a session for too long without a flag, in words; empty where nothing is."""
    charges = session.state in {S.CHARGING, S.PAUSED}
    waits = session.state in {S.STARTING, S.ENDING}
    since = (session.read_at or session.started_at) if charges else session.asked_at if waits else None
    if since is not None and now - since > UNKNOWN_FOR + SLACK:
        return f"session {session.pk} is {session.state} and unheard of since {since.isoformat()}"
    return ""


def check(place: Place, verdict: Verdict) -> None:
    """Hold every promise for what happened at a place; what does not hold becomes a failure of the verdict."""
    found: list[str] = [f"unknown for too long: {text}" for text in place.unresolved]
    for session in place.sessions:
        session.refresh_from_db()
        order = Order.objects.get(pk=session.order_id)
        found += _once(place, session) + _closed(session, order) + _billed(place, session, order) + _paths(order)
    found += [text for text in place.rules.odd if place.code in text]
    found += _nothing_held(place) + _nothing_open(place) + _tickets(place)
    for text in found:
        verdict.fail(f"{place.name} {'+'.join(place.story)} {place.noise}: {text}")
    figures = Counter(verdict.figures)
    figures.update(
        Counter(f"orders_{Order.objects.get(pk=session.order_id).fulfillment}" for session in place.sessions)
    )
    figures["unbilled_wh"] += sum(
        _delivered_wh(stay)
        for session in place.sessions
        if Order.objects.get(pk=session.order_id).state != Order.State.COMPLETE
        for stay in place.stays(session)
    )
    figures["calls"] += len(place.supplier.api.calls)
    figures["provisional"] += sum(session.provisional for session in place.sessions)
    figures["payment_due"] += sum(session.payment_due for session in place.sessions)
    figures["asked_again"] += TaskRun.objects.filter(instance__station=place.station, asked__gt=1).count()
    verdict.figures = dict(figures)


def _once(place: Place, session: Session) -> list[str]:
    """One session at the supplier, started once, paid once."""
    stays = place.stays(session)
    paid = [stay.payment_id for stay in stays if stay.paid]
    texts = []
    if len(stays) > 1:
        texts.append(f"{len(stays)} sessions for one order: {[(stay.id, stay.status) for stay in stays]}")
    if len(paid) > 1:
        texts.append(f"paid {len(paid)} times")
    begun = sum(place.rules.begun[stay.id] for stay in stays)
    if begun > 1:
        texts.append(f"started {begun} times")
    if any(stay.status in {"reserved", "locked", "charging"} for stay in stays):
        texts.append(f"the supplier still runs {[(stay.id, stay.status) for stay in stays]}")
    return texts


def _closed(session: Session, order: Order) -> list[str]:
    if order.state not in OVER or session.state in Session.LIVE:
        return [f"order {order.pk} is {order.state} {order.fulfillment}, its session {session.state}: {session.fault}"]
    return []


def _billed(place: Place, session: Session, order: Order) -> list[str]:
    """I9: the bill is the session's meter, and that the supplier's, unless it is flagged that it may not be."""
    if order.state != Order.State.COMPLETE:
        return []
    texts = []
    bill = Quote.objects.get(order=order, current=True)
    if bill.energy_wh != session.energy_wh:
        texts.append(f"I9: billed {bill.energy_wh} Wh, the session has {session.energy_wh} Wh")
    delivered_wh = sum(_delivered_wh(stay) for stay in place.stays(session))
    flagged = session.provisional or session.fault or _refused(place, session, delivered_wh)
    if session.energy_wh != delivered_wh and not flagged:
        texts.append(f"I9: {session.energy_wh} Wh of {delivered_wh} Wh delivered, and nothing says why")
    return texts


def _refused(place: Place, session: Session, delivered_wh: int) -> bool:
    """Whether the meter told this, and it is kept with the reason why it is not believed."""
    register_wh = (session.meter_start_wh or 0) + delivered_wh
    return Reading.objects.filter(session=session, accepted=False, energy_wh=register_wh).exclude(reason="").exists()


def _delivered_wh(stay: Stay) -> int:
    return stay.final_wh if stay.started_at is not None else 0


def _paths(order: Order) -> list[str]:
    """I10: the order went along the table of its states, and its events have no gaps."""
    texts = []
    for number, event in enumerate(OrderEvent.objects.filter(order=order).order_by("number"), 1):
        steps = (
            (states.ORDER_MOVES, event.from_state, event.to_state),
            (states.FULFILLMENT_MOVES, event.from_fulfillment, event.to_fulfillment),
        )
        for moves, before, after in steps:
            if before and not states.may_move(moves, before, after):
                texts.append(f"I10: {before} became {after}")
        if event.number != number:
            texts.append(f"I10: event {event.number} where {number} was due")
    return texts


def _nothing_held(place: Place) -> list[str]:
    held = [(slot.number, slot.status, slot.session_id) for slot in place.posts.slots.values() if slot.status != "free"]
    return [f"slots are left {held}"] if held else []


def _nothing_open(place: Place) -> list[str]:
    left = WorkflowInstance.objects.filter(station=place.station)
    odd = left.exclude(status__in=[WorkflowInstance.Status.COMPLETED, WorkflowInstance.Status.CANCELLED])
    texts = [f"instance {each.pk} of {each.trigger} is left {each.status}: {each.reason or each.fault}" for each in odd]
    events = StationEvent.objects.filter(state=StationEvent.State.NEW).values_list("type", "reason")
    texts += [f"an event of {kind} was not taken in: {reason}" for kind, reason in events]
    owed = [session.pk for session in place.sessions if session.release_owed]
    return texts + ([f"a release is still owed for sessions {owed}"] if owed else [])


def _tickets(place: Place) -> list[str]:
    """A report to the support is one ticket, however often it was asked for."""
    opened = sum(1 for ticket in place.supplier.rules.tickets.values() if ticket["stationId"] == place.code)
    reports = TaskRun.objects.filter(instance__station=place.station, name="report", key__isnull=False)
    meant = reports.values("instance", "pointer", "visit").distinct().count()
    return [f"{opened} tickets for {meant} reports"] if opened > meant else []
