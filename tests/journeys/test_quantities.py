"""Can a customer order by energy, money or time, and book a charger for later?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.serving import wire_time
from sandbox.wishes import Window
from tests.journeys.chargers import Charger
from tests.journeys.conftest import NewTrip
from tests.journeys.trip import Trip, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


def window(from_h: float, to_h: float) -> Window:
    """Hours from now."""
    now = datetime.now(UTC)
    return Window(wire_time(now + timedelta(hours=from_h)), wire_time(now + timedelta(hours=to_h)))


@pytest.mark.parametrize(("amount", "unit"), [("10", "kWh"), ("236", "INR"), ("20", "min")])
async def test_ten_kilowatt_hours_cost_the_same_however_ordered(trip: Trip, amount: str, unit: str) -> None:
    order = (await trip.select(amount, unit)).order
    assert lines_of(order) == {"energy-cost": Decimal(200), "gst": Decimal(36), "total": Decimal(236)}
    measure = order["items"][0]["quantity"]["selected"]["measure"]
    assert (Decimal(measure["value"]), measure["unit"]) == (Decimal(amount), unit)


async def test_booked_window_is_closed_to_others_and_the_rest_is_open(charger: Charger, new_trip: NewTrip) -> None:
    booked = await new_trip(charger)
    await booked.book("10", window=window(3, 4))
    for wanted in (window(3, 4), window(2.5, 3.5), window(3.9, 5)):
        refused = await (await new_trip(charger)).select("10", window=wanted)
        assert refused.error
        assert refused.error["code"] == "40002"
    for wanted in (window(1, 2), window(4.5, 5.5)):
        other = await new_trip(charger)
        assert (await other.book("10", window=wanted)).order["status"] == "ACTIVE"


async def test_booked_charger_can_be_used_until_then(charger: Charger, new_trip: NewTrip) -> None:
    booked, now = await new_trip(charger), await new_trip(charger)
    await booked.book("10", window=window(3, 4))
    await now.charge("10")
    assert (await now.stop()).order["status"] == "COMPLETE"
