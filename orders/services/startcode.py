"""Which one-time code does a driver need to start, and is the one given right?"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from orders.models import Order
from orders.services.ledger import lock_order, record
from orders.services.rules import order_rules

DIGITS = 6
MOST_TRIES = 5
SHOWN_IN = frozenset({Order.Fulfillment.PENDING_APPROVAL, Order.Fulfillment.PAYMENT_COMPLETED})


def start_code(order: Order) -> str:
    """The order's start code; empty where its operator wants none or it is used up: charging began, or it is closed.

    It is derived from the order and kept nowhere, so that a copy of the table starts nothing.
    """
    if order.code is None or order.fulfillment not in SHOWN_IN or not order_rules(order).start_code:
        return ""
    return _derived(order)


def is_start_code(order: Order, given: str) -> bool:
    """Whether a text scanned at a station is the order's start code, also when it is used up: it ends what it began.

    False where the operator wants none, the order has none yet, or too many wrong ones were given.
    """
    if order.code is None or order.code_tries >= MOST_TRIES or not order_rules(order).start_code:
        return False
    return constant_time_compare(given.strip(), _derived(order))


@transaction.atomic
def wrong_start_code(order_id: int, given: str, *, now: datetime, actor: str) -> str:
    """Why an order may not be started with the code given, in words; empty where it may.

    A wrong code is counted, so the caller must answer instead of raising; after five the code is no longer taken.
    """
    order = lock_order(order_id)
    wanted = start_code(order)
    if not wanted:
        return ""
    if order.code_tries >= MOST_TRIES:
        return f"{MOST_TRIES} wrong codes were given; ask the operator to start the charging"
    if constant_time_compare(given.strip(), wanted):
        return ""
    if not given.strip():
        return "this charger needs the start code of the order; send it as stops[0].authorization.token"
    order.code_tries += 1
    record(order, "wrong-code", now=now, actor=actor, saved=("code_tries",))
    left = MOST_TRIES - order.code_tries
    return f"the start code {given.strip()[:12]!r} is wrong; {left} more tries"


def _derived(order: Order) -> str:
    mac = salted_hmac("orders.startcode", f"{order.pk}/{order.code}", algorithm="sha256").digest()
    return f"{int.from_bytes(mac[:8], 'big') % 10**DIGITS:0{DIGITS}}"
