"""Does the door answer the same over real sockets, whatever the shape and pace of the request?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from bpp.guard import Receive, Scope, Send
from sandbox.signing import Identity
from tests.bpp.conftest import Counter
from tests.bpp.network import message, signed, wire

ACK = b'{"message":{"ack":{"status":"ACK"}}}'
COUNT = "SELECT count(*) FROM bpp_inboxmessage"


@pytest.fixture
async def port(counter: Counter) -> AsyncIterator[int]:
    """Where a real server listens with the door behind it."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await counter.door(scope, receive, send, scope["path"].rpartition("/")[2])

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, lifespan="off", log_config=None, http="httptools")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    # The socket listens already: a request that comes early waits in its backlog.
    yield listening.getsockname()[1]
    server.should_exit = True
    await running


async def exchange(port: int, request: bytes) -> tuple[int, bytes]:
    """Status and body of what a raw request gets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return int(head.split()[1]), body


def head(path: str, headers: dict[str, str], method: str = "POST") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} /beckn/{path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()


def chunked(body: bytes, size: int = 100) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def test_chunked_body_gets_the_same_ack(
    port: int, buyer: Identity, rows: Callable[..., list[tuple[Any, ...]]]
) -> None:
    body = wire(message())
    headers = signed(buyer, body)
    plain = await exchange(port, head("search", {**headers, "Content-Length": str(len(body))}) + body)
    parts = await exchange(port, head("search", {**headers, "Transfer-Encoding": "chunked"}) + chunked(body))
    assert plain == parts == (200, ACK)
    assert rows(COUNT) == [(1,)]


async def test_header_name_in_any_case(port: int, buyer: Identity) -> None:
    body = wire(message())
    line = {"aUTHORIZATION": signed(buyer, body)["authorization"], "Content-Length": str(len(body))}
    assert await exchange(port, head("search", line) + body) == (200, ACK)


async def test_endless_chunked_body_is_cut_off(port: int, buyer: Identity) -> None:
    endless = chunked(b"x" * 400_000, 50_000)
    status, _ = await exchange(port, head("search", {**signed(buyer, b""), "Transfer-Encoding": "chunked"}) + endless)
    assert status == 413


async def test_body_announced_too_large_is_not_waited_for(port: int, buyer: Identity) -> None:
    status, _ = await exchange(port, head("search", {**signed(buyer, b""), "Content-Length": "800000000"}))
    assert status == 413


async def test_body_that_does_not_come_is_not_waited_for(port: int, buyer: Identity, settings: Any) -> None:
    settings.BECKN_BODY_DEADLINE_S = 0.1
    status, body = await exchange(port, head("search", {**signed(buyer, b""), "Content-Length": "500"}) + b"{")
    assert status == 408
    assert b"TOO_SLOW" in body


async def test_get_and_unknown_paths(port: int) -> None:
    assert (await exchange(port, head("search", {}, "GET")))[0] == 405
    assert (await exchange(port, head("on_search", {"Content-Length": "0"})))[0] == 404
