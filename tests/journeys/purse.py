"""Where is the money of one order by the provider's own books, which papers has it, and how does a customer pay us?

Every look happens beside the event loop, in which the registry, the stations and the gateway answer.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from sandbox.exchanges import Received
from sandbox.paying import pay
from sandbox.payments_api import PaymentsApi
from tests.journeys.trip import ANSWER_S, Trip, eventually, lines_of

Row = tuple[Any, ...]

BOOKS = """
SELECT p.account, sum(p.paise)::int FROM orders_posting p JOIN orders_order o ON o.id = p.order_id
WHERE o.transaction_id = %s GROUP BY p.account HAVING sum(p.paise) <> 0
"""
REFUNDS = """
SELECT r.reason, r.paise, r.way, r.state, r.attempts, r.problem FROM orders_refund r
JOIN orders_order o ON o.id = r.order_id WHERE o.transaction_id = %s ORDER BY r.number
"""
PAPERS = """
SELECT i.kind, i.taxable_paise, i.tax_paise, i.total_paise FROM orders_invoice i
JOIN orders_order o ON o.id = i.order_id WHERE o.transaction_id = %s ORDER BY i.id
"""
COLLECTIONS = """
SELECT c.state, c.amount_paise, c.captured_paise, c.payment_ref FROM orders_collection c
JOIN orders_order o ON o.id = c.order_id WHERE o.transaction_id = %s AND NOT c.closing ORDER BY c.number
"""


async def rows(trip: Trip, query: str) -> list[Row]:
    """Rows of the provider's tables about the trip's order."""
    return await asyncio.to_thread(trip.stage.rows, query, trip.transaction_id)


async def books(trip: Trip) -> dict[str, int]:
    """What stands on each account for the order, paise, debit positive."""
    return dict(await rows(trip, BOOKS))


async def until_books(trip: Trip, wanted: dict[str, int]) -> None:
    """Wait until the order's accounts stand at these sums."""
    await eventually(lambda: books(trip), lambda seen: seen == wanted, f"books at {wanted}")


async def refunds(trip: Trip) -> list[Row]:
    """(reason, paise, way, state) of each refund."""
    return [row[:4] for row in await rows(trip, REFUNDS)]


async def until_refunds(trip: Trip, *wanted: Row) -> list[Row]:
    """Wait until the order's refunds are these: (reason, paise, way, state); with attempts and problem of each."""
    await eventually(lambda: refunds(trip), lambda seen: seen == list(wanted), f"refunds {wanted}")
    return [row[4:] for row in await rows(trip, REFUNDS)]


async def papers(trip: Trip) -> list[Row]:
    """(kind, taxable, tax, total) of each invoice and note, paise."""
    return await rows(trip, PAPERS)


async def until_papers(trip: Trip, *wanted: Row) -> None:
    """Wait until the order has these papers: (kind, taxable, tax, total)."""
    await eventually(lambda: papers(trip), lambda seen: seen == list(wanted), f"papers {wanted}")


async def until_collected(trip: Trip, *wanted: tuple[str, int, int]) -> str:
    """Wait until the payments we ask for are these: (state, asked, taken); the id of the first at the gateway."""
    found = await eventually(
        lambda: rows(trip, COLLECTIONS),
        lambda seen: [row[:3] for row in seen] == list(wanted),
        f"payments {wanted}",
    )
    return str(found[0][3])


def gateway(trip: Trip) -> PaymentsApi:
    """The payment gateway of the toy network."""
    return trip.stage.network.payments


def given_back(trip: Trip, payment: str) -> list[tuple[int, str]]:
    """(paise, status) of each refund the gateway knows of a payment."""
    return [(one["amount"], one["status"]) for one in gateway(trip).gateway.refunds_of(payment)]


async def paid_to_us(trip: Trip, amount: str, *, state: str = "captured") -> str:
    """An order paid on our page and confirmed; the payment's id at the gateway."""
    await trip.select(amount)
    await pay(trip.buyer.http, await trip.init_with_us())
    found = await eventually(lambda: rows(trip, COLLECTIONS), lambda seen: seen[-1][0] == state, f"a payment {state}")
    confirmed = await trip.confirm()
    assert confirmed.error is None, confirmed.error
    return str(found[-1][3])


async def told_total(trip: Trip, total: str) -> Received:
    """The newest on_status nobody asked for whose price is this."""
    return await trip.buyer.wait_until(
        trip.transaction_id,
        lambda it: it.action == "on_status" and lines_of(it.order)["total"] == Decimal(total),
        timeout_s=ANSWER_S,
        what=f"on_status with {total}",
    )


def payments_of(order: dict[str, Any]) -> list[tuple[str, str]]:
    """(status, amount) of each payment of an order as it was told."""
    return [(one["status"], one["params"]["amount"]) for one in order["payments"]]


def refund_tags(order: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(reason, amount, status) of each refund told with the order's payment."""
    groups = [group for group in order["payments"][0].get("tags", []) if group["descriptor"]["code"] == "refund"]
    told = [{row["descriptor"]["code"]: row["value"] for row in group["list"]} for group in groups]
    return [(row["refund-reason"], row["refund-amount"], row["refund-status"]) for row in told]
