"""Does the toy payment gateway keep Razorpay's rules, and tell its news as badly as it is asked to?"""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from sandbox.payments import AccountSettings
from sandbox.payments_api import PaymentsApi, serve_payments
from sandbox.serving import Server, serve

SECRET = "hooks"


def basic(secret: str) -> dict[str, str]:
    """The headers of a caller with this key secret."""
    pair = base64.b64encode(f"rzp_test_sandbox:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@dataclass
class Merchant:
    """Takes webhooks; refuses the first `refuse` of them."""

    taken: list[tuple[str, str]] = field(default_factory=list)
    forged: int = 0
    refuse: int = 0

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        if request.headers["X-Razorpay-Signature"] != signature:
            self.forged += 1
            return web.Response(status=401)
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=503)
        self.taken.append((request.headers["X-Razorpay-Event-Id"], orjson.loads(raw)["event"]))
        return web.Response()


@dataclass
class Shop:
    """A gateway with its merchant and somebody who calls it."""

    http: aiohttp.ClientSession
    server: Server
    api: PaymentsApi
    merchant: Merchant

    async def call(self, method: str, path: str, content: Any = None, **options: Any) -> tuple[int, Any]:
        headers = basic("sandbox-key-secret") | options.pop("headers", {})
        url = f"{self.server.url}{path}"
        async with self.http.request(method, url, json=content, headers=headers, **options) as response:
            return response.status, await response.json(content_type=None)

    async def link(self, **changes: Any) -> dict[str, Any]:
        wish = {"amount": 25_960, "currency": "INR", "reference_id": "VB1"} | changes
        status, link = await self.call("POST", "/v1/payment_links", wish)
        assert status == 200
        found: dict[str, Any] = link
        return found

    async def paid(self, **changes: Any) -> dict[str, Any]:
        link = await self.link(**changes)
        _, payment = await self.call("POST", "/control/pay", {"link": link["id"]})
        found: dict[str, Any] = payment
        return found

    async def heard(self) -> list[str]:
        await self.api.webhooks.idle()
        return [name for _, name in self.merchant.taken]


@pytest.fixture
async def shop(http: aiohttp.ClientSession) -> AsyncIterator[Shop]:
    merchant, app = Merchant(), web.Application()
    app.router.add_post("/hook", merchant.take)
    far = await serve(app)
    server, api = await serve_payments(AccountSettings(webhook_secret=SECRET), webhook_url=f"{far.url}/hook")
    yield Shop(http, server, api, merchant)
    await server.stop()
    await far.stop()


HELD = {"options": {"order": {"payment_capture": 0}}}


async def test_key_is_asked_for(shop: Shop) -> None:
    status, answer = await shop.call("GET", "/v1/payment_links", headers=basic("wrong"))
    assert (status, answer["error"]["description"]) == (401, "Authentication failed")


async def test_reference_names_one_link(shop: Shop) -> None:
    link = await shop.link()
    status, _ = await shop.call("POST", "/v1/payment_links", {"amount": 25_960, "reference_id": "VB1"})
    _, found = await shop.call("GET", "/v1/payment_links?reference_id=VB1")
    assert (status, [one["id"] for one in found["payment_links"]]) == (400, [link["id"]])


@pytest.mark.parametrize("amount", [0, 99, -1, "100", 1.5, None, True])
async def test_amount_must_be_whole_paise(shop: Shop, amount: Any) -> None:
    assert (await shop.call("POST", "/v1/orders", {"amount": amount}))[0] == 400


async def test_page_pays_and_leads_back(shop: Shop) -> None:
    link = await shop.link(callback_url="http://127.0.0.1:9/back", callback_method="get")
    async with shop.http.get(link["short_url"]) as response:
        assert "259.60 INR" in await response.text()
    async with shop.http.post(link["short_url"], data={"outcome": "success"}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "http://127.0.0.1:9/back")
    assert await shop.heard() == ["payment.authorized", "payment.captured", "order.paid", "payment_link.paid"]


async def test_held_payment_is_captured_once_and_whole(shop: Shop) -> None:
    payment = await shop.paid(**HELD)
    path = f"/v1/payments/{payment['id']}/capture"
    part = await shop.call("POST", path, {"amount": 100, "currency": "INR"})
    whole = await shop.call("POST", path, {"amount": 25_960, "currency": "INR"})
    again = await shop.call("POST", path, {"amount": 25_960, "currency": "INR"})
    assert (payment["status"], part[0], whole[1]["status"], again[0]) == ("authorized", 400, "captured", 400)


