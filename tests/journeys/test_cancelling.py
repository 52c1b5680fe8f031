"""What does a customer who cancels get back, and when is it too late?"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.journeys.trip import Trip, lines_of, offers_at

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

SOFT = {"code": "SOFT_CANCEL"}


async def test_cancel_before_the_start_costs_thirty_percent(trip: Trip) -> None:
    await trip.book("10")
    cancelled = await trip.answer(trip.buyer.cancel(trip.transaction_id, reason_id="5"))
    assert (cancelled.order["status"], cancelled.state) == ("CANCELLED", "order-cancelled")
    assert cancelled.order["cancellation"]["cancelled_by"] == "CONSUMER"
    assert cancelled.order["cancellation"]["reason"]["id"] == "5"
    lines = lines_of(cancelled.order)
    assert lines["refund"] < 0
    assert lines["total"] == Decimal("70.80")  # 30 % of ₹236.00, what 10 kWh with tax come to
    offers = await offers_at(trip.stage, trip.charger)
    assert offers[trip.offer.fulfillment_id].available


async def test_soft_cancel_only_tells_the_price(trip: Trip) -> None:
    await trip.book("10")
    asked = await trip.answer(trip.buyer.cancel(trip.transaction_id, descriptor=SOFT))
    assert asked.order["status"] == "ACTIVE"
    assert lines_of(asked.order)["total"] == Decimal("70.80")
    after = await trip.status()
    assert (after.order["status"], after.state) == ("ACTIVE", "payment-completed")
    assert lines_of(after.order)["total"] == Decimal(236)


async def test_cancel_while_charging_is_refused(trip: Trip) -> None:
    await trip.charge()
    refused = await trip.answer(trip.buyer.cancel(trip.transaction_id))
    assert refused.error
    assert refused.error["code"] == "50001"
    assert (await trip.status()).order["status"] == "ACTIVE"
    await trip.stop()


async def test_cancel_twice_refunds_once(trip: Trip) -> None:
    await trip.book("10")
    first = await trip.answer(trip.buyer.cancel(trip.transaction_id))
    again = await trip.answer(trip.buyer.cancel(trip.transaction_id))
    assert again.error
    assert again.error["code"] == "40001"
    assert lines_of((await trip.status()).order) == lines_of(first.order)
