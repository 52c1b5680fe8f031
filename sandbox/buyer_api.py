"""How does a page or a script drive a running buyer app? A small JSON API under /api, one call per action.

`POST /api/<action>` takes the action's wishes and `wait_s`, sends, waits for the callback and answers
`{"sent": …, "answer": … or null}`. Only application/json is taken, so that another site's page cannot drive it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from aiohttp import web

from sandbox.answering import AckMode
from sandbox.buyer import Buyer
from sandbox.endpoint import Peer, Sent
from sandbox.exchanges import Received
from sandbox.forms import FormError
from sandbox.offers import Offer, offers_in
from sandbox.serving import bad_request, json_answer, json_body
from sandbox.wishes import Amount, Window

Wishes = dict[str, Any]
LONGEST_WAIT_S = 120.0


@dataclass(frozen=True)
class Surroundings:
    """What a buyer app knows of the network it stands in; empty texts where it does not."""

    gateway_url: str = ""
    bpp_id: str = ""
    bpp_url: str = ""
    supplier_url: str = ""


class BuyerApi:
    """The API of one buyer app."""

    def __init__(self, buyer: Buyer, around: Surroundings) -> None:
        self.buyer, self.around = buyer, around
        self.actions: dict[str, Callable[[Wishes], Awaitable[Sent]]] = {
            "search": self._search,
            "select": self._select,
            "init": lambda it: buyer.init(it["transaction_id"], collected_by=it.get("collected_by", "BAP")),
            "confirm": self._confirm,
            "status": lambda it: buyer.status(it["transaction_id"]),
            "track": lambda it: buyer.track(it["transaction_id"]),
            "update_start": lambda it: buyer.update_start(it["transaction_id"]),
            "update_end": lambda it: buyer.update_end(it["transaction_id"]),
            "cancel": self._cancel,
            "rating": self._rating,
            "support": lambda it: buyer.support(it["transaction_id"]),
            "get_cancellation_reasons": lambda it: buyer.get_cancellation_reasons(
                self._peer(it), transaction_id=it.get("transaction_id", "")
            ),
            "get_rating_categories": lambda it: buyer.get_rating_categories(
                self._peer(it), transaction_id=it.get("transaction_id", "")
            ),
        }

    def add_routes(self, app: web.Application) -> None:
        """Serve the API on this application; before it starts."""
        app.router.add_get("/api/info", self._info)
        app.router.add_get("/api/exchanges", self._exchanges)
        app.router.add_get("/api/lines", self._lines)
        app.router.add_get("/api/wait", self._wait)
        app.router.add_get("/api/counts", self._counts)
        app.router.add_post("/api/ack-mode", self._ack_mode)
        app.router.add_post("/api/{action}", self._act)

    async def _act(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["action"]
        if name not in self.actions:
            return bad_request(f"there is no action {name!r}; allowed are {', '.join(self.actions)}", status=404)
        if request.content_type != "application/json":
            return bad_request("the content type must be application/json", status=415)
        wishes = await json_body(request)
        try:
            sent = await self.actions[name](wishes)
        except (KeyError, TypeError, ValueError, FormError) as err:
            return bad_request(f"{name} cannot be sent: {err}")
        answer = await self._answer_to(sent, wait_s=float(wishes.get("wait_s", 10)))
        content: dict[str, Any] = {"sent": asdict(sent) | {"error": sent.error}, "answer": None, "offers": []}
        if answer:
            content["answer"] = _answer_json(answer)
            content["offers"] = [offer.as_dict() for offer in offers_in(answer.body)] if name == "search" else []
        return json_answer(content)

    async def _answer_to(self, sent: Sent, *, wait_s: float) -> Received | None:
        if not sent.acked or wait_s <= 0:
            return None
        action = sent.action.removeprefix("get_") if sent.action.startswith("get_") else f"on_{sent.action}"
        try:
            return await self.buyer.wait_for(sent.message_id, action, min(wait_s, LONGEST_WAIT_S))
        except TimeoutError:
            return None

    async def _search(self, wishes: Wishes) -> Sent:
        direct = bool(wishes.get("direct")) or not self.around.gateway_url
        return await self.buyer.search(
            str(wishes.get("near") or "12.971599,77.594566"),
            gateway_url="" if direct else self.around.gateway_url,
            peer=self._peer({}) if direct else None,
            radius_km=str(wishes.get("radius_km") or "5"),
            connector_type=str(wishes.get("connector_type") or ""),
            text=str(wishes.get("text") or ""),
            transaction_id=str(wishes.get("transaction_id") or ""),
        )

    async def _select(self, wishes: Wishes) -> Sent:
        return await self.buyer.select(
            Offer(**wishes["offer"]),
            Amount(str(wishes.get("value") or "10"), str(wishes.get("unit") or "kWh")),
            window=Window(str(wishes.get("starts_at") or ""), str(wishes.get("ends_at") or "")),
            transaction_id=str(wishes.get("transaction_id") or ""),
        )

    async def _confirm(self, wishes: Wishes) -> Sent:
        """Confirm; the customer agrees to the terms first, unless `agree` is false."""
        if wishes.get("agree", True):
            await self.buyer.agree(wishes["transaction_id"])
        return await self.buyer.confirm(wishes["transaction_id"], reference=wishes.get("reference", ""))

    async def _cancel(self, wishes: Wishes) -> Sent:
        return await self.buyer.cancel(
            wishes["transaction_id"],
            reason_id=str(wishes.get("reason_id") or "1"),
            descriptor={"code": "SOFT_CANCEL"} if wishes.get("soft") else None,
        )

    async def _rating(self, wishes: Wishes) -> Sent:
        value, category = str(wishes.get("value") or "5"), str(wishes.get("category") or "Order")
        return await self.buyer.rating(wishes["transaction_id"], value, category=category)

    def _peer(self, wishes: Wishes) -> Peer:
        if deal := self.buyer.deals.get(str(wishes.get("transaction_id", ""))):
            return deal.peer
        if not self.around.bpp_url:
            raise ValueError("no provider is known; start the buyer app with --bpp-id and --bpp-url, or select first")
        return Peer(self.around.bpp_id, self.around.bpp_url)

    async def _info(self, request: web.Request) -> web.StreamResponse:
        who = {"subscriber_id": self.buyer.identity.subscriber_id, "uri": self.buyer.uri}
        return json_answer(who | asdict(self.around) | {"registry_url": self.buyer.registry_url})

    async def _exchanges(self, request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after", "0"))
        return json_answer([item.as_dict() for item in self._of(request) if item.number > after])

    async def _lines(self, request: web.Request) -> web.StreamResponse:
        lines = b"".join(orjson.dumps(item.as_line()) + b"\n" for item in self._of(request))
        return web.Response(body=lines, content_type="application/x-ndjson")

    def _of(self, request: web.Request) -> list[Any]:
        wanted = request.query.get("transaction_id")
        return [item for item in self.buyer.ledger.exchanges if wanted in (None, item.transaction_id)]

    async def _wait(self, request: web.Request) -> web.StreamResponse:
        """The newest callback of a transaction whose fulfilment state is one of `state` (comma separated)."""
        states = set(request.query.get("state", "").split(","))
        timeout_s = min(float(request.query.get("timeout_s", "10")), LONGEST_WAIT_S)
        try:
            received = await self.buyer.wait_until(
                request.query["transaction_id"],
                lambda it: it.state in states,
                timeout_s=timeout_s,
                what=f"callback with state {' or '.join(sorted(states))}",
            )
        except TimeoutError as err:
            return bad_request(str(err), status=504)
        return json_answer(_answer_json(received))

    async def _counts(self, request: web.Request) -> web.StreamResponse:
        ledger = self.buyer.ledger
        spans = {name: {"n": len(values), "max_ms": max(values)} for name, values in ledger.latencies_ms.items()}
        return json_answer({"counts": dict(ledger.counts), "acks": spans})

    async def _ack_mode(self, request: web.Request) -> web.StreamResponse:
        try:
            self.buyer.ack_mode = AckMode(**await json_body(request))
        except (TypeError, ValueError) as err:
            return bad_request(str(err))
        mode = self.buyer.ack_mode
        return json_answer(asdict(mode) | {"actions": sorted(mode.actions)})


def _answer_json(answer: Received) -> dict[str, Any]:
    return {
        "action": answer.action,
        "body": answer.body,
        "state": answer.state,
        "genuine": answer.exchange.genuine,
        "verdict": answer.exchange.verdict,
        "at": answer.exchange.at,
    }
