"""Does the usual journey hold from search to rating, and does every message obey the published schemas?"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import pytest_asyncio

from sandbox.exchanges import Received
from sandbox.expectations import bill_faults, context_faults, meter_faults
from sandbox.offers import offers_in
from tests.journeys.schemas import schema_faults
from tests.journeys.stage import Stage
from tests.journeys.trip import Trip, answer_to, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

Journey = tuple[Trip, dict[str, Received]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def journey(stage: Stage) -> Journey:
    """One journey from search through the gateway to the rating, with each answer by its step."""
    buyer, charger = stage.buyer, stage.charger()
    found = await answer_to(buyer, buyer.search(charger.gps, gateway_url=stage.network.registry_url, radius_km="1"))
    trip = Trip(stage, buyer, charger, next(offer for offer in offers_in(found.body) if offer.available))
    said = {"search": found, "select": await trip.select("20"), "init": await trip.init()}
    said |= {"confirm": await trip.confirm(), "track": await trip.answer(buyer.track(trip.transaction_id))}
    said["start"] = await trip.start()
    await trip.until_energy()
    said |= {"stop": await trip.stop(), "status": await trip.status()}
    said["rating"] = await trip.answer(buyer.rating(trip.transaction_id, "4"))
    said["support"] = await trip.answer(buyer.support(trip.transaction_id))
    said["reasons"] = await answer_to(buyer, buyer.get_cancellation_reasons(stage.peer))
    said["categories"] = await answer_to(buyer, buyer.get_rating_categories(stage.peer))
    return trip, said


async def test_journey_leads_from_quote_to_complete(journey: Journey) -> None:
    trip, said = journey
    assert [answer.error for answer in said.values()] == [None] * len(said)
    assert lines_of(said["select"].order) == {"energy-cost": Decimal(400), "gst": Decimal(72), "total": Decimal(472)}
    assert said["init"].order["payments"][0]["params"]["amount"] == "472.00"
    assert said["confirm"].order["status"] == "ACTIVE"
    assert said["stop"].order["status"] == "COMPLETE"
    assert trip.states()[-3:] == ["payment-completed", "charging-started", "charging-ended"]


async def test_journey_is_billed_by_the_meter(journey: Journey) -> None:
    trip, said = journey
    assert bill_faults(said["status"].order) == []
    assert meter_faults(said["status"].order, await trip.sessions()) == []


async def test_journey_ends_with_rating_support_and_lists(journey: Journey) -> None:
    trip, said = journey
    assert said["rating"].message["feedback_form"]["form"]["url"].startswith(trip.stage.rig.url)
    assert said["support"].message["support"]["ref_id"] == trip.order_id
    assert {"1", "5"} < {reason["id"] for reason in said["reasons"].message["cancellation_reasons"]}
    assert "Order" in said["categories"].message["rating_categories"]


async def test_journey_went_through_a_gateway_whose_signature_was_checked(journey: Journey) -> None:
    trip, said = journey
    ((gateway,),) = trip.stage.rows(
        "SELECT gateway_authorization FROM bpp_inboxmessage WHERE message_id = %s", said["search"].message_id
    )
    assert trip.stage.network.gateway.identity.subscriber_id in gateway


async def test_answers_carry_the_ids_of_their_requests(journey: Journey) -> None:
    trip, said = journey
    asked = {
        exchange.message_id: json.loads(exchange.body)["context"]
        for exchange in trip.buyer.ledger.exchanges
        if exchange.direction == "out"
    }
    for answer in said.values():
        context = answer.body["context"]
        assert context_faults(asked[answer.message_id], context, where=answer.action) == []


async def test_every_message_obeys_the_published_schemas(journey: Journey) -> None:
    trip, said = journey
    assert [fault for answer in (*said.values(), *trip.callbacks()) for fault in schema_faults(answer.body)] == []
