"""Is an order that the provider collects for paid once and exactly, however the gateway tells of it?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.paying import pay
from sandbox.payment_webhooks import Behaviour
from sandbox.serving import utc_now
from tests.journeys.trip import Trip, eventually, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

MONEY = """
SELECT p.account, sum(p.paise) FROM orders_posting p JOIN orders_order o ON o.id = p.order_id
WHERE o.transaction_id = %s GROUP BY p.account HAVING sum(p.paise) <> 0
"""
COLLECTION = """
SELECT c.state, c.amount_paise, c.authorised_paise, c.captured_paise, c.payment_ref FROM orders_collection c
JOIN orders_order o ON o.id = c.order_id WHERE o.transaction_id = %s ORDER BY c.number
"""
JOURNALS = """
SELECT count(*) FROM orders_journal j JOIN orders_order o ON o.id = j.order_id WHERE o.transaction_id = %s
"""
NEWS = "SELECT n.kind, n.state, n.deliveries FROM orders_paymentnews n WHERE n.names->>'payment_ref' = %s ORDER BY n.id"
A_DAY_OLDER = """
UPDATE orders_paymentnews SET received_at = received_at - interval '1 day',
    happened_at = happened_at - interval '1 day', done_at = done_at - interval '1 day'
WHERE names->>'payment_ref' = %s RETURNING id
"""
REFUSED = "SELECT coalesce(sum(count), 0) FROM orders_webhookrefusal"


def collection(trip: Trip) -> tuple[Any, ...]:
    return trip.stage.rows(COLLECTION, trip.transaction_id)[-1]


async def until(trip: Trip, state: str) -> tuple[Any, ...]:
    """The collection once it is in this state."""

    async def look() -> tuple[Any, ...]:
        return await asyncio.to_thread(collection, trip)  # the gateway answers on this very loop

    return await eventually(look, lambda seen: seen[0] == state, f"a payment that is {state}")


async def paid(trip: Trip) -> str:
    """An order paid on the provider's page and confirmed; the payment's id."""
    await trip.select()
    await pay(trip.buyer.http, await trip.init_with_us())
    payment = str((await until(trip, "authorised"))[4])
    confirmed = await trip.confirm()
    assert confirmed.error is None, confirmed.error
    assert confirmed.order["payments"][0]["status"] == "PAID"
    assert confirmed.order["payments"][0]["params"]["transaction_id"] == payment
    return payment


async def test_held_payment_is_captured_by_the_bill_and_the_rest_given_free(trip: Trip) -> None:
    await trip.select()
    page = await trip.init_with_us()
    early = await trip.confirm()
    assert early.error is not None
    assert early.error["code"] == "40004"
    await pay(trip.buyer.http, page)
    _, asked, held, taken, _ = await until(trip, "authorised")
    assert (held, taken) == (asked, 0)
    assert (await trip.confirm()).error is None
    assert (await trip.start()).error is None
    await trip.until("charging-started")
    await trip.until_energy()
    ended = await trip.stop()
    bill = int(lines_of(ended.order)["total"] * 100)
    assert (await until(trip, "captured"))[3] == bill
    postings = dict(trip.stage.rows(MONEY, trip.transaction_id))
    assert (postings["cash"], postings.get("held", 0), postings.get("authorised", 0)) == (bill, 0, 0)
    assert sum(postings.values(), Decimal(0)) == 0


async def test_failed_attempt_orders_nothing_and_the_next_one_pays(trip: Trip) -> None:
    await trip.select()
    page = await trip.init_with_us()
    await pay(trip.buyer.http, page, succeeds=False)
    assert (await trip.confirm()).error is not None
    await pay(trip.buyer.http, page)
    await until(trip, "authorised")
    assert (await trip.confirm()).error is None


async def test_news_told_twice_and_backwards_and_again_moves_money_once(trip: Trip) -> None:
    webhooks = trip.stage.network.payments.webhooks
    webhooks.behaviour = Behaviour(held=True)
    try:
        payment = await paid(trip)  # found by asking, since the news are held back
        before = trip.stage.rows(JOURNALS, trip.transaction_id)
        webhooks.behaviour = Behaviour(times=3)
        webhooks.release(order="reversed")
        await webhooks.idle()
        webhooks.repeat()
        await webhooks.idle()
    finally:
        webhooks.behaviour = Behaviour()

    async def news() -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(trip.stage.rows, NEWS, payment)

    seen = await eventually(news, lambda rows: [row[1] for row in rows] == ["done"], "the news looked into")
    assert seen[0][2] >= 4
    assert trip.stage.rows(JOURNALS, trip.transaction_id) == before


async def replay(trip: Trip, payment: str, *, event_id: str = "") -> set[int]:
    """Send every event about a payment once more, byte for byte; how the provider answered."""
    webhooks = trip.stage.network.payments.webhooks
    told = [event for event in webhooks.events if payment.encode() in event.body]
    assert told
    return {
        await webhooks.send(event.body, signature=webhooks.sign(event.body), event_id=event_id or event.id)
        for event in told
    }


async def test_news_replayed_a_day_later_moves_nothing(trip: Trip) -> None:
    webhooks = trip.stage.network.payments.webhooks
    webhooks.clock = lambda: datetime.now(UTC) - timedelta(hours=24, minutes=1)  # as late as a gateway repeats its news
    try:
        payment = await paid(trip)
        await trip.answer(trip.buyer.cancel(trip.transaction_id))
        await until(trip, "captured")
        await webhooks.idle()
    finally:
        webhooks.clock = utc_now
    first = await until_news(trip, payment, "done")
    before = await asyncio.to_thread(trip.stage.rows, JOURNALS, trip.transaction_id)
    await asyncio.to_thread(trip.stage.rows, A_DAY_OLDER, payment)
    assert await replay(trip, payment) == {200}
    assert await replay(trip, payment, event_id="evt-of-another-name") == {200}
    again = await until_news(trip, payment, "done")
    assert [(row[0], row[2]) for row in again] == [(row[0], row[2] + 2) for row in first]
    assert await asyncio.to_thread(trip.stage.rows, JOURNALS, trip.transaction_id) == before
    assert (await until(trip, "captured"))[3] == 14160  # 30 % of ₹472.00


async def test_news_older_than_a_gateway_repeats_it_is_left_aside(trip: Trip) -> None:
    webhooks = trip.stage.network.payments.webhooks
    webhooks.clock = lambda: datetime.now(UTC) - timedelta(hours=25)
    try:
        payment = await paid(trip)
        await webhooks.idle()
    finally:
        webhooks.clock = utc_now
    before = await asyncio.to_thread(trip.stage.rows, JOURNALS, trip.transaction_id)
    assert len(await until_news(trip, payment, "ignored")) == 1
    assert await asyncio.to_thread(trip.stage.rows, JOURNALS, trip.transaction_id) == before


async def until_news(trip: Trip, payment: str, state: str) -> list[tuple[Any, ...]]:
    """The news of a payment, once each is in this state."""

    async def look() -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(trip.stage.rows, NEWS, payment)

    return await eventually(look, lambda seen: {row[1] for row in seen} == {state}, f"news that are {state}")


async def test_forged_news_is_refused_counted_and_moves_nothing(trip: Trip) -> None:
    webhooks = trip.stage.network.payments.webhooks
    await trip.select()
    await trip.init_with_us()
    before = trip.stage.rows(REFUSED)[0][0]
    body = json.dumps({"event": "payment.captured", "payload": {"payment": {"entity": {"id": "pay_forged"}}}}).encode()
    for signature in ("", "0" * 64, webhooks.sign(body + b" ")):
        assert await webhooks.send(body, signature=signature) == 401
    assert trip.stage.rows(REFUSED)[0][0] == before + 3
    assert trip.stage.rows(JOURNALS, trip.transaction_id) == [(0,)]
    assert (await trip.confirm()).error is not None


async def test_cancelling_takes_the_fee_and_gives_the_rest_free(trip: Trip) -> None:
    await paid(trip)
    cancelled = await trip.answer(trip.buyer.cancel(trip.transaction_id))
    fee = int(lines_of(cancelled.order)["total"] * 100)
    state = "captured" if fee else "released"
    assert (await until(trip, state))[3] == fee
    postings = dict(trip.stage.rows(MONEY, trip.transaction_id))
    assert (postings.get("held", 0), postings.get("authorised", 0), postings.get("cash", 0)) == (0, 0, fee)
