"""A real supplier at the far end of the wire, with a clock that tests move and faults on request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox.faults import RouteFault
from sandbox.serving import Handler, serve
from sandbox.stations import Session
from sandbox.supplier import Supplier, SupplierSettings
from sandbox.supplier_api import SupplierApi
from tests.factories.orders import NOW

TOKEN = "supplier-token"


@dataclass
class FakeSupplier:
    """The sandbox's supplier with what it said and heard; `at` is its time."""

    at: datetime = NOW
    url: str = ""
    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    instead: dict[str, list[bytes]] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rules = Supplier(
            SupplierSettings(), clock=lambda: self.at, on_event=lambda *event: self.told.append(event)
        )
        self.api = SupplierApi(self.rules, TOKEN)

    def fail_next(self, route: str, *, n: int = 1, status: int = 0, reset: str = "", latency_s: float = 0.0) -> None:
        """Let the next `n` calls of a route fail."""
        self.api.faults.ask(route, RouteFault(n=n, status=status, latency_s=latency_s, reset=reset))

    def garble_next(self, route: str, *bodies: bytes) -> None:
        """Let the next calls of a route take effect, and be answered by these bodies, as if they were JSON."""
        self.instead.setdefault(route, []).extend(bodies)

    @web.middleware
    async def misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Garble the answers that are to be garbled, and send those twice that are to come twice."""
        response = await handler(request)
        route = self.api.calls[-1]["route"]
        if self.instead.get(route):
            return web.Response(body=self.instead[route].pop(0), content_type="application/json")
        if route in self.twice and request.transport is not None and isinstance(response, web.Response):
            self.twice.discard(route)
            await response.prepare(request)
            await response.write_eof()
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        return response

    @property
    def everything(self) -> list[str]:
        """Every call, also those that only ask, in order."""
        return [call["route"] for call in self.api.calls]

    @property
    def lights(self) -> list[str]:
        """What the lights were told, in words: `1 on blue`."""
        return [" ".join(str(order[name]) for name in ("led", "action", "color")) for order in self.rules.leds]

    def calls(self, route: str) -> list[dict[str, Any]]:
        return [call for call in self.api.calls if call["route"] == route]

    def routes(self) -> list[str]:
        """Every call with an effect, in order."""
        return [call["route"] for call in self.api.calls if call["method"] != "GET"]

    @property
    def session(self) -> Session:
        """The only session there is."""
        (session,) = self.rules.sessions.values()
        return session

    def move_to(self, at: datetime) -> None:
        """Let time pass at the stations."""
        self.at = at
        self.rules.tick()

    def after(self, seconds: float) -> datetime:
        """Let seconds pass; returns the new time."""
        self.move_to(self.at + timedelta(seconds=seconds))
        return self.at


@contextmanager
def running_supplier() -> Iterator[FakeSupplier]:
    """Serve a supplier on a loopback port, in a thread of its own."""
    fake, ready, stop = FakeSupplier(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def life() -> None:
        app = web.Application(middlewares=[fake.misbehave])
        fake.api.add_routes(app)
        server = await serve(app)
        fake.url = f"{server.url}/api/v2"
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(life()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        loop.close()
