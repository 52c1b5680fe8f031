"""Does the short way of reading a meter value say what the long one says of the same event?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fulfillment.drivers.supplier_json import METER_VALUES, EventFormError, meter_reading, station_event

AT = datetime(2026, 3, 10, 6, 20, tzinfo=UTC)
VALUE: dict[str, Any] = {"stationId": "LOC-1", "slotNumber": 1, "sessionId": "ses-1", "energyWh": 1_200}


def long_way(data: object) -> object:
    try:
        fact = station_event(METER_VALUES, data, at=AT)
    except EventFormError as err:
        return err.path, str(err)
    assert fact is not None
    return fact.session_id, fact.station, fact.slot_number, fact.reading


def short_way(data: object) -> object:
    try:
        return meter_reading(data, at=AT)
    except EventFormError as err:
        return err.path, str(err)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"energyWh": 1_200.9, "powerW": 7.0, "currentA": 62.5, "voltageV": 400, "soc": 40},
        {"energyWh": 2**53, "slotNumber": 32_767, "timestamp": "2026-03-10T11:50:00.5+05:30"},
        {"context": "Transaction.End", "error": {"code": "E1", "message": "warm"}},
        {"energyWh": 2**53 + 1},
        {"energyWh": -1},
        {"energyWh": True},
        {"energyWh": None},
        {"powerW": 2**31},
        {"soc": 101},
        {"slotNumber": 0},
        {"slotNumber": None},
        {"slotNumber": "1"},
        {"currentA": "much"},
        {"voltageV": 10**6},
        {"timestamp": "2026-03-10T11:50:00"},
        {"stationId": ""},
        {"sessionId": 7},
        {"sessionId": "", "slotNumber": 0},
    ],
)
def test_meter_value_is_read_alike(changes: dict[str, Any]) -> None:
    assert short_way(VALUE | changes) == long_way(VALUE | changes)


def test_data_that_is_no_object_is_refused_alike() -> None:
    assert short_way([VALUE]) == long_way([VALUE])
