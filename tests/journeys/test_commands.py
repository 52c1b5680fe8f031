"""Is every spelling of start and stop understood, and is the order found without its id?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.journeys.conftest import NewTrip
from tests.journeys.trip import Trip

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

SPELLINGS: list[tuple[Any, Any]] = [
    ("start-charging", "end-charging"),
    ("start-chargin", "end-chargin"),
    ("START_CHARGING", "STOP_CHARGING"),
    ("Start Charging", "stop-charging"),
    ("CHARGING_STARTED", "CHARGING_ENDED"),
]


async def command(trip: Trip, word: str) -> str:
    """What a command in this spelling, without an order id, leads to."""
    fulfillment = {"id": trip.offer.fulfillment_id, "type": "CHARGING", "state": {"descriptor": {"code": word}}}
    message = {"update_target": "order.fulfillments[0].state", "order": {"fulfillments": [fulfillment]}}
    sending = trip.buyer.send("update", message, peer=trip.deal.peer, transaction_id=trip.transaction_id)
    answer = await trip.answer(sending)
    return answer.state or str(answer.error)


async def test_every_spelling_starts_and_stops(new_trip: NewTrip) -> None:
    async def charged(start: str, stop: str) -> tuple[str, str]:
        trip = await new_trip()
        await trip.book()
        return await command(trip, start), await command(trip, stop)

    outcomes = await asyncio.gather(*(charged(start, stop) for start, stop in SPELLINGS))
    assert outcomes == [("charging-started", "charging-ended")] * len(SPELLINGS)


async def test_unknown_command_is_refused(trip: Trip) -> None:
    await trip.book()
    assert "30013" in await command(trip, "warp-charging")
    assert (await trip.status()).state == "payment-completed"
