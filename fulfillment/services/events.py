"""What becomes of the events that stations send: stored once, then taken in, ignored or refused with a reason?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from django.db import OperationalError, transaction

from catalog import services as catalog
from catalog.models import Evse, Station
from core.due import lock_next, one_of
from core.nudges import nudge_on_commit
from fulfillment.cloudevents import Incoming
from fulfillment.drivers.base import StationEvent as Fact
from fulfillment.drivers.supplier_json import EventFormError, station_event
from fulfillment.metering import DUPLICATE
from fulfillment.models import Session, StationEvent
from fulfillment.services.instances import in_hand
from fulfillment.services.keeping import keep_reading
from fulfillment.services.leaving import note_place
from fulfillment.services.outages import (
    ENDING,
    OLD_NEWS,
    STOPPED,
    WARNED,
    begin_outage,
    end_outages,
    lock_waiting,
    lose_promise,
    split_old,
)
from fulfillment.services.readings import record_reading
from fulfillment.services.running import BY_STATION, FAULT, STATION, begin_stop, start_release
from fulfillment.services.scanning import card_scanned
from fulfillment.services.sessions import lock_session, nudge_advance
from fulfillment.services.verdicts import DONE, Verdict, refused, run
from fulfillment.services.walk_in_readings import fault_walk_ins, look_at_walk_ins, read_walk_in
from orders import services as orders
from orders.models import Order

log = logging.getLogger(__name__)

S = Session.State
UNNAMED = "fault reported by the station"
MOST_TRIES = 5
AT_STATION = (S.CHARGING, S.PAUSED, S.ENDING, S.STARTING)
HIT_BY_FAULT = (*AT_STATION, S.WAITING)
GIVEN_UP = (S.FAILED, S.CANCELLED)
# A start whose answer never came may be done so long after we gave up; its card is looked for no more often than this.
MAY_BEGIN_LATE = timedelta(hours=1)
LOOK_AGAIN_AFTER = timedelta(minutes=2)

# What to do once events are stored and committed; a hint only, the sweep finds them anyway.
after_store: Callable[[], None] = nudge_advance


@transaction.atomic
def store_events(events: Sequence[Incoming]) -> int:
    """Keep events once by source and id; returns how many came in. Those already kept change nothing."""
    rows = [
        StationEvent(source=event.source, event_id=event.event_id, type=event.type, time=event.time, data=event.data)
        for event in events
    ]
    StationEvent.objects.bulk_create(rows, ignore_conflicts=True)
    after_store()
    return len(rows)


def process_events_due(now: datetime, *, limit: int = 100) -> int:
    """Take in the events that are due, in the order they came; returns how many. One worker at a time."""
    with one_of("evnt", 1) as mine:
        done = 0
        while mine and done < limit and _process_next(now):
            done += 1
        return done


def _process_next(now: datetime) -> bool:
    with transaction.atomic():
        row = lock_next(StationEvent.objects.filter(state=StationEvent.State.NEW, next_at__lte=now).order_by("pk"))
        if row is None:
            return False
        try:
            with transaction.atomic():
                verdict = _take_in(row, now)
            row.state, row.reason = verdict.state, verdict.reason
        except OperationalError:
            raise
        except Exception as err:  # noqa: BLE001 -- the sweep's boundary: one bad event must not stop the others
            _postpone(row, err, now)
        row.save(update_fields=["state", "reason", "station", "attempts", "next_at"])
    return True


def _postpone(row: StationEvent, err: Exception, now: datetime) -> None:
    row.attempts += 1
    row.reason = f"{type(err).__name__}: {err}"[:1000]
    row.next_at = now + timedelta(seconds=2**row.attempts)
    if row.attempts >= MOST_TRIES:
        row.state = StationEvent.State.REFUSED
    log.error("an event could not be taken in", extra={"event": row.pk, "attempts": row.attempts}, exc_info=err)


def _take_in(row: StationEvent, now: datetime) -> Verdict:
    try:
        fact = station_event(row.type, row.data, at=row.time)
    except EventFormError as err:
        return refused(str(err))
    if fact is None:
        return Verdict(StationEvent.State.IGNORED, f"events of type {row.type!r} are not used")
    row.station = Station.objects.filter(code=fact.station).first()
    if row.station is None:
        return refused(f"there is no station {fact.station!r}")
    evses = list(row.station.evses.order_by("pk"))
    if fact.slot_number is not None:
        evses = [evse for evse in evses if evse.slot_number == fact.slot_number]
        if not evses:
            return refused(f"station {fact.station} has no slot {fact.slot_number}")
    return TAKERS[fact.kind](row, fact, evses, now)


def _slot_status(row: StationEvent, fact: Fact, evses: list[Evse], now: datetime) -> Verdict:
    if fact.status == Evse.Status.FAULTED:
        return _faulted(row, fact, evses, now)
    running = Session.objects.filter(evse__in=evses, state__in=[S.CHARGING, S.PAUSED, S.STARTING]).first()
    if running is not None:
        _ask_again(running.order_id, fact, now)
    assert row.station is not None, "events without a station are refused"
    at = min(fact.at, now)
    note_place(evses, fact.status, at=at, now=now)
    look_at_walk_ins(evses, fact, now=now)
    waiting = lock_waiting(evses) if fact.status not in Evse.OUT_OF_SERVICE else []
    was_out = any(evse.status in Evse.OUT_OF_SERVICE for evse in evses)
    for evse in evses:
        catalog.set_evse_status(evse, fact.status, at)
    if was_out:
        end_outages(row.station, waiting, at=at, now=now)
    return DONE


def _ask_again(order_id: int, fact: Fact, now: datetime) -> None:
    """The slot's word does not name a session, so the station is asked what became of ours."""
    _, session = lock_session(order_id)
    expected = session.state in {S.CHARGING, S.PAUSED} and fact.status == Evse.Status.CHARGING
    if session.state in {S.CHARGING, S.PAUSED} and not expected:
        session.next_at = now
        session.save(update_fields=["next_at"])
        nudge_advance()


