"""Does the usual journey hold from search to rating, and does every message obey the published schemas?"""

from __future__ import annotations

import importlib.util
import json
from decimal import Decimal

import pytest
from django.conf import settings

from sandbox.expectations import bill_faults, context_faults, meter_faults
from sandbox.offers import offers_in
from tests.journeys.chargers import Charger
from tests.journeys.stage import Stage
from tests.journeys.trip import Trip, answer_to, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("journeys"),
    pytest.mark.asyncio(loop_scope="session"),
]

CHECKER = settings.BASE_DIR.parent / "shared" / "tools" / "check_messages.py"


async def test_journey_through_the_gateway(stage: Stage, charger: Charger) -> None:
    buyer = stage.buyer
    found = await answer_to(buyer, buyer.search(charger.gps, gateway_url=stage.network.registry_url, radius_km="1"))
    offer = next(offer for offer in offers_in(found.body) if offer.available)
    trip = Trip(stage, buyer, charger, offer)
    quoted = await trip.select("20")
    assert lines_of(quoted.order) == {"energy-cost": Decimal(400), "gst": Decimal(72), "total": Decimal(472)}
    initiated = await trip.init()
    assert initiated.order["payments"][0]["params"]["amount"] == "472.00"
    confirmed = await trip.confirm()
    assert (confirmed.order["status"], confirmed.state) == ("ACTIVE", "payment-completed")
    tracked = await trip.answer(buyer.track(trip.transaction_id))
    assert tracked.message["tracking"]["url"].startswith(f"{stage.rig.url}/track/")
    assert (await trip.start()).state == "charging-started"
    await trip.until_energy()
    ended = await trip.stop()
    assert (ended.order["status"], ended.state) == ("COMPLETE", "charging-ended")
    final = await trip.status()
    assert bill_faults(final.order) == []
    assert meter_faults(final.order, await trip.sessions()) == []
    rated = await trip.answer(buyer.rating(trip.transaction_id, "4"))
    assert rated.message["feedback_form"]["form"]["url"].startswith(stage.rig.url)
    helped = await trip.answer(buyer.support(trip.transaction_id))
    assert helped.message["support"]["ref_id"] == trip.order_id
    reasons = await answer_to(buyer, buyer.get_cancellation_reasons(stage.peer))
    assert {"1", "5"} < {reason["id"] for reason in reasons.message["cancellation_reasons"]}
    categories = await answer_to(buyer, buyer.get_rating_categories(stage.peer))
    assert "Order" in categories.message["rating_categories"]
    assert _context_faults(trip) == []


def _context_faults(trip: Trip) -> list[str]:
    asked = {
        exchange.message_id: json.loads(exchange.body)["context"]
        for exchange in trip.buyer.ledger.exchanges
        if exchange.direction == "out" and exchange.transaction_id == trip.transaction_id
    }
    return [
        fault
        for answer in trip.callbacks()
        if answer.message_id in asked
        for fault in context_faults(asked[answer.message_id], answer.body["context"], where=answer.action)
    ]
