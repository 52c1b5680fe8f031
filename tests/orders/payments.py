"""A toy payment gateway at the far end of the wire, with a clock that tests move, and its news posted to our door."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from orders.balances import Purse, purse
from orders.models import Collection, Journal, Order
from orders.services import complete_order, confirm_order, mark_started
from orders.services.cashier import collect_due
from sandbox.faults import RouteFault
from sandbox.payments import AccountSettings, Entity
from sandbox.payments_api import PaymentsApi, serve_payments
from tests.factories.orders import NOW, a_confirm, initiated_order

HOOK = "/payments/razorpay/webhook"
# An order of 10 kWh, and with the buffer of 10 %.
PRICE, ASKED = 23_600, 25_960


@dataclass
class Told:
    """One event as the gateway would send it."""

    name: str
    body: bytes
    event_id: str


@dataclass
class ToyGateway:
    """The sandbox's gateway; `at` is its time, `told` what it has to say and has not been delivered by itself."""

    at: datetime = NOW
    url: str = ""
    api: PaymentsApi = field(init=False)
    account: AccountSettings = field(default_factory=AccountSettings)
    door: Client = field(default_factory=Client)

    def told(self) -> list[Told]:
        """Every event so far, in order."""
        return [Told(one.name, one.body, one.id) for one in self.api.webhooks.events]

    def post(self, told: Told, *, secret: str = "", event_id: str = "") -> int:
        """Post one event to our door over Django's client; the status."""
        return post_news(
            told.body,
            secret=secret or self.account.webhook_secret,
            event_id=event_id or told.event_id,
            door=self.door,
        )

    def post_all(self) -> None:
        for told in self.told():
            assert self.post(told) == 200

    def pay(self, row: Collection, **how: Any) -> Entity:
        """What the payer does on the page of a collection's link."""
        row.refresh_from_db()
        return self.api.gateway.pay(row.link_ref, **how)

    def fail_next(self, route: str, **fault: Any) -> None:
        self.api.fail_next(route, RouteFault(**fault))

    def routes(self) -> list[str]:
        """The calls that reached it, in order."""
        return [call["route"] for call in self.api.calls]

    def after(self, **time: float) -> datetime:
        """Let time pass; returns the new time."""
        self.at += timedelta(**time)
        return self.at

    def work(self) -> int:
        """Let the cashier do all that is due now."""
        return collect_due(now=self.at, limit=50, base_url="https://bpp.example.org")


def post_news(body: bytes, *, secret: str, event_id: str, door: Client | None = None) -> int:
    """A webhook with its signature, posted to the URL through `door`, else through one made for it; the status."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    response = (door or Client()).post(
        HOOK,
        body,
        content_type="application/json",
        headers={"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": event_id},
    )
    return response.status_code


def again(gateway: ToyGateway) -> None:
    """The first news once more, as one that nobody has seen yet."""
    body = json.dumps(json.loads(gateway.told()[0].body), indent=1).encode()
    assert post_news(body, secret=gateway.account.webhook_secret, event_id="a-third-id") == 200


def changed(told: Told, path: str, value: Any) -> bytes:
    """The event's body with one member replaced; `path` like `payload.payment.entity.amount`."""
    content = json.loads(told.body)
    *parents, last = path.split(".")
    node = content
    for name in parents:
        node = node[name]
    node[last] = value
    return json.dumps(content).encode()


def the_collection(order: Order) -> Collection:
    """The newest collection of an order."""
    return Collection.objects.filter(order=order).latest("number")


def money(order: Order) -> Purse:
    return purse(order)


@contextmanager
def running_gateway(settings: Any, *, partial_capture: bool = True) -> Iterator[ToyGateway]:
    """Serve a gateway on a loopback port in a thread of its own and let the product collect through it."""
    toy, ready, stop = ToyGateway(), threading.Event(), asyncio.Event()
    toy.account.partial_capture = partial_capture
    loop = asyncio.new_event_loop()

    async def life() -> None:
        server, toy.api = await serve_payments(toy.account, clock=lambda: toy.at)
        toy.url = server.url
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(life()), daemon=True)
    thread.start()
    assert ready.wait(5)
    settings.PAYMENT_PROVIDER = "razorpay"
    settings.PAYMENT_RAZORPAY_URL = f"{toy.url}/v1"
    settings.PAYMENT_RAZORPAY_KEY_ID = toy.account.key_id
    settings.PAYMENT_RAZORPAY_KEY_SECRET = toy.account.key_secret
    settings.PAYMENT_RAZORPAY_ACCOUNT = toy.account.account_id
    settings.PAYMENT_RAZORPAY_WEBHOOK_SECRETS = ["the-next-secret", toy.account.webhook_secret]
    settings.PAYMENT_RAZORPAY_PARTIAL_CAPTURE = partial_capture
    settings.PAYMENT_ALLOW_PRIVATE = True
    settings.PAYMENT_TIMEOUT_S = 2
    try:
        yield toy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        loop.close()


def asked(gateway: ToyGateway, **changes: Any) -> tuple[Order, Collection]:
    """An initialised order collected by us, with its link made."""
    order = initiated_order(collected_by="BPP", **changes)
    gateway.work()
    return order, the_collection(order)


def paid(gateway: ToyGateway) -> tuple[Order, Collection]:
    """The same, paid, and its news heard."""
    order, row = asked(gateway)
    gateway.pay(row)
    gateway.post_all()
    gateway.work()
    row.refresh_from_db()
    return order, row


def charged_order(gateway: ToyGateway, energy_wh: int) -> tuple[Order, Collection]:
    """Paid, confirmed and charged: 18 ₹/kWh and 20 ₹ with 18 % GST."""
    order, row = paid(gateway)
    confirm_order(**a_confirm(order))
    mark_started(order.pk, now=NOW, actor="station")
    ended = NOW + timedelta(minutes=20)
    order = complete_order(
        order.pk, energy_wh=energy_wh, started_at=NOW, ended_at=ended, now=ended, reason="full", actor="station"
    )
    return order, row


def journals(order: Order) -> int:
    return Journal.objects.filter(order=order).count()
