"""A buyer app's conversation with the pipeline behind the door, and a buyer app that takes callbacks over real HTTP."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiohttp import web
from django.utils import timezone

from bpp import inbox, publish
from bpp.models import InboxMessage, OutboxMessage, Subscriber
from catalog.models import Connector
from orders.models import Order
from sandbox.serving import serve
from tests.bpp import network as toy
from tests.factories.orders import BAP, NOW, connector_on_sale

PAID = "236.00"
DRIVER = {"name": "Test Driver", "email": "driver@example.org", "phone": "+910000000000"}


def listed(bap_id: str = BAP, url: str = f"https://{BAP}/beckn") -> Subscriber:
    """The buyer app as the registry listed it a moment ago."""
    return Subscriber.objects.create(
        subscriber_id=bap_id,
        key_id="k1",
        type="BAP",
        domain="ev-charging:uei",
        url=url,
        signing_public_key="A" * 43 + "=",
        status="SUBSCRIBED",
        fetched_at=timezone.now(),
    )


def order_in(document: dict[str, Any]) -> dict[str, Any]:
    """The order of a callback."""
    found: dict[str, Any] = document["message"]["order"]
    return found


def put(
    document: dict[str, Any] | bytes, *, action: str, transaction_id: str, now: datetime = NOW, ttl_s: float = 600
) -> InboxMessage:
    """A request as the door stores it; bytes are stored as they are."""
    raw = document if isinstance(document, bytes) else toy.wire(document)
    message_id = str(uuid.uuid4()) if isinstance(document, bytes) else document["context"]["message_id"]
    return InboxMessage.objects.create(
        bap_id=BAP,
        action=action,
        message_id=message_id,
        transaction_id=transaction_id,
        digest=bytes(64),
        raw=raw,
        authorization="verified by the door",
        received_at=now,
        deadline_at=now + timedelta(seconds=ttl_s),
        next_at=now,
    )


def decide(now: datetime = NOW) -> int:
    """Decide everything that is due; returns how many messages."""
    return _until_none(inbox.process_next, now)


def tell(now: datetime = NOW) -> int:
    """Publish everything that is due; returns how many tellings."""
    return _until_none(publish.publish_next, now)


def _until_none(step: Any, now: datetime) -> int:
    count = 0
    while done := step(now=now):
        count += done
        assert count < 100, "the queue does not become empty"
    return count


def content(row: OutboxMessage) -> dict[str, Any]:
    """The document of a callback we owe."""
    found: dict[str, Any] = orjson.loads(bytes(row.body))
    return found


class Talk:
    """One transaction of a buyer app about one connector; nothing is signed, since the door is not asked."""

    def __init__(self, connector: Connector | None = None) -> None:
        self.connector = connector or connector_on_sale()
        self.transaction_id = str(uuid.uuid4())

    def put(
        self, action: str, message: Any = None, *, now: datetime = NOW, ttl_s: float = 600, **context: Any
    ) -> InboxMessage:
        """A request in the inbox, not yet decided; `context` changes fields of its context."""
        document = toy.message(action, transaction_id=self.transaction_id, **context)
        document["message"] = message if message is not None else self.message(action)
        return put(document, action=action, transaction_id=self.transaction_id, now=now, ttl_s=ttl_s)

    def ask(self, action: str, message: Any = None, *, now: datetime = NOW, **context: Any) -> dict[str, Any]:
        """The callback that answers a request decided at once."""
        row = self.put(action, message, now=now, **context)
        decide(now)
        return content(OutboxMessage.objects.get(answers=row))

    def refusal(self, action: str, message: Any = None, *, now: datetime = NOW) -> tuple[str, str]:
        """The error code and path of the callback that answers with a refusal."""
        document = self.ask(action, message, now=now)
        assert "message" not in document
        error = document["error"]
        assert error["message"]
        return error["code"], error.get("paths", "")

    def confirmed(self, now: datetime = NOW) -> Order:
        """The order after select, init and confirm."""
        for action in ("select", "init", "confirm"):
            assert "error" not in self.ask(action, now=now)
        return self.order

    @property
    def order(self) -> Order:
        return Order.objects.get(transaction_id=self.transaction_id)

    def owed(self) -> list[OutboxMessage]:
        """Every callback of this transaction, oldest first."""
        return list(OutboxMessage.objects.filter(transaction_id=self.transaction_id).order_by("id"))

    def told(self) -> list[tuple[str, str]]:
        """Action and fulfilment state of every unsolicited callback of this transaction."""
        rows = OutboxMessage.objects.filter(transaction_id=self.transaction_id, answers=None).order_by("id")
        return [(row.action, state_in(content(row))) for row in rows]

    def message(self, action: str) -> dict[str, Any]:
        """What a usual buyer app says in this action about this connector or its order."""
        if action in {"select", "init", "confirm"}:
            return {"order": self.wish()}
        if action in {"status", "track"}:
            return {"order_id": self.order.code}
        if action == "cancel":
            return {"order_id": self.order.code, "cancellation_reason_id": "5"}
        if action == "rating":
            return {"ratings": [{"id": self.order.code, "rating_category": "Order", "value": "4"}]}
        if action == "support":
            return {"support": {"ref_id": self.order.code, "phone": DRIVER["phone"]}}
        return {}

    def wish(self, **changes: Any) -> dict[str, Any]:
        """The order of a select, init or confirm, paid to the buyer app; `changes` replace parts."""
        params = {"amount": PAID, "currency": "INR", "transaction_id": f"txn-{self.transaction_id[:8]}"}
        measure = {"type": "CONSTANT", "value": "10", "unit": "kWh"}
        return {
            "provider": {"id": self.connector.evse.station.operator.code},
            "items": [{"id": self.connector.item_id, "quantity": {"selected": {"measure": measure}}}],
            "fulfillments": [{"id": self.connector.evse.uid, "type": "CHARGING"}],
            "billing": DRIVER,
            "payments": [{"collected_by": "BAP", "type": "PRE-ORDER", "status": "PAID", "params": params}],
        } | changes

    def command(self, code: str, *, order_id: str | None = None, evse: str | None = None) -> dict[str, Any]:
        """An update that starts or stops charging; an empty `order_id` leaves the order to the conversation."""
        named = self.order.code if order_id is None else order_id
        fulfillment = {"id": evse or self.connector.evse.uid, "state": {"descriptor": {"code": code}}}
        order = {"fulfillments": [fulfillment]} | ({"id": named} if named else {})
        return {"update_target": "order.fulfillments[0].state", "order": order}


def state_in(document: dict[str, Any]) -> str:
    """The fulfilment state a callback tells, "" where it tells none."""
    fulfillment = document["message"]["order"]["fulfillments"][0]
    return str(fulfillment.get("state", {}).get("descriptor", {}).get("code", ""))


ACK = b'{"message":{"ack":{"status":"ACK"}}}'


@dataclass
class Answer:
    """How the buyer app answers one callback, once `first` has happened; `never` leaves it waiting."""

    status: int = 200
    body: bytes = ACK
    headers: dict[str, str] = field(default_factory=dict)
    never: bool = False
    first: Callable[[], None] = lambda: None


@dataclass
class Taken:
    """One callback as it arrived."""

    path: str
    authorization: str
    body: bytes


class BuyerApp:
    """Takes callbacks over HTTP: answers by `script` first, then with ACK; `together` waits for so many at once."""

    def __init__(self) -> None:
        self.url = ""
        self.script: deque[Answer] = deque()
        self.taken: list[Taken] = []
        self.together = 0
        self.open = self.most_open = 0
        self.app = web.Application()
        self.app.router.add_post("/{path:.*}", self._take)
        self.full = asyncio.Event()

    async def _take(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            authorization = request.headers.get("Authorization", "")
            self.taken.append(Taken(request.path, authorization, await request.read()))
            if self.open >= self.together:
                self.full.set()
            await self.full.wait()
            answer = self.script.popleft() if self.script else Answer()
            await asyncio.to_thread(answer.first)
            if answer.never:
                await asyncio.Event().wait()
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        finally:
            self.open -= 1


@contextmanager
def running_buyer_app() -> Iterator[BuyerApp]:
    """A buyer app that listens in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    buyer = BuyerApp()
    server = asyncio.run_coroutine_threadsafe(serve(buyer.app), loop).result(5)
    buyer.url = server.url
    try:
        yield buyer
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
