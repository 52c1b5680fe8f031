"""Which promise is broken on purpose, so that a proof can be seen to fail? Nothing of this is part of the product.

The rig starts its processes through `sabotaged_asgi` and `sabotaged_celery` where SABOTAGE names a switch.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

from django.conf import settings
from django.db import connection, connections, transaction

from bpp import dialects, guard, keys, letters, outbox, signing, strict
from bpp.guard import Headers, Receive
from bpp.letters import Letter
from bpp.messages import Caller
from bpp.models import OutboxMessage
from bpp.outbox import Owed
from bpp.registry import KeyRow
from bpp.replies import Reply
from bpp.signing import SignatureHeader
from core import http
from core.errors import DeliveryError
from core.money import Money
from orders import selectors
from orders.balances import Purse
from orders.models import Journal, Order, Quote
from orders.payments import razorpay
from orders.payments.base import News
from orders.payments.razorpay import Razorpay
from orders.services import books, holds


def apply(switch: str) -> None:
    """Break the promise that `switch` names. Raises ValueError naming the switches there are."""
    if switch not in SWITCHES:
        raise ValueError(f"SABOTAGE is {switch!r}; allowed are {', '.join(sorted(SWITCHES))}")
    SWITCHES[switch]()


def accept_any() -> None:
    """Every signature holds."""

    def verify(header: SignatureHeader, body: bytes, public_key: bytes, *, claimed_digest: str = "") -> bytes:
        return signing.digest(body)

    _replace(signing, "verify", verify)


def last_wins() -> None:
    """Of a header parameter given twice the last one counts, as in most parsers."""

    def parameters(value: str) -> dict[str, str]:
        found = re.findall(r'([A-Za-z]+)=(?:"([^"]*)"|([0-9]+))', value)
        return {name: quoted or bare for name, quoted, bare in found}

    _replace(signing, "_parameters", parameters)


def no_identity() -> None:
    """Whoever signed may call himself by any bap_id."""
    check = letters.check_addressing

    def check_addressing(letter: Letter, signer: KeyRow) -> None:
        check(letter, dataclasses.replace(signer, subscriber_id=str(letter.context.get("bap_id"))))

    _replace(letters, "check_addressing", check_addressing)


def any_news() -> None:
    """Payment news hold whoever signed them."""

    def parse_webhook(_: Razorpay, raw: bytes, headers: Mapping[str, str]) -> News:
        return razorpay._news(raw, headers.get("x-razorpay-event-id", ""))

    _replace(Razorpay, "parse_webhook", parse_webhook)


def stock_json() -> None:
    """Bodies are read by the standard parser as it comes."""
    _replace(strict, "load", json.loads)


def no_guard() -> None:
    """Bodies of any size are taken in, however long they take."""

    async def read_body(receive: Receive, headers: Headers, *, limit_bytes: int, deadline_s: float) -> bytes:
        parts: list[bytes] = []
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise guard.ClientLeft
            parts.append(event.get("body", b""))
            if not event.get("more_body", False):
                return await asyncio.to_thread(b"".join, parts)

    _replace(guard, "read_body", read_body)


def no_bap_filter() -> None:
    """An order is found by its id alone, whoever asks."""

    def order_for(bap_id: str, order_code: str) -> Order:
        order = Order.objects.select_related(*FULL).filter(code=order_code).first() if order_code else None
        if order is None:
            raise selectors.order_unknown(order_code)
        return order

    _replace(selectors, "order_for", order_for)


def no_outbox() -> None:
    """Callbacks are posted by a thread a moment after the commit, and no row says that they are owed."""

    def enqueue(reply: Reply, caller: Caller, owed: Owed, *, now: datetime) -> OutboxMessage:
        dialect = dialects.choose(caller.context)
        document = dialect.build(
            owed.action,
            reply,
            context=caller.context,
            message_id=owed.message_id,
            now=now,
            bpp_id=settings.BECKN_SUBSCRIBER_ID,
            bpp_uri=settings.BECKN_SUBSCRIBER_URL,
        )
        body, url = dialect.dumps(document), outbox.callback_url(caller, owed.action)
        transaction.on_commit(threading.Timer(GATHER_S, _post, (url, body)).start)
        return OutboxMessage(message_id=owed.message_id, action=owed.action, url=url, body=body)

    _replace(outbox, "enqueue", enqueue)


def no_constraint() -> None:
    """Nothing in the database keeps two promises of one EVSE apart, and nobody queues up for it."""

    def lock_evses(evse_ids: Any) -> None:
        return None

    _replace(holds, "lock_evses", lock_evses)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_reservation DROP CONSTRAINT reservation_no_overlap")


# How long senders in memory gather what they have before they send it.
GATHER_S = 0.3
FULL = ("operator", "connector__tariff", "connector__evse__station__operator")


def float_money() -> None:
    """Amounts are rounded as floating point numbers."""

    def rounded(amount: Money) -> Money:
        return Money(Decimal(str(round(float(amount.amount), 2))), amount.currency)

    _replace(Money, "rounded", rounded)


def edit_in_place() -> None:
    """A corrected bill rewrites the postings of the first one, and nothing keeps it from doing so."""

    def earned(order: Order, quote: Quote, *, now: datetime, actor: str, stand: Purse | None = None) -> Journal | None:
        first = Journal.objects.filter(order=order, kind=Journal.Kind.CAPTURE).order_by("pk").first()
        if first is None:
            return post(order, quote, now=now, actor=actor, stand=stand)
        first.postings.filter(account="revenue").update(paise=-quote.total_paise)
        return first

    post = books.earned
    _replace(books, "earned", earned)
    # Now and not at the first edit: there, postings that wait for their commit would forbid it.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_posting DISABLE TRIGGER posting_append_only")


SWITCHES: dict[str, Callable[[], None]] = {
    deed.__name__: deed
    for deed in (
        *(accept_any, last_wins, no_identity, stock_json, no_guard, no_bap_filter, no_outbox, no_constraint),
        *(edit_in_place, any_news),
    )
} | {"float": float_money}


def _replace(module: ModuleType | type, name: str, value: object) -> None:
    """A name that is no longer there would make the sabotage harmless unnoticed."""
    if not hasattr(module, name):
        raise AttributeError(f"{module.__name__} has no {name} any more; the sabotage must follow the product")
    setattr(module, name, value)


def _post(url: str, body: bytes) -> None:
    created = int(time.time())
    try:
        key = keys.current()
        header = signing.sign(
            body,
            subscriber_id=settings.BECKN_SUBSCRIBER_ID,
            key_id=key.key_id,
            seed=key.seed,
            created=created,
            expires=created + settings.BECKN_SIGNATURE_WINDOW_S,
        )
        headers = {"Content-Type": "application/json", "Authorization": header}
        http.call("POST", url, data=body, headers=headers, timeout_s=6.0, allow_private=True)
    except DeliveryError:
        # Whoever keeps no row has nobody to tell and nothing to try again.
        return
    finally:
        connections.close_all()
