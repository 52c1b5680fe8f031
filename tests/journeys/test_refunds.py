"""Does money that an order has no use for reach its customer, once, to the paisa, whatever happens on its way?

Where we collect, the gateway's account takes every payment whole: 20 kWh cost ₹472.00, with the buffer ₹519.20. Where
the buyer app collects, it is told by the refund's tags.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sandbox.exchanges import Received
from sandbox.expectations import bill_faults
from sandbox.faults import RouteFault
from sandbox.payment_webhooks import Behaviour
from tests.journeys.conftest import SetMoneyRules
from tests.journeys.purse import (
    REFUNDS,
    books,
    gateway,
    given_back,
    paid_to_us,
    papers,
    refund_tags,
    refunds,
    rows,
    until_books,
    until_collected,
    until_papers,
    until_refunds,
)
from tests.journeys.stage import Stage
from tests.journeys.trip import ANSWER_S, Trip, eventually, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

SOFT = {"code": "SOFT_CANCEL"}
# A vehicle that is full at 4 kWh: ₹80.00 and 18 % GST.
VEHICLE = {"slots": 2, "capacityWh": 5000, "socStart": 20}
INVOICE = ("invoice", 8000, 1440, 9440)
EARNED = {"revenue": -8000, "cgst": -720, "sgst": -720}
SOON = """
UPDATE orders_refund r SET next_at = now() FROM orders_order o
WHERE o.id = r.order_id AND o.transaction_id = %s AND r.state = 'failed' RETURNING r.id
"""
IMPORTS = (
    "from django.utils import timezone; "
    "from orders.models import Order, Refund; from orders import services; now = timezone.now(); "
)


async def billed(trip: Trip) -> Received:
    """A confirmed order charged until its vehicle is full, with its bill of ₹94.40."""
    await trip.stage.supplier("seed", stations=[{"id": trip.charger.station_id, **VEHICLE}])
    assert (await trip.start()).error is None
    final = await trip.until("charging-ended")
    assert (str(lines_of(final.order)["total"]), bill_faults(final.order)) == ("94.40", [])
    return final


async def deed(trip: Trip, name: str, words: str) -> None:
    """Let the operator act on the trip's newest refund: a service that takes its id."""
    refund = f"Refund.objects.filter(order__code='{trip.order_id}').latest('number').pk"
    await trip.stage.operate(f"{IMPORTS}services.{name}({refund}, {words}now=now, actor='desk')")


async def goodwill(trip: Trip, paise: int, cause: str) -> None:
    """Let the operator give part of what was charged back."""
    order = f"Order.objects.get(code='{trip.order_id}').pk"
    await trip.stage.operate(f"{IMPORTS}services.ask_refund({order}, {paise}, cause='{cause}', now=now, actor='desk')")


async def cancelled_by_us(trip: Trip) -> Received:
    return await trip.buyer.wait_until(
        trip.transaction_id, lambda it: it.action == "on_cancel", timeout_s=ANSWER_S, what="on_cancel"
    )


async def test_unused_prepayment_goes_back_through_the_buyer_app(trip: Trip) -> None:
    await trip.book("20")
    await billed(trip)
    told = await trip.status()
    assert refund_tags(told.order) == [("unused", "377.60", "sent")]
    assert await refunds(trip) == [("unused", 37760, "BAP", "sent")]
    assert await papers(trip) == [INVOICE]
    assert await books(trip) == EARNED | {"bap-receivable": 47200, "refunds-due": -37760}


async def test_unused_prepayment_goes_back_through_the_gateway(trip: Trip, taken_at_once: None) -> None:
    till = gateway(trip)
    till.gateway.settings.refunds_take_long = True
    try:
        payment = await paid_to_us(trip, "20")
        await billed(trip)
        await until_refunds(trip, ("unused", 42480, "provider", "sent"))
        await eventually(lambda: at_gateway(trip, payment), lambda seen: seen == [(42480, "pending")], "a refund there")
    finally:
        till.gateway.settings.refunds_take_long = False
    assert (await books(trip))["refunds-due"] == -42480
    (refund,) = till.gateway.refunds_of(payment)
    till.gateway.finish_refund(refund["id"])  # the bank has done it: webhook refund.processed
    await until_refunds(trip, ("unused", 42480, "provider", "done"))
    await until_collected(trip, ("captured", 51920, 51920))
    assert refund_tags((await trip.status()).order) == [("unused", "424.80", "done")]
    assert await books(trip) == EARNED | {"cash": 9440}
    assert await papers(trip) == [INVOICE]


async def at_gateway(trip: Trip, payment: str) -> list[tuple[int, str]]:
    """What the gateway knows of the refunds of a payment."""
    await asyncio.sleep(0)  # it answers on this very loop
    return given_back(trip, payment)


