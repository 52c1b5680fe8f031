"""What does the toy payment gateway answer over HTTP? Razorpay's API under /v1, a pay page, and controls for tests.

Calls need the account's key as HTTP Basic credentials. Faults on request: late answers, error statuses, connections cut
before or after the effect.
"""

import asyncio
import base64
import hmac
import html
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from sandbox.faults import Faults, RouteFault, cut
from sandbox.payment_webhooks import Behaviour, Webhooks
from sandbox.payments import AccountSettings, Entity, Gateway, GatewayError
from sandbox.serving import Clock, Handler, Server, bad_request, json_answer, json_body, serve, utc_now

Plain = Callable[[web.Request, Entity], Entity]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sandbox payment</title><style>body{{font:1.1rem system-ui;max-width:26rem;margin:2rem auto;padding:0 1rem}}
button{{font:inherit;padding:.7rem 1rem;margin:.3rem 0;width:100%}}</style><h1>{amount} {currency}</h1>
<p>{description}</p><p>This is a toy gateway: no real money moves.</p>{form}</html>"""
FORM = """<form method="post"><button name="outcome" value="success">Pay</button>
<button name="outcome" value="failure">Let the payment fail</button></form>"""


class PaymentsApi:
    """One account behind HTTP."""

    def __init__(self, gateway: Gateway, webhooks: Webhooks) -> None:
        self.gateway, self.webhooks = gateway, webhooks
        self.calls: deque[dict[str, Any]] = deque(maxlen=10_000)
        self.faults = Faults()

    def add_routes(self, app: web.Application) -> None:
        """Serve the API, the page and the controls on this application."""
        gateway = self.gateway
        table: list[tuple[str, str, str, Plain]] = [
            ("POST", "/v1/orders", "order", lambda request, body: gateway.new_order(body)),
            ("GET", "/v1/orders/{id}", "order_state", lambda request, body: gateway.order(_id(request))),
            ("GET", "/v1/orders/{id}/payments", "order_payments", self._payments),
            ("POST", "/v1/payment_links", "link", lambda request, body: gateway.new_link(body)),
            ("GET", "/v1/payment_links", "links", self._links),
            ("GET", "/v1/payment_links/{id}", "link_state", lambda request, body: gateway.link(_id(request))),
            (
                "POST",
                "/v1/payment_links/{id}/cancel",
                "cancel",
                lambda request, body: gateway.cancel_link(_id(request)),
            ),
            ("GET", "/v1/payments/{id}", "payment", lambda request, body: gateway.payment(_id(request))),
            ("POST", "/v1/payments/{id}/capture", "capture", lambda request, body: gateway.capture(_id(request), body)),
            ("POST", "/v1/payments/{id}/refund", "refund", self._refund),
            ("GET", "/v1/payments/{id}/refunds", "refunds", self._refunds),
        ]
        for method, path, name, handler in table:
            app.router.add_route(method, path, self._guarded(name, handler))
        app.router.add_get("/pay/{id}", self._page)
        app.router.add_post("/pay/{id}", self._paid)
        controls: dict[str, Handler] = {
            "pay": self._control_pay,
            "faults": self._control_faults,
            "webhooks": self._control_webhooks,
            "release": self._control_release,
            "repeat": self._control_repeat,
            "forge": self._control_forge,
            "lapse": self._control_lapse,
            "refund": self._control_refund,
        }
        for name, control in controls.items():
            app.router.add_post(f"/control/{name}", _plain_refusals(control))
        app.router.add_get("/control/state", self._control_state)

    def fail_next(self, route: str, fault: RouteFault) -> None:
        """Let the next calls of a route (or `*`) fail."""
        self.faults.ask(route, fault)

    def _guarded(self, route: str, handler: Plain) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            call: dict[str, Any] = {"route": route, "path": request.path, "body": raw.decode(), "status": 0}
            self.calls.append(call)
            fault = self.faults.take(route)
            if fault.latency_s:
                await asyncio.sleep(fault.latency_s)
            if fault.reset == "before-commit":
                return cut(request)
            response = self._answer(request, raw, handler, fault)
            call["status"] = response.status
            return cut(request) if fault.reset == "after-commit" else response

        return guarded

    def _answer(self, request: web.Request, raw: bytes, handler: Plain, fault: RouteFault) -> web.Response:
        if fault.status:
            return _error("failing on request of a test", status=fault.status, code="SERVER_ERROR")
        if not self._knows(request):
            return _error("Authentication failed", status=401)
        try:
            body = orjson.loads(raw) if raw.strip() else {}
            return json_answer(handler(request, body))
        except orjson.JSONDecodeError:
            return _error("The request body is not JSON.")
        except GatewayError as err:
            return _error(err.description, status=err.status, code=err.code)

    def _knows(self, request: web.Request) -> bool:
        account = self.gateway.settings
        pair = base64.b64encode(f"{account.key_id}:{account.key_secret}".encode())
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), b"Basic " + pair)

    def _payments(self, request: web.Request, body: Entity) -> Entity:
        self.gateway.order(_id(request))
        return _collection(self.gateway.payments_of(_id(request)))

    def _links(self, request: web.Request, body: Entity) -> Entity:
        wanted = request.query.get("reference_id", "")
        found = [link for link in self.gateway.links.values() if not wanted or link["reference_id"] == wanted]
        return {"payment_links": [self.gateway.link(link["id"]) for link in found]}

    def _refund(self, request: web.Request, body: Entity) -> Entity:
        key = request.headers.get("X-Refund-Idempotency", "")
        if key and len(key) < 10:
            raise GatewayError("The idempotency key must be at least 10 characters.")
        return self.gateway.refund(_id(request), body, key=key)

    def _refunds(self, request: web.Request, body: Entity) -> Entity:
        self.gateway.payment(_id(request))
        return _collection(self.gateway.refunds_of(_id(request)))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        try:
            link = self.gateway.link(_id(request))
        except GatewayError as err:
            return web.Response(text=err.description, status=404)
        open_now = link["status"] == "created"
        text = PAGE.format(
            amount=f"{link['amount'] // 100}.{link['amount'] % 100:02}",
            currency=html.escape(link["currency"]),
            description=html.escape(link["description"]),
            form=FORM if open_now else f"<p>This link is {html.escape(link['status'])}.</p>",
        )
        return web.Response(text=text, content_type="text/html")

    async def _paid(self, request: web.Request) -> web.StreamResponse:
        outcome = str((await request.post()).get("outcome", ""))
        try:
            self.gateway.pay(_id(request), succeeds=outcome == "success")
            back = self.gateway.link(_id(request))["callback_url"]
        except GatewayError as err:
            return web.Response(text=err.description, status=409)
        raise web.HTTPSeeOther(back or request.path)

    async def _control_pay(self, request: web.Request) -> web.StreamResponse:
        """{link or reference, succeeds, amount, currency}: what a payer does."""
        body = await json_body(request)
        wanted = (body.get("link"), body.get("reference"))
        ids = [
            link["id"]
            for link in self.gateway.links.values()
            if link["id"] == wanted[0] or link["reference_id"] == wanted[1]
        ]
        if not ids:
            return bad_request(
                f"no link {wanted[0] or wanted[1]!r}; ask /control/state for those there are", status=404
            )
        payment = self.gateway.pay(
            ids[0],
            succeeds=bool(body.get("succeeds", True)),
            amount=body.get("amount"),
            currency=str(body.get("currency", "")),
        )
        return json_answer(payment)

    async def _control_faults(self, request: web.Request) -> web.StreamResponse:
        """{route, n, status, latency_s, reset}: how the next n calls of a route (or `*`) fail; n 0 clears."""
        body = await json_body(request)
        route = str(body.pop("route", "*"))
        self.faults.ask(route, RouteFault(**body))
        return json_answer({"route": route})

    async def _control_webhooks(self, request: web.Request) -> web.StreamResponse:
        """{times, delay_s, held, retry_s}: how events are told from now on."""
        self.webhooks.behaviour = Behaviour(**await json_body(request))
        return json_answer({"url": self.webhooks.url})

    async def _control_release(self, request: web.Request) -> web.StreamResponse:
        """{order: told|reversed|shuffled, seed}: send what was held back."""
        body = await json_body(request)
        sent = self.webhooks.release(order=str(body.get("order", "told")), seed=int(body.get("seed", 0)))
        return json_answer({"sent": sent})

    async def _control_repeat(self, request: web.Request) -> web.StreamResponse:
        """{event}: send every event of this name (or all) once more."""
        return json_answer({"sent": self.webhooks.repeat(str((await json_body(request)).get("event", "")))})

    async def _control_forge(self, request: web.Request) -> web.StreamResponse:
        """{body, secret}: an event of the caller's making, signed with a secret that is not ours unless it is given."""
        body = await json_body(request)
        raw = orjson.dumps(body.get("body") or {})
        forger = Webhooks(AccountSettings(webhook_secret=str(body.get("secret", "forged"))), "")
        return json_answer({"status": await self.webhooks.send(raw, signature=forger.sign(raw))})

    async def _control_lapse(self, request: web.Request) -> web.StreamResponse:
        """{payment}: an authorised payment goes back uncaptured."""
        return json_answer(self.gateway.lapse(str((await json_body(request)).get("payment", ""))))

    async def _control_refund(self, request: web.Request) -> web.StreamResponse:
        """{refund, fails} finishes one; {takeLong} says whether later ones take long."""
        body = await json_body(request)
        if "takeLong" in body:
            self.gateway.settings.refunds_take_long = bool(body["takeLong"])
            return json_answer({"takeLong": self.gateway.settings.refunds_take_long})
        return json_answer(self.gateway.finish_refund(str(body.get("refund", "")), fails=bool(body.get("fails"))))

    async def _control_state(self, request: web.Request) -> web.StreamResponse:
        gateway, webhooks = self.gateway, self.webhooks
        return json_answer(
            {
                "orders": list(gateway.orders.values()),
                "links": list(gateway.links.values()),
                "payments": list(gateway.payments.values()),
                "refunds": list(gateway.refunds.values()),
                "events": [{"id": one.id, "name": one.name, "answers": one.answers} for one in webhooks.events],
                "calls": list(self.calls),
            }
        )


