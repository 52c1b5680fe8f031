"""Which tariff elements does the local clock allow at a moment, and until when?"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise

from catalog.tariffs.reading import Element, Schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
MICROS = 1_000_000
NEVER = 1 << 62

Part = tuple[int, int, frozenset[Element]]


def micros(moment: datetime) -> int:
    """µs since 1970 of an aware moment; exact, in whatever zone it is written."""
    return (moment - EPOCH) // MICRO


class Clock:
    """The elements of a plan that the clock of a place allows; looks from one moment forward are quick."""

    __slots__ = ("plan", "tz")

    def __init__(self, plan: Schedule, tz: tzinfo) -> None:
        self.plan, self.tz = plan, tz

    def at(self, at_us: int) -> tuple[int, frozenset[Element], int]:
        """A number for the state of the clock, the elements it allows, and the moment, µs, at which that may change."""
        if not self.plan.timed:
            return 0, self.plan.everything, NEVER
        start_us, until_us, allowed = _part(self.plan, at_us, self.tz)
        return start_us, allowed, until_us


@lru_cache(maxsize=4096)
def parts(plan: Schedule, tz: tzinfo, day: date) -> tuple[Part, ...]:
    """A local day in parts during which the clock allows the same elements: (from µs, until µs, elements).

    The parts end at every time an element names, before and after a shift of the clock, and at the shift itself; so
    a day of 23 or 25 hours is cut as its own clock shows it.
    """
    begin, end = _midnight(day, tz), _midnight(day + timedelta(days=1), tz)
    marks = {begin, *_shifts(begin, end, tz)}
    for clock in plan.clocks:
        for fold in (0, 1):
            mark = micros(datetime.combine(day, clock, tz).replace(fold=fold))
            if begin < mark < end:
                marks.add(mark)
    ordered = [*sorted(marks), end]
    return tuple(
        (start, until, frozenset(element for element in plan.elements if element.holds(_local(start, tz))))
        for start, until in pairwise(ordered)
    )


def _part(plan: Schedule, at_us: int, tz: tzinfo) -> Part:
    return next(part for part in parts(plan, tz, _local(at_us, tz).date()) if part[0] <= at_us < part[1])


def _midnight(day: date, tz: tzinfo) -> int:
    """The moment at which a local day begins; where the clock skips midnight it is the moment of the skip."""
    return micros(datetime.combine(day, time.min, tz))


def _shifts(begin: int, end: int, tz: tzinfo) -> list[int]:
    """The moments between two at which the zone's offset changes, to the second; one at most on a day."""
    before, after = _local(begin, tz).utcoffset(), _local(end - 1, tz).utcoffset()
    if before == after:
        return []
    low, high = begin, end - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _local(middle, tz).utcoffset() == before:
            low = middle
        else:
            high = middle
    return [high]


def _local(at_us: int, tz: tzinfo) -> datetime:
    return (EPOCH + timedelta(microseconds=at_us)).astimezone(tz)