def _faulted(row: StationEvent, fact: Fact, evses: list[Evse], now: datetime) -> Verdict:
    assert row.station is not None, "events without a station are refused"
    evses, why_old = split_old(row.station, evses, at=fact.at, now=now)
    if not evses:
        return Verdict(StationEvent.State.IGNORED, why_old)
    error = ": ".join(part for part in (fact.error_code, fact.error) if part)
    hit = Session.objects.filter(evse__in=evses, state__in=HIT_BY_FAULT).order_by("order_id")
    order_ids = list(hit.values_list("order_id", flat=True))
    for order_id in order_ids:
        lock_session(order_id)
    failing = {evse.pk for evse in evses}
    free = orders.lock_ways_out(order_ids, now=now) - failing if order_ids else frozenset()
    fates: dict[str, str] = {}
    for order_id in order_ids:
        fates |= _meet_fault(order_id, error or UNNAMED, fact, failing, free, now)
    note_place(evses, Evse.Status.FAULTED, at=min(fact.at, now), now=now)
    fault_walk_ins(evses, error or UNNAMED, at=fact.at, now=now)
    # Orders and sessions are locked before EVSEs everywhere, so that nobody waits in a circle.
    for evse in evses:
        catalog.set_evse_status(evse, Evse.Status.FAULTED, min(fact.at, now))
    known = begin_outage(row, fact, error, fates, now=now)
    if fact.kind == "faulted":
        told = {"code": fact.error_code, "message": fact.error}
        place = {"stationId": fact.station} | ({"slotNumber": fact.slot_number} if fact.slot_number else {})
        run(row, place | {"error": told}, now)
    return Verdict(StationEvent.State.DONE, known)


def _meet_fault(
    order_id: int, text: str, fact: Fact, failing: Collection[int], free: Collection[int], now: datetime
) -> dict[str, str]:
    """What a fault means for a locked order that it may concern; returns what became of it, by its code."""
    order, session = lock_session(order_id)
    began_at = _concerned_since(order, session)
    if session.evse_id not in failing or (began_at is not None and fact.at < began_at - OLD_NEWS):
        return {}
    fate = ""
    if session.state in {S.CHARGING, S.PAUSED}:
        begin_stop(order, session, now=now, reason=FAULT, fault=text)
        fate = STOPPED
    elif session.state == S.STARTING or (session.state == S.WAITING and _is_wanted_now(order, now)):
        fate = lose_promise(order, session, text, free, now=now)
    elif session.state == S.WAITING and orders.warn_of_fault(order.pk, reason=text, now=now, actor=STATION):
        nudge_on_commit("process")
        fate = WARNED
    elif session.state == S.ENDING:
        session.fault = session.fault or text
        if session.stop_reason == BY_STATION:
            session.stop_reason = FAULT  # the poll was quicker than the news of why it ended
        session.save(update_fields=["fault", "stop_reason"])
        fate = ENDING
    nudge_advance()
    return {str(order): fate} if fate else {}


