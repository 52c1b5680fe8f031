"""Which CloudEvents of ours are owed to the event sink, and how do they get there?

An event is a due row written with the change it tells of; its id is made from what it is about, so that however often
it is made or sent, the sink can tell that it is one.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from core.due import lock_next
from core.errors import DriverError
from fulfillment.drivers.event_sink import post_event
from fulfillment.models import EventOut, Session

TYPES = "com.ev-power-supplier.charging-station."
IDS = uuid.UUID("7f2b8f7e-3a55-5d0a-9a39-3c1c1e0f4b60")
LEASE_S = 30
LONGEST_WAIT_S = 300
GIVE_UP_AFTER = timedelta(days=1)


def emit(kind: str, about: str, data: dict[str, Any], *, at: datetime) -> None:
    """Owe the sink one event of `kind` about `about`; nothing where no sink is configured."""
    if not settings.EVENTS_SINK_URL:
        return
    event = EventOut(
        event_id=uuid.uuid5(IDS, f"{kind}/{about}"),
        type=f"{TYPES}{kind}.v1",
        subject=about,
        at=at,
        data=data,
        next_at=at,
    )
    EventOut.objects.bulk_create([event], ignore_conflicts=True)


def session_data(session: Session) -> dict[str, Any]:
    """A session as our events tell it; energy in Wh."""
    return {
        "stationId": session.evse.station.code,
        "session": {
            "id": session.remote_id,
            "card": session.card,
            "slotNumber": session.slot_number,
            "status": session.state,
            "startedAt": _text(session.started_at),
            "endedAt": _text(session.ended_at),
            "energyWh": session.energy_wh,
        },
    }


def emit_due(now: datetime, *, limit: int = 20) -> int:
    """Post the events that are due; returns how many were tried."""
    for done in range(limit):
        event = _claim(now)
        if event is None:
            return done
        try:
            post_event(settings.EVENTS_SINK_URL, settings.EVENTS_TOKEN, _wire(event))
        except DriverError as err:
            _failed(event, err, now)
        else:
            EventOut.objects.filter(pk=event.pk).update(sent_at=now, next_at=None, reason="")
    return limit


@transaction.atomic
def _claim(now: datetime) -> EventOut | None:
    if not settings.EVENTS_SINK_URL:
        return None
    event = lock_next(EventOut.objects.filter(next_at__lte=now).order_by("next_at", "pk"))
    if event is not None:
        event.attempts += 1
        # The lease: another worker looks at it again only when this one must have died.
        event.next_at = now + timedelta(seconds=LEASE_S)
        event.save(update_fields=["attempts", "next_at"])
    return event


def _failed(event: EventOut, err: DriverError, now: datetime) -> None:
    wait = timedelta(seconds=min(LONGEST_WAIT_S, 2 ** min(event.attempts, 10)))
    over = err.permanent or now - event.at > GIVE_UP_AFTER
    EventOut.objects.filter(pk=event.pk).update(next_at=None if over else now + wait, reason=err.text[:1000])


def _wire(event: EventOut) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(event.event_id),
        "source": settings.BECKN_SUBSCRIBER_URL,
        "type": event.type,
        "subject": event.subject,
        "time": _text(event.at),
        "datacontenttype": "application/json",
        "data": event.data,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
