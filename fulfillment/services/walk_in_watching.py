"""How do we notice what a walk-in came to, where neither its card nor its station tells?

A walk-in that charges is asked about after a silence, as sessions of orders are; one that a crash or an operator left
without an instance gets another; one that was settled without its last register is billed anew when that was told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from core.due import each_alone
from fulfillment import states
from fulfillment.models import WalkIn, WorkflowInstance
from fulfillment.services.asking import UNKNOWN, Answer, Watch, reading_of, why_over
from fulfillment.services.correcting import THROUGH_S
from fulfillment.services.instances import STOP, ask_for_card, card_in_hand
from fulfillment.services.running import FAULT, SILENT
from fulfillment.services.walk_in_readings import bill_late, record_walk_in_reading
from fulfillment.services.walk_ins import fail, finish, follow, lock_walk_in, stop

W = WalkIn.State
ORPHAN_AFTER = timedelta(seconds=5)
AT_WORK = [*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]


def watch_walk_ins_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Ask about the walk-ins that are due; returns how many. `now` replaces the clock."""
    return Watch(_due, lambda walk_in: walk_in.station, _take_in).ask_due(now, limit=limit)


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


def _due(now: datetime) -> QuerySet[WalkIn]:
    return WalkIn.objects.filter(next_at__lte=now, state=W.CHARGING).select_related("station")


def _take_in(due: WalkIn, answer: Answer, now: datetime) -> None:
    walk_in, ack = lock_walk_in(due.pk), answer.ack
    if walk_in.state != W.CHARGING:
        return
    if answer.err is not None:
        _unheard(walk_in, now)
        return
    walk_in.attempts = 0
    if ack is None:
        stop(walk_in, reason=FAULT, now=now, fault=UNKNOWN)
    elif ack.over:
        stop(walk_in, reason=why_over(ack), now=now)
    elif ack.meter_wh is None or record_walk_in_reading(walk_in, reading_of(ack, now), now=now):
        # The reading was not believed, or there was none: the session goes on, and is looked at again.
        follow(walk_in, now=now)


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
