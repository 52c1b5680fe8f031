"""What does a customer pay and get back under an operator's rules, and what becomes of a promise that changes?

Each branch of the terms with its exact amounts: 10 kWh cost ₹200.00 and 18 % GST, ₹236.00.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.exchanges import Received
from sandbox.expectations import bill_faults, charging_details, energy_wh
from sandbox.wishes import Window
from tests.journeys.chargers import Charger
from tests.journeys.conftest import NewTrip
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

SOFT = {"code": "SOFT_CANCEL"}
PAID = Decimal(236)
TIERS: list[dict[str, Any]] = [
    {"state": "payment-completed", "from_min": 1440, "fee_percent": "0"},
    {"state": "payment-completed", "from_min": 120, "to_min": 1440, "fee_percent": "25"},
    {"state": "payment-completed", "to_min": 120, "fee_paise": 15000},
    {"state": "charging-started", "fee_percent": "100", "refund_eligible": False},
    {"state": "no-show", "fee_percent": "50"},
]


def booked(hours: float, *, lasts: float = 1) -> Window:
    """A window that begins so many hours from now."""
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    return Window(begins.isoformat(), (begins + timedelta(hours=lasts)).isoformat())


def money(answer: Received) -> tuple[Decimal, Decimal]:
    """What was given back, and what the customer pays in the end."""
    lines = lines_of(answer.order)
    return lines["refund"], lines["total"]


def refusal(answer: Received) -> str:
    assert answer.error, answer.message
    return str(answer.error["code"])


def remarks(answer: Received) -> dict[str, str]:
    """The remarks on the fulfilment, by code."""
    groups = answer.order["fulfillments"][0]["tags"]
    rows = [row for group in groups if group["descriptor"]["code"] == "remarks" for row in group["list"]]
    return {row["descriptor"]["code"]: row["value"] for row in rows}


async def told(trip: Trip, action: str) -> Received:
    """The newest callback of this kind that nobody asked for."""
    return await trip.buyer.wait_until(
        trip.transaction_id, lambda it: it.action == action, timeout_s=ANSWER_S, what=action
    )


async def test_cancelling_within_the_free_time_costs_nothing(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"free_cancel_s": 3600}, cancellation=TIERS)
    await trip.book("10")
    cancelled = await trip.answer(trip.buyer.cancel(trip.transaction_id))
    assert money(cancelled) == (-PAID, Decimal(0))


@pytest.mark.parametrize(
    ("hours", "refund", "fee"),
    [(30, "-236.00", "0.00"), (4, "-177.00", "59.00"), (1, "-86.00", "150.00")],
)
async def test_cancelling_costs_by_the_time_before_the_start(
    stage: Stage, trip: Trip, hours: float, refund: str, fee: str
) -> None:
    await stage.set_rules(trip.charger, cancellation=TIERS)
    confirmed = await trip.book("10", window=booked(hours))
    fees = [term["cancellation_fee"] for term in confirmed.order["cancellation_terms"]]
    assert fees[1:3] == [{"percentage": "25"}, {"amount": {"value": "150.00", "currency": "INR"}}]
    asked = await trip.answer(trip.buyer.cancel(trip.transaction_id, descriptor=SOFT))
    assert (asked.order["status"], money(asked)) == ("ACTIVE", (Decimal(refund), Decimal(fee)))
    cancelled = await trip.answer(trip.buyer.cancel(trip.transaction_id, reason_id="5"))
    assert (cancelled.order["status"], money(cancelled)) == ("CANCELLED", (Decimal(refund), Decimal(fee)))


async def test_after_the_start_only_what_was_delivered_is_paid(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, cancellation=TIERS)
    await trip.charge("10")
    await trip.until_energy()
    for descriptor in (SOFT, None):
        assert refusal(await trip.answer(trip.buyer.cancel(trip.transaction_id, descriptor=descriptor))) == "50001"
    await trip.stop()
    final = await trip.until("charging-ended")
    delivered = energy_wh(charging_details(final.order)["energy-delivered"]) or 0
    assert bill_faults(final.order) == []
    energy = (Decimal(delivered) * 20 / 1000).quantize(Decimal("0.01"))
    half_of_the_tax = (energy * 9 / 100).quantize(Decimal("0.01"))
    assert lines_of(final.order)["total"] == energy + 2 * half_of_the_tax


async def test_driver_who_does_not_come_pays_the_no_show_fee(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"grace_s": 1, "no_show_after_s": 2}, cancellation=TIERS)
    await trip.book("10")
    closed = await told(trip, "on_cancel")
    assert (closed.order["status"], closed.state) == ("CANCELLED", "no-show")
    assert money(closed) == (Decimal(-118), Decimal(118))
    assert refusal(await trip.start()) == "40001"


async def test_closing_the_station_gives_everything_back(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, cancellation=TIERS)
    await trip.book("10", window=booked(1))
    await stage.operate(
        "from django.utils import timezone; from bpp.acts import close_evses; from catalog.models import Evse; "
        f"close_evses(list(Evse.objects.filter(station__code='{trip.charger.station_id}')), text='Flood', "
        "now=timezone.now(), actor='desk')"
    )
    closed = await told(trip, "on_cancel")
    assert (closed.order["status"], closed.order["cancellation"]["cancelled_by"]) == ("CANCELLED", "PROVIDER")
    assert closed.order["cancellation"]["reason"]["descriptor"]["short_desc"] == "Flood"
    assert money(closed) == (-PAID, Decimal(0))


async def test_order_waits_for_approval_and_is_ready_then(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"mode": "provisional"})
    confirmed = await trip.book("10")
    assert (confirmed.order["status"], confirmed.state) == ("ACTIVE", "order-pending-approval")
    assert "approval-by" in remarks(confirmed)
    assert refusal(await trip.start()) == "40001"
    await stage.operate(
        "from django.utils import timezone; from orders.models import Order; "
        "from orders.services import approve_order; "
        f"approve_order(Order.objects.get(code='{trip.order_id}').pk, now=timezone.now(), actor='desk')"
    )
    approved = await trip.until("payment-completed")
    assert (approved.action, approved.order["status"]) == ("on_status", "ACTIVE")
    assert (await trip.start()).error is None


async def test_order_that_nobody_approves_is_refunded(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"mode": "provisional", "approval_s": 1}, cancellation=TIERS)
    await trip.book("10")
    declined = await told(trip, "on_cancel")
    assert (declined.state, money(declined)) == ("order-cancelled", (-PAID, Decimal(0)))


async def test_booked_time_moves_where_it_is_free(new_trip: NewTrip, charger: Charger) -> None:
    first, second = await new_trip(charger), await new_trip(charger)
    later = booked(6)
    await first.book("10", window=booked(3))
    await second.book("10", window=later)
    taken = await first.answer(first.buyer.update_window(first.transaction_id, booked(6.5)))
    assert refusal(taken) == "40002"
    moved = await first.answer(first.buyer.update_window(first.transaction_id, booked(8)))
    assert moved.action == "on_update"
    assert moved.order["fulfillments"][0]["stops"][0]["time"]["timestamp"].startswith(booked(8).starts_at[:13])
    back = await second.answer(second.buyer.update_window(second.transaction_id, booked(3)))
    assert back.error is None
    unknown = await first.answer(
        first.buyer.send(
            "update",
            {"update_target": "order.quote", "order": {"id": first.order_id, "quote": {"id": "1"}}},
            peer=first.deal.peer,
            transaction_id=first.transaction_id,
        )
    )
    assert refusal(unknown) == "30012"
    assert "order.fulfillments[0].stops" in (unknown.error or {})["message"]


async def test_start_code_opens_the_charger_once(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"start_code": True})
    confirmed = await trip.book("10")
    code = confirmed.order["fulfillments"][0]["stops"][0]["authorization"]["token"]
    assert refusal(await trip.start()) == "50002"
    wrong = f"{(int(code) + 1) % 10**6:06}"
    assert refusal(await trip.answer(trip.buyer.update_start(trip.transaction_id, code=wrong))) == "50002"
    started = await trip.answer(trip.buyer.update_start(trip.transaction_id, code=code))
    assert started.error is None
    charging = await trip.until("charging-started")
    assert "authorization" not in charging.order["fulfillments"][0]["stops"][0]


async def test_customer_who_allowed_it_is_moved_to_the_next_charger(stage: Stage, trip: Trip) -> None:
    trip.may_redirect = True
    await trip.book("10")
    await stage.supplier("fault", stationId=trip.charger.station_id, slotNumber=1)
    moved = await told(trip, "on_update")
    assert moved.order["items"][0]["id"] == trip.charger.item_id(2)
    assert (moved.order["status"], lines_of(moved.order)["total"]) == ("ACTIVE", PAID)
    assert (await trip.start()).error is None
    await trip.until("charging-started")


async def test_customer_is_asked_and_answers_with_another_charger(stage: Stage, trip: Trip) -> None:
    await trip.book("10")
    await stage.supplier("fault", stationId=trip.charger.station_id, slotNumber=1)
    asked = await told(trip, "on_update")
    offered = [item["id"] for item in asked.order["items"] if item.get("recommended")]
    assert offered[0] == trip.charger.item_id(2)
    assert "answer-by" in remarks(asked)
    moved = await trip.answer(trip.buyer.update_item(trip.transaction_id, offered[0]))
    assert (moved.order["items"][0]["id"], lines_of(moved.order)["total"]) == (offered[0], PAID)
    assert (await trip.start()).error is None


async def test_customer_who_does_not_answer_pays_nothing(stage: Stage, trip: Trip) -> None:
    await stage.set_rules(trip.charger, booking={"answer_s": 1}, cancellation=TIERS)
    await trip.book("10")
    await stage.supplier("fault", stationId=trip.charger.station_id, slotNumber=1)
    closed = await told(trip, "on_cancel")
    assert (closed.order["cancellation"]["cancelled_by"], money(closed)) == ("PROVIDER", (-PAID, Decimal(0)))
