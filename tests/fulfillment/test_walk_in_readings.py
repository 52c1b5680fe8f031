"""How often is a walk-in priced while its meter tells value after value?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from fulfillment.drivers.base import MeterValue
from fulfillment.models import WalkIn
from fulfillment.services.walk_in_readings import record_walk_in_readings
from fulfillment.states import SILENT_AFTER_S
from tests.fulfillment.cards import a_card, a_station, charging_walk_in
from tests.fulfillment.supplier import FakeSupplier

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("events_token"),
    pytest.mark.urls("fulfillment.urls"),
]


def told(walk_in: WalkIn, *, seconds: int) -> WalkIn:
    """The walk-in after its meter told of 8 Wh a second since the start, this long after it."""
    assert walk_in.started_at is not None
    at = walk_in.started_at + timedelta(seconds=seconds)
    value = MeterValue(at=at, energy_wh=(walk_in.meter_start_wh or 0) + 8 * seconds, power_w=28_800)
    assert record_walk_in_readings(walk_in.pk, [value], now=at)["believed"] == 1
    return WalkIn.objects.get(pk=walk_in.pk)


def test_walk_in_of_a_contract_is_priced_every_half_minute_and_read_each_time(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator))
    seen = [told(walk_in, seconds=seconds) for seconds in (5, 10, 34, 35, 40)]
    assert [each.energy_wh for each in seen] == [40, 80, 272, 280, 320]
    looks = [each.next_at - each.read_at for each in seen if each.next_at and each.read_at]
    assert looks == [timedelta(seconds=SILENT_AFTER_S)] * 5
    first, *same, later, last = [each.amount_paise or 0 for each in seen]
    assert same == [first] * 2
    assert later == last > first > 2_000


def test_prepaid_walk_in_is_priced_by_each_value(supplier: FakeSupplier) -> None:
    station = a_station(supplier)
    walk_in = charging_walk_in(station, a_card(station.operator, kind="prepaid", paise=100_000))
    amounts = [told(walk_in, seconds=seconds).amount_paise or 0 for seconds in (5, 10, 15)]
    assert amounts == sorted(set(amounts))
