"""A small provider to hold the sandbox against: signed callbacks for every action, charging through the power supplier.

It knows one station with one connector at 20.00 INR/kWh and 18 % GST. `break_with` spoils one thing, so that a test can
see the journey notice.
"""

import asyncio
import time
import uuid
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from sandbox.serving import utc_now, wire_time
from sandbox.signing import Identity, authorization

ITEM, EVSE, STATION = "IN*TST*E1*1", "IN*TST*E1", "TST-1"
PRICE, GST = Decimal("20.00"), Decimal("0.18")


class ToyProvider:
    """Answers every action as a provider should, or with the one fault in `break_with`."""

    def __init__(self) -> None:
        self.identity = Identity.fresh("bpp.test", "k9")
        self.supplier_url = ""
        self.url = ""
        self.break_with = ""
        self.searches: list[tuple[dict[str, str], bytes]] = []
        self.session: dict[str, Any] = {}
        self.ended = False
        self._tasks: set[asyncio.Task[None]] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/beckn/{action}", self._take)
        return app

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        action = request.match_info["action"]
        if action == "search":
            self.searches.append((dict(request.headers), body))
        task = asyncio.create_task(self._answer(action, orjson.loads(body)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response({"message": {"ack": {"status": "ACK"}}})

    async def _answer(self, action: str, asked: dict[str, Any]) -> None:
        message = await self._message(action, asked.get("message") or {})
        name = action.removeprefix("get_") if action.startswith("get_") else f"on_{action}"
        ours = {"action": name, "bpp_id": "bpp.test", "bpp_uri": self.url, "timestamp": wire_time(utc_now())}
        await self.post({"context": asked["context"] | ours, "message": message})

    async def post(self, content: dict[str, Any], *, identity: Identity | None = None) -> int:
        """Post one signed callback; returns the HTTP status."""
        body = orjson.dumps(content)
        header = authorization(identity or self.identity, body, created=int(time.time()))
        if self.break_with == "signature":
            body += b" "
        url = f"{content['context']['bap_uri']}/{content['context']['action']}"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, data=body, headers={"Authorization": header}) as response,
        ):
            await response.read()
            return response.status

    async def _message(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        if action == "search":
            return {"catalog": CATALOG}
        if action == "update":
            command = asked["order"]["fulfillments"][0]["state"]["descriptor"]["code"]
            await (self._start() if command == "start-charging" else self._end())
        if self.session:
            self.session = (await self._supplier("GET", f"sessions/{self.session['id']}"))["session"]
        fixed: dict[str, dict[str, Any]] = {
            "track": {"tracking": {"id": "T-1", "url": f"{self.url}/t", "status": "active"}},
            "rating": {},
            "support": {"support": {"ref_id": "O-1", "phone": "18001080", "email": "help@bpp.test", "url": self.url}},
            "get_cancellation_reasons": {"cancellation_reasons": [{"id": "1", "descriptor": {"name": "Changed"}}]},
            "get_rating_categories": {"rating_categories": ["Order"]},
        }
        return fixed.get(action) or {"order": self._order(action)}

    async def _start(self) -> None:
        given = await self._supplier("POST", f"stations/{STATION}", {"card": "card-1", "slotNumber": 1})
        await self._supplier("PUT", f"stations/{STATION}/slot/1/lock")
        self.session = (await self._supplier("PUT", f"sessions/{given['session']['id']}/start"))["session"]

    async def _end(self) -> None:
        await self._supplier("PUT", f"sessions/{self.session['id']}/end")
        await self._supplier("PUT", f"sessions/{self.session['id']}/pay")
        await self._supplier("PUT", f"stations/{STATION}/slot/1/unlock")
        self.ended = True

    async def _supplier(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": "Bearer supplier-token", "Idempotency-Key": str(uuid.uuid4())}
        url = f"{self.supplier_url}/api/v2/{path}"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body, headers=headers) as response:
            return await response.json() if response.status != 204 else None

    def _order(self, action: str) -> dict[str, Any]:
        wh = self.session["energyWh"] if self.session else 10_000
        billed_wh = wh + 1 if self.break_with == "energy" and self.ended else wh
        confirmed = action not in ("select", "init")
        state = "charging-ended" if self.ended else "charging-started" if self.session else "payment-completed"
        order = {
            "type": "DEFAULT" if confirmed else "DRAFT",
            "provider": {"id": "cpo-1"},
            "items": [{"id": ITEM}],
            "fulfillments": [{"id": EVSE, "state": {"descriptor": {"code": state}}, "tags": self._details(wh)}],
            "quote": self._quote(billed_wh),
            "payments": [{"id": "p-1", "collected_by": "BAP", "type": "PRE-ORDER", "params": {"amount": "1"}}],
        }
        if confirmed:
            order |= {"id": "O-2" if self.break_with == "id" and self.ended else "O-1"}
            order |= {"status": "COMPLETE" if self.ended else "ACTIVE"}
        return order

    def _details(self, wh: int) -> list[dict[str, Any]]:
        if not self.session:
            return []
        values = {
            "energy-delivered": f"{Decimal(wh) / 1000}kWh",
            "power": f"{self.session['powerW'] / 1000}kW",
            "meter-start": str(self.session["meterStartWh"]),
            "meter-stop": str(self.session["meterWh"]),
        }
        entries = [{"descriptor": {"code": code}, "value": value} for code, value in values.items()]
        return [{"descriptor": {"code": "charging-details"}, "list": entries}]

    def _quote(self, wh: int) -> dict[str, Any]:
        energy = (PRICE * wh / 1000).quantize(Decimal("0.01"))
        gst = (energy * GST).quantize(Decimal("0.01"))
        total = energy + gst + (Decimal("0.01") if self.break_with == "sum" else 0)
        measure = {"value": str(Decimal(wh) / 1000), "unit": "kWh"}
        lines = [
            {"title": "energy-cost", "price": _inr(energy), "item": {"quantity": {"selected": {"measure": measure}}}},
            {"title": "gst", "price": _inr(gst)},
        ]
        return {"price": _inr(total), "breakup": lines, "ttl": "PT15M"}


def _inr(value: Decimal) -> dict[str, str]:
    return {"value": str(value), "currency": "INR"}


CATALOG = {
    "providers": [
        {
            "id": "cpo-1",
            "descriptor": {"name": "Test operator"},
            "locations": [{"id": STATION, "gps": "12.971600,77.594600", "descriptor": {"name": "Test station"}}],
            "items": [
                {
                    "id": ITEM,
                    "descriptor": {"code": "energy", "name": "DC 30 kW"},
                    "price": {"value": "20.00", "currency": "INR/kWh"},
                    "fulfillment_ids": [EVSE],
                    "location_ids": [STATION],
                    "tags": [{"list": [{"descriptor": {"code": "availability"}, "value": "Available"}]}],
                }
            ],
        }
    ]
}
