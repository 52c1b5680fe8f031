"""What becomes of callbacks that a buyer app does not take: fails, hangs or refuses?"""

from __future__ import annotations

import pytest

from sandbox.answering import AckMode
from sandbox.buyer import Buyer
from tests.journeys.conftest import NewTrip
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip, eventually, offers_at

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.mark.parametrize("kind", ["status", "close", "hang"])
async def test_answer_comes_once_the_buyer_app_is_back(new_trip: NewTrip, other_buyer: Buyer, kind: str) -> None:
    trip = await new_trip(buyer=other_buyer)
    other_buyer.ack_mode = AckMode(kind, status=500, wait_s=30.0, remaining=1, actions={"on_select"})
    answer = await trip.select()
    assert answer.error is None
    tries = [it for it in other_buyer.ledger.exchanges if it.direction == "in" and it.action == "on_select"]
    assert other_buyer.ack_mode.remaining == 0
    assert {it.body for it in tries} == {answer.exchange.body}


async def test_callbacks_of_one_transaction_keep_their_order(
    stage: Stage, new_trip: NewTrip, other_buyer: Buyer
) -> None:
    trip = await new_trip(buyer=other_buyer)
    await trip.select()
    other_buyer.ack_mode = AckMode("status", status=500, remaining=2, actions={"on_select"})
    again = await other_buyer.select(trip.offer, transaction_id=trip.transaction_id)
    await eventually(
        lambda: offers_at(stage, trip.charger),
        lambda _: other_buyer.ledger.counts["in on_select STATUS"] > 0,
        "a first on_select",
    )
    initiated = await trip.init()
    tries = [it for it in other_buyer.ledger.exchanges if it.direction == "in" and it.message_id == again.message_id]
    assert [it.status for it in tries] == [500, 500, 200]
    assert all(it.number < initiated.exchange.number for it in tries)
    assert len({it.body for it in tries}) == 1
    assert len({it.headers["Authorization"] for it in tries}) == len(tries), "each try is signed afresh"


async def test_refused_callback_is_kept_with_its_reason_and_not_repeated(new_trip: NewTrip, other_buyer: Buyer) -> None:
    trip = await new_trip(buyer=other_buyer)
    other_buyer.ack_mode = AckMode("nack", remaining=1, actions={"on_select"})
    sent = await other_buyer.select(trip.offer, transaction_id=trip.transaction_id)
    trip.transaction_id = sent.transaction_id
    initiated = await other_buyer.init(trip.transaction_id)
    await other_buyer.wait_for(initiated.message_id, "on_init", ANSWER_S)
    assert other_buyer.ledger.answers(sent.message_id, "on_select") == []
    ((state, reason),) = kept(trip, sent.message_id)
    assert state == "refused"
    assert "refused on request of a test" in reason


def kept(trip: Trip, message_id: str) -> list[tuple[str, str]]:
    rows = trip.stage.rows("SELECT state, reason FROM bpp_outboxmessage WHERE message_id = %s", message_id)
    return [(str(state), str(reason)) for state, reason in rows]
