"""What becomes of readings and journals when they are old? Of closed sessions, a rollup by minute and by hour stays.

Neither the live page nor the bill needs the readings then: links have run out, and a bill that is corrected takes the
last reading of each minute. Walk-ins keep just that reading of each minute. Where the bill is still provisional, all
readings stay. Journals keep what a station was told to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

from core.due import each_alone
from fulfillment.models import Reading, ReadingRollup, Session, TaskRun, WalkIn, WorkflowInstance

S = Session.State
CLOSED = (S.ENDED, S.FAILED, S.CANCELLED)
WALKED_OFF = (WalkIn.State.ENDED, WalkIn.State.FAILED)
_ROLL_UP = """
INSERT INTO fulfillment_readingrollup
    (session_id, span, at, samples, refused, last_at, energy_wh, mean_w, peak_w, current_a, soc_percent)
SELECT session_id, %(span)s, date_trunc(%(span)s, at, 'UTC'),
    count(*) FILTER (WHERE accepted), count(*) FILTER (WHERE NOT accepted),
    max(at) FILTER (WHERE accepted), max(energy_wh) FILTER (WHERE accepted),
    round(avg(power_w) FILTER (WHERE accepted)), max(power_w) FILTER (WHERE accepted),
    (array_agg(current_a ORDER BY at DESC) FILTER (WHERE accepted))[1],
    (array_agg(soc_percent ORDER BY at DESC) FILTER (WHERE accepted))[1]
FROM fulfillment_reading WHERE session_id = %(session)s
GROUP BY session_id, date_trunc(%(span)s, at, 'UTC')
ON CONFLICT (session_id, span, at) DO NOTHING
"""
WELL_OVER = (WorkflowInstance.Status.COMPLETED, WorkflowInstance.Status.CANCELLED)
# Refused ones go too: what was wrong with a meter is no longer looked into.
_THIN_OUT = """
DELETE FROM fulfillment_walkinreading WHERE walk_in_id = %(walk_in)s AND id NOT IN (
    SELECT DISTINCT ON (date_trunc('minute', at, 'UTC')) id
    FROM fulfillment_walkinreading WHERE walk_in_id = %(walk_in)s AND accepted
    ORDER BY date_trunc('minute', at, 'UTC'), at DESC
)
"""


def prune_readings(now: datetime, *, limit: int = 20) -> int:
    """Roll up and delete the readings of sessions that ended READINGS_KEPT_DAYS ago, each session by itself.

    Returns of how many sessions.
    """
    before = now - timedelta(days=settings.READINGS_KEPT_DAYS)
    old = Session.objects.filter(
        rolled_up_at__isnull=True, ended_at__lt=before, state__in=CLOSED, provisional=False
    ).order_by("ended_at")
    return each_alone(old, lambda key: _prune(key, now), limit=limit)


def thin_walk_ins(now: datetime, *, limit: int = 20) -> int:
    """Of walk-ins that ended READINGS_KEPT_DAYS ago, delete all readings but the last believed one of each minute.

    Each walk-in by itself; returns of how many.
    """
    before = now - timedelta(days=settings.READINGS_KEPT_DAYS)
    old = WalkIn.objects.filter(
        thinned_at__isnull=True, ended_at__lt=before, state__in=WALKED_OFF, provisional=False
    ).order_by("ended_at")
    return each_alone(old, lambda key: _thin(key, now), limit=limit)


def thin_journals(now: datetime, *, limit: int = 20) -> int:
    """Of workflow instances that ended JOURNAL_KEPT_DAYS ago, delete all steps but the commands to their station.

    What was asked for and what was answered stays with the instance's own input, output and reason. Faulted instances
    keep everything: they may be retried, and tell what went wrong. Each instance by itself; returns of how many.
    """
    before = now - timedelta(days=settings.JOURNAL_KEPT_DAYS)
    old = WorkflowInstance.objects.filter(thinned_at__isnull=True, ended_at__lt=before, status__in=WELL_OVER)
    return each_alone(old.order_by("ended_at"), lambda key: _thin_journal(key, now), limit=limit)


def _prune(session_id: int, now: datetime) -> bool:
    session = Session.objects.select_for_update(no_key=True, of=("self",)).get(pk=session_id)
    if session.provisional or session.rolled_up_at is not None:
        return False
    with connection.cursor() as cursor:
        for span in ReadingRollup.Span.values:
            cursor.execute(_ROLL_UP, {"span": span, "session": session_id})
    # Not through the ORM's collector: nothing refers to a reading.
    Reading.objects.filter(session=session_id)._raw_delete("default")
    session.rolled_up_at = now
    session.save(update_fields=["rolled_up_at"])
    return True


def _thin(walk_in_id: int, now: datetime) -> bool:
    walk_in = WalkIn.objects.select_for_update(no_key=True, of=("self",)).get(pk=walk_in_id)
    if walk_in.provisional or walk_in.thinned_at is not None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_THIN_OUT, {"walk_in": walk_in_id})
    walk_in.thinned_at = now
    walk_in.save(update_fields=["thinned_at"])
    return True


def _thin_journal(instance_id: int, now: datetime) -> bool:
    instance = WorkflowInstance.objects.select_for_update(no_key=True, of=("self",)).get(pk=instance_id)
    if instance.status not in WELL_OVER or instance.thinned_at is not None:
        return False
    passing = Q(key__isnull=True) | Q(request__method__in=["get", "GET"])
    TaskRun.objects.filter(passing, instance=instance_id)._raw_delete("default")
    instance.thinned_at = now
    instance.save(update_fields=["thinned_at"])
    return True
