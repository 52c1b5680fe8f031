"""Is what cannot be sold refused with the right code, and does the text say what to do?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandbox import wishes
from sandbox.exchanges import Received
from tests.journeys.chargers import Charger
from tests.journeys.conftest import NewTrip
from tests.journeys.trip import Trip, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


def refusal(answer: Received) -> tuple[str, str]:
    assert answer.error, answer.message
    return answer.error["code"], answer.error["message"]


async def test_unknown_item_and_provider_are_named(trip: Trip) -> None:
    known = trip.offer
    trip.offer = replace(known, item_id="IN*JRN*NONE*1")
    code, text = refusal(await trip.select())
    assert (code, "IN*JRN*NONE*1" in text) == ("30004", True)
    trip.offer = replace(known, provider_id="NOBODY")
    code, text = refusal(await trip.select())
    assert (code, "NOBODY" in text) == ("30001", True)


async def test_quote_that_ran_out_is_not_confirmed(trip: Trip) -> None:
    await trip.select()
    await trip.init()
    with trip.stage.rig.connect() as connection:
        connection.execute(RUN_OUT, [trip.transaction_id])
    code, text = refusal(await trip.confirm())
    assert (code, "initialise again" in text) == ("40003", True)


async def test_wrong_amount_is_not_confirmed_and_the_right_one_is(trip: Trip) -> None:
    await trip.select("10")
    await trip.init()
    paid = wishes.payment(trip.deal.order, reference="utr-2")
    paid["params"]["amount"] = "1.00"
    code, text = refusal(await trip.answer(trip.buyer.confirm(trip.transaction_id, payments=[paid])))
    assert (code, "236.00" in text) == ("40003", True)
    assert lines_of((await trip.confirm()).order)["total"] == 236


async def test_sold_out_connector_names_the_free_one_beside_it(charger: Charger, new_trip: NewTrip) -> None:
    first, second = await new_trip(charger), await new_trip(charger)
    await first.book()
    code, text = refusal(await second.select())
    assert (code, charger.item_id(2) in text) == ("40002", True)
    offer = (await new_trip(charger, slot=2)).offer
    second.offer = offer
    await second.book()


async def test_more_than_a_connector_can_deliver_is_refused(trip: Trip) -> None:
    code, _ = refusal(await trip.select("100000"))
    assert code == "40002"


RUN_OUT = """
UPDATE orders_quote SET valid_until = now() - interval '1 second'
WHERE current AND order_id = (SELECT id FROM orders_order WHERE transaction_id = %s)
"""
