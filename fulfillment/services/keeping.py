"""How is a meter reading kept?"""

from __future__ import annotations

from core.live import announce_on_commit
from fulfillment.drivers.base import MeterValue
from fulfillment.models import Reading, Session


def keep_reading(session: Session, value: MeterValue, *, reason: str) -> None:
    """Append one reading to a session's history, refused where there is a reason."""
    Reading.objects.create(
        session=session,
        at=value.at,
        energy_wh=value.energy_wh,
        power_w=value.power_w,
        current_a=value.current_a,
        voltage_v=value.voltage_v,
        soc_percent=value.soc_percent,
        accepted=not reason,
        reason=reason[:200],
    )
    announce_on_commit([session.order_id])
