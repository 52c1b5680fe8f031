"""How was each hour of a charger spent: free, in use, out of order, or is that not known? Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

FREE, IN_USE, OUT, UNKNOWN = "free", "in-use", "out", "unknown"
KINDS = (FREE, IN_USE, OUT, UNKNOWN)
HOUR = timedelta(hours=1)
Seconds = Counter[str]


class Stretch(NamedTuple):
    """A time in which one thing held."""

    begin: datetime
    end: datetime
    kind: str


Interval = tuple[datetime, datetime]


def stretches(
    changes: Sequence[tuple[datetime, str]],
    *,
    sessions: Iterable[Interval],
    outages: Iterable[Interval],
    begin: datetime,
    end: datetime,
) -> list[Stretch]:
    """What a charger was from `begin` to `end`, without a gap.

    `changes` are its statuses as kinds from when on, in order of time; before the first nothing is known. A session is
    use whatever the status said; an outage stands above a status.
    """
    marks: list[tuple[datetime, int, str, int]] = [(at, 0, kind, 0) for at, kind in changes]
    for kind, intervals in ((IN_USE, sessions), (OUT, outages)):
        for since, until in intervals:
            marks += [(since, 1, kind, 1), (until, 1, kind, -1)]
    marks.sort(key=lambda mark: mark[:2])
    told, open_, at, made = UNKNOWN, Counter[str](), begin, []
    for moment, sort, kind, step in marks:
        edge = min(max(moment, begin), end)
        if edge > at:
            made.append(Stretch(at, edge, _kind(told, open_)))
            at = edge
        if sort:
            open_[kind] += step
        else:
            told = kind
    if at < end:
        made.append(Stretch(at, end, _kind(told, open_)))
    return made


def by_hour(spent: Iterable[Stretch], zone: tzinfo) -> dict[tuple[int, int], Seconds]:
    """Seconds of each kind by weekday (0 is Monday) and hour of the day in the zone."""
    found: dict[tuple[int, int], Seconds] = defaultdict(Counter)
    for begin, end, kind in _by_the_hour(spent, zone):
        found[begin.weekday(), begin.hour][kind] += _seconds(begin, end)
    return dict(found)


def by_day(spent: Iterable[Stretch], zone: tzinfo) -> dict[date, Seconds]:
    """Seconds of each kind by the zone's calendar day."""
    found: dict[date, Seconds] = defaultdict(Counter)
    for begin, end, kind in _by_the_hour(spent, zone):
        found[begin.date()][kind] += _seconds(begin, end)
    return dict(found)


def _kind(told: str, open_: Seconds) -> str:
    return next((kind for kind in (IN_USE, OUT) if open_[kind] > 0), told)


def _by_the_hour(spent: Iterable[Stretch], zone: tzinfo) -> Iterator[Stretch]:
    """The same times cut where an hour begins in the zone, as times of the zone."""
    for begin, end, kind in spent:
        # By UTC, since clocks of a zone cannot be added to where summer time begins or ends.
        at = begin.astimezone(UTC)
        while at < end:
            local = at.astimezone(zone)
            past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            edge = min(at + HOUR - past, end.astimezone(UTC))
            yield Stretch(local, edge.astimezone(zone), kind)
            at = edge


def _seconds(begin: datetime, end: datetime) -> int:
    # Two times of one zone are subtracted by their clocks, which a change of summer time moves.
    return round(end.timestamp() - begin.timestamp())
