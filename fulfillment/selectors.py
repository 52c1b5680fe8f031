"""What did the meter of a session show, as a bill asks for it?"""

from __future__ import annotations

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
