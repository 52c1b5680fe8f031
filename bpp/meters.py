"""How do meter values get from /events into their stream without a Django request each?

A request that tells nothing but plain meter values, with our token, is answered here once they are in the stream;
values of requests that come together go there in one pipeline. Any other request, and every doubt, is Django's, as if
this part were not there. Source: `fulfillment.api`, whose answers these are.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bpp.guard import Event, Receive, Scope, Send
from fulfillment import api
from fulfillment.cloudevents import EventRefusedError, read_events
from fulfillment.services.meter_stream import BODY, WAIT_S, Inlet, encoded, stream_name

log = logging.getLogger(__name__)

PATH = "/events"
HEAD: Event = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")],
}
Waiting = tuple[list[bytes], "asyncio.Future[bool]"]


class Meters:
    """The way of meter values through a web process; made and used within one event loop."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self._inlet = Inlet()
        self._redis: aioredis.Redis | None = None
        self._waiting: list[Waiting] = []
        self._flush: asyncio.Task[None] | None = None
        self._look: asyncio.Task[bool] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to /events, or have what stands behind answer it."""
        headers = _headers(scope)
        if headers is None or not await self._open():
            await self._behind(scope, receive, send)
            return
        events, body = await _whole(receive)
        bodies = _bodies(body, headers) if body is not None else None
        if bodies is None or not await self._put(bodies):
            await self._behind(scope, _again(events, receive), send)
            return
        await send(HEAD)
        await send({"type": "http.response.body", "body": orjson.dumps({"accepted": len(bodies)})})

    async def close(self) -> None:
        """Let go of Redis, after what waits is there."""
        if self._flush is not None:
            await self._flush
        if self._redis is not None:
            await self._redis.aclose()

    async def _open(self) -> bool:
        """Whether the stream takes values; looked at once a second, in a thread, for all that ask meanwhile."""
        if self._inlet.known is not None:
            return self._inlet.known
        if self._look is None:
            self._look = asyncio.create_task(asyncio.to_thread(self._inlet.is_open))
        try:
            return await asyncio.shield(self._look)
        finally:
            if self._look is not None and self._look.done():
                self._look = None

    async def _put(self, bodies: list[bytes]) -> bool:
        """Whether these values are in the stream now."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((bodies, done))
        if self._flush is None:
            self._flush = asyncio.create_task(self._write_on())
        return await done

    async def _write_on(self) -> None:
        """Write what has gathered, until nothing has."""
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                written = await self._write([body for bodies, _ in waiting for body in bodies])
                for _, done in waiting:
                    # A client that went away leaves a cancelled future behind.
                    if not done.done():
                        done.set_result(written)
        finally:
            self._flush = None

    async def _write(self, bodies: list[bytes]) -> bool:
        try:
            key, pipe = stream_name(), self._client().pipeline(transaction=False)
            for body in bodies:
                pipe.xadd(key, {BODY: body})
            await pipe.execute()
        except (RedisError, OSError) as err:
            self._inlet.rest(err)
            return False
        return True

    def _client(self) -> aioredis.Redis:
        if self._redis is None:
            self._redis = aioredis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S, retry=Retry(NoBackoff(), 0)
            )
        return self._redis


def _headers(scope: Scope) -> dict[str, str] | None:
    """The headers by lower-case name, where the request may be answered here: posted, with our token, each header once
    and a length that is allowed; else None."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if scope["method"] != "POST" or len(headers) != len(scope["headers"]) or "content-encoding" in headers:
        return None
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > api.BODY_LIMIT_BYTES:
        return None
    return None if api.unauthorized(headers.get("authorization", "")) else headers


async def _whole(receive: Receive) -> tuple[list[Event], bytes | None]:
    """What was received, and the body where it is complete; its length is bounded by its header."""
    events: list[Event] = []
    while True:
        event = await receive()
        events.append(event)
        if event["type"] != "http.request":
            return events, None
        if not event.get("more_body", False):
            return events, b"".join(each.get("body", b"") for each in events)


def _bodies(body: bytes, headers: dict[str, str]) -> list[bytes] | None:
    """The events as they stand in the stream; None where one is no plain meter value, or all cannot be read."""
    try:
        events = read_events(body, headers, now=datetime.now(UTC))
    except EventRefusedError:
        return None
    bodies = [encoded(event) for event in events]
    return None if None in bodies else [each for each in bodies if each is not None]


def _again(events: list[Event], receive: Receive) -> Receive:
    """What was received, to be received once more before what comes next."""
    left = list(events)

    async def once_more() -> Event:
        return left.pop(0) if left else await receive()

    return once_more
