"""How does a test or a person steer the power supplier? Everything under /control, and the clockwork that drives it."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import late_meter, supplier_memory
from sandbox.faults import RouteFault
from sandbox.meter import ChargingCurve
from sandbox.serving import Handler, bad_request, json_answer, json_body
from sandbox.station_events import EventPoster
from sandbox.supplier import Supplier, SupplierError, SupplierSettings
from sandbox.supplier_api import ROUTES, SupplierApi, session_json, station_json

log = logging.getLogger(__name__)

TICK_S = 0.2


class SupplierControls:
    """The controls of one supplier."""

    def __init__(self, api: SupplierApi, events: EventPoster) -> None:
        self.api, self.supplier, self.events = api, api.supplier, events

    def add_routes(self, app: web.Application) -> None:
        """Serve the controls on this application."""
        posts: dict[str, Handler] = {
            "seed": self._seed,
            "faults": self._faults,
            "fault": self._fault,
            "recover": self._recover,
            "unplug": self._unplug,
            "scan": self._scan,
            "decline": self._decline,
            "cut": self._cut,
            "late": self._late,
        }
        gets: dict[str, Handler] = {
            "calls": self._calls,
            "leds": self._leds,
            "sessions": self._sessions,
            "stations": self._stations,
            "tickets": self._tickets,
            "events": self._events,
        }
        for name, handler in posts.items():
            app.router.add_post(f"/control/{name}", _plain_refusals(handler))
        for name, handler in gets.items():
            app.router.add_get(f"/control/{name}", handler)

    async def _seed(self, request: web.Request) -> web.StreamResponse:
        """Stations {id, slots, powerW, capacityWh, socStart, startDelayS}, cards, blockedCards, settings."""
        body = await json_body(request)
        for wish in body.get("stations") or []:
            station = self.supplier.station(wish["id"]) if wish["id"] in self.supplier.stations else None
            old = station.curve if station else ChargingCurve()
            curve = ChargingCurve(
                power_w=int(wish.get("powerW", old.power_w)),
                capacity_wh=int(wish.get("capacityWh", old.capacity_wh)),
                soc_start_percent=int(wish.get("socStart", old.soc_start_percent)),
            )
            station = self.supplier.add_station(str(wish["id"]), slots=int(wish.get("slots", 0)), curve=curve)
            station.start_delay_s = float(wish.get("startDelayS", station.start_delay_s))
        self.supplier.cards |= set(body.get("cards") or [])
        self.supplier.blocked_cards |= set(body.get("blockedCards") or [])
        if settings := body.get("settings"):
            self.supplier.settings = _changed(self.supplier.settings, settings)
        return json_answer({"stations": len(self.supplier.stations)})

    async def _faults(self, request: web.Request) -> web.StreamResponse:
        """{route, n, status, latency_s, reset}: how the next n calls of a route (or `*`) fail; n 0 clears."""
        body = await json_body(request)
        route = body.pop("route", "*")
        if route not in (*ROUTES, "*"):
            return bad_request(f"route is {route!r}; allowed are {', '.join(ROUTES)} and *")
        if body.get("reset", "") not in ("", "before-commit", "after-commit"):
            return bad_request(f"reset is {body['reset']!r}; allowed are before-commit and after-commit")
        return json_answer({"waiting": self.api.faults.ask(route, RouteFault(**body))})

    async def _fault(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        error = body.get("error") or {"code": "GroundFault", "message": "broken on request of a test"}
        self.supplier.fault(body["stationId"], body.get("slotNumber"), error)
        return json_answer(station_json(self.supplier.station(body["stationId"])))

    async def _recover(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        self.supplier.recover(body["stationId"], body.get("slotNumber"))
        return json_answer(station_json(self.supplier.station(body["stationId"])))

    async def _unplug(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        self.supplier.unplug(body["stationId"], int(body["slotNumber"]))
        return json_answer(station_json(self.supplier.station(body["stationId"])))

    async def _scan(self, request: web.Request) -> web.StreamResponse:
        """A driver holds a card to the station's reader."""
        body = await json_body(request)
        self.supplier.on_event(self.supplier.station(body["stationId"]).id, "card-scanned", {"cardId": body["cardId"]})
        return json_answer({"told": True})

    async def _decline(self, request: web.Request) -> web.StreamResponse:
        self.supplier.declines_left = int((await json_body(request)).get("n", 1))
        return json_answer({"declines": self.supplier.declines_left})

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """{stationId}: nothing is heard of the station until it tells a late meter."""
        body = await json_body(request)
        late_meter.cut_off(self.supplier, body["stationId"])
        return json_answer(station_json(self.supplier.station(body["stationId"])))

    async def _late(self, request: web.Request) -> web.StreamResponse:
        """{sessionId, energyWh, last, afterS}: a station that is back tells what a session's meter really showed."""
        body = await json_body(request)
        session = late_meter.tell_late(
            self.supplier,
            body["sessionId"],
            energy_wh=int(body["energyWh"]),
            last=bool(body.get("last", True)),
            after_s=float(body["afterS"]) if "afterS" in body else None,
        )
        return json_answer(session_json(self.supplier, session))

    async def _calls(self, request: web.Request) -> web.StreamResponse:
        route = request.query.get("route")
        return json_answer([call for call in self.api.calls if route in (None, call["route"])])

    async def _leds(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self.supplier.leds)

    async def _sessions(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("stationId")
        dump = [
            session_json(self.supplier, session) | {"stationId": session.station_id, "paymentId": session.payment_id}
            for session in self.supplier.sessions.values()
            if wanted in (None, session.station_id)
        ]
        return json_answer(dump)

    async def _stations(self, request: web.Request) -> web.StreamResponse:
        return json_answer([station_json(station) for station in self.supplier.stations.values()])

    async def _tickets(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self.supplier.tickets)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return json_answer({"posted": list(self.events.posted), "refused": list(self.events.refused)})


def supplier_app(
    settings: SupplierSettings,
    *,
    token: str,
    events_url: str = "",
    events_token: str = "",
    memory: Path | None = None,
) -> web.Application:
    """The whole supplier as one application; `memory` is the file that carries it over a restart."""
    poster = EventPoster(events_url, token=events_token)
    api = SupplierApi(Supplier(settings, on_event=poster.tell), token)
    app = web.Application()
    api.add_routes(app)
    SupplierControls(api, poster).add_routes(app)

    async def life(_: web.Application) -> Any:
        if memory is not None:
            await asyncio.to_thread(supplier_memory.load, api, memory)
        await poster.start()
        clockwork = asyncio.create_task(_run(api, memory))
        yield
        clockwork.cancel()
        if memory is not None:
            supplier_memory.save(api, memory)
        await poster.stop()

    app.cleanup_ctx.append(life)
    return app


async def _run(api: SupplierApi, memory: Path | None) -> None:
    saved_at = 0
    while True:
        await asyncio.sleep(TICK_S)
        try:
            api.supplier.tick()
        except SupplierError:
            log.exception("the clockwork stumbled over a session")
        if memory is not None and api.supplier.changes != saved_at:
            saved_at = api.supplier.changes
            supplier_memory.save(api, memory)


def _changed(settings: SupplierSettings, wishes: dict[str, Any]) -> SupplierSettings:
    if odd := set(wishes) - set(vars(settings)):
        raise SupplierError("bad-request", 400, detail=f"unknown setting {odd}; allowed: {', '.join(vars(settings))}")
    return replace(settings, **wishes)


def _plain_refusals(handler: Handler) -> Handler:
    async def refusing(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except SupplierError as err:
            return bad_request(err.detail, status=err.status)
        except (KeyError, TypeError, ValueError) as err:
            return bad_request(f"the order is not complete or not understood: {type(err).__name__} {err}")

    return refusing
