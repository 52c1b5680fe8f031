"""What tests of the books need: an order that is billed, and its accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection

from orders.models import Order, Posting
from orders.services import (
    check_books,
    complete_order,
    mark_started,
    mark_starting,
)
from tests.factories.orders import BAP, NOW, active_order

LATER = NOW + timedelta(minutes=20)
ENDED: dict[str, Any] = {"started_at": NOW, "ended_at": LATER, "now": LATER, "actor": "station"}
ACTOR: dict[str, Any] = {"now": NOW, "actor": "test"}


def billed(energy_wh: int = 8_000, **changes: Any) -> Order:
    order = active_order(**changes)
    mark_starting(order.pk, now=NOW, actor=BAP)
    mark_started(order.pk, now=NOW, actor="station")
    return complete_order(order.pk, energy_wh=energy_wh, reason="full", **ENDED)


def at_once() -> None:
    """Let the deferred constraints speak now instead of at the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def accounts(order: Order) -> dict[str, int]:
    found: dict[str, int] = {}
    for account, paise in Posting.objects.filter(order=order).values_list("account", "paise"):
        found[account] = found.get(account, 0) + paise
    return {account: paise for account, paise in found.items() if paise}


def sound(*orders: Order) -> bool:
    at_once()
    check = check_books(now=LATER + timedelta(hours=1), whole=True)
    return check is not None and check.breaks == 0 and check.orders >= len(orders)
