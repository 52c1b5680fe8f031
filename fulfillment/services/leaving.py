"""How long does a vehicle stand at its charger after the charging, and what follows for the bill?

Only the station's own words count: that the place is `finishing`, later that it is free. The bill is made when the
charging ends and corrected when the vehicle has left; a station that does not tell costs nobody anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from catalog.models import Evse
from core.live import announce_on_commit
from core.nudges import nudge_on_commit
from fulfillment.models import Session
from fulfillment.selectors import meter_points
from fulfillment.services.running import STATION
from fulfillment.services.sessions import lock_session
from orders import services as orders
from orders.models import Order

S = Session.State
BEGUN = (S.CHARGING, S.PAUSED, S.ENDING, S.ENDED)
# A place that is `finishing` only later than this after the end is so for somebody else.
SOON = timedelta(seconds=60)
# A word about a longer stay than this comes from a station that was not heard in between.
LONGEST_STAY = timedelta(days=1)


def note_place(evses: Iterable[Evse], status: str, *, at: datetime, now: datetime) -> None:
    """Take in what the station says of its charge points at `at`, before the EVSEs themselves are locked."""
    for evse in evses:
        order_id = _beginning(evse, at) if status == Evse.Status.FINISHING else _standing(evse)
        if order_id is not None:
            _note(order_id, status, at=at, now=now)


def still_stands(session: Session) -> bool:
    """Whether the station says that the vehicle is there although its charging has ended."""
    return session.state == S.ENDED and session.standing_at is not None and session.left_at is None


def _beginning(evse: Evse, at: datetime) -> int | None:
    """The order whose session was the last to begin there by `at`."""
    begun = Session.objects.filter(evse=evse, started_at__lte=at).order_by("-started_at")
    return begun.values_list("order_id", flat=True).first()


def _standing(evse: Evse) -> int | None:
    there = Session.objects.filter(evse=evse, standing_at__isnull=False, left_at__isnull=True).order_by("-started_at")
    return there.values_list("order_id", flat=True).first()


def _note(order_id: int, status: str, *, at: datetime, now: datetime) -> None:
    order, session = lock_session(order_id)
    if session.state not in BEGUN or session.left_at is not None:
        return
    if status == Evse.Status.FINISHING:
        if session.standing_at is None and _may_stand(order, session, at, SOON):
            session.standing_at = at
    elif status == Evse.Status.AVAILABLE and session.ended_at and _may_stand(order, session, at, LONGEST_STAY):
        session.left_at = max(at, session.ended_at)
    else:
        session.standing_at = None
    session.save(update_fields=["standing_at", "left_at"])
    announce_on_commit([order_id])
    if session.left_at is not None:
        _bill(order, session, now)


def _may_stand(order: Order, session: Session, at: datetime, within: timedelta) -> bool:
    """Whether the standing is the driver's: after a charging that ended as it should, not after a fault or silence."""
    if session.ended_at is None:
        return True
    ended_well = order.fulfillment == Order.Fulfillment.CHARGING_ENDED and not session.provisional
    return ended_well and at <= session.ended_at + within


def _bill(order: Order, session: Session, now: datetime) -> None:
    orders.correct_bill(
        order.pk,
        energy_wh=session.energy_wh,
        started_at=session.started_at or now,
        ended_at=session.ended_at or now,
        unplugged_at=session.left_at,
        readings=meter_points(session),
        now=now,
        actor=STATION,
        reason=f"the vehicle stood until {session.left_at:%Y-%m-%d %H:%M:%S} UTC",
    )
    nudge_on_commit("process")
