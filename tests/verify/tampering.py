"""T3: does any confirmation make an order at a price that is not our quote's?"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import connections
from django.utils import timezone

from bpp import celery, handlers, strict
from bpp.dialects import v1
from bpp.messages import WireFault
from core.errors import DomainError
from core.money import from_paise
from orders.models import Order, Quote
from orders.services.holds import release
from sandbox.signing import Identity
from tests.factories.orders import connector_on_sale, initiated_order
from tests.verify.rig import Verdict
from tests.verify.senders import context, document, message

AMOUNTS: tuple[Any, ...] = (
    *("0", "0.01", "-236.00", "1e-9", "1E2", " 236.00\n", "236.001", "235.99", "2_36.00", "٢٣٦", "NaN", "Infinity", ""),
    *("+236.00", "0x10", "236,00", "236.00 INR", 0, -1, True, None, [], {}, 1e-9, "9" * 400),
)
CURRENCIES = ("USD", "inr", "", "₹", "XXX", None, 7)


def tamper(verdict: Verdict, buyer: str, count: int) -> None:
    """Confirm with changed amounts, currencies, quantities and lines; each order made has our quote and no other."""
    # Nudges go to the broker that is there, not to a default one.
    celery.app.set_default()
    dice, made, refused = random.Random(verdict.seed), 0, 0
    connector = connector_on_sale()
    order: Order | None = None
    try:
        for _ in range(count):
            if order is None:
                order = initiated_order(connector, bap_id=buyer, transaction_id=str(uuid.uuid4()), now=timezone.now())
                release(order, now=timezone.now())
            agreed = _stored(order)
            sent = _tampered(order, agreed[0], dice)
            _confirm(order, sent)
            order.refresh_from_db()
            if _stored(order) != agreed:
                verdict.fail(f"T3 changed what is stored from {agreed} to {_stored(order)}: {sent}")
            if order.state != Order.State.ACTIVE:
                refused += 1
                continue
            made += 1
            for stated in _stated(sent):
                if _number(stated) not in {None, agreed[0]}:
                    verdict.fail(f"T3 an order was made though {stated!r} was stated instead of {agreed[0]}: {sent}")
            release(order, now=timezone.now())
            order = None
    finally:
        connections.close_all()
    verdict.n += count
    verdict.figures["tampered_quotes"] = {"refused": refused, "confirmed_at_our_price": made}


def _confirm(order: Order, sent: dict[str, Any]) -> None:
    """Decide one confirmation as a worker does: read, check, handle."""
    identity = Identity(order.bap_id, "k1", b"", b"")
    head = context(identity, "http://127.0.0.1:9/beckn", "confirm", transaction_id=order.transaction_id)
    try:
        body = strict.load(document(head, sent))
        if v1.check("confirm", body).faults:
            return
        request, _ = v1.parse("confirm", body)
        handlers.handle(request, v1.caller(body), now=timezone.now())
    except (strict.StrictFault, WireFault, DomainError):
        # Refused: what counts is what is stored afterwards.
        return


def _stored(order: Order) -> tuple[Decimal, str, list[Any]]:
    """The price the order stands at: amount, currency and lines of its current quote."""
    quote = Quote.objects.get(order=order, current=True)
    return from_paise(quote.total_paise, quote.currency).amount, quote.currency, quote.lines


def _tampered(order: Order, due: Decimal, dice: random.Random) -> dict[str, Any]:
    """A sound confirmation with one to three things changed."""
    sent = copy.deepcopy(message("confirm", item=order.connector.item_id)) or {}
    wanted = sent["order"]
    wanted["provider"]["id"] = order.operator.code
    wanted["items"][0]["quantity"]["selected"]["measure"]["value"] = "10"
    wanted["payments"][0]["params"] |= {"amount": f"{due}", "currency": "INR"}
    wanted["quote"] = {"price": {"value": f"{due}", "currency": "INR"}, "breakup": []}
    changes: tuple[Callable[[], Any], ...] = (
        lambda: wanted["payments"][0]["params"].update(amount=dice.choice(AMOUNTS)),
        lambda: wanted["quote"]["price"].update(value=dice.choice(AMOUNTS)),
        lambda: wanted["payments"][0]["params"].update(currency=dice.choice(CURRENCIES)),
        lambda: wanted["items"][0]["quantity"]["selected"]["measure"].update(value=dice.choice(AMOUNTS)),
        lambda: wanted["quote"]["breakup"].append({"title": "discount", "price": {"value": "-100", "currency": "INR"}}),
        lambda: wanted.update(id=f"VB-{dice.randrange(10**6)}", state="COMPLETE", created_at="2020-01-01T00:00:00Z"),
        lambda: wanted["payments"].append({"status": "PAID", "params": {"amount": "1", "currency": "INR"}}),
        lambda: wanted["items"][0].update(price={"value": "1", "currency": "INR"}),
        lambda: wanted["payments"][0].update(status=dice.choice(["PAID", "NOT-PAID", "FREE", "", 7])),
    )
    for change in dice.sample(changes, dice.randint(1, 3)):
        change()
    return sent


def _stated(sent: dict[str, Any]) -> tuple[object, object]:
    return sent["order"]["payments"][0]["params"].get("amount"), sent["order"]["quote"]["price"].get("value")


def _number(stated: object) -> Decimal | None:
    """What a reader may understand; None where nothing was stated."""
    if stated is None or stated == "":
        return None
    try:
        return Decimal(str(stated).strip())
    except InvalidOperation:
        return Decimal("NaN")
