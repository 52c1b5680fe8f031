"""Sessions as far along as a test wants them, driven by the services themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from catalog.models import Connector, Evse
from fulfillment import services as fulfillment
from fulfillment.drivers.base import Ack
from fulfillment.models import Session
from fulfillment.services.running import begin
from fulfillment.services.sessions import lock_session
from fulfillment.services.workflows import Asked, Claim, answer, claim_next, settle
from tests.factories.orders import NOW, active_order


def waiting_session(connector: Connector | None = None, *, now: datetime = NOW, **wish: Any) -> Session:
    """A confirmed, paid order of 10 kWh whose start nobody asked for yet."""
    order = active_order(connector, now=now, **wish)
    # The row was made by the database's clock, the story plays at `now`.
    Evse.objects.filter(connectors=order.connector_id).update(status_at=now - timedelta(days=1))
    fulfillment.open_sessions_due(now)
    return Session.objects.get(order=order)


def starting_session(connector: Connector | None = None, *, now: datetime = NOW, **wish: Any) -> Session:
    """A session whose start was asked for; the station was not called yet."""
    session = waiting_session(connector, now=now, **wish)
    return fulfillment.request_start(session.order_id, now)


def charging_session(connector: Connector | None = None, *, now: datetime = NOW, **wish: Any) -> Session:
    """A session that charges at the supplier the settings name, its lamp lit and watched."""
    session = starting_session(connector, now=now, **wish)
    run_steps(now)
    session.refresh_from_db()
    return session


def run_steps(now: datetime, *, most: int = 20) -> int:
    """Do everything that is due at one moment."""
    return fulfillment.advance_due(now, limit=most)


def drive_to(task: str, now: datetime) -> tuple[Claim, Asked]:
    """Take the instance that is due up to the call of `task`, whose intent is on record and which is not made yet."""
    claim = claim_next(now)
    assert claim is not None
    told = None
    while True:
        asked = settle(claim, told, now=now)
        assert asked is not None, f"it never came to {task}"
        if asked.effect.pointer.endswith(f"/{task}"):
            return claim, asked
        told = answer(asked)


def later(seconds: float, *, now: datetime = NOW) -> datetime:
    return now + timedelta(seconds=seconds)


def streaming_session(
    connector: Connector | None = None, *, now: datetime = NOW, meter_start_wh: int = 0, **wish: Any
) -> Session:
    """A session that charges since `now` at a station that nobody asks: it tells its meter by itself."""
    order_id = starting_session(connector, now=now, **wish).order_id
    with transaction.atomic():
        order, session = lock_session(order_id)
        session.remote_id, session.slot_number = f"ses-{order_id}", session.evse.slot_number
        begin(order, session, Ack(session_id=session.remote_id, started_at=now, meter_start_wh=meter_start_wh), now=now)
        session.save()
    return session
