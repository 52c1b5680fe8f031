"""What is due at the stations: workflow instances, sessions to ask about, and what a crash left without either?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from core.due import each_alone
from fulfillment.models import Session, WorkflowInstance
from fulfillment.services.instances import START, STOP, ask, in_hand
from fulfillment.services.listening import tell_listeners
from fulfillment.services.running import start_release
from fulfillment.services.sessions import lock_session
from fulfillment.services.walk_in_watching import adopt_walk_ins_due, watch_walk_ins_due
from fulfillment.services.watching import watch_due
from fulfillment.services.workflows import run_due

S = Session.State
# What was asked for longer ago than this has its instance, unless it was asked for by an older version of us.
ORPHAN_AFTER = timedelta(seconds=5)


def advance_due(now: datetime | None = None, *, limit: int = 16) -> int:
    """Ask about sessions and take workflow instances on, at most `limit` of each; returns how many.

    `now` replaces the clock.
    """
    moment = now or timezone.now()
    asked = watch_due(now, limit=limit) + watch_walk_ins_due(now, limit=limit)
    return asked + tell_listeners(moment) + run_due(now, limit=limit)


def adopt_due(now: datetime | None = None, *, limit: int = 50) -> int:
    """Give an instance to each session and walk-in that waits for its station and has none; returns how many."""
    return _adopt_sessions(now, limit) + adopt_walk_ins_due(now, limit=limit)


def _adopt_sessions(now: datetime | None, limit: int) -> int:
    moment = now or timezone.now()
    at_work = WorkflowInstance.objects.filter(
        session=OuterRef("pk"), status__in=[*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]
    )
    wishes = Q(state__in=[S.STARTING, S.ENDING]) | Q(release_owed=True)
    left = Session.objects.filter(wishes, ~Exists(at_work), asked_at__lt=moment - ORPHAN_AFTER)
    return each_alone(left.order_by("asked_at"), lambda key: _adopt(key, moment), limit=limit, name="order_id")


def _adopt(order_id: int, now: datetime) -> bool:
    session = lock_session(order_id).session
    if in_hand(session):
        return False
    if session.state == S.STARTING:
        ask(START, session, now=now, patient=True, again=True)
    elif session.state == S.ENDING:
        ask(STOP, session, now=now)
    else:
        start_release(session, now=now)
        session.save()
    return True
