"""What did the meter of a session show, as a bill asks for it?"""

from __future__ import annotations

from fulfillment.metering import Register
from fulfillment.models import Reading, Session
from orders.pricing import MeterPoint


def meter_points(session: Session) -> list[MeterPoint]:
    """The believed readings of a session in order of time; energy in Wh since its begin, none before it is known."""
    first_wh = session.meter_start_wh
    if first_wh is None:
        return []
    rows = Reading.objects.filter(session=session, accepted=True).order_by("at")
    return [
        MeterPoint(at, energy_wh - first_wh, current_a)
        for at, energy_wh, current_a in rows.values_list("at", "energy_wh", "current_a")
    ]


def newest_register(session: Session) -> Register | None:
    """What the session stands at, with the time of its newest believed reading; None before its meter is known."""
    if session.meter_wh is None or session.started_at is None:
        return None
    return Register(session.read_at or session.started_at, session.meter_wh)