def _concerned_since(order: Order, session: Session) -> datetime | None:
    """Since when a fault at the charge point is about this session."""
    if session.state == S.WAITING:
        return order.confirmed_at
    return session.asked_at if session.state == S.STARTING else session.started_at


def _is_wanted_now(order: Order, now: datetime) -> bool:
    """Whether the driver is on the way; what is booked for later may find the charger repaired."""
    return order.starts_at is None or order.starts_at <= now


def _recovered(row: StationEvent, fact: Fact, evses: list[Evse], now: datetime) -> Verdict:
    assert row.station is not None, "events without a station are refused"
    out = [evse for evse in evses if evse.status in Evse.OUT_OF_SERVICE]
    waiting = lock_waiting(out)
    at = min(fact.at, now)
    back = [evse for evse in out if catalog.set_evse_status(evse, Evse.Status.AVAILABLE, at)]
    if out and not back:
        return Verdict(StationEvent.State.IGNORED, f"older than what was told since: {out[0].uid} is {out[0].status}")
    end_outages(row.station, waiting, at=at, now=now)
    return DONE


def _meter_values(row: StationEvent, fact: Fact, evses: list[Evse], now: datetime) -> Verdict:
    value = fact.reading
    assert value is not None, "station_event gives meter values their reading"
    found = Session.objects.filter(remote_id=fact.session_id, evse__station=row.station).first()
    walk_in = read_walk_in(row, fact, now=now) if found is None else None
    if walk_in is not None:
        return walk_in
    if found is None:
        running = Session.objects.filter(evse__in=evses, state__in=AT_STATION).exclude(remote_id="").first()
        if running is not None:
            keep_reading(running, value, reason=f"belongs to session {fact.session_id}")
        else:
            _give_back_unknown(evses, now)
        return refused(f"no session of ours is {fact.session_id!r} at {fact.station}")
    order, session = lock_session(found.order_id)
    if session.slot_number is not None and session.slot_number != fact.slot_number:
        reason = f"slot {fact.slot_number} sent a reading of a session at slot {session.slot_number}"
        keep_reading(session, value, reason=reason)
        return refused(reason)
    if session.state in GIVEN_UP and not in_hand(session):
        # Energy flows although we gave up: whatever began late is stopped at once.
        start_release(session, now=now)
        session.save()
    nudge_advance()
    reason = record_reading(order, session, value, now=now)
    return refused(reason) if reason and reason != DUPLICATE else Verdict(StationEvent.State.DONE, reason)


def _give_back_unknown(evses: list[Evse], now: datetime) -> None:
    """Energy flows in a session that we do not know: a start that we gave up without an answer may have begun it.

    The station gives back what that session's card holds, which is nothing where the energy is somebody else's.
    """
    unanswered = Session.objects.filter(evse__in=evses, state__in=GIVEN_UP, remote_id="", asked_at__isnull=False)
    recent = unanswered.filter(ended_at__gt=now - MAY_BEGIN_LATE, updated_at__lt=now - LOOK_AGAIN_AFTER)
    found = recent.order_by("-ended_at").first()
    if found is None:
        return
    session = lock_session(found.order_id).session
    if session.state in GIVEN_UP and not in_hand(session):
        start_release(session, now=now)
        session.save()
        nudge_advance()


TAKERS: dict[str, Callable[[StationEvent, Fact, list[Evse], datetime], Verdict]] = {
    "slot-status-changed": _slot_status,
    "faulted": _faulted,
    "recovered": _recovered,
    "meter-values": _meter_values,
    "card-scanned": card_scanned,
}
