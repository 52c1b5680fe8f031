"""Which requests to /events does the web process answer by itself, and what does it leave to Django?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
from redis import Redis

from bpp.guard import Event, Receive, Scope, Send
from bpp.meters import Meters
from fulfillment.services.meter_stream import BODY, stream_name
from tests.factories.orders import NOW

TOKEN = "events-token"
VALUE = {"stationId": "LOC-1", "slotNumber": 1, "sessionId": "ses-1", "energyWh": 1_200, "powerW": 30_000}


class Behind:
    """What stands behind: it says which bodies came to it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def stream(settings: Any) -> Iterator[Redis]:
    """An empty stream that somebody reads."""
    settings.EVENTS_TOKEN = TOKEN
    client = Redis.from_url(settings.REDIS_URL)
    client.delete(stream_name())
    client.set(f"{stream_name()}:alive", "test", ex=60)
    yield client
    client.delete(stream_name(), f"{stream_name()}:alive")
    client.close()


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def meters(stream: Redis, behind: Behind) -> AsyncIterator[Meters]:
    made = Meters(behind)
    yield made
    await made.close()


def event(kind: str = "meter-values", **data: Any) -> dict[str, Any]:
    type_ = f"com.ev-power-supplier.charging-station.{kind}.v1"
    head = {"specversion": "1.0", "id": "e-1", "source": "s", "type": type_, "time": NOW.isoformat()}
    return head | {"data": VALUE | data}


async def posted(
    meters: Meters, body: bytes, *, kind: str = "application/cloudevents+json", parts: int = 1, **changes: str | None
) -> tuple[int, bytes]:
    given = {"authorization": f"Bearer {TOKEN}", "content-type": kind, "content-length": str(len(body))} | changes
    headers = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
    size = -(-len(body) // parts)
    coming: list[Event] = [
        {"type": "http.request", "body": body[n * size : (n + 1) * size], "more_body": n < parts - 1}
        for n in range(parts)
    ]
    sent: list[Event] = []

    async def receive() -> Event:
        return coming.pop(0)

    async def send(event: Event) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "POST", "path": "/events", "headers": headers}
    await meters(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_plain_value_is_answered_once_it_is_in_the_stream(meters: Meters, behind: Behind, stream: Redis) -> None:
    assert await posted(meters, orjson.dumps(event()), parts=3) == (202, b'{"accepted":1}')
    rows: Any = stream.xrange(stream_name())
    ((_, fields),) = rows
    assert orjson.loads(fields[BODY])[4]["energyWh"] == 1_200
    assert behind.bodies == []


async def test_values_that_come_together_go_together(meters: Meters, stream: Redis) -> None:
    bodies = [orjson.dumps([event(energyWh=n), event(energyWh=100 + n)]) for n in range(20)]
    kind = "application/cloudevents-batch+json"
    answers = await asyncio.gather(*(posted(meters, body, kind=kind) for body in bodies))
    assert answers == [(202, b'{"accepted":2}')] * 20
    assert stream.xlen(stream_name()) == 40


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (orjson.dumps(event("recovered")), {}),
        (orjson.dumps([event(), event("recovered")]), {"content-type": "application/cloudevents-batch+json"}),
        (orjson.dumps(event(context="Transaction.End")), {}),
        (orjson.dumps(event(energyWh="much")), {}),
        (b"{", {}),
        (orjson.dumps(event()), {"authorization": "Bearer wrong"}),
        (orjson.dumps(event()), {"authorization": None}),
        (orjson.dumps(event()), {"content-type": "text/plain"}),
        (orjson.dumps(event()), {"content-encoding": "gzip"}),
        (b" " * 300_000, {}),
        (orjson.dumps(event()), {"content-length": None}),
    ],
)
async def test_anything_else_is_left_to_django_whole(
    meters: Meters, behind: Behind, stream: Redis, body: bytes, changes: dict[str, Any]
) -> None:
    assert (await posted(meters, body, parts=2, **changes))[0] == 299
    assert behind.bodies == [body]
    assert stream.xlen(stream_name()) == 0


@pytest.mark.parametrize("trouble", ["nobody reads", "away", "away later"])
async def test_while_the_stream_cannot_be_used_values_are_left_to_django(
    meters: Meters, behind: Behind, stream: Redis, settings: Any, trouble: str
) -> None:
    if trouble == "nobody reads":
        stream.delete(f"{stream_name()}:alive")
    elif trouble == "away later":
        assert (await posted(meters, orjson.dumps(event())))[0] == 202
        await meters.close()
        meters._redis = None
    if trouble != "nobody reads":
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert (await posted(meters, orjson.dumps(event())))[0] == 299
    assert behind.bodies == [orjson.dumps(event())]
