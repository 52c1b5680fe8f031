"""What may an operator do to a session?"""

from __future__ import annotations

from catalog.deeds import Act, Deed
from fulfillment import services
from fulfillment.models import Session

STOPPABLE = (Session.State.STARTING, Session.State.CHARGING, Session.State.PAUSED)


def _stop(act: Act) -> str:
    services.request_stop(act.row.order_id, act.now, reason="operator", actor=act.actor)
    return f"The station was asked to end the session of {act.row.order}; the bill follows from its meter."


SESSION_DEEDS = (
    Deed(
        "stop",
        "Stop charging",
        "End this session now? The driver pays for the energy delivered so far, and the buyer app is told.",
        _stop,
        when=lambda session: session.state in STOPPABLE,
        destructive=True,
        icon="stop_circle",
    ),
)
