"""Is the bill right in the end where a station tells the truth about a session only after it was billed?

The station is cut off before the start, so that the first bill rests on the supplier's estimate: a vehicle that is full
at 4 kWh, ₹80.00 and 18 % GST, ₹94.40. Then it is back and tells more (charging went on) or less (the power was gone).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.exchanges import Received
from sandbox.expectations import bill_faults, charging_details, meter_faults
from sandbox.faults import RouteFault
from sandbox.paying import pay
from tests.journeys.conftest import SetMoneyRules
from tests.journeys.purse import (
    Row,
    books,
    gateway,
    given_back,
    paid_to_us,
    papers,
    payments_of,
    refund_tags,
    refunds,
    rows,
    told_total,
    until_books,
    until_collected,
    until_papers,
    until_refunds,
)
from tests.journeys.stage import Stage
from tests.journeys.trip import Trip, eventually, lines_of

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
]

VEHICLE = {"slots": 2, "capacityWh": 5000, "socStart": 20}
BILLED = "94.40"
INVOICE = ("invoice", 8000, 1440, 9440)
LATE = "the meter told its end after the bill"
CORRECTIONS = """
SELECT e.data->>'reason', (e.data->>'before_paise')::int, (e.data->>'after_paise')::int FROM orders_orderevent e
JOIN orders_order o ON o.id = e.order_id WHERE o.transaction_id = %s AND e.kind = 'bill-corrected' ORDER BY e.number
"""
READINGS = """
SELECT r.accepted, r.reason FROM fulfillment_reading r JOIN fulfillment_session s ON s.id = r.session_id
JOIN orders_order o ON o.id = s.order_id WHERE o.transaction_id = %s ORDER BY r.id
"""
# The stop waits for its next try: as if it had been tried for 16 minutes already, and were due now.
SILENT_FOR_LONG = r"""
UPDATE fulfillment_workflowinstance i SET next_at = now(), state = regexp_replace(
    i.state::text, '"(since|due)": "[^"]+"',
    '"\1": "' || to_char(now() AT TIME ZONE 'UTC' - interval '16 minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '"', 'g'
)::jsonb
FROM fulfillment_session s JOIN orders_order o ON o.id = s.order_id WHERE o.transaction_id = %s
AND i.session_id = s.id AND s.state = 'ending' AND i.status = 'waiting' RETURNING i.id
"""
THROUGH = """
UPDATE fulfillment_session s SET updated_at = s.updated_at - interval '2 minutes'
FROM orders_order o WHERE o.id = s.order_id AND o.transaction_id = %s RETURNING s.id
"""
SESSION = """
SELECT s.state, s.provisional, s.meter_wh - s.meter_start_wh FROM fulfillment_session s
JOIN orders_order o ON o.id = s.order_id WHERE o.transaction_id = %s
"""


async def cut_off(trip: Trip) -> None:
    """From now on nobody hears of the station."""
    await trip.stage.supplier("seed", stations=[{"id": trip.charger.station_id, **VEHICLE}])
    await trip.stage.supplier("cut", stationId=trip.charger.station_id)


async def session_of(trip: Trip, status: str) -> str:
    """The id of the trip's session at the supplier, once it has this status."""
    found = await eventually(
        trip.sessions, lambda seen: [one["status"] for one in seen] == [status], f"a session {status}"
    )
    return str(found[0]["id"])


async def billed(trip: Trip) -> str:
    """A confirmed order charged at a station that is cut off, and billed by estimate; the session's id."""
    await cut_off(trip)
    assert (await trip.start()).error is None
    await trip.until("charging-started")
    session = await session_of(trip, "ended")
    await trip.stop()
    final = await trip.until("charging-ended")
    assert (str(lines_of(final.order)["total"]), bill_faults(final.order)) == (BILLED, [])
    return session


async def corrected(trip: Trip, session: str, energy_wh: int, total: str) -> Received:
    """The news of the bill that follows from a late last reading, which is told twice over."""
    for _ in range(2):
        await trip.stage.supplier("late", sessionId=session, energyWh=energy_wh)
    told = await told_total(trip, total)
    assert (told.order["status"], told.state) == ("COMPLETE", "charging-ended")
    assert charging_details(told.order)["energy-delivered"] == f"{energy_wh / 1000:.3f}kWh"
    assert bill_faults(told.order) + meter_faults(told.order, await trip.sessions()) == []
    paise = int(total.replace(".", ""))
    assert await rows(trip, CORRECTIONS) == [(LATE, 9440, paise)]
    return told


async def test_less_than_billed_goes_back_through_the_buyer_app(trip: Trip) -> None:
    await trip.book("20")
    session = await billed(trip)
    told = await corrected(trip, session, 3000, "70.80")
    assert payments_of(told.order) == [("PAID", "472.00")]
    assert refund_tags(told.order) == [("unused", "377.60", "sent"), ("meter", "23.60", "sent")]
    assert await refunds(trip) == [("unused", 37760, "BAP", "sent"), ("meter", 2360, "BAP", "sent")]
    assert await papers(trip) == [INVOICE, ("credit-note", 2000, 360, 2360)]
    assert await books(trip) == {
        "bap-receivable": 47200, "revenue": -6000, "cgst": -540, "sgst": -540, "refunds-due": -40120,
    }  # fmt: skip


async def test_more_than_billed_is_asked_for_through_the_buyer_app(stage: Stage, trip: Trip) -> None:
    await trip.book("20")
    session = await billed(trip)
    told = await corrected(trip, session, 5500, "129.80")
    assert payments_of(told.order) == [("PAID", "472.00"), ("NOT-PAID", "35.40")]
    assert refund_tags(told.order) == [("unused", "377.60", "sent")]
    assert await papers(trip) == [INVOICE, ("debit-note", 3000, 540, 3540)]
    earned = {"revenue": -11000, "cgst": -990, "sgst": -990, "refunds-due": -37760}
    assert await books(trip) == earned | {"bap-receivable": 47200, "customer-receivable": 3540}
    await stage.operate(
        "from django.utils import timezone; from orders.models import Order; "
        "from orders.services import collected_late; "
        f"collected_late(Order.objects.get(code='{trip.order_id}').pk, reference='utr-rest', now=timezone.now(), "
        "actor='desk')"
    )
    assert payments_of((await trip.status()).order) == [("PAID", "472.00")]
    assert await books(trip) == earned | {"bap-receivable": 47200 + 3540}


async def test_less_than_billed_goes_back_through_the_gateway(trip: Trip, taken_at_once: None) -> None:
    payment = await paid_to_us(trip, "5")
    session = await billed(trip)
    await until_refunds(trip, ("unused", 3540, "provider", "done"))
    await corrected(trip, session, 3000, "70.80")
    await until_refunds(trip, ("unused", 3540, "provider", "done"), ("meter", 2360, "provider", "done"))
    assert given_back(trip, payment) == [(3540, "processed"), (2360, "processed")]
    assert refund_tags((await trip.status()).order) == [("unused", "35.40", "done"), ("meter", "23.60", "done")]
    assert await papers(trip) == [INVOICE, ("credit-note", 2000, 360, 2360)]
    assert await books(trip) == {"cash": 7080, "revenue": -6000, "cgst": -540, "sgst": -540}


async def test_more_than_billed_is_asked_for_on_a_page_of_its_own(trip: Trip, taken_at_once: None) -> None:
    await paid_to_us(trip, "5")
    session = await billed(trip)
    await until_refunds(trip, ("unused", 3540, "provider", "done"))
    told = await corrected(trip, session, 5500, "129.80")
    assert payments_of(told.order) == [("PAID", "118.00"), ("NOT-PAID", "35.40")]
    first, rest = told.order["payments"]
    assert first["url"] != rest["url"]
    await pay(trip.buyer.http, rest["url"])
    await until_collected(trip, ("captured", 12980, 12980), ("captured", 3540, 3540))
    assert payments_of((await trip.status()).order) == [("PAID", "118.00"), ("PAID", "35.40")]
    await until_books(trip, {"cash": 12980, "revenue": -11000, "cgst": -990, "sgst": -990})
    assert await papers(trip) == [INVOICE, ("debit-note", 3000, 540, 3540)]


async def test_what_is_still_held_pays_for_more_and_the_rest_is_asked_for(trip: Trip) -> None:
    till = gateway(trip)
    payment = await paid_to_us(trip, "5", state="authorised")
    till.fail_next("capture", RouteFault(n=10**6, status=503))
    try:
        session = await billed(trip)
        path = f"/v1/payments/{payment}/capture"
        await eventually(lambda: answers(trip, path), lambda seen: 503 in seen, "a capture that failed")
        told = await corrected(trip, session, 6000, "141.60")
    finally:
        till.faults.clear()
    assert payments_of(told.order) == [("PAID", "118.00"), ("NOT-PAID", "11.80")]
    await pay(trip.buyer.http, told.order["payments"][1]["url"])
    await until_collected(trip, ("captured", 12980, 12980), ("captured", 1180, 1180))
    await until_books(trip, {"cash": 14160, "revenue": -12000, "cgst": -1080, "sgst": -1080})
    assert await refunds(trip) == []
    assert await papers(trip) == [INVOICE, ("debit-note", 4000, 720, 4720)]


async def answers(trip: Trip, path: str) -> list[int]:
    """How the gateway answered the calls of a path."""
    await asyncio.sleep(0)  # it answers on this very loop
    return [call["status"] for call in gateway(trip).calls if call["path"] == path]


async def test_refund_nobody_has_sent_pays_for_more(
    stage: Stage, trip: Trip, taken_at_once: None, money_rules: SetMoneyRules
) -> None:
    await money_rules(approve_above_paise=0)
    payment = await paid_to_us(trip, "5")
    session = await billed(trip)
    assert await refunds(trip) == [("unused", 3540, "provider", "requested")]
    await corrected(trip, session, 5000, "118.00")
    assert await refunds(trip) == [("unused", 3540, "provider", "withdrawn"), ("meter", 1180, "provider", "requested")]
    await stage.operate(
        "from django.utils import timezone; from orders.models import Refund; "
        "from orders.services import approve_refund; "
        f"approve_refund(Refund.objects.get(order__code='{trip.order_id}', state='requested').pk, now=timezone.now(), "
        "actor='desk')"
    )
    await until_refunds(trip, ("unused", 3540, "provider", "withdrawn"), ("meter", 1180, "provider", "done"))
    assert given_back(trip, payment) == [(1180, "processed")]
    assert refund_tags((await trip.status()).order) == [("meter", "11.80", "done")]
    assert await papers(trip) == [INVOICE, ("debit-note", 2000, 360, 2360)]
    assert await books(trip) == {"cash": 11800, "revenue": -10000, "cgst": -900, "sgst": -900}


async def test_power_cut_is_settled_on_the_last_reading_and_the_rest_is_billed_once(stage: Stage, trip: Trip) -> None:
    await trip.book("20")
    await stage.supplier("seed", stations=[{"id": trip.charger.station_id, **VEHICLE}])
    await trip.start()
    await trip.until("charging-started")
    await silenced(stage)
    try:
        session = await session_of(trip, "ended")
        assert (await trip.buyer.update_end(trip.transaction_id)).acked
        await eventually(lambda: given_up(trip), lambda seen: seen == [("ended", True, 4000)], "a silent session ended")
        final = await trip.until("charging-ended")
    finally:
        await silenced(stage, n=0)
    assert str(lines_of(final.order)["total"]) == BILLED
    for after_s, energy_wh in ((1, 4800), (2, 5500), (2, 5500)):
        await stage.supplier("late", sessionId=session, energyWh=energy_wh, afterS=after_s, last=False)
    await eventually(lambda: rows(trip, SESSION), lambda seen: seen[0][2] == 5500, "the meter's late word")
    await rows(trip, THROUGH)
    told = await told_total(trip, "129.80")
    assert await rows(trip, CORRECTIONS) == [(LATE, 9440, 12980)]
    assert payments_of(told.order) == [("PAID", "472.00"), ("NOT-PAID", "35.40")]
    assert bill_faults(told.order) + meter_faults(told.order, await trip.sessions()) == []


async def given_up(trip: Trip) -> list[Row]:
    """The trip's session, whose station has been silent longer than anybody waits."""
    await rows(trip, SILENT_FOR_LONG)
    return await rows(trip, SESSION)


async def silenced(stage: Stage, *, n: int = 10**6) -> None:
    """The supplier fails whatever asks for the end of a session; `n` 0 lets it answer again."""
    for route in ("end", "session_state", "session"):
        await stage.supplier("faults", route=route, n=n, status=503)


@pytest.mark.parametrize(
    ("energy_wh", "last", "reason"),
    [(3000, False, "the session is ended"), (900_000, True, "implausible"), (900_000, False, "implausible")],
)
async def test_late_reading_that_cannot_be_is_kept_and_bills_nothing(
    stage: Stage, trip: Trip, energy_wh: int, last: bool, reason: str
) -> None:
    await trip.book("20")
    session = await billed(trip)
    await stage.supplier("late", sessionId=session, energyWh=energy_wh, last=last)
    kept: list[Any] = await eventually(lambda: rows(trip, READINGS), lambda seen: any(not row[0] for row in seen), "it")
    assert [row[1][: len(reason)] for row in kept if not row[0]] == [reason]
    assert await rows(trip, CORRECTIONS) == []
    assert await papers(trip) == [INVOICE]


async def test_reading_below_what_the_meter_told_itself_is_no_last_word(stage: Stage, trip: Trip) -> None:
    await trip.book("20")
    session = await billed(trip)
    await corrected(trip, session, 5500, "129.80")
    await stage.supplier("late", sessionId=session, energyWh=3000)
    kept = await eventually(lambda: rows(trip, READINGS), lambda seen: any(not row[0] for row in seen), "it")
    assert [row[1][:10] for row in kept if not row[0]] == ["decreasing"]
    await until_papers(trip, INVOICE, ("debit-note", 3000, 540, 3540))
