"""How long is a duration of the DSL?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fulfillment.workflow import durations


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("PT30S", 30),
        ("PT1M30.5S", 90.5),
        ("P1DT2H", 93_600),
        ("P2W", 1_209_600),
        ("PT0S", 0),
        ({"seconds": 3, "milliseconds": 500}, 3.5),
        ({"days": 1, "hours": 1, "minutes": 1}, 90_060),
    ],
)
def test_duration_is_a_span(duration: object, seconds: float) -> None:
    assert durations.span(duration) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "duration",
    [
        *("", "P", "PT", "30", "P1M", "P1Y", "PT-1S", "1h", "P99999999999D", 30, None),
        *({}, {"weeks": 1}, {"seconds": -1}, {"seconds": True}, {"days": 10**9}, {"seconds": "1"}),
    ],
)
def test_anything_else_is_refused(duration: object) -> None:
    with pytest.raises(ValueError, match=r"duration|too long"):
        durations.span(duration)


def test_stamps_are_utc_and_come_back() -> None:
    local = datetime(2026, 11, 21, 17, 30, 0, 500, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert durations.stamp(local) == "2026-11-21T12:00:00.000500Z"
    assert durations.moment("2026-11-21T12:00:00.000500Z") == local
    assert durations.moment(durations.stamp(local)).tzinfo == UTC
