"""Does charging that ends by itself reach the customer as a bill without being asked for?"""

from __future__ import annotations

import pytest

from sandbox.exchanges import Received
from sandbox.expectations import bill_faults, charging_details, energy_wh, meter_faults
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_full_vehicle_ends_with_a_bill(stage: Stage, trip: Trip) -> None:
    vehicle = {"capacityWh": 8000, "socStart": 70}
    await stage.supplier("seed", stations=[{"id": trip.charger.station_id, "slots": 2, **vehicle}])
    await trip.charge("20")
    bill = await told_bill(trip)
    assert charging_details(bill.order)["soc"] == "100%"
    assert energy_wh(charging_details(bill.order)["energy-delivered"]) == 2400
    assert meter_faults(bill.order, await trip.sessions()) == []


async def test_ordered_energy_ends_with_a_bill(trip: Trip) -> None:
    await trip.charge("3")
    bill = await told_bill(trip)
    assert (energy_wh(charging_details(bill.order)["energy-delivered"]) or 0) >= 3000
    assert meter_faults(bill.order, await trip.sessions()) == []


async def test_pulled_cable_ends_with_a_bill(stage: Stage, trip: Trip) -> None:
    await trip.charge("20")
    await stage.supplier("unplug", stationId=trip.charger.station_id, slotNumber=1)
    bill = await told_bill(trip)
    assert meter_faults(bill.order, await trip.sessions()) == []


async def told_bill(trip: Trip) -> Received:
    """The on_status nobody asked for that says COMPLETE; its bill must fit the meter."""
    asked = {exchange.message_id for exchange in trip.buyer.ledger.exchanges if exchange.direction == "out"}
    bill = await trip.buyer.wait_until(
        trip.transaction_id,
        lambda it: it.action == "on_status" and it.order.get("status") == "COMPLETE",
        timeout_s=ANSWER_S,
        what="on_status COMPLETE",
    )
    assert bill.message_id not in asked
    assert bill.state == "charging-ended"
    assert bill_faults(bill.order) == []
    return bill
