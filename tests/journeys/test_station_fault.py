"""What becomes of a station that faults: of who charges there, of who comes later, of support, and of the catalogue?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.exchanges import Received
from sandbox.expectations import bill_faults, charging_details, energy_wh, meter_faults
from sandbox.wishes import Window
from tests.journeys.conftest import NewTrip
from tests.journeys.purse import Row, books, given_back, paid_to_us, refund_tags, rows, until_refunds
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip, eventually, lines_of, until_offered

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

ERROR = {"code": "GroundFault", "message": "earth leakage at the inlet"}
# 20 kWh cost ₹472.00; of a customer who pays us first, a tenth more is taken.
ORDERED_WH, PAID_PAISE = 20_000, 51_920
DELIVERED_WH = """
SELECT s.meter_wh - s.meter_start_wh FROM fulfillment_session s JOIN orders_order o ON o.id = s.order_id
WHERE o.transaction_id = %s
"""
TICKETS = """
SELECT t.state, t.subject, t.notes FROM fulfillment_outage f JOIN catalog_station s ON s.id = f.station_id
JOIN support_ticket t ON t.code = f.ticket AND t.operator_id = s.operator_id WHERE s.code = %s ORDER BY f.id
"""
OWN_SUPPORT = "SELECT count(*)::int FROM support_ticket WHERE order_id IS NULL AND notes LIKE '%%' || %s || '%%'"


async def test_station_that_faults_at_half_is_paid_to_the_half_and_comes_back(
    stage: Stage, trip: Trip, new_trip: NewTrip, taken_at_once: None
) -> None:
    station = trip.charger.station_id
    payment = await paid_to_us(trip, "20")
    assert (await trip.start()).error is None
    await trip.until("charging-started")
    await eventually(lambda: rows(trip, DELIVERED_WH), lambda seen: seen[0][0] >= ORDERED_WH // 2, "half the energy")
    await stage.supplier("fault", stationId=station, error=ERROR)

    told = await trip.until("charger-error")
    assert (told.action, told.order["status"]) == ("on_status", "COMPLETE")
    left = await billed_to_the_meter(trip)
    await until_refunds(trip, ("unused", left, "provider", "done"))
    assert given_back(trip, payment) == [(left, "processed")]
    assert refund_tags((await trip.status()).order) == [("unused", f"{Decimal(left) / 100:.2f}", "done")]
    assert (await books(trip))["cash"] == PAID_PAISE - left

    (ticket,) = await eventually(lambda: tickets(stage, station), bool, "our ticket")
    assert (ticket[0], ticket[1]) == ("open", f"Out of order: Journey stop {trip.charger.number}")
    facts = (station, trip.charger.evse_id(1), trip.charger.evse_id(2), "GroundFault: earth leakage", trip.order_id)
    assert [fact for fact in facts if fact not in ticket[2]] == []
    assert await reported(stage, station) == [ERROR]
    for slot in (1, 2):
        await until_offered(stage, trip.charger, available=False, slot=slot)
    (session,) = await eventually(trip.sessions, lambda seen: seen[0]["status"] == "closed", "the slot given back")
    assert session["paid"]

    await stage.supplier("recover", stationId=station)
    for slot in (1, 2):
        await until_offered(stage, trip.charger, available=True, slot=slot)
    closed = await eventually(lambda: tickets(stage, station), lambda seen: seen[0][0] == "closed", "the ticket closed")
    assert "In service again" in closed[0][2]
    assert await asyncio.to_thread(stage.rows, OWN_SUPPORT, station) == [(1,)], "one ticket, however much was told"
    await (await new_trip(trip.charger)).charge("2")


async def test_booking_for_later_is_warned_with_others_and_hears_of_the_recovery(stage: Stage, trip: Trip) -> None:
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    await trip.book("10", window=Window(begins.isoformat(), (begins + timedelta(hours=1)).isoformat()))
    place = {"stationId": trip.charger.station_id, "slotNumber": 1}
    await stage.supplier("fault", **place)
    warned = await unasked(trip, 1)
    assert (warned.order["status"], warned.state) == ("ACTIVE", "payment-completed")
    assert recommended(warned)[0] == trip.charger.item_id(2)
    assert "answer-by" not in str(warned.order["fulfillments"][0]["tags"]), "nothing has to be answered"
    await stage.supplier("recover", **place)
    back = await unasked(trip, 2)
    assert (back.order["status"], back.state, recommended(back)) == ("ACTIVE", "payment-completed", [])
    assert lines_of(back.order) == lines_of(warned.order)


async def billed_to_the_meter(trip: Trip) -> int:
    """The bill is for what the meter says was delivered, half or a little more; what is left of the money, paise."""
    final = (await trip.status()).order
    assert bill_faults(final) + meter_faults(final, await trip.sessions()) == []
    delivered = energy_wh(charging_details(final)["energy-delivered"]) or 0
    assert ORDERED_WH // 2 <= delivered < ORDERED_WH
    lines = lines_of(final)
    energy = (Decimal(delivered) * 20 / 1000).quantize(Decimal("0.01"))
    half_of_the_tax = (energy * 9 / 100).quantize(Decimal("0.01"))
    assert lines["total"] == energy + 2 * half_of_the_tax
    return PAID_PAISE - int(lines["total"] * 100)


async def tickets(stage: Stage, station: str) -> list[Row]:
    """(state, subject, notes) of the operator's tickets about outages of a station."""
    return await asyncio.to_thread(stage.rows, TICKETS, station)


async def reported(stage: Stage, station: str) -> list[dict[str, Any]]:
    """The errors that were reported to the supplier's support, once there is one."""

    async def look() -> list[dict[str, Any]]:
        told = (await stage.at_supplier("tickets")).values()
        return [one["error"] for one in told if one["stationId"] == station]

    return await eventually(look, bool, "the supplier's ticket")


async def unasked(trip: Trip, count: int) -> Received:
    """The on_update of this number that nobody asked for."""
    await trip.buyer.wait_until(
        trip.transaction_id,
        lambda _: len(trip.callbacks("on_update")) >= count,
        timeout_s=ANSWER_S,
        what=f"on_update number {count}",
    )
    return trip.callbacks("on_update")[count - 1]


def recommended(told: Received) -> list[str]:
    """The items that could be chosen instead."""
    return [item["id"] for item in told.order["items"] if item.get("recommended")]
