"""How do we notice what a walk-in came to, where neither its card nor its station tells?

A walk-in that charges is asked about after a silence, as sessions of orders are; one that a crash or an operator left
without an instance gets another; one that was settled without its last register is billed anew when that was told.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from core.due import each_alone, lock_next
from core.errors import DriverError
from fulfillment import states
from fulfillment.drivers import Options, driver_for
from fulfillment.drivers.base import Ack, MeterValue
from fulfillment.models import WalkIn, WorkflowInstance
from fulfillment.services.correcting import THROUGH_S
from fulfillment.services.instances import STOP, ask_for_card, card_in_hand
from fulfillment.services.running import BY_STATION, FAULT, SILENT
from fulfillment.services.walk_in_readings import bill_late, record_walk_in_reading
from fulfillment.services.walk_ins import fail, finish, follow, lock_walk_in, stop

log = logging.getLogger(__name__)

W = WalkIn.State
# Longer than a call may take: another worker asks only when this one has died.
LEASE_S = 15
REST_S = 30
ORPHAN_AFTER = timedelta(seconds=5)
AT_WORK = [*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]


@dataclass(frozen=True, slots=True)
class Watch:
    """A charging walk-in to ask about."""

    walk_in_id: int
    remote_id: str
    driver: str


def watch_walk_ins_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Ask about the walk-ins that are due; returns how many. `now` replaces the clock."""
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
            log.exception("an answer could not be taken in", extra={"walk_in": watch.walk_in_id})
            rested = (now or timezone.now()) + timedelta(seconds=REST_S)
            WalkIn.objects.filter(pk=watch.walk_in_id, next_at__isnull=False).update(next_at=rested)
    return limit


def adopt_walk_ins_due(now: datetime | None = None, *, limit: int = 50) -> int:
    """See to walk-ins that wait for their station without an instance at work; returns how many."""
    moment = now or timezone.now()
    at_work = WorkflowInstance.objects.filter(walk_in=OuterRef("pk"), status__in=AT_WORK)
    left = WalkIn.objects.filter(~Exists(at_work), state__in=[W.STARTING, W.ENDING], asked_at__lt=moment - ORPHAN_AFTER)
    return each_alone(left.order_by("asked_at"), lambda key: _adopt(key, moment), limit=limit)


def bill_late_walk_ins_due(now: datetime, *, limit: int = 20) -> int:
    """Bill anew what stations told of walk-ins settled without it, once they are through; returns how many."""
    told = WalkIn.objects.filter(
        state=W.ENDED,
        provisional=True,
        meter_wh__gt=F("meter_stop_wh"),
        updated_at__lte=now - timedelta(seconds=THROUGH_S),
    )
    return each_alone(told.order_by("updated_at"), lambda key: bill_late(key, now), limit=limit)


def _adopt(walk_in_id: int, now: datetime) -> bool:
    walk_in = lock_walk_in(walk_in_id)
    if card_in_hand(walk_in):
        return False
    if walk_in.state == W.STARTING:
        fail(walk_in, reason="its start was called off", now=now)
    elif walk_in.state == W.ENDING:
        ask_for_card(STOP, walk_in, now=now, broken=walk_in.stop_reason == FAULT, reason=walk_in.stop_reason)
    return True


@transaction.atomic
def _next(now: datetime) -> Watch | None:
    due = WalkIn.objects.filter(next_at__lte=now, state=W.CHARGING).select_related("station")
    walk_in = lock_next(due.order_by("next_at", "pk"))
    if walk_in is None:
        return None
    walk_in.next_at = now + timedelta(seconds=LEASE_S)
    walk_in.save(update_fields=["next_at"])
    return Watch(walk_in.pk, walk_in.remote_id, walk_in.station.driver)


def _ask(watch: Watch) -> tuple[Ack | None, DriverError | None]:
    """The station's record of the session; never inside a transaction, whose locks a slow station would hold."""
    options = Options(settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN)
    try:
        return driver_for(watch, options).status(watch.remote_id), None
    except DriverError as err:
        log.warning("a station could not be asked", extra={"walk_in": watch.walk_in_id, "fault": err.text})
        return None, err


@transaction.atomic
def _take_in(watch: Watch, ack: Ack | None, err: DriverError | None, *, now: datetime) -> None:
    walk_in = lock_walk_in(watch.walk_in_id)
    if walk_in.state != W.CHARGING:
        return
    if err is not None:
        _unheard(walk_in, now)
        return
    walk_in.attempts = 0
    if ack is None:
        stop(walk_in, reason=FAULT, now=now, fault="the station knows nothing of the session any more")
    elif ack.over:
        stop(walk_in, reason="vehicle full" if ack.soc_percent == 100 else BY_STATION, now=now)
    elif ack.meter_wh is None or record_walk_in_reading(walk_in, _value(ack, now), now=now):
        # The reading was not believed, or there was none: the session goes on, and is looked at again.
        follow(walk_in, now=now)


def _value(ack: Ack, now: datetime) -> MeterValue:
    return MeterValue(at=now, energy_wh=ack.meter_wh or 0, power_w=ack.power_w, soc_percent=ack.soc_percent)


def _unheard(walk_in: WalkIn, now: datetime) -> None:
    """The station cannot be asked: settled provisionally after a long silence."""
    heard_at = walk_in.read_at or walk_in.started_at or now
    if now - heard_at >= timedelta(seconds=states.PROVISIONAL_AFTER_S):
        walk_in.fault, walk_in.stop_reason = f"the station is silent since {heard_at.isoformat()}", SILENT
        finish(walk_in, None, now=now, release=True)
        return
    walk_in.attempts += 1
    walk_in.next_at = now + timedelta(seconds=states.wait_s(walk_in.attempts))
    walk_in.save()
