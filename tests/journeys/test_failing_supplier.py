"""Does a power supplier that fails in every way still see one session, one start and one payment for each order?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox.expectations import bill_faults, meter_faults
from tests.journeys.conftest import NewTrip
from tests.journeys.stage import Stage
from tests.journeys.trip import Trip, eventually

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

ROUTES = ("acquire", "start", "end", "pay")
LONGER_THAN_WE_WAIT_S = 5.0
FAULTS: list[dict[str, Any]] = [
    {"status": 503},
    {"latency_s": LONGER_THAN_WE_WAIT_S},
    {"reset": "before-commit"},
    {"reset": "after-commit"},
]


@pytest_asyncio.fixture(loop_scope="session")
async def failing(stage: Stage) -> AsyncIterator[None]:
    """Each of the calls fails once in each way; what was not used up is taken back."""
    for route in ROUTES:
        for fault in FAULTS:
            await stage.supplier("faults", route=route, **fault)
    yield
    for route in ROUTES:
        await stage.supplier("faults", route=route, n=0)


async def test_each_order_is_acquired_started_and_paid_once(stage: Stage, new_trip: NewTrip, failing: None) -> None:
    trips = [await new_trip() for _ in FAULTS]
    await asyncio.gather(*(charged(trip) for trip in trips))
    for route in ROUTES:
        statuses = [call["status"] for call in await stage.at_supplier("calls", route=route)]
        assert 503 in statuses, f"no {route} met its fault"
    for trip in trips:
        (session,) = await until_settled(trip)
        assert session["paid"]
        assert await effects(trip, session["id"]) == {"start": 1, "end": 1, "pay": 1}
        final = (await trip.status()).order
        assert bill_faults(final) + meter_faults(final, [session]) == []


async def charged(trip: Trip) -> None:
    await trip.book()
    assert (await trip.buyer.update_start(trip.transaction_id)).acked
    await trip.until("charging-started")
    assert (await trip.buyer.update_end(trip.transaction_id)).acked
    await trip.until("charging-ended")


async def until_settled(trip: Trip) -> list[dict[str, Any]]:
    """The sessions at the station, once every one is closed."""
    return await eventually(
        trip.sessions, lambda found: all(session["status"] == "closed" for session in found), "closed sessions"
    )


async def effects(trip: Trip, session_id: str) -> dict[str, int]:
    """How often each call about the session was carried out rather than answered again from memory."""
    calls = [call for call in await trip.stage.at_supplier("calls") if session_id in call["path"]]
    done = [call["route"] for call in calls if call["status"] == 200 and not call["replayed"]]
    return {route: done.count(route) for route in ("start", "end", "pay")}
