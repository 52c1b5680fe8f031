"""Does a kept connection hand over exactly the answer to its request, whatever a server sends beside it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.errors import DeliveryError
from core.lines import MOST_HEAD_BYTES
from core.pool import Pool

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Script:
    """A server that answers each request with the next bytes; counts its connections."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answers.pop(0))
                await writer.drain()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def asking(script: Script) -> AsyncIterator[tuple[Pool, str]]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    pool = Pool(allow_private=True, limit_bytes=1000)
    yield pool, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await pool.close()
    server.close()


async def test_interim_answers_are_passed_over() -> None:
    script = Script(b"HTTP/1.1 103 Early Hints\r\nx-early: 1\r\n\r\n" + OK)
    async with asking(script) as (pool, url):
        answer = await pool.post(url, b"", {})
    assert (answer.status, answer.body, dict(answer.headers)) == (200, b"ok", {"content-length": "2"})


async def test_chunks_are_joined_and_trailers_left_out() -> None:
    script = Script(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nx-late: 1\r\n\r\n", OK
    )
    async with asking(script) as (pool, url):
        answer = await pool.post(url, b"", {})
        assert (answer.body, dict(answer.headers)) == (b"ok", {"transfer-encoding": "chunked"})
        assert (await pool.post(url, b"", {})).body == b"ok"
    assert script.connections == 1


async def test_a_second_answer_never_becomes_the_next_one() -> None:
    script = Script(OK + OK.replace(b"\r\n\r\nok", b"\r\n\r\nno"), OK)
    async with asking(script) as (pool, url):
        assert [(await pool.post(url, b"", {})).body for _ in range(2)] == [b"ok", b"ok"]
    assert script.connections == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"x: %s\r\n" % (b"y" * 1000) * (MOST_HEAD_BYTES // 1000 + 1), "head of the answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "head of the answer"),
        (b"SMTP ready\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000, "larger than 1000 bytes"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw", "not HTTP"),
    ],
)
async def test_an_answer_beyond_measure_is_a_fault(answer: bytes, said: str) -> None:
    async with asking(Script(answer)) as (pool, url):
        with pytest.raises(DeliveryError, match=said) as caught:
            await pool.post(url, b"", {}, timeout_s=2.0)
    assert not caught.value.permanent


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    script = Script(OK)
    async with asking(script) as (pool, url):
        with pytest.raises(ValueError, match="line break"):
            await pool.post(url, b"", {"Authorization": "a\r\nx: y"})
    assert script.heads == []


async def test_the_request_names_its_host_and_leaves_the_fragment_out() -> None:
    script = Script(OK)
    async with asking(script) as (pool, url):
        await pool.post(f"{url}/a?b=c#d", b"{}", {"Authorization": "x"})
    lines = script.heads[0].decode().split("\r\n")
    assert lines[:2] == ["POST /a?b=c HTTP/1.1", f"Host: {url.removeprefix('http://')}"]
    assert {"Authorization: x", "Content-Length: 2", "Accept-Encoding: identity"} <= set(lines)
