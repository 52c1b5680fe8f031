"""How is a meter reading kept?"""

from __future__ import annotations

from django.db import connection

from core.live import announce_on_commit
from fulfillment.drivers.base import MeterValue
from fulfillment.models import Session

LONGEST_REASON = 200
INSERT = """
INSERT INTO fulfillment_reading
    (session_id, at, energy_wh, power_w, current_a, voltage_v, soc_percent, accepted, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (session_id, at, energy_wh) DO UPDATE SET accepted = true, reason = ''
WHERE EXCLUDED.accepted AND NOT fulfillment_reading.accepted
"""


def keep_reading(session: Session, value: MeterValue, *, reason: str) -> bool:
    """Append one reading to a session's history, refused where there is a reason.

    The same register at the same time is kept once; one that was refused can come to be believed. Returns whether
    anything changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT,
            [
                *(session.pk, value.at, value.energy_wh, value.power_w, value.current_a, value.voltage_v),
                *(value.soc_percent, not reason, reason[:LONGEST_REASON]),
            ],
        )
        changed = bool(cursor.rowcount)
    announce_on_commit([session.order_id])
    return changed