async def test_refund_the_gateway_fails_is_sent_again_and_arrives_once(trip: Trip, taken_at_once: None) -> None:
    payment = await paid_to_us(trip, "20")
    gateway(trip).fail_next("refund", RouteFault(n=1, status=503))
    gateway(trip).fail_next("refund", RouteFault(n=1, reset="after-commit"))
    await billed(trip)
    for attempts in (1, 2):
        await until_failed(trip, attempts)
        assert refund_tags((await trip.status()).order) == [("unused", "424.80", "sent")]
        await rows(trip, SOON)
    await until_refunds(trip, ("unused", 42480, "provider", "done"))
    assert given_back(trip, payment) == [(42480, "processed")]
    assert await books(trip) == EARNED | {"cash": 9440}


async def until_failed(trip: Trip, attempts: int) -> None:
    """Wait until the order's refund has failed so often."""
    wanted = ("failed", attempts)
    await eventually(lambda: rows(trip, REFUNDS), lambda seen: seen[0][3:5] == wanted, f"refund {wanted}")


async def test_refund_that_fails_for_good_goes_to_a_person_who_sends_it_again(trip: Trip, taken_at_once: None) -> None:
    payment = await paid_to_us(trip, "20")
    gateway(trip).fail_next("refund", RouteFault(n=1, status=400))
    await billed(trip)
    seen = await until_refunds(trip, ("unused", 42480, "provider", "person"))
    assert "400" in seen[0][1]
    assert given_back(trip, payment) == []
    assert (await books(trip))["refunds-due"] == -42480
    await deed(trip, "retry_refund", "")
    await until_refunds(trip, ("unused", 42480, "provider", "done"))
    assert given_back(trip, payment) == [(42480, "processed")]
    assert await books(trip) == EARNED | {"cash": 9440}


async def test_refund_the_bank_gives_up_goes_to_a_person_who_pays_it(trip: Trip, taken_at_once: None) -> None:
    till = gateway(trip)
    till.gateway.settings.refunds_take_long = True
    try:
        payment = await paid_to_us(trip, "20")
        await billed(trip)
        await eventually(lambda: at_gateway(trip, payment), lambda seen: seen == [(42480, "pending")], "a refund there")
        (refund,) = till.gateway.refunds_of(payment)
        till.gateway.finish_refund(refund["id"], fails=True)  # webhook refund.failed
        seen = await until_refunds(trip, ("unused", 42480, "provider", "person"))
    finally:
        till.gateway.settings.refunds_take_long = False
    assert "gave up" in seen[0][1]
    await deed(trip, "finish_refund", "reference='neft-1', ")
    assert refund_tags((await trip.status()).order) == [("unused", "424.80", "done")]
    assert await books(trip) == EARNED | {"cash": 9440}
    assert given_back(trip, payment) == [(42480, "failed")]


async def test_paid_through_the_buyer_app_without_energy_goes_back_unasked(
    trip: Trip, money_rules: SetMoneyRules
) -> None:
    await trip.book("20")
    await money_rules(energy_within_s=1)
    told = await cancelled_by_us(trip)
    assert (told.order["status"], told.order["cancellation"]["reason"]["id"]) == ("CANCELLED", "no-energy")
    assert (lines_of(told.order)["refund"], lines_of(told.order)["total"]) == (Decimal(-472), Decimal(0))
    assert refund_tags(told.order) == [("no-energy", "472.00", "sent")]
    assert await papers(trip) == []
    assert await books(trip) == {"bap-receivable": 47200, "refunds-due": -47200}


async def test_paid_to_us_without_energy_goes_back_unasked(
    trip: Trip, money_rules: SetMoneyRules, taken_at_once: None
) -> None:
    payment = await paid_to_us(trip, "20")
    await money_rules(energy_within_s=1)
    assert lines_of((await cancelled_by_us(trip)).order)["total"] == 0
    await until_refunds(trip, ("no-energy", 51920, "provider", "done"))
    assert given_back(trip, payment) == [(51920, "processed")]
    assert refund_tags((await trip.status()).order) == [("no-energy", "519.20", "done")]
    assert (await books(trip), await papers(trip)) == ({}, [])


async def test_held_for_us_without_energy_is_given_free(trip: Trip, money_rules: SetMoneyRules) -> None:
    payment = await paid_to_us(trip, "20", state="authorised")
    await money_rules(energy_within_s=1)
    assert lines_of((await cancelled_by_us(trip)).order)["total"] == 0
    await until_collected(trip, ("released", 51920, 0))
    assert gateway(trip).gateway.payment(payment)["status"] == "authorized"  # it lapses there, nothing was taken
    assert (await refunds(trip), await books(trip)) == ([], {})


