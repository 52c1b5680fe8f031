"""One stage for all stories of a worker, and a fresh charger for each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from sandbox.buyer import Buyer
from sandbox.expectations import quote_faults
from tests.journeys.chargers import Charger
from tests.journeys.schemas import schema_faults
from tests.journeys.stage import Stage, standing
from tests.journeys.trip import Trip, offers_at

NewTrip = Callable[..., Awaitable[Trip]]
# Checking takes longer than many a story, so one message of each action, order and fulfilment state stands for all.
KINDS_CHECKED: set[tuple[object, ...]] = set()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with standing(tmp_path_factory.mktemp("journeys")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def honest(stage: Stage) -> AsyncIterator[None]:
    """After each story: every callback was signed by the provider, its quote adds up, its kind obeys the schemas."""
    before = len(stage.buyer.ledger.exchanges)
    yield
    for exchange in stage.buyer.ledger.exchanges[before:]:
        assert exchange.genuine, f"{exchange.action}: {exchange.verdict}"
        if exchange.direction == "in":
            _check(json.loads(exchange.body))


def _check(message: dict[str, Any]) -> None:
    action, order = message["context"]["action"], message.get("message", {}).get("order") or {}
    if "quote" in order:
        assert quote_faults(order, where=action) == []
    fulfillment = (order.get("fulfillments") or [{}])[0]
    state = fulfillment.get("state", {}).get("descriptor", {}).get("code")
    kind = (action, order.get("status"), state, "error" in message)
    if kind not in KINDS_CHECKED:
        assert schema_faults(message) == []
        KINDS_CHECKED.add(kind)


@pytest.fixture
def charger(stage: Stage) -> Charger:
    """A station that no other story uses, with two free charge points."""
    return stage.charger()


@pytest.fixture
def new_trip(stage: Stage) -> NewTrip:
    """`await new_trip(charger, slot=1, buyer=…)`: an offer found by search, nothing ordered yet."""

    async def make(charger: Charger | None = None, *, slot: int = 1, buyer: Buyer | None = None) -> Trip:
        place = charger or stage.charger()
        asking = buyer or stage.buyer
        offers = await offers_at(stage, place, buyer=asking)
        return Trip(stage, asking, place, offers[place.evse_id(slot)])

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def trip(new_trip: NewTrip, charger: Charger) -> Trip:
    return await new_trip(charger)


@pytest_asyncio.fixture(loop_scope="session")
async def other_buyer(stage: Stage) -> AsyncIterator[Buyer]:
    """A buyer app of its own."""
    async with stage.another_buyer() as buyer:
        yield buyer
