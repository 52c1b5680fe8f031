"""Is an order confirmed only once its customer has agreed to the terms, over the whole network?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.buyer_api import BuyerApi, Surroundings
from sandbox.forms import asked
from tests.journeys.chargers import OPERATOR, Charger
from tests.journeys.stage import Stage
from tests.journeys.trip import Trip

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


async def publish(stage: Stage, charger: Charger, folder: Path, kind: str, text: str) -> None:
    file = folder / f"{kind}.txt"
    file.write_text(text, encoding="utf-8")
    words = ("--operator", OPERATOR, "--kind", kind, "--station", charger.station_id, "--en", str(file))
    await stage.manage("publish_terms", *words)


async def test_customer_agrees_on_the_form_and_then_charges(
    stage: Stage, trip: Trip, charger: Charger, tmp_path: Path
) -> None:
    await publish(stage, charger, tmp_path, "general", "Park only while you charge.")
    await publish(stage, charger, tmp_path, "privacy", "We keep your order as long as tax law demands.")
    await trip.select("20")
    offered = (await trip.init()).order
    refused = await trip.confirm()
    assert refused.error is not None
    assert refused.error["code"] == "40000"
    assert asked(offered) in refused.error["message"]

    assert await trip.buyer.agree(trip.transaction_id, language="kn") == ["agree-service", "agree-privacy"]
    assert await trip.buyer.agree(trip.transaction_id) == []
    await publish(stage, charger, tmp_path, "general", "Park only while you charge, and not on the pavement.")
    assert "version 2" in str((await trip.confirm()).error)
    assert await trip.buyer.agree(trip.transaction_id) == ["agree-service"]

    confirmed = await trip.confirm()
    assert (confirmed.error, confirmed.order["status"]) == (None, "ACTIVE")
    agreed = {
        tag["value"]
        for group in confirmed.order["tags"]
        for tag in group["list"]
        if tag["descriptor"]["code"] == "accepted-by"
    }
    assert agreed == {"form"}
    assert (await trip.start()).error is None
    await trip.until("charging-started")
    await trip.stop()
    [(kept,)] = stage.rows(
        "SELECT count(*) FROM orders_consent c JOIN orders_order o ON o.id = c.order_id WHERE o.code = %s",
        trip.order_id,
    )
    assert kept == 3


async def test_buyer_page_lets_the_customer_agree_before_it_confirms(
    stage: Stage, trip: Trip, charger: Charger, tmp_path: Path
) -> None:
    await publish(stage, charger, tmp_path, "general", "Park only while you charge.")
    await trip.select("20")
    await trip.init()
    confirm = BuyerApi(trip.buyer, Surroundings()).actions["confirm"]
    refused = await trip.answer(confirm({"transaction_id": trip.transaction_id, "agree": False}))
    assert refused.error is not None
    confirmed = await trip.answer(confirm({"transaction_id": trip.transaction_id}))
    assert (confirmed.error, confirmed.order["status"]) == (None, "ACTIVE")
