"""How does a browser hear Server-Sent Events, and how does a charger make news for it?"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import uvicorn
from django.db import connections
from django.utils import timezone

from bpp.asgi import Front
from core.live import announce
from fulfillment import services as fulfillment
from fulfillment.models import Session
from tests.bpp.shop import collecting_as_before, until
from tests.factories.fulfillment import waiting_session

SOON_S = 5.0


@dataclass(frozen=True)
class Heard:
    """One event: its name, its id and its data."""

    name: str
    id: str
    data: Any


@dataclass
class Ear:
    """One open request; `status` and `headers` as answered, `comments` and `retry` as they came."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    comments: int = 0
    retry: str = ""

    async def event(self, *, within_s: float = SOON_S) -> Heard | None:
        """The next event; None at the end of the stream. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            fields: dict[str, str] = {}
            while line := await self._line():
                if line.startswith(":"):
                    self.comments += 1
                elif line != "\n":
                    name, _, value = line.rstrip("\n").partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return Heard(fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"]))
                else:
                    self.retry = fields.pop("retry", self.retry)
            return None

    async def snapshot(self, **expected: Any) -> Heard:
        """The next event that shows all of this."""
        while heard := await self.event():
            if all(heard.data[name] == value for name, value in expected.items()):
                return heard
        raise AssertionError(f"the stream ended without {expected}")

    async def ended(self) -> bool:
        """Read to the end."""
        while await self.event() is not None:
            pass
        return True

    async def body(self) -> bytes:
        """What remains of an answer that is no stream."""
        length = int(self.headers.get("content-length", 0))
        return await self.reader.readexactly(length)

    def leave(self) -> None:
        self.writer.transport.abort()

    async def _line(self) -> str:
        """One line of an event, taken out of its chunk; empty at the end. Lines and chunks are ours: they fit."""
        if not self._lines:
            size = int((await self.reader.readline()).strip() or b"0", 16)
            chunk = (await self.reader.readexactly(size + 2))[:size]
            self._lines = chunk.decode().splitlines(keepends=True)
        return self._lines.pop(0) if self._lines else ""

    _lines: list[str] = field(default_factory=list)


async def ask(port: int, path: str, *, method: str = "GET", **headers: str) -> Ear:
    """One request. Names of headers are written with underscores. The reader has a tiny buffer, as far-off ones do."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.setblocking(False)
    await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=wire, limit=2**16)
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in {"host": "127.0.0.1", **headers}.items()]
    writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode())
    ear = Ear(reader, writer)
    async with asyncio.timeout(2 * SOON_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    ear.status = int(head[0].split()[1])
    ear.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return ear


@dataclass
class House:
    """A web process within the test: its application, its server and where it listens."""

    front: Front
    server: uvicorn.Server
    port: int

    async def follow(self, token: str, **headers: str) -> Ear:
        """The stream of a live page."""
        return await ask(self.port, f"/track/{token}/events", **headers)

    async def stop(self) -> None:
        """As on SIGTERM."""
        self.server.should_exit = True
        await until(lambda: not self.server.server_state.connections)


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """A web process with the protocol that ours is started with, and nobody listening any more afterwards."""
    listening = socket.create_server(("127.0.0.1", 0))
    chosen = connections["default"].settings_dict
    kept, chosen["CONN_MAX_AGE"] = chosen["CONN_MAX_AGE"], 0  # threads that are gone keep no connection
    front = Front()
    options: dict[str, Any] = {"lifespan": "on", "log_config": None, "http": "bpp.heads:BoundedHttp"}
    server = uvicorn.Server(uvicorn.Config(front, timeout_graceful_shutdown=2, **options))
    with collecting_as_before():
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await until(lambda: server.started)
            yield House(front, server, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await running
            chosen["CONN_MAX_AGE"] = kept


def tracked() -> tuple[str, int]:
    """A session that waits: the token of its page, and its order's id."""
    session = waiting_session()
    return fulfillment.open_link(session.order_id, timezone.now()), session.order_id


def charge(order_id: int, energy_wh: int, *, told: bool = True) -> None:
    """The meter of the order's session shows so much; `told` where this is announced."""
    now = timezone.now()
    Session.objects.filter(order_id=order_id).update(
        state="charging",
        started_at=now - timedelta(minutes=5),
        meter_start_wh=0,
        meter_wh=energy_wh,
        power_w=30_000,
        read_at=now,
    )
    if told:
        announce([order_id])


def finish(order_id: int) -> None:
    """The order's session is over."""
    now = timezone.now()
    Session.objects.filter(order_id=order_id).update(
        state="ended", meter_start_wh=0, meter_wh=2500, meter_stop_wh=2500, ended_at=now, updated_at=now
    )
    announce([order_id])
