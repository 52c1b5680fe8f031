"""Is a head that never ends cut off, and everything else let through?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from bpp import heads
from bpp.corked import Corked
from bpp.guard import Receive, Scope, Send
from bpp.heads import MOST_BYTES, BoundedHttp

HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"


class Wire(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.said, self.writes = b"", 0
        self.closed = False
        self.spoke = asyncio.Event()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.said += bytes(data)
        self.writes += 1
        self.spoke.set()

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def size_of_body(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        event = await receive()
        size, more = size + len(event.get("body", b"")), event.get("more_body", False)
    text = b"<%d>" % size
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


def connected() -> tuple[BoundedHttp, Wire]:
    config = Config(size_of_body, lifespan="off", log_config=None)
    config.load()
    wire, protocol = Wire(), BoundedHttp(config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire)
    return protocol, wire


async def answered(wire: Wire, text: bytes) -> None:
    async with asyncio.timeout(5):
        while text not in wire.said:
            wire.spoke.clear()
            await wire.spoke.wait()


@pytest.mark.parametrize("part", [b"X-Flood: a\r\n" * 100, b"a" * 1000])
async def test_head_without_end_is_refused_and_closed(part: bytes) -> None:
    protocol, wire = connected()
    protocol.data_received(HEAD + b"X-Flood: ")
    for _ in range(MOST_BYTES // len(part) + 1):
        if not wire.closed:
            protocol.data_received(part)
    assert wire.closed
    assert wire.said.startswith(b"HTTP/1.1 431 ")


async def test_head_and_body_of_an_answer_leave_together() -> None:
    protocol, wire = connected()
    protocol.data_received(HEAD + b"Content-Length: 5\r\n\r\nhello")
    await answered(wire, b"<5>")
    assert (wire.writes, wire.said.count(b"HTTP/1.1 200")) == (1, 1)


async def test_what_was_written_leaves_before_the_end() -> None:
    _, wire = connected()
    corked = Corked(wire, asyncio.get_running_loop())
    corked.write(b"one, ")
    corked.write(b"two")
    corked.close()
    assert (wire.said, wire.closed) == (b"one, two", True)
    await asyncio.sleep(0)
    assert wire.writes == 1


async def test_what_is_held_is_let_go_where_the_reader_went() -> None:
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    wire = Wire()
    corked = Corked(wire, loop)
    corked.write(b"too late")
    wire.close()
    await asyncio.sleep(0)
    assert (wire.said, faults) == (b"", [])


async def test_large_bodies_and_kept_connections_are_not_counted() -> None:
    protocol, wire = connected()
    for number in range(1, 6):
        protocol.data_received(HEAD + b"Content-Length: 90000\r\n\r\n" + b"a" * 50_000)
        protocol.data_received(b"a" * 40_000)
        await answered(wire, b"<90000>")
        wire.said = b""
        protocol.data_received(HEAD + b"Content-Length: %d\r\n\r\n" % number + b"a" * number)
        await answered(wire, b"<%d>" % number)
    assert not wire.closed
    protocol.connection_lost(None)


async def test_head_that_takes_too_long_is_refused_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_S", 0.01)
    protocol, wire = connected()
    protocol.data_received(HEAD)
    await answered(wire, b"HTTP/1.1 408 ")
    assert wire.closed


async def test_slow_body_is_not_the_heads_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_S", 0.0)
    protocol, wire = connected()
    protocol.data_received(HEAD + b"Content-Length: 2\r\n\r\n")
    for _ in range(5):
        await asyncio.sleep(0)
    assert not wire.closed
    protocol.data_received(b"ab")
    await answered(wire, b"<2>")
    protocol.connection_lost(None)
