"""A whole web process over the test database, and a buyer app at the far end that really listens."""

from __future__ import annotations

import asyncio
import base64
import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import uvicorn
from django.db import connections

from bpp import keys
from bpp.asgi import Front
from bpp.storing import conninfo
from sandbox.buyer import Buyer
from sandbox.endpoint import Peer, Sent
from sandbox.signing import Identity
from tests.bpp.network import BUYER, MESSAGES, PROVIDER, Network

SOON_S = 5.0


class Shop:
    """One running web process: `url` is where it listens, `front` its application, `buyer` who asks it."""

    def __init__(self, url: str, front: Front, server: uvicorn.Server, buyer: Buyer) -> None:
        self.url, self.front, self.buyer = url, front, buyer
        self._server = server
        self._running: asyncio.Task[None] | None = None

    async def open(self, listening: socket.socket) -> None:
        """Serve until `close`; a request that comes before the start is over waits in the backlog."""
        self._running = asyncio.create_task(self._server.serve(sockets=[listening]))
        await until(lambda: self._server.started)

    async def close(self) -> None:
        """Stop as on SIGTERM; what was accepted is answered and written down when this returns."""
        self._server.should_exit = True
        if self._running is not None:
            await self._running

    async def search(self, intent: dict[str, Any] | None = None, **context: Any) -> Sent:
        """A signed search for this intent, by default for anything around."""
        message = MESSAGES["search"]() if intent is None else {"intent": intent}
        return await self.send("search", message, **context)

    async def send(self, action: str, message: dict[str, Any], **context: Any) -> Sent:
        """Any signed request."""
        peer = None if action == "search" else Peer(PROVIDER, f"{self.url}/beckn")
        return await self.buyer.send(action, message, url=f"{self.url}/beckn/{action}", peer=peer, context=context)


@asynccontextmanager
async def open_shop(network: Network, settings: Any) -> AsyncIterator[Shop]:
    """A started web process and a listed buyer; both are gone afterwards, with every row they wrote."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    sign_as(network.join(PROVIDER, "BPP", subscriber_url=f"{url}/beckn"), settings)
    settings.BECKN_SUBSCRIBER_URL = f"{url}/beckn"
    settings.BECKN_ALLOW_PRIVATE_CALLBACKS = True
    async with Buyer(Identity.fresh(BUYER, "k1"), registry_url=network.url) as buyer:
        network.registry.add(buyer.row())
        # One thread for what blocks, so that its database connection can be closed in the end.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
        front = Front()
        server = uvicorn.Server(uvicorn.Config(front, lifespan="on", log_config=None, http="httptools"))
        shop = Shop(url, front, server, buyer)
        with collecting_as_before():
            await shop.open(listening)
            try:
                yield shop
            finally:
                await shop.close()
                await asyncio.to_thread(connections.close_all)


def sign_as(identity: Identity, settings: Any) -> None:
    """Let the product sign with this identity's key."""
    settings.BECKN_KEY_ID = identity.key_id
    settings.BECKN_SIGNING_PRIVATE_KEY = base64.b64encode(identity.signing_seed).decode()
    settings.BECKN_ENCRYPTION_PRIVATE_KEY = base64.b64encode(identity.encryption_seed).decode()
    keys.forget()


@contextmanager
def collecting_as_before() -> Iterator[None]:
    """A web process tunes Python's garbage collector; the tests after it shall not notice.

    What it froze stays frozen: thawed, all that was ever imported would be looked at again by the next one.
    """
    before = gc.get_threshold()
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def without_table(table: str) -> Iterator[None]:
    """The database as it is when a statement on `table` fails, everything else in order."""
    run(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        run(f"ALTER TABLE {table}_away RENAME TO {table}")


def run(statement: str, *params: Any) -> None:
    """One statement, committed."""
    with psycopg.connect(conninfo()) as connection:
        connection.execute(statement, params)


def empty_catalogue() -> None:
    """Take away committed operators and everything that hangs on them."""
    run("TRUNCATE catalog_operator CASCADE")


async def until(happened: Callable[[], object]) -> None:
    """Return once `happened()` is true; it is looked at often, since nobody tells. Raises TimeoutError."""
    async with asyncio.timeout(SOON_S):
        while not happened():  # noqa: ASYNC110 - the other side is a process of its own, which can only be asked
            await asyncio.sleep(0.01)
