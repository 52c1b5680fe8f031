"""Is a request that comes again done once, and is another one under its id refused?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from sandbox import wishes
from tests.journeys.trip import Trip, post_signed

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


def content_of(trip: Trip, action: str, message: dict[str, Any]) -> dict[str, Any]:
    context = trip.buyer.context(action, peer=trip.deal.peer, transaction_id=trip.transaction_id)
    return {"context": context, "message": message}


def confirmation(trip: Trip, reference: str = "utr-1") -> dict[str, Any]:
    paid = wishes.payment(trip.deal.order, reference=reference)
    return content_of(trip, "confirm", wishes.confirm(trip.deal.selected, [paid]))


async def test_same_confirm_again_is_acknowledged_and_orders_nothing(trip: Trip) -> None:
    await trip.select()
    await trip.init()
    content = confirmation(trip)
    url = f"{trip.deal.peer.bpp_uri}/confirm"
    sent = [await post_signed(trip.buyer, url, content) for _ in range(2)]
    first = await trip.answer(post_signed(trip.buyer, url, content))
    sent.append(await post_signed(trip.buyer, url, content))
    assert {(each.status, each.response) for each in sent} == {(200, sent[0].response)}
    await trip.status()
    answers = trip.buyer.ledger.answers(first.message_id, "on_confirm")
    assert {orjson.dumps(answer.body) for answer in answers} == {orjson.dumps(first.body)}
    assert trip.stage.rows(ORDERS, trip.transaction_id) == [(first.order["id"], 1, 1)]


async def test_other_body_under_the_same_id_is_refused(trip: Trip) -> None:
    await trip.select()
    content = content_of(trip, "status", {"order_id": "VB-1"})
    url = f"{trip.deal.peer.bpp_uri}/status"
    assert (await post_signed(trip.buyer, url, content)).acked
    content["message"] = {"order_id": "VB-2"}
    refused = await post_signed(trip.buyer, url, content)
    assert (refused.ack, refused.error["code"]) == ("NACK", "30000")


async def test_confirm_under_two_ids_is_one_order(trip: Trip) -> None:
    first = await trip.book()
    again = await trip.answer(post_signed(trip.buyer, f"{trip.deal.peer.bpp_uri}/confirm", confirmation(trip)))
    assert again.message_id != first.message_id
    assert again.order["id"] == first.order["id"]


async def test_start_and_stop_again_change_nothing(trip: Trip) -> None:
    await trip.charge()
    assert (await trip.start()).state == "charging-started"
    ended = await trip.stop()
    again = await trip.stop()
    assert (again.order["status"], again.order["quote"]["price"]) == ("COMPLETE", ended.order["quote"]["price"])
    assert len(await trip.sessions()) == 1


ORDERS = """
SELECT o.code, (SELECT count(*) FROM orders_orderevent e WHERE e.order_id = o.id AND e.to_state = 'active'
                AND e.from_state <> 'active'),
       (SELECT count(*) FROM orders_payment p WHERE p.order_id = o.id)
FROM orders_order o WHERE o.transaction_id = %s
"""
