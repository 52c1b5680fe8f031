"""What is a customer told of a charger that takes longer to start than a buyer app waits?"""

from __future__ import annotations

import pytest

from tests.journeys.stage import Stage
from tests.journeys.trip import Trip

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

LONGER_THAN_AN_ANSWER_S = 9.5


async def test_slow_start_is_answered_as_it_stands_and_told_when_energy_flows(stage: Stage, trip: Trip) -> None:
    station = {"id": trip.charger.station_id, "slots": 2, "startDelayS": LONGER_THAN_AN_ANSWER_S}
    await stage.supplier("seed", stations=[station])
    await trip.book()
    answer = await trip.start()
    assert (answer.action, answer.state) == ("on_update", "charging-starting")
    told = await trip.until("charging-started")
    assert told.action == "on_status"
    assert told.message_id != answer.message_id
    assert (await trip.stop()).order["status"] == "COMPLETE"
    assert trip.states()[-4:] == ["payment-completed", "charging-starting", "charging-started", "charging-ended"]
