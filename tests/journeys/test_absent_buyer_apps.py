"""What becomes of callbacks that a buyer app does not take: fails, hangs or refuses?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from sandbox.answering import AckMode
from sandbox.buyer import Buyer
from sandbox.exchanges import Received
from sandbox.expectations import charging_details, energy_wh
from tests.journeys.conftest import NewTrip
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip, eventually, offers_at

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.mark.parametrize("kind", ["status", "close", "hang"])
async def test_answer_comes_once_the_buyer_app_is_back(new_trip: NewTrip, other_buyer: Buyer, kind: str) -> None:
    trip = await new_trip(buyer=other_buyer)
    other_buyer.ack_mode = AckMode(kind, status=500, wait_s=30.0, remaining=1, actions={"on_select"})
    answer = await trip.select()
    assert answer.error is None
    tries = [it for it in other_buyer.ledger.exchanges if it.direction == "in" and it.action == "on_select"]
    assert other_buyer.ack_mode.remaining == 0
    assert {it.body for it in tries} == {answer.exchange.body}


async def test_callbacks_of_one_transaction_keep_their_order(
    stage: Stage, new_trip: NewTrip, other_buyer: Buyer
) -> None:
    trip = await new_trip(buyer=other_buyer)
    await trip.select()
    other_buyer.ack_mode = AckMode("status", status=500, remaining=2, actions={"on_select"})
    again = await other_buyer.select(trip.offer, transaction_id=trip.transaction_id)
    await eventually(
        lambda: offers_at(stage, trip.charger),
        lambda _: other_buyer.ledger.counts["in on_select STATUS"] > 0,
        "a first on_select",
    )
    initiated = await trip.init()
    tries = [it for it in other_buyer.ledger.exchanges if it.direction == "in" and it.message_id == again.message_id]
    assert [it.status for it in tries] == [500, 500, 200]
    assert all(it.number < initiated.exchange.number for it in tries)
    assert len({it.body for it in tries}) == 1
    assert len({it.headers["Authorization"] for it in tries}) == len(tries), "each try is signed afresh"


async def test_refused_callback_is_kept_with_its_reason_and_not_repeated(new_trip: NewTrip, other_buyer: Buyer) -> None:
    trip = await new_trip(buyer=other_buyer)
    other_buyer.ack_mode = AckMode("nack", remaining=1, actions={"on_select"})
    sent = await other_buyer.select(trip.offer, transaction_id=trip.transaction_id)
    trip.transaction_id = sent.transaction_id
    initiated = await other_buyer.init(trip.transaction_id)
    await other_buyer.wait_for(initiated.message_id, "on_init", ANSWER_S)
    assert other_buyer.ledger.answers(sent.message_id, "on_select") == []
    ((state, reason),) = kept(trip, sent.message_id)
    assert state == "refused"
    assert "refused on request of a test" in reason


# -- while energy flows -----------------------------------------------------------------------------------------------


async def test_app_that_answers_after_20_s_gets_the_latest_and_no_backlog(
    stage: Stage, new_trip: NewTrip, other_buyer: Buyer
) -> None:
    trip = await charging_often(stage, await new_trip(buyer=other_buyer))
    other_buyer.ack_mode = AckMode("slow", wait_s=20.0, remaining=1, actions={"on_status"})
    await eventually(
        lambda: seen(trip), lambda found: "fault" in found.tries, "an attempt that ran into its time limit"
    )
    meter_wh = (await seen(trip)).energy_wh
    told = await other_buyer.wait_until(
        trip.transaction_id,
        lambda it: it.action == "on_status" and told_wh(it) >= meter_wh,
        timeout_s=ANSWER_S,
        what="progress as new as the meter",
    )
    taken = [it for it in trip.callbacks("on_status") if it.exchange.ack != "SLOW"]
    assert told in taken
    assert in_order(taken)
    await trip.stop()


async def test_app_that_is_down_for_5_minutes_gets_the_latest_once_it_is_back(
    stage: Stage, new_trip: NewTrip, other_buyer: Buyer
) -> None:
    trip = await charging_often(stage, await new_trip(buyer=other_buyer))
    other_buyer.ack_mode = AckMode("status", status=503, actions={"on_status"})
    await five_minutes_pass(trip)
    last_before, meter_wh = len(trip.callbacks("on_status")), (await seen(trip)).energy_wh
    other_buyer.ack_mode = AckMode()
    first = await other_buyer.wait_until(
        trip.transaction_id,
        lambda it: it in trip.callbacks("on_status")[last_before:],
        timeout_s=ANSWER_S,
        what="progress once the app is back",
    )
    assert told_wh(first) > meter_wh / 2, "the latest, not what was first to fail"
    assert in_order(trip.callbacks("on_status"))
    await trip.stop()


async def test_states_that_an_app_missed_come_in_order_and_the_progress_between_does_not(
    stage: Stage, new_trip: NewTrip, other_buyer: Buyer
) -> None:
    trip = await charging_often(stage, await new_trip(buyer=other_buyer))
    url = (await trip.answer(trip.buyer.track(trip.transaction_id))).message["tracking"]["url"]
    other_buyer.ack_mode = AckMode("status", status=503, actions={"on_status"})
    await five_minutes_pass(trip)
    assert await pressed(trip, url, "stop") == "stopping"
    assert await pressed(trip, url, "stop") == "ended-already"
    await eventually(lambda: seen(trip), lambda found: found.state == "ended", "the end")
    await eventually(
        lambda: seen(trip), lambda found: found.progress_waiting == 0, "no progress of a session that ended"
    )
    taken_before = len(trip.callbacks("on_status"))
    other_buyer.ack_mode = AckMode()
    pass_a_minute(trip)
    await trip.until("charging-ended")
    missed = trip.callbacks("on_status")[taken_before:]
    assert [it.state for it in missed] == ["charging-ending", "charging-ended"]
    assert in_order(trip.callbacks("on_status"))


@dataclass(frozen=True)
class Seen:
    """What the provider holds of a trip: its session, undelivered progress, and what came of attempts to tell it."""

    state: str
    energy_wh: int
    progress_waiting: int
    tries: tuple[str, ...]


async def seen(trip: Trip) -> Seen:
    [(state, energy_wh)] = trip.stage.rows(
        "SELECT s.state, coalesce(s.meter_wh - s.meter_start_wh, 0) FROM fulfillment_session s "
        "JOIN orders_order o ON o.id = s.order_id WHERE o.transaction_id = %s",
        trip.transaction_id,
    )
    [(progress_waiting,)] = trip.stage.rows(
        "SELECT count(*) FROM bpp_outboxmessage WHERE transaction_id = %s AND state = 'pending' AND progress",
        trip.transaction_id,
    )
    assert progress_waiting <= 1, "never more than one, whenever one looks"
    tries = trip.stage.rows(
        "SELECT a.outcome FROM bpp_deliveryattempt a JOIN bpp_outboxmessage o ON o.id = a.message_id "
        "WHERE o.transaction_id = %s AND o.progress",
        trip.transaction_id,
    )
    return Seen(state, energy_wh, progress_waiting, tuple(str(outcome) for (outcome,) in tries))


async def charging_often(stage: Stage, trip: Trip) -> Trip:
    """A long session of a buyer app that hears of progress each second."""
    vehicle = {"capacityWh": 400_000, "socStart": 10}
    await stage.supplier("seed", stations=[{"id": trip.charger.station_id, "slots": 2, **vehicle}])
    settled = f"bap_id={trip.buyer.identity.subscriber_id!r}, progress_every_s=1"
    await stage.operate(f"from bpp.models import BuyerApp; BuyerApp.objects.create({settled})")
    await trip.charge("80")
    return trip


async def five_minutes_pass(trip: Trip) -> None:
    """The buyer app fails meanwhile: each minute is a fresh failure, and then the due times move by what is left."""
    for _ in range(5):
        failed = len((await seen(trip)).tries)
        pass_a_minute(trip)
        await eventually(lambda: seen(trip), lambda now: len(now.tries) > failed, "another attempt")  # noqa: B023


def pass_a_minute(trip: Trip) -> None:
    trip.stage.rows(
        "UPDATE bpp_outboxmessage SET created_at = created_at - interval '1 minute', "
        "next_at = next_at - interval '1 minute', deadline_at = deadline_at - interval '1 minute' "
        "WHERE transaction_id = %s AND state = 'pending' RETURNING id",
        trip.transaction_id,
    )


async def pressed(trip: Trip, url: str, deed: str) -> str:
    """Press a button of the live page; the code that the page answers with."""
    async with trip.buyer.http.get(f"{url}.json") as response:
        once = (await response.json())["once"]
    ours, form = {"Sec-Fetch-Site": "same-origin"}, {"once": once}
    async with trip.buyer.http.post(f"{url}/{deed}", data=form, headers=ours, allow_redirects=False) as response:
        assert response.status == 303, await response.text()
        return response.headers["Location"].rpartition("said=")[2]


def told_wh(callback: Received) -> int:
    return energy_wh(charging_details(callback.order).get("energy-delivered", "")) or 0


def in_order(callbacks: Sequence[Received]) -> bool:
    """Whether neither the clock nor the meter ever went back."""
    told = [(it.body["context"]["timestamp"], told_wh(it)) for it in callbacks]
    return all(before[0] <= after[0] and before[1] <= after[1] for before, after in itertools.pairwise(told))


def kept(trip: Trip, message_id: str) -> list[tuple[str, str]]:
    rows = trip.stage.rows("SELECT state, reason FROM bpp_outboxmessage WHERE message_id = %s", message_id)
    return [(str(state), str(reason)) for state, reason in rows]
