"""Which CloudEvents of ours are owed to the event sink, and how do they get there?

An event is a due row written with the change it tells of; its id is made from what it is about, so that however often
it is made or sent, the sink can tell that it is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from core.due import lock_next
from core.errors import DriverError
from core.nudges import nudge_on_commit
from fulfillment.drivers.event_sink import post_event
from fulfillment.models import EventOut

LEASE_S = 30
LONGEST_WAIT_S = 300
GIVE_UP_AFTER = timedelta(days=1)


def owe(event: dict[str, Any], *, subject: str, at: datetime) -> None:
    """Owe the sink one CloudEvent {id, source, type, data}, once by its id; nothing where no sink is configured."""
    owe_all([event], subject=subject, at=at)


def owe_all(events: Iterable[dict[str, Any]], *, subject: str, at: datetime) -> None:
    """Owe the sink several CloudEvents, in order."""
    if not settings.EVENTS_SINK_URL:
        return
    rows = [
        EventOut(
            event_id=event["id"],
            source=event["source"],
            type=event["type"],
            subject=event.get("subject") or subject,
            at=at,
            data=event.get("data"),
            next_at=at,
        )
        for event in events
    ]
    EventOut.objects.bulk_create(rows, ignore_conflicts=True)
    nudge_on_commit("advance")


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
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.at.isoformat(),
        "datacontenttype": "application/json",
        "data": event.data,
    }
