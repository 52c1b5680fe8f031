"""What the tests of the network edge share: a registry, a buyer, a door over a real database."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
import pytest
from django.db import connections

from bpp import delivery, keys, page_deeds, registry, subscription
from bpp.buckets import SharedRate
from bpp.door import Accepted, Door
from bpp.guard import Event
from bpp.storing import Writer, conninfo
from sandbox.signing import Identity
from tests.bpp import network as toy
from tests.bpp import pipeline
from tests.bpp.network import Network
from tests.bpp.pipeline import BuyerApp, Talk
from tests.fulfillment.supplier import TOKEN, FakeSupplier, running_supplier


@pytest.fixture
def emptied() -> Iterator[None]:
    """Takes away what a test committed past its own transaction; quicker than flushing every table of the project."""
    yield
    with psycopg.connect(conninfo()) as connection:
        for table in ("deliveryattempt", "outboxmessage", "inboxmessage", "subscriber", "ownkey", "subscription"):
            connection.execute(f"DELETE FROM bpp_{table}")


@pytest.fixture
def tables(emptied: None, db: None) -> None:
    """The test database, for code that commits over connections of its own; `emptied` ends after `db`'s rollback."""


@pytest.fixture
def network(settings: Any) -> Iterator[Network]:
    """A registry, and nothing remembered of an earlier one."""
    with toy.running_network() as found:
        settings.BECKN_REGISTRY_URL = found.url
        settings.BECKN_SUBSCRIBER_ID = toy.PROVIDER
        settings.BECKN_IP_RATE_PER_S, settings.BECKN_IP_BURST = 100, 200
        registry.forget_all()
        keys.forget()
        subscription.forget_tries()
        yield found
    registry.forget_all()


@pytest.fixture
def buyer(network: Network) -> Identity:
    """A buyer's platform the registry lists."""
    return network.join(toy.BUYER)


@dataclass
class Reply:
    """What the door answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def ack(self) -> str:
        return str(orjson.loads(self.body)["message"]["ack"]["status"])

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = orjson.loads(self.body)["error"]
        return found

    @property
    def verdict(self) -> str:
        return "ACK" if self.ack == "ACK" else self.error["message"].partition(":")[0]


@dataclass
class Counter:
    """A door with its writer, and what it told those behind it."""

    door: Door
    writer: Writer
    stored: list[Accepted] = field(default_factory=list)
    repeated: list[Accepted] = field(default_factory=list)

    async def post(
        self,
        action: str,
        body: bytes,
        headers: dict[str, str] | list[tuple[str, str]],
        *,
        method: str = "POST",
        client: str = "127.0.0.1",
    ) -> Reply:
        """One request through the ASGI application."""
        lines = list(headers.items()) if isinstance(headers, dict) else headers
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": f"/beckn/{action}",
            "client": (client, 4711),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in lines],
        }
        sent: list[Event] = []

        async def receive() -> Event:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Event) -> None:
            sent.append(event)

        await self.door(scope, receive, send, action)
        start, content = sent
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], found, content["body"])

    async def send(self, identity: Identity, action: str = "search", **changes: Any) -> Reply:
        """A signed valid request; `changes` go to its context."""
        body = toy.wire(toy.message(action, **{"bap_id": identity.subscriber_id, **changes}))
        return await self.post(action, body, toy.signed(identity, body))


@pytest.fixture
async def counter(network: Network, tables: None) -> AsyncIterator[Counter]:
    """A door over the test database."""
    writer = Writer(conninfo())
    found = Counter(Door(writer), writer)
    found.door = Door(writer, on_stored=found.stored.append, on_repeat=found.repeated.append)
    await writer.start()
    yield found
    await writer.stop()
    found.door.close()


@pytest.fixture
def rows(tables: None) -> Callable[..., list[tuple[Any, ...]]]:
    """Runs one SQL query over a connection of its own, as someone else would see the database."""

    def select(query: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(conninfo()) as connection:
            return connection.execute(query, params).fetchall()

    return select


@pytest.fixture
def us(settings: Any) -> Iterator[Identity]:
    """Our own identity, with a key in the settings; no registry answers, and nothing is remembered of one."""
    identity = Identity.fresh(toy.PROVIDER, "ours")
    settings.BECKN_REGISTRY_URL = ""
    settings.BECKN_SUBSCRIBER_ID = toy.PROVIDER
    settings.BECKN_SUBSCRIBER_URL = f"https://{toy.PROVIDER}/beckn"
    settings.BECKN_KEY_ID = identity.key_id
    settings.BECKN_SIGNING_PRIVATE_KEY = base64.b64encode(identity.signing_seed).decode()
    registry.forget_all()
    keys.forget()
    yield identity
    registry.forget_all()
    keys.forget()


@pytest.fixture
def talk(db: None, us: Identity) -> Talk:
    """A conversation of a listed buyer app about a connector on sale."""
    pipeline.listed()
    return Talk()


@pytest.fixture
def supplier(settings: Any) -> Iterator[FakeSupplier]:
    """A power supplier that the platform is set up to call."""
    with running_supplier() as fake:
        settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN = fake.url, TOKEN
        settings.TIME_SCALE = 1.0
        yield fake


@pytest.fixture
def buyer_app(db: None, us: Identity, settings: Any) -> Iterator[BuyerApp]:
    """A listed buyer app that takes callbacks over HTTP, and connections of our own to reach it."""
    settings.BECKN_ALLOW_PRIVATE_CALLBACKS = True
    delivery._wire.cache_clear()
    with pipeline.running_buyer_app() as app:
        pipeline.listed(url=f"{app.url}/beckn")
        yield app
        wire = delivery._wire()
        asyncio.run_coroutine_threadsafe(wire.pool.close(), wire.loop).result(5)
        wire.loop.call_soon_threadsafe(wire.loop.stop)
    delivery._wire.cache_clear()


async def apart(work: Callable[[], Any]) -> Any:
    """The result of code that uses Django's database, called from a test that runs in an event loop."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(alone)


@pytest.fixture
def unpressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No link has pressed a button of its page yet."""
    monkeypatch.setattr(page_deeds, "_pressed", SharedRate(f"test-{uuid.uuid4()}", 1 / 30, 6))
