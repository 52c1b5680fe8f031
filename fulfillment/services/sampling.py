"""What did the meters of sessions show: every value of one, or enough of those of many to say when they end?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from operator import itemgetter
from statistics import median

from django.db import connection

from fulfillment import truths
from fulfillment.models import Reading, Session
from fulfillment.truths import Curve, Point
from orders.pricing import MeterPoint

# Every value of the last minute, since that is what shows a pause and how often the station tells; before it the newest
# of each half minute as far back as the flow is read (truths.flow), and of each minute since the begin.
# The time comes as seconds, which cost less to read than a timestamp.
_SAMPLES = """
SELECT s.id, extract(epoch FROM r.at)::float8, r.energy_wh, r.power_w, r.soc_percent, r.current_a
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s (id, started_at, read_at)
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (spot) at, energy_wh, power_w, soc_percent, current_a, CASE
            WHEN at > s.read_at - interval '1 minute' THEN at
            WHEN at > s.read_at - interval '20 minutes' THEN date_bin('30 seconds', at, s.started_at)
            ELSE date_bin('1 minute', at, s.started_at)
        END AS spot
        FROM fulfillment_reading WHERE session_id = s.id AND accepted
        ORDER BY spot, at DESC
    ) AS r
"""
NEWEST = 6
Row = tuple[datetime, int, int | None, int | None, Decimal | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """A session's curve from its begin, and its readings as a bill asks for them.

    `longest_s` is the longest time between two values that is no gap; None where the curve holds all of them.
    """

    curve: Curve
    meter: tuple[MeterPoint, ...] = ()
    longest_s: float | None = None


NOTHING = Seen(truths.curve_of(()))


def every_value(session: Session) -> Seen:
    """All believed readings of a session that has begun, up to its end. One statement."""
    rows = Reading.objects.filter(session=session, accepted=True).order_by("at")
    return _seen(session, list(rows.values_list("at", "energy_wh", "power_w", "soc_percent", "current_a")))


def samples(sessions: Iterable[Session]) -> dict[int, Seen]:
    """Some believed readings of each of the sessions that have begun, by its id. One statement, however many."""
    begun = {session.pk: session for session in sessions if session.started_at and session.meter_start_wh is not None}
    found: dict[int, list[Row]] = defaultdict(list)
    if begun:
        asked = [(pk, session.started_at, session.read_at) for pk, session in begun.items()]
        with connection.cursor() as cursor:
            cursor.execute(_SAMPLES, [list(column) for column in zip(*asked, strict=True)])
            for session_id, at_s, *values in cursor.fetchall():
                found[session_id].append((datetime.fromtimestamp(at_s, UTC), *values))
    return {pk: _seen(session, sorted(found[pk], key=itemgetter(0)), thinned=True) for pk, session in begun.items()}


def _seen(session: Session, rows: Sequence[Row], *, thinned: bool = False) -> Seen:
    start_wh, started_at = session.meter_start_wh, session.started_at
    if start_wh is None or started_at is None:
        return NOTHING
    points = [Point(started_at, start_wh)]
    points += [Point(at, energy_wh, power_w, soc) for at, energy_wh, power_w, soc, _ in rows]
    ended_at, stop_wh = session.ended_at, session.meter_stop_wh
    if ended_at is not None and stop_wh is not None and (ended_at > points[-1].at or stop_wh > points[-1].energy_wh):
        points.append(Point(ended_at, stop_wh, 0))
    meter = tuple(MeterPoint(at, energy_wh - start_wh, current_a) for at, energy_wh, _, _, current_a in rows)
    return Seen(truths.curve_of(points), meter, _longest_s(points) if thinned else None)


def _longest_s(points: Sequence[Point]) -> float:
    """What is a gap at this station, by its newest values, of which none is left out."""
    newest = points[-NEWEST:]
    spacings = [(after.at - before.at).total_seconds() for before, after in pairwise(newest)]
    return truths.longest_s(median(spacings) if spacings else 0.0)
