"""How do we notice what a charging session came to, where the station does not tell by itself?

A session that charges is asked about after a silence, when its time is over, and when its target should be reached.
Asking only reads, so that it needs no journal: whoever dies on the way is followed by the next.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from core.due import lock_next
from core.errors import DriverError
from fulfillment import states
from fulfillment.drivers import Options, driver_for
from fulfillment.drivers.base import Ack, MeterValue
from fulfillment.models import Session
from fulfillment.services.readings import record_reading
from fulfillment.services.running import (
    BY_STATION,
    FAULT,
    SILENT,
    abandon,
    begin_stop,
    finish,
    follow,
    look_again_at,
    target_reached,
)
from fulfillment.services.sessions import lock_session
from orders.models import Order

log = logging.getLogger(__name__)

S = Session.State
# Longer than a call may take: another worker asks only when this one has died.
LEASE_S = 15
REST_S = 30


@dataclass(frozen=True, slots=True)
class Watch:
    """A charging session to ask about."""

    order_id: int
    remote_id: str
    driver: str


def watch_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Ask about the sessions that are due; returns how many. `now` replaces the clock."""
    for done in range(limit):
        watch = _next(now or timezone.now())
        if watch is None:
            return done
        ack, err = _ask(watch)
        try:
            _take_in(watch, ack, err, now=now or timezone.now())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("an answer could not be taken in", extra={"order": watch.order_id})
            Session.objects.filter(order_id=watch.order_id, next_at__isnull=False).update(
                next_at=(now or timezone.now()) + timedelta(seconds=REST_S)
            )
    return limit


@transaction.atomic
def _next(now: datetime) -> Watch | None:
    due = Session.objects.filter(next_at__lte=now, state__in=[S.CHARGING, S.PAUSED]).select_related("evse__station")
    session = lock_next(due.order_by("next_at", "pk"))
    if session is None:
        return None
    session.next_at = now + timedelta(seconds=LEASE_S)
    session.save(update_fields=["next_at"])
    return Watch(session.order_id, session.remote_id, session.evse.station.driver)


def _ask(watch: Watch) -> tuple[Ack | None, DriverError | None]:
    """The station's record of the session; never inside a transaction, whose locks a slow station would hold."""
    options = Options(settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN)
    try:
        return driver_for(watch, options).status(watch.remote_id), None
    except DriverError as err:
        log.warning("a station could not be asked", extra={"order": watch.order_id, "fault": err.text})
        return None, err


@transaction.atomic
def _take_in(watch: Watch, ack: Ack | None, err: DriverError | None, *, now: datetime) -> None:
    order, session = lock_session(watch.order_id)
    if session.state not in {S.CHARGING, S.PAUSED}:
        return
    if order.state != Order.State.ACTIVE:
        abandon(session, now=now)
        return
    if err is not None:
        session.attempts += 1
        _unheard(order, session, now=now)
        return
    session.attempts = 0
    if ack is None:
        begin_stop(order, session, now=now, reason=FAULT, fault="the station knows nothing of the session any more")
    elif ack.over:
        begin_stop(order, session, now=now, reason="vehicle full" if ack.soc_percent == 100 else BY_STATION)
    elif ack.meter_wh is not None and not record_reading(order, session, _value(ack, now), now=now):
        return
    elif session.state in {S.CHARGING, S.PAUSED}:
        # The reading was not believed, or there was none: the session goes on, and is looked at again.
        follow(order, session, now=now)


def _value(ack: Ack, now: datetime) -> MeterValue:
    return MeterValue(at=now, energy_wh=ack.meter_wh or 0, power_w=ack.power_w, soc_percent=ack.soc_percent)


def _unheard(order: Order, session: Session, *, now: datetime) -> None:
    """The station cannot be asked: end at the target all the same, settle provisionally after a long silence."""
    reason = target_reached(order, session, now=now)
    heard_at = session.read_at or session.started_at or now
    if reason:
        begin_stop(order, session, now=now, reason=reason)
    elif now - heard_at >= timedelta(seconds=states.PROVISIONAL_AFTER_S):
        session.fault = f"the station is silent since {heard_at.isoformat()}"
        session.stop_reason = SILENT
        finish(order, session, None, now=now, release=True)
    else:
        soon = now + timedelta(seconds=states.wait_s(session.attempts))
        session.next_at = max(soon, min(look_again_at(order, session, now=now), now + timedelta(seconds=30)))
        session.save()
