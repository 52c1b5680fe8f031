"""Is a request that was acknowledged answered although every process died before it was decided?"""

from __future__ import annotations

import pytest

from tests.journeys.trip import ANSWER_S, Trip, eventually, offers_at

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

BACK_S = 40.0
PENDING = "SELECT count(*) FROM bpp_outboxmessage WHERE state = 'pending' AND transaction_id = %s"


async def test_confirm_is_answered_after_web_and_worker_were_killed(trip: Trip) -> None:
    rig = trip.stage.rig
    await trip.select()
    await trip.init()
    # A worker killed between a callback and its note of it makes the next one wait for the lease; not told here.
    await eventually(
        lambda: offers_at(trip.stage, trip.charger),
        lambda _: trip.stage.rows(PENDING, trip.transaction_id) == [(0,)],
        "an empty mailbox",
    )
    rig.kill("worker")
    sent = await trip.buyer.confirm(trip.transaction_id)
    assert sent.acked
    rig.kill("web")
    ((state,),) = trip.stage.rows("SELECT state FROM bpp_inboxmessage WHERE message_id = %s", sent.message_id)
    assert state == "new"
    rig.start("web", "worker")
    await rig.ready()
    answer = await trip.buyer.wait_for(sent.message_id, "on_confirm", BACK_S)
    assert answer.order["status"] == "ACTIVE"
    assert (await trip.start()).state in {"charging-starting", "charging-started"}
    await trip.buyer.wait_for_state(trip.transaction_id, "charging-started", timeout_s=ANSWER_S)
    await trip.stop()