async def test_part_is_captured_where_the_account_may(shop: Shop) -> None:
    shop.api.gateway.settings.partial_capture = True
    payment = await shop.paid(**HELD)
    _, taken = await shop.call("POST", f"/v1/payments/{payment['id']}/capture", {"amount": 100, "currency": "INR"})
    assert taken["amount_captured"] == 100


async def test_refund_under_a_key_is_made_once_and_never_above_the_payment(shop: Shop) -> None:
    payment = await shop.paid()
    path, key = f"/v1/payments/{payment['id']}/refund", {"X-Refund-Idempotency": "refund-key-1"}
    first = await shop.call("POST", path, {"amount": 20_000}, headers=key)
    again = await shop.call("POST", path, {"amount": 20_000}, headers=key)
    other = await shop.call("POST", path, {"amount": 1}, headers=key)
    above = await shop.call("POST", path, {"amount": 5_961})
    assert (first[1]["id"], other[0], above[0]) == (again[1]["id"], 400, 400)
    assert (await shop.call("GET", f"/v1/payments/{payment['id']}"))[1]["amount_refunded"] == 20_000


async def test_refund_that_takes_long_may_fail(shop: Shop) -> None:
    await shop.call("POST", "/control/refund", {"takeLong": True})
    payment = await shop.paid()
    _, refund = await shop.call("POST", f"/v1/payments/{payment['id']}/refund", {"amount": 500})
    _, failed = await shop.call("POST", "/control/refund", {"refund": refund["id"], "fails": True})
    assert (refund["status"], failed["status"], shop.api.gateway.payments[payment["id"]]["amount_refunded"]) == (
        "pending",
        "failed",
        0,
    )


async def test_news_is_repeated_until_it_is_taken(shop: Shop) -> None:
    shop.api.webhooks.behaviour.retry_s = 0.01
    shop.merchant.refuse = 2
    await shop.paid(**HELD)
    assert await shop.heard() == ["payment.authorized"]
    assert shop.api.webhooks.events[-1].answers == [503, 503, 200]


async def test_news_is_told_twice_and_in_another_order_on_request(shop: Shop) -> None:
    await shop.call("POST", "/control/webhooks", {"held": True})
    await shop.paid()
    assert await shop.heard() == []
    await shop.call("POST", "/control/webhooks", {"times": 2})
    _, sent = await shop.call("POST", "/control/release", {"order": "reversed"})
    heard = await shop.heard()
    assert (sent["sent"], len(heard), len(set(shop.merchant.taken))) == (4, 8, 4)
    await shop.call("POST", "/control/repeat", {"event": "payment.captured"})
    assert (await shop.heard()).count("payment.captured") == 3


async def test_forgery_carries_a_signature_that_does_not_fit(shop: Shop) -> None:
    _, forged = await shop.call("POST", "/control/forge", {"body": {"event": "payment.captured"}})
    _, known = await shop.call("POST", "/control/forge", {"body": {"event": "payment.captured"}, "secret": SECRET})
    assert (forged["status"], known["status"], shop.merchant.forged) == (401, 200, 1)


async def test_call_is_cut_after_its_effect_on_request(shop: Shop) -> None:
    await shop.call("POST", "/control/faults", {"route": "link", "reset": "after-commit"})
    with pytest.raises(aiohttp.ClientError):
        await shop.link()
    assert len(shop.api.gateway.links) == 1


async def test_hold_lapses_and_links_end(shop: Shop) -> None:
    payment = await shop.paid(**HELD)
    _, lapsed = await shop.call("POST", "/control/lapse", {"payment": payment["id"]})
    link = await shop.link(reference_id="VB2")
    _, closed = await shop.call("POST", f"/v1/payment_links/{link['id']}/cancel", {})
    refused, _ = await shop.call("POST", "/control/pay", {"link": link["id"]})
    assert (lapsed["status"], lapsed["captured"], closed["status"], refused) == ("refunded", False, "cancelled", 409)


async def test_account_that_takes_at_once_leaves_nothing_to_capture(shop: Shop) -> None:
    shop.api.gateway.settings.captures_at_once = True
    payment = await shop.paid(**HELD)
    assert (payment["status"], payment["amount_captured"]) == ("captured", 25_960)