async def test_refund_above_the_limit_waits_for_the_operator(
    trip: Trip, money_rules: SetMoneyRules, taken_at_once: None
) -> None:
    await money_rules(approve_above_paise=42479)
    payment = await paid_to_us(trip, "20")
    final = await billed(trip)
    assert refund_tags(final.order) == [("unused", "424.80", "requested")]
    assert await refunds(trip) == [("unused", 42480, "provider", "requested")]
    assert given_back(trip, payment) == []
    await deed(trip, "approve_refund", "")
    await until_refunds(trip, ("unused", 42480, "provider", "done"))
    assert given_back(trip, payment) == [(42480, "processed")]


async def test_refund_at_the_limit_needs_nobody(trip: Trip, money_rules: SetMoneyRules) -> None:
    await money_rules(approve_above_paise=37760)
    await trip.book("20")
    await billed(trip)
    assert await refunds(trip) == [("unused", 37760, "BAP", "sent")]


async def test_goodwill_goes_back_with_a_note_that_lowers_no_tax(trip: Trip, taken_at_once: None) -> None:
    payment = await paid_to_us(trip, "20")
    await billed(trip)
    await until_refunds(trip, ("unused", 42480, "provider", "done"))
    for _ in range(2):
        await goodwill(trip, 5000, "ticket-1")
    await until_refunds(trip, ("unused", 42480, "provider", "done"), ("goodwill", 5000, "provider", "done"))
    with pytest.raises(RuntimeError, match="4441 paise cannot be refunded; between 1 and 4440 can"):
        await goodwill(trip, 4441, "ticket-2")
    assert given_back(trip, payment) == [(42480, "processed"), (5000, "processed")]
    assert refund_tags((await trip.status()).order)[1] == ("goodwill", "50.00", "done")
    await until_papers(trip, INVOICE, ("credit-note", 5000, 0, 5000))
    await until_books(trip, EARNED | {"cash": 4440, "goodwill": 5000})


async def test_goodwill_that_is_declined_leaves_everything_as_it_was(trip: Trip, money_rules: SetMoneyRules) -> None:
    await trip.book("20")
    await billed(trip)
    await money_rules(approve_above_paise=1000)
    before = await books(trip)
    await goodwill(trip, 5000, "ticket-1")
    assert (await books(trip))["goodwill"] == 5000
    assert refund_tags((await trip.status()).order)[1] == ("goodwill", "50.00", "requested")
    await deed(trip, "decline_refund", "text='no fault of ours', ")
    assert (await refunds(trip))[1] == ("goodwill", 5000, "BAP", "declined")
    assert (await books(trip), await papers(trip)) == (before, [INVOICE])
    assert refund_tags((await trip.status()).order) == [("unused", "377.60", "sent")]


@pytest.mark.parametrize(
    ("rule", "refund", "fee"),
    [
        ({"fee_percent": "100", "refund_eligible": False}, "0.00", "236.00"),
        ({"fee_paise": 50_000}, "0.00", "236.00"),
        ({"fee_paise": 23_599}, "-0.01", "235.99"),
        ({"fee_percent": "33.33"}, "-157.34", "78.66"),
    ],
)
async def test_fee_is_never_above_what_was_promised(
    stage: Stage, trip: Trip, rule: dict[str, Any], refund: str, fee: str
) -> None:
    await stage.set_rules(trip.charger, cancellation=[{"state": "payment-completed", **rule}])
    confirmed = await trip.book("10")
    eligible = rule.get("refund_eligible", True)
    named = [term["fulfillment_state"]["code"] for term in confirmed.order.get("refund_terms", [])]
    assert named == (["payment-completed"] if eligible else [])
    for descriptor in (SOFT, None):
        answer = await trip.answer(trip.buyer.cancel(trip.transaction_id, descriptor=descriptor))
        lines = lines_of(answer.order)
        assert (lines["refund"], lines["total"]) == (Decimal(refund), Decimal(fee))
    back = -int(Decimal(refund) * 100)
    assert await refunds(trip) == ([("cancelled", back, "BAP", "sent")] if back else [])
    money = await books(trip)
    assert (money["bap-receivable"], money.get("refunds-due", 0)) == (23600, -back)
    assert sum(money[name] for name in ("fees", "cgst", "sgst")) == back - 23600
    assert [row[3] for row in await papers(trip)] == [23600 - back]


@pytest.mark.parametrize("behaviour", [Behaviour(held=True), Behaviour(times=3)])
async def test_refund_arrives_though_its_news_is_lost_or_told_thrice(
    trip: Trip, taken_at_once: None, behaviour: Behaviour
) -> None:
    webhooks = gateway(trip).webhooks
    payment = await paid_to_us(trip, "20")
    webhooks.behaviour = behaviour
    try:
        await billed(trip)
        await until_refunds(trip, ("unused", 42480, "provider", "done"))
    finally:
        webhooks.behaviour = Behaviour()
        webhooks.release()
        await webhooks.idle()
    assert given_back(trip, payment) == [(42480, "processed")]
    assert await books(trip) == EARNED | {"cash": 9440}
