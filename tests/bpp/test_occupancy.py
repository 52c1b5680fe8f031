"""Is every second of a charger counted once, as what it was, in the hour of its own zone?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bpp.occupancy import FREE, IN_USE, KINDS, OUT, UNKNOWN, by_day, by_hour, stretches

BEGIN = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)  # midnight of Tuesday, 3 March, in India
INDIA = ZoneInfo("Asia/Kolkata")


def at(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def test_nothing_is_known_before_the_first_status() -> None:
    made = stretches([(at(2), FREE)], sessions=[], outages=[], begin=BEGIN, end=at(4))
    assert [(one.begin, one.end, one.kind) for one in made] == [(BEGIN, at(2), UNKNOWN), (at(2), at(4), FREE)]


def test_status_from_before_holds_from_the_begin() -> None:
    made = stretches([(at(-90), OUT), (at(1), FREE)], sessions=[], outages=[], begin=BEGIN, end=at(2))
    assert [(one.begin, one.kind) for one in made] == [(BEGIN, OUT), (at(1), FREE)]


def test_session_stands_above_outage_and_outage_above_status() -> None:
    made = stretches([(at(-1), FREE)], sessions=[(at(1), at(3))], outages=[(at(2), at(5))], begin=BEGIN, end=at(6))
    assert [(one.end, one.kind) for one in made] == [
        (at(1), FREE),
        (at(2), IN_USE),
        (at(3), IN_USE),
        (at(5), OUT),
        (at(6), FREE),
    ]


def test_hours_and_days_are_those_of_the_zone() -> None:
    spent = stretches([(BEGIN, FREE)], sessions=[(at(23.5), at(24.5))], outages=[], begin=BEGIN, end=at(25))
    hours = by_hour(spent, INDIA)
    assert hours[1, 23] == {FREE: 1800, IN_USE: 1800}
    assert hours[2, 0] == {IN_USE: 1800, FREE: 1800}
    assert by_day(spent, INDIA)[date(2026, 3, 3)].total() == 86_400


def test_day_of_the_change_to_summer_time_has_23_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 3, 29, 0, 0, tzinfo=berlin).astimezone(UTC)
    end = datetime(2026, 3, 30, 0, 0, tzinfo=berlin).astimezone(UTC)
    spent = stretches([(begin, FREE)], sessions=[], outages=[], begin=begin, end=end)
    assert by_day(spent, berlin) == {date(2026, 3, 29): {FREE: 23 * 3600}}
    assert (6, 2) not in by_hour(spent, berlin)


MINUTES = st.integers(-600, 4_000).map(lambda minutes: BEGIN + timedelta(minutes=minutes))
INTERVALS = st.lists(st.tuples(MINUTES, MINUTES).map(lambda two: (min(two), max(two))), max_size=6)


@given(st.lists(st.tuples(MINUTES, st.sampled_from(KINDS[:3])), max_size=8).map(sorted), INTERVALS, INTERVALS)
def test_whole_time_is_covered_once(
    changes: list[tuple[datetime, str]], sessions: list[tuple[datetime, datetime]],
    outages: list[tuple[datetime, datetime]],
) -> None:  # fmt: skip
    end = at(50)
    made = stretches(changes, sessions=sessions, outages=outages, begin=BEGIN, end=end)
    assert made[0].begin == BEGIN
    assert made[-1].end == end
    assert all(one.end == other.begin and one.begin < one.end for one, other in pairwise(made))
    assert sum(seconds.total() for seconds in by_hour(made, INDIA).values()) == 50 * 3600
    used = sum(seconds[IN_USE] for seconds in by_day(made, INDIA).values())
    minutes = {
        minute
        for begin, until in sessions
        for minute in range(round((begin - BEGIN).total_seconds()), round((until - BEGIN).total_seconds()), 60)
        if 0 <= minute < 50 * 3600
    }
    assert used >= len(minutes) * 60
