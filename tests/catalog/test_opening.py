"""Are stations open exactly when their hours say so?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from catalog.opening import OpeningFault, opening

IST = "Asia/Kolkata"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(IST)).astimezone(UTC)


def hours(*periods: tuple[int, str, str], **exceptions: Any) -> dict[str, Any]:
    regular = [{"weekday": day, "period_begin": begin, "period_end": end} for day, begin, end in periods]
    return {"twentyfourseven": False, "regular_hours": regular, **exceptions}


SHOP = hours(*((day, "08:00", "22:00") for day in range(1, 8)))
LATE = hours(*((day, "18:00", "02:00") for day in range(1, 8)))
MIDNIGHT = hours((1, "08:00", "00:00"), (2, "00:00", "10:00"))
CLOSED = {"period_begin": "2026-02-02T12:00:00+05:30", "period_end": "2026-02-02T14:00:00+05:30"}


@pytest.mark.parametrize(
    ("times", "begin", "end", "is_open"),
    [
        ({}, "2026-02-02T03:00", "2026-02-05T03:00", True),
        ({"twentyfourseven": True}, "2026-02-02T03:00", None, True),
        (SHOP, "2026-02-02T08:00", None, True),
        (SHOP, "2026-02-02T22:00", None, False),
        (SHOP, "2026-02-02T21:00", "2026-02-02T22:00", True),
        (SHOP, "2026-02-02T21:00", "2026-02-02T22:01", False),
        (SHOP, "2026-02-02T21:00", "2026-02-03T09:00", False),
        (LATE, "2026-02-03T01:59", None, True),
        (LATE, "2026-02-02T23:00", "2026-02-03T02:00", True),
        (LATE, "2026-02-03T02:00", None, False),
        (MIDNIGHT, "2026-02-02T23:00", "2026-02-03T10:00", True),
        (hours((1, "08:00", "24:00")), "2026-02-02T23:59", None, True),
        (SHOP | {"exceptional_closings": [CLOSED]}, "2026-02-02T13:00", None, False),
        (SHOP | {"exceptional_closings": [CLOSED]}, "2026-02-02T14:00", None, True),
        ({"exceptional_closings": [CLOSED]}, "2026-02-02T11:00", "2026-02-02T15:00", False),
        (hours(exceptional_openings=[CLOSED]), "2026-02-02T12:00", "2026-02-02T14:00", True),
        (hours(exceptional_openings=[CLOSED]), "2026-02-02T11:59", None, False),
    ],
)
def test_covers_windows(times: dict[str, Any], begin: str, end: str | None, is_open: bool) -> None:
    assert opening(times, IST).covers(at(begin), at(end) if end else None) is is_open


def test_hours_are_local_to_the_station() -> None:
    noon = datetime(2026, 2, 2, 12, tzinfo=UTC)
    assert opening(SHOP, "UTC").covers(noon, None)
    assert not opening(SHOP, "Asia/Tokyo").covers(noon.replace(hour=14), None)


@pytest.mark.parametrize(
    ("times", "path"),
    [
        ([], "opening_times"),
        ({"twentyfourseven": False}, "regular_hours"),
        ({"regular_hours": "always"}, "regular_hours"),
        ({"regular_hours": [5]}, "regular_hours[0]"),
        (hours((8, "08:00", "09:00")), "regular_hours[0].weekday"),
        (hours((1, "8", "09:00")), "regular_hours[0].period_begin"),
        (hours((1, "08:00", "25:00")), "regular_hours[0].period_end"),
        (SHOP | {"exceptional_closings": [{"period_begin": "x"}]}, "exceptional_closings[0].period_begin"),
    ],
)
def test_faulty_hours_are_refused_by_their_place(times: Any, path: str) -> None:
    with pytest.raises(OpeningFault) as fault:
        opening(times, IST)
    assert fault.value.path == path
