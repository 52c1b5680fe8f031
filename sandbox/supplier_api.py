"""What does the EV power supplier answer over HTTP? Operations A1–A11 under /api/v2, with faults on request.

A bearer token is needed. Calls with an effect may carry an `Idempotency-Key`: the first successful answer is kept and
returned again; a refusal has no effect and is decided anew. The same key with another request is refused with 409.
"""

import asyncio
import hashlib
import hmac
from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import orjson
from aiohttp import web

from sandbox.faults import Faults, cut
from sandbox.serving import Handler, json_answer, utc_now, wire_time
from sandbox.stations import Session, Station
from sandbox.supplier import PROBLEMS, Supplier, SupplierError

ROUTES = ("session", "acquire", "lock", "unlock", "start", "end", "pay", "leds", "support", "session_state", "station")
KEPT_CALLS = 20_000


@dataclass
class KeptAnswer:
    """The first answer given under an idempotency key, with what was asked."""

    fingerprint: str
    status: int
    body: bytes


@dataclass
class SupplierApi:
    """One supplier behind HTTP."""

    supplier: Supplier
    token: str
    calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    faults: Faults = field(default_factory=Faults)
    kept: dict[str, KeptAnswer] = field(default_factory=dict)

    def add_routes(self, app: web.Application) -> None:
        """Serve A1–A11 under /api/v2 on this application."""
        station, session = "/api/v2/stations/{station_id}", "/api/v2/sessions/{session_id}"
        table: list[tuple[str, str, str, Handler]] = [
            ("GET", f"{station}/session/{{card}}", "session", self._session_of_card),
            ("POST", station, "acquire", self._acquire),
            ("GET", station, "station", self._station),
            ("PUT", f"{station}/slot/{{number}}/lock", "lock", self._lock),
            ("PUT", f"{station}/slot/{{number}}/unlock", "unlock", self._unlock),
            ("PUT", f"{session}/start", "start", self._start),
            ("PUT", f"{session}/end", "end", self._end),
            ("PUT", f"{session}/pay", "pay", self._pay),
            ("GET", session, "session_state", self._session_state),
            ("POST", f"{station}/leds/{{led}}", "leds", self._leds),
            ("POST", f"{station}/support", "support", self._support),
        ]
        for method, path, name, handler in table:
            app.router.add_route(method, path, self._guarded(name, handler))

    def _guarded(self, route: str, handler: Handler) -> Handler:
        """Log, authenticate, misbehave if asked to, answer from the kept answers or do it and keep the answer."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            key = request.headers.get("Idempotency-Key", "")
            call: dict[str, Any] = {
                "at": wire_time(utc_now()),
                "route": route,
                "method": request.method,
                "path": request.path,
            }
            call |= {"body": raw.decode("utf-8", "replace"), "key": key, "status": 0, "replayed": False}
            self.calls.append(call)
            fault = self.faults.take(route)
            if fault.latency_s:
                await asyncio.sleep(fault.latency_s)
            if fault.reset == "before-commit":
                return cut(request)
            response: web.StreamResponse
            if fault.status:
                response = problem("injected", fault.status, detail="failing on request of a test")
            elif not self._knows(request):
                response = problem("unauthorized", 401, detail="a bearer token is needed, and this is not it")
            else:
                response = await self._once(request, handler, key=key, call=call)
            call["status"] = response.status
            return cut(request) if fault.reset == "after-commit" else response

        return guarded

    async def _once(
        self, request: web.Request, handler: Handler, *, key: str, call: dict[str, Any]
    ) -> web.StreamResponse:
        # aiohttp has read the body already, so that nothing below awaits the network: decide and keep are one step.
        raw = await request.read()
        effect = key if request.method != "GET" else ""
        fingerprint = hashlib.sha256(f"{request.method} {request.path}\n".encode() + _canonical(raw)).hexdigest()
        if kept := self.kept.get(effect):
            if kept.fingerprint != fingerprint:
                detail = "this Idempotency-Key was used for another request; take a new key"
                return problem("key-reused", 409, detail=detail)
            call["replayed"] = True
            return web.Response(status=kept.status, body=kept.body, content_type="application/json")
        try:
            response = await handler(request)
        except SupplierError as err:
            return problem(err.kind, err.status, detail=err.detail)
        if effect and isinstance(response, web.Response) and response.status < 300:
            body = response.body if isinstance(response.body, bytes) else b""
            self.kept[effect] = KeptAnswer(fingerprint, response.status, body)
        return response

    def _knows(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode())

    async def _session_of_card(self, request: web.Request) -> web.StreamResponse:
        session = self.supplier.active_session(request.match_info["station_id"], request.match_info["card"])
        return json_answer({"session": self._session_json(session)})

    async def _acquire(self, request: web.Request) -> web.StreamResponse:
        body = await _object(request)
        card, wished = body.get("card"), body.get("slotNumber")
        if not isinstance(card, str) or not card:
            raise SupplierError("bad-request", 400, detail=f"card is {card!r}; a text is needed")
        if wished is not None and (not isinstance(wished, int) or isinstance(wished, bool)):
            raise SupplierError("bad-request", 400, detail=f"slotNumber is {wished!r}; a whole number is needed")
        session, new = self.supplier.acquire(request.match_info["station_id"], card, wished_slot=wished)
        answer = {"slot": {"number": session.slot_number}, "session": {"id": session.id}}
        return json_answer(answer, status=201 if new else 200)

    async def _station(self, request: web.Request) -> web.StreamResponse:
        return json_answer(station_json(self.supplier.station(request.match_info["station_id"])))

    async def _lock(self, request: web.Request) -> web.StreamResponse:
        self.supplier.lock(request.match_info["station_id"], _number(request))
        return web.Response(status=204)

    async def _unlock(self, request: web.Request) -> web.StreamResponse:
        self.supplier.unlock(request.match_info["station_id"], _number(request))
        return web.Response(status=204)

    async def _start(self, request: web.Request) -> web.StreamResponse:
        return json_answer({"session": self._session_json(self.supplier.start(request.match_info["session_id"]))})

    async def _end(self, request: web.Request) -> web.StreamResponse:
        return json_answer({"session": self._session_json(self.supplier.end(request.match_info["session_id"]))})

    async def _pay(self, request: web.Request) -> web.StreamResponse:
        session = self.supplier.pay(request.match_info["session_id"])
        amount = Decimal(session.final_wh) / 1000 * self.supplier.settings.price_per_kwh
        paid = {
            "amount": str(amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)),
            "currency": "INR",
            "paymentId": session.payment_id,
        }
        return json_answer({"session": self._session_json(session) | paid, **paid})

    async def _session_state(self, request: web.Request) -> web.StreamResponse:
        return json_answer({"session": self._session_json(self.supplier.session(request.match_info["session_id"]))})

    async def _leds(self, request: web.Request) -> web.StreamResponse:
        self.supplier.light(request.match_info["station_id"], request.match_info["led"], await _object(request))
        return web.Response(status=204)

    async def _support(self, request: web.Request) -> web.StreamResponse:
        ticket = self.supplier.support(request.match_info["station_id"], (await _object(request)).get("error"))
        return json_answer({"ticketId": ticket}, status=202)

    def _session_json(self, session: Session) -> dict[str, Any]:
        return session_json(self.supplier, session)


def session_json(supplier: Supplier, session: Session) -> dict[str, Any]:
    """A session as A10 tells it."""
    reading = supplier.reading(session)
    return {
        "id": session.id,
        "card": session.card,
        "slotNumber": session.slot_number,
        "status": session.status,
        "startedAt": wire_time(session.started_at) if session.started_at else None,
        "endedAt": wire_time(session.ended_at) if session.ended_at else None,
        "meterStartWh": session.meter_start_wh,
        "meterWh": reading["energyWh"],
        "energyWh": reading["energyWh"] - session.meter_start_wh,
        "powerW": reading["powerW"],
        "soc": reading["soc"],
        "paid": session.paid,
        "stopReason": session.stop_reason or None,
    }


def station_json(station: Station) -> dict[str, Any]:
    """A station as A11 tells it."""
    slots = [{"number": slot.number, "status": slot.status} for slot in station.slots.values()]
    return {"id": station.id, "slots": slots}


def problem(kind: str, status: int, *, detail: str) -> web.Response:
    """An RFC 9457 answer."""
    content = {
        "type": f"{PROBLEMS}/{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    return json_answer(content, status=status, content_type="application/problem+json")


def _canonical(raw: bytes) -> bytes:
    """The body without differences of spacing, so that a retry built anew counts as the same request."""
    try:
        return orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS) if raw.strip() else b""
    except orjson.JSONDecodeError:
        return raw


def _number(request: web.Request) -> int:
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit()):
        raise SupplierError("unknown-slot", 404, detail=f"slot {text!r} is not a number")
    return int(text)


async def _object(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        content = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as err:
        raise SupplierError("bad-request", 400, detail=f"the body is not JSON: {err}") from err
    if not isinstance(content, dict):
        raise SupplierError("bad-request", 400, detail="the body must be a JSON object")
    return content
