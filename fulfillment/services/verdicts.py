"""What became of a station's event, and how does the workflow come to act on it?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fulfillment.models import StationEvent, WalkIn, WorkflowInstance
from fulfillment.services.instances import trigger


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an event, and why where it was not simply taken in."""

    state: StationEvent.State
    reason: str = ""


DONE = Verdict(StationEvent.State.DONE)


def refused(text: str) -> Verdict:
    """The event cannot be taken in, for the reason in `text`."""
    return Verdict(StationEvent.State.REFUSED, text)


def ignored(text: str) -> Verdict:
    """The event is understood and changes nothing, for the reason in `text`."""
    return Verdict(StationEvent.State.IGNORED, text)


def run(
    row: StationEvent, data: dict[str, Any], now: datetime, *, card: str = "", walk_in: WalkIn | None = None
) -> WorkflowInstance:
    """Have the station's workflow act on an event that was taken in, in words it can rely on."""
    assert row.station is not None, "events without a station are refused"
    event = {
        "specversion": "1.0",
        "id": row.event_id,
        "source": row.source,
        "type": row.type,
        "time": row.time.isoformat(),
        "data": data,
    }
    told_by = row if row.pk else None
    return trigger(event, station=row.station, card=card, walk_in=walk_in, told_by=told_by, now=now)
