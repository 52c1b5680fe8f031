"""Do the tables keep every promise? Invariants I1–I4, I8–I10 in SQL, held against what the sandbox saw."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import psycopg

from orders import states
from tests.verify.rig import Verdict
from tests.verify.story import Account

OPEN_WORK = """
SELECT (SELECT count(*) FROM bpp_inboxmessage WHERE state IN ('new', 'waiting')),
       (SELECT count(*) FROM bpp_outboxmessage WHERE state = 'pending'),
       (SELECT count(*) FROM fulfillment_session WHERE state IN ('starting', 'ending')),
       (SELECT count(*) FROM orders_orderevent WHERE public AND published_at IS NULL),
       (SELECT count(*) FROM fulfillment_stationevent WHERE state = 'new')
"""


def open_work(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How much is still to do: inbox, outbox, sessions under way, events not told, station events."""
    row = connection.execute(OPEN_WORK).fetchone()
    return dict(zip(("inbox", "outbox", "sessions", "events", "station_events"), row or (), strict=False))


def check(connection: psycopg.Connection[Any], account: Account, verdict: Verdict) -> None:
    """Hold every invariant; what does not hold becomes a failure of the verdict."""
    for name, sql in NEVER.items():
        for row in connection.execute(sql).fetchmany(5):
            verdict.fail(f"{name}: {row}")
    _i1_every_ack_is_kept(connection, account, verdict)
    _i9_bills_are_the_meters(connection, verdict)
    _i10_states_are_paths(connection, verdict)


NEVER = {
    "I2 more than one order per transaction": """
        SELECT bap_id, transaction_id, count(*) FROM orders_order GROUP BY 1, 2 HAVING count(*) > 1""",
    "I2 a confirm that was accepted without an order": """
        SELECT m.message_id FROM bpp_inboxmessage m
        WHERE m.action = 'confirm' AND m.state = 'done' AND m.reason = '' AND NOT EXISTS (
            SELECT 1 FROM orders_order o
            WHERE o.bap_id = m.bap_id AND o.transaction_id = m.transaction_id AND o.code IS NOT NULL)""",
    "I3 more than one session per order": """
        SELECT order_id, count(*) FROM fulfillment_session GROUP BY 1 HAVING count(*) > 1""",
    "I3 more than one active session per EVSE": """
        SELECT evse_id, count(*) FROM fulfillment_session
        WHERE state IN ('starting', 'charging', 'paused', 'ending') GROUP BY 1 HAVING count(*) > 1""",
    "I4 two live reservations overlap": """
        SELECT a.id, b.id FROM orders_reservation a JOIN orders_reservation b
          ON a.evse_id = b.evse_id AND a.id < b.id AND a.during && b.during
        WHERE a.state <> 'released' AND b.state <> 'released'""",
    "I8 a callback that is neither delivered nor buried with a reason": """
        SELECT id, state FROM bpp_outboxmessage
        WHERE state = 'pending' OR (state IN ('dead', 'refused') AND reason = '')""",
    "I1 a message failed": "SELECT id, action, reason FROM bpp_inboxmessage WHERE state = 'failed'",
    "I10 events with gaps": """
        SELECT order_id, count(*), max(number) FROM orders_orderevent GROUP BY 1 HAVING count(*) <> max(number)""",
    "I10 newest event differs from the order": """
        SELECT o.id, o.last_event, max(e.number) FROM orders_order o JOIN orders_orderevent e ON e.order_id = o.id
        GROUP BY 1, 2 HAVING o.last_event <> max(e.number)""",
}


def _i1_every_ack_is_kept(connection: psycopg.Connection[Any], account: Account, verdict: Verdict) -> None:
    rows = connection.execute(
        "SELECT bap_id, action, message_id, encode(digest, 'base64'), state FROM bpp_inboxmessage"
    ).fetchall()
    kept = {(bap, action, message): (digest.replace("\n", ""), state) for bap, action, message, digest, state in rows}
    for key, digest in account.acked.items():
        found = kept.get(key)
        if found is None:
            verdict.fail(f"I1 acknowledged and gone: {key}")
        elif found[0] != digest:
            verdict.fail(f"I1 kept with another body: {key}")


def _i9_bills_are_the_meters(connection: psycopg.Connection[Any], verdict: Verdict) -> None:
    """Energy billed is meter stop − meter start, the total the sum of its lines, each tax its rate of them."""
    rows = connection.execute("""
        SELECT o.code, q.energy_wh, s.meter_stop_wh - s.meter_start_wh, q.total_paise, q.lines, q.tariff
        FROM orders_order o JOIN orders_quote q ON q.order_id = o.id AND q.kind = 'bill' AND q.current
        JOIN fulfillment_session s ON s.order_id = o.id WHERE o.state = 'complete'""").fetchall()
    for code, billed_wh, metered_wh, total_paise, lines, tariff in rows:
        if billed_wh != metered_wh:
            verdict.fail(f"I9 {code}: billed {billed_wh} Wh, metered {metered_wh} Wh")
        if total_paise != sum(line["paise"] for line in lines):
            verdict.fail(f"I9 {code}: total {total_paise} is not the sum of its lines")
        net = sum(line["paise"] for line in lines if line["code"] != "gst")
        tax = sum(line["paise"] for line in lines if line["code"] == "gst")
        # Drivers and stations are of one state here, where the tax is two halves, each rounded by itself.
        half = Decimal(net) * Decimal(str(tariff["gst_percent"])) / 200
        if tax != 2 * int(half.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)):
            verdict.fail(f"I9 {code}: a tax of {tax} on {net}, half of it before rounding is {half}")
        if billed_wh != sum(line.get("energy_wh") or 0 for line in lines if line["code"] == "energy-cost"):
            verdict.fail(f"I9 {code}: the energy lines do not add up to {billed_wh} Wh")
    verdict.figures["bills"] = len(rows)


def _i10_states_are_paths(connection: psycopg.Connection[Any], verdict: Verdict) -> None:
    rows = connection.execute("""
        SELECT order_id, number, from_state, to_state, from_fulfillment, to_fulfillment
        FROM orders_orderevent ORDER BY order_id, number""").fetchall()
    last: dict[int, tuple[str, str]] = {}
    for order_id, number, from_state, to_state, from_step, to_step in rows:
        before = last.get(order_id)
        if before is not None and before != (from_state, from_step):
            verdict.fail(f"I10 order {order_id} event {number}: leaves {from_state}/{from_step}, was in {before}")
        if from_state and from_state != to_state and to_state not in states.ORDER_MOVES[from_state]:
            verdict.fail(f"I10 order {order_id} event {number}: {from_state} to {to_state} is no legal move")
        if from_step and from_step != to_step and to_step not in states.FULFILLMENT_MOVES[from_step]:
            verdict.fail(f"I10 order {order_id} event {number}: {from_step} to {to_step} is no legal move")
        last[order_id] = (to_state, to_step)