async def serve_payments(
    settings: AccountSettings,
    *,
    webhook_url: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock = utc_now,
) -> tuple[Server, PaymentsApi]:
    """The gateway, listening; its API lies under /v1 of the server's url. Stopping the server stops its webhooks."""
    webhooks = Webhooks(settings, webhook_url, clock=clock)
    gateway = Gateway(settings, clock=clock, tell=webhooks.tell)
    api = PaymentsApi(gateway, webhooks)
    app = web.Application()
    api.add_routes(app)

    async def end(_: web.Application) -> None:
        await webhooks.stop()

    app.on_cleanup.append(end)
    server = await serve(app, host=host, port=port)
    gateway.base_url = server.url
    return server, api


def _plain_refusals(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except GatewayError as err:
            return bad_request(err.description, status=409)
        except (KeyError, TypeError, ValueError) as err:
            return bad_request(f"the request does not fit: {err}")

    return guarded


def _collection(items: list[Entity]) -> Entity:
    return {"entity": "collection", "count": len(items), "items": items}


def _error(description: str, *, status: int = 400, code: str = "BAD_REQUEST_ERROR") -> web.Response:
    return json_answer({"error": {"code": code, "description": description}}, status=status)


def _id(request: web.Request) -> str:
    return request.match_info["id"]
