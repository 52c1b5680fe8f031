"""Does a station's word count only where it may? Events without our token, and about another station's session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count

from fulfillment import services as fulfillment
from fulfillment.models import Reading, Session, StationEvent, WorkflowInstance
from orders.models import OrderEvent
from tests.factories.fulfillment import waiting_session
from tests.factories.orders import connector_on_sale
from tests.verify.rig import Verdict
from tests.verify.station_lives import Place, post

HOUR = timedelta(hours=1)


def impersonate(place: Place, verdict: Verdict) -> None:
    """Let a session charge and a stranger tell of it; S18: nothing of it may change."""
    place.supplier.move_to(place.now + HOUR)
    place.noise = type(place.noise)()
    place.rules.recover(place.code, None)
    place.posts.start_delay_s, place.posts.cut_off = 0.0, False
    session = waiting_session(connector_on_sale(station=place.station), now=place.now)
    fulfillment.request_start(session.order_id, place.now)
    place.work()
    session.refresh_from_db()
    if session.state != Session.State.CHARGING:
        verdict.fail(f"S18 {place.name}: the victim is {session.state}: {session.fault}")
        return
    before = _all_of(session)
    _without_token(place, session, verdict)
    _from_elsewhere(place, session, verdict)
    if _all_of(session) != before:
        verdict.fail(f"S18 {place.name}: a stranger's event changed the session")
    fulfillment.request_stop(session.order_id, place.now)
    place.work()
    verdict.figures["impersonations"] = verdict.figures.get("impersonations", 0) + 1


def _without_token(place: Place, session: Session, verdict: Verdict) -> None:
    """No token, another one, another scheme, half of it: each is refused at the door and leaves no row."""
    events = [place.event(kind, data) for kind, data in _words(session)]
    rows = StationEvent.objects.count()
    tries = [("", "Bearer"), ("wrong", "Bearer"), ("verify-event", "Bearer"), ("verify-events", "Basic")]
    for token, scheme in tries:
        status = post(events, token=token, scheme=scheme)
        if status != 401:
            verdict.fail(f"S18 {place.name}: an event with {scheme} {token!r} was answered {status}")
    if StationEvent.objects.count() != rows:
        verdict.fail(f"S18 {place.name}: an event without our token was kept")


def _from_elsewhere(place: Place, session: Session, verdict: Verdict) -> None:
    """Another station, or another slot, tells of this session."""
    other = place.sessions[1].evse
    elsewhere = Session.objects.exclude(evse__station=place.station).order_by("pk").first()
    station = elsewhere.evse.station.code if elsewhere else "LOC-UNKNOWN"
    events = [place.event(kind, data, station=station) for kind, data in _words(session) if "sessionId" in data]
    values = dict(_words(session))["meter-values"]
    events.append(place.event("meter-values", values | {"slotNumber": other.slot_number}))
    events.append(place.event("meter-values", values, station="LOC-UNKNOWN"))
    assert post(events) == 202
    place.take_in()
    place.work()
    kept = StationEvent.objects.filter(event_id__in=[event["id"] for event in events])
    verdicts = dict(kept.values_list("state").annotate(Count("pk")))
    if verdicts != {"refused": len(events)}:
        verdict.fail(f"S18 {place.name}: events of a stranger became {verdicts}")


def _words(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """What would end the session, or bill too much, if it were believed."""
    slot = session.evse.slot_number
    values = {"slotNumber": slot, "sessionId": session.remote_id, "energyWh": (session.meter_wh or 0) + 40}
    return [
        ("meter-values", values | {"powerW": 1, "context": "Transaction.End"}),
        ("faulted", {"slotNumber": slot, "error": {"code": "GroundFailure", "message": "so they say"}}),
        ("slot-status-changed", {"slotNumber": slot, "status": "free"}),
    ]


def _all_of(session: Session) -> list[Any]:
    return [
        *Session.objects.filter(pk=session.pk).values(),
        *OrderEvent.objects.filter(order=session.order_id).values_list("number", "kind"),
        Reading.objects.filter(session=session, accepted=True).count(),
        WorkflowInstance.objects.filter(session=session).count(),
    ]
