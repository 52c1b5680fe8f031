"""What does a customer see of a charger that breaks: before, while and after energy flowed?"""

from __future__ import annotations

from decimal import Decimal

import pytest

from sandbox.expectations import bill_faults, meter_faults
from tests.journeys.chargers import Charger
from tests.journeys.conftest import NewTrip
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip, eventually, lines_of, until_offered

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_fault_while_charging_is_told_and_billed_to_the_meter(stage: Stage, trip: Trip) -> None:
    await trip.charge()
    await trip.until_energy()
    await stage.supplier("fault", stationId=trip.charger.station_id, slotNumber=1)
    told = await trip.until("charger-error")
    assert (told.action, told.order["status"]) == ("on_status", "COMPLETE")
    final = await trip.status()
    assert bill_faults(final.order) == []
    assert meter_faults(final.order, await trip.sessions()) == []
    assert 0 < lines_of(final.order)["total"] < Decimal(472)


async def test_fault_before_energy_flowed_cancels_with_full_refund(stage: Stage, trip: Trip) -> None:
    station = trip.charger.station_id
    await stage.supplier("seed", stations=[{"id": station, "slots": 2, "startDelayS": 60}])
    await trip.book()
    sent = await trip.buyer.update_start(trip.transaction_id)
    assert sent.acked
    await until_asked_to_start(trip)
    await stage.supplier("fault", stationId=station, slotNumber=1)
    answer = await trip.buyer.wait_for(sent.message_id, "on_update", ANSWER_S)
    assert answer.state == "charger-error"
    await told_refund(trip)


async def test_fault_while_the_driver_is_on_the_way_cancels_with_full_refund(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"on_failure": "cancel"})
    await trip.book()
    await stage.supplier("fault", stationId=trip.charger.station_id, slotNumber=1)
    await told_refund(trip)


async def test_broken_charger_is_not_offered_until_it_recovers(stage: Stage, charger: Charger) -> None:
    slot = {"stationId": charger.station_id, "slotNumber": 2}
    await stage.supplier("seed", stations=[{"id": charger.station_id, "slots": 2}])
    await stage.supplier("fault", **slot)
    await until_offered(stage, charger, available=False)
    await stage.supplier("recover", **slot)
    await until_offered(stage, charger, available=True)


async def test_select_of_a_broken_charger_names_others(stage: Stage, new_trip: NewTrip, charger: Charger) -> None:
    trip = await new_trip(charger)
    await stage.supplier("seed", stations=[{"id": charger.station_id, "slots": 2}])
    await stage.supplier("fault", stationId=charger.station_id, slotNumber=1)
    await until_offered(stage, charger, available=False, slot=1)
    refused = await trip.select()
    assert refused.error
    assert refused.error["code"] == "40002"
    assert charger.item_id(2) in refused.error["message"]


async def told_refund(trip: Trip) -> None:
    """The on_cancel nobody asked for that gives back all of the ₹472 paid."""
    told = await trip.buyer.wait_until(
        trip.transaction_id, lambda it: it.action == "on_cancel", timeout_s=ANSWER_S, what="on_cancel"
    )
    assert (told.order["status"], told.order["cancellation"]["cancelled_by"]) == ("CANCELLED", "PROVIDER")
    lines = lines_of(told.order)
    assert (lines["refund"], lines["total"]) == (Decimal(-472), Decimal(0))


async def until_asked_to_start(trip: Trip) -> None:
    """Wait until the power supplier got the start command for this trip."""
    (session,) = await eventually(trip.sessions, bool, "a session at the station")
    await eventually(
        lambda: trip.stage.at_supplier("calls", route="start"),
        lambda calls: any(session["id"] in call["path"] and call["status"] == 200 for call in calls),
        "the start command",
    )
