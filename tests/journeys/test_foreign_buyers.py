"""Does a buyer app learn anything of another's order? Every question about it is answered as if it did not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import wishes
from sandbox.buyer import Buyer
from tests.journeys.trip import Trip, answer_to

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

Question = Callable[[str, str], dict[str, Any]]
QUESTIONS: dict[str, Question] = {
    "status": lambda order, _: {"order_id": order},
    "track": lambda order, _: {"order_id": order},
    "update": lambda order, evse: wishes.update_state(order, evse, command="start-charging"),
    "cancel": lambda order, _: wishes.cancel(order, reason_id="5"),
    "rating": lambda order, _: wishes.rating(order, "1"),
    "support": lambda order, _: wishes.support(order),
}


async def test_order_of_another_is_like_unknown(trip: Trip, other_buyer: Buyer) -> None:
    await trip.book()
    for action, question in QUESTIONS.items():
        told = [
            await answered(other_buyer, trip, action, question(order, trip.offer.fulfillment_id), order)
            for order in (trip.order_id, "VB-000000000000")
        ]
        assert told[0] == told[1], action
    after = await trip.status()
    assert (after.order["status"], after.state) == ("ACTIVE", "payment-completed")


async def answered(buyer: Buyer, trip: Trip, action: str, message: dict[str, Any], order_id: str) -> str:
    """What another buyer app is told within the very transaction of the order, the id it named left out."""
    sending = buyer.send(action, message, peer=trip.deal.peer, transaction_id=trip.transaction_id)
    answer = await answer_to(buyer, sending)
    assert action == "support" or answer.error, f"{action} was answered"
    return str(answer.error or answer.message).replace(order_id, "…")
