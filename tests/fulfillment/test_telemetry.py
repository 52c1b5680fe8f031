"""What do many values of a session come to, and which of them are shed under pressure?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fulfillment.drivers.base import MeterValue
from fulfillment.metering import DUPLICATE, Limits
from fulfillment.telemetry import Stand, next_look, spare
from tests.factories.orders import NOW

LIMITS = Limits(power_w=30_000)


def stand(**changes: Any) -> Stand:
    """A session of 10 kWh that charges since a minute ago, its meter at 1,000 Wh."""
    given: dict[str, Any] = {
        "session_id": 1,
        "order_id": 1,
        "state": "charging",
        "started_at": NOW - timedelta(minutes=1),
        "read_at": None,
        "meter_start_wh": 1_000,
        "meter_wh": 1_000,
        "power_w": 0,
        "next_at": None,
        "order_wh": 10_000,
        "ends_at": None,
        "limits": LIMITS,
    }
    return Stand(**given | changes)


def value(seconds: float, energy_wh: int, power_w: int | None = 20_000, soc: int | None = None) -> MeterValue:
    return MeterValue(NOW + timedelta(seconds=seconds), energy_wh, power_w=power_w, soc_percent=soc)


def test_values_in_order_are_believed_and_move_the_register() -> None:
    session = stand()
    assert [session.take(value(n * 5.0, 1_000 + 30 * n), now=NOW + timedelta(seconds=60)) for n in range(4)] == [""] * 4
    assert (session.meter_wh, session.power_w, len(session.kept)) == (1_090, 20_000, 4)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (value(-10, 1_010), "out of order"),
        (value(5, 900), "decreasing"),
        (value(5, 9_000), "implausible"),
        (value(500, 1_020), "in the future"),
    ],
)
def test_value_that_cannot_be_is_kept_with_its_reason_and_moves_nothing(told: MeterValue, word: str) -> None:
    session = stand()
    session.take(value(0, 1_010), now=NOW)
    assert word in session.take(told, now=NOW)
    assert session.meter_wh == 1_010
    assert [word in each.reason for each in session.kept.values()] == [False, True]


def test_value_told_twice_is_kept_once_whatever_came_between() -> None:
    session, now = stand(), NOW + timedelta(seconds=60)
    for told in (value(0, 1_010), value(5, 1_040)):
        session.take(told, now=now)
    assert [session.take(told, now=now) for told in (value(5, 1_040), value(0, 1_010))] == [DUPLICATE] * 2
    assert (session.duplicates, len(session.kept)) == (2, 2)


def test_value_of_a_session_that_does_not_charge_yet_is_not_believed() -> None:
    session = stand(state="starting", meter_wh=None, meter_start_wh=None, started_at=None)
    assert session.take(value(0, 1_010), now=NOW) == "the session is starting"
    assert session.meter_wh is None


@pytest.mark.parametrize(
    ("changes", "told", "expected"),
    [
        ({}, value(0, 1_100), False),
        ({"order_wh": 100}, value(0, 1_100), True),
        ({"ends_at": NOW}, value(0, 1_100), True),
        ({"ends_at": NOW + timedelta(seconds=1)}, value(0, 1_100), False),
        ({"money_look_at": NOW}, value(0, 1_100), True),
        ({"money_look_at": NOW + timedelta(seconds=1)}, value(0, 1_100), False),
        ({}, value(0, 1_100, 0), True),
        ({"state": "paused"}, value(0, 1_100, 0), False),
        ({"state": "paused"}, value(0, 1_100), True),
        ({"state": "ending", "order_wh": 100}, value(0, 1_100), False),
    ],
)
def test_session_is_to_change_at_its_target_its_end_and_where_power_stops_or_returns(
    changes: dict[str, Any], told: MeterValue, expected: bool
) -> None:
    session = stand(**changes)
    session.take(told, now=NOW)
    assert session.changes(NOW) is expected


def test_batch_taken_again_says_again_that_the_target_is_reached() -> None:
    assert stand(order_wh=100, meter_wh=1_100, read_at=NOW, power_w=20_000).changes(NOW)


def test_station_is_asked_again_after_a_silence_and_what_is_planned_stays_where_it_is_near_enough() -> None:
    session = stand(next_at=NOW + timedelta(seconds=14))
    session.take(value(0, 1_010, 5_000), now=NOW)
    assert session.look_again(NOW) == NOW + timedelta(seconds=14)
    session.next_at = NOW + timedelta(seconds=4)
    assert session.look_again(NOW) == NOW + timedelta(seconds=20)


def test_station_is_asked_when_the_target_should_be_reached() -> None:
    session = stand(order_wh=200, next_at=NOW + timedelta(seconds=14))
    now = NOW + timedelta(seconds=5)
    session.take(value(0, 1_100), now=now)
    session.take(value(5, 1_140), now=now)
    assert session.look_again(now) == now + timedelta(seconds=7.5)


def test_look_is_never_at_once() -> None:
    assert next_look(NOW, [], 0, ends_at=NOW, now=NOW) == NOW + timedelta(milliseconds=250)


def test_of_what_is_shed_first_last_changes_and_one_a_minute_stay() -> None:
    powers = [20_000] * 5 + [0] * 5 + [9_000] * 10
    told = [("a", value(n * 5.0, 1_000 + n, power_w)) for n, power_w in enumerate(powers)]
    kept = [place for place in range(len(told)) if place not in spare(told)]
    assert kept == [0, 4, 5, 9, 10, 19]
    slow = [("a", value(n * 20.0, 1_000 + n)) for n in range(8)]
    assert [place for place in range(8) if place not in spare(slow)] == [0, 3, 6, 7]


def test_full_battery_is_not_shed_and_sessions_do_not_mix() -> None:
    told = [("a", value(n * 5.0, 1_000, soc=98 + min(2, n // 2))) for n in range(7)]
    assert spare(told) == {1, 2, 5}
    assert spare([(name, value(0, 1_000)) for name in "abc"]) == set()
