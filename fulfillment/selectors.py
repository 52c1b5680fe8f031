"""What did the meter of a session show, as a bill asks for it; and how do the steps of workflows fare?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Aggregate, Count, DurationField, F, Q, QuerySet

from fulfillment.metering import Register
from fulfillment.models import Reading, ReadingRollup, Session, TaskRun
from orders.pricing import MeterPoint

ENDED = Q(state__in=[TaskRun.State.COMPLETED, TaskRun.State.FAULTED])


@dataclass(frozen=True, slots=True)
class StepFigures:
    """How often a step ran, failed and was a further attempt; `half` and `most` are how long 50 and 95 % of those that
    ended took at most, None where none has."""

    pointer: str
    name: str
    kind: str
    runs: int
    failures: int
    retries: int
    half: timedelta | None
    most: timedelta | None


class Percentile(Aggregate):
    """The value below which a share of all lie; intervals as well as numbers."""

    function = "percentile_cont"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, share: float, *expressions: object, **extra: Any) -> None:
        super().__init__(*expressions, share=f"{share:.3f}", output_field=DurationField(), **extra)


def meter_points(session: Session) -> list[MeterPoint]:
    """The believed readings of a session in order of time; energy in Wh since its begin, none before it is known.

    Of readings that were rolled up, the last of each minute.
    """
    first_wh = session.meter_start_wh
    if first_wh is None:
        return []
    rows = Reading.objects.filter(session=session, accepted=True).order_by("at")
    points = list(rows.values_list("at", "energy_wh", "current_a"))
    if session.rolled_up_at is not None:
        minutes = ReadingRollup.objects.filter(session=session, span=ReadingRollup.Span.MINUTE, samples__gt=0)
        # A rollup of believed readings has a last one; the database holds this.
        rolled = [
            (row.last_at, row.energy_wh, row.current_a) for row in minutes if row.last_at and row.energy_wh is not None
        ]
        points = sorted(rolled + points, key=lambda point: point[0])
    return [MeterPoint(at, energy_wh - first_wh, current_a) for at, energy_wh, current_a in points]


def newest_register(session: Session) -> Register | None:
    """What the session stands at, with the time of its newest believed reading; None before its meter is known."""
    if session.meter_wh is None or session.started_at is None:
        return None
    return Register(session.read_at or session.started_at, session.meter_wh)


def step_figures(runs: QuerySet[TaskRun], *, since: datetime) -> dict[int, list[StepFigures]]:
    """How the steps fared in the instances that began since then, by the id of their definition; in one query."""
    took = F("ended_at") - F("started_at")
    rows = (
        runs.filter(instance__created_at__gte=since)
        .order_by()
        .values_list("instance__definition_id", "pointer", "name", "kind")
        .annotate(
            runs=Count("id"),
            failures=Count("id", filter=Q(state=TaskRun.State.FAULTED)),
            retries=Count("id", filter=Q(attempt__gt=1)),
            half=Percentile(0.5, took, filter=ENDED),
            most=Percentile(0.95, took, filter=ENDED),
        )
    )
    found: dict[int, list[StepFigures]] = defaultdict(list)
    for definition_id, *figures in rows:
        found[definition_id].append(StepFigures(*figures))
    return dict(found)
