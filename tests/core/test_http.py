"""Does a call out end in time, in size, and at the right address, whatever the other side does?"""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from core.errors import DeliveryError
from core.http import Answer, Pool, call

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """A raw HTTP server that answers by script; `requests` holds what came, `connections` how many there were."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.answers: dict[str, bytes] = {"/": OK}
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0].strip()
        self.requests.append(head + await reader.readexactly(int(length or 0)))
        path = head.split()[1].decode()
        if path == "/hang":
            await asyncio.sleep(30)
        if path.startswith("/drip"):
            await self._drip(writer, OK if path == "/drip-head" else OK.replace(b": 2", b": 9999"))
        if path == "/close-after":
            writer.write(OK)
            await writer.drain()
            return False
        writer.write(self.answers.get(path, OK))
        await writer.drain()
        return path not in {"/cut"}

    async def _drip(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        at = 0
        while True:
            writer.write(answer[at : at + 1] or b"x")
            await writer.drain()
            at += 1
            await asyncio.sleep(0.02)


@asynccontextmanager
async def listening() -> AsyncIterator[Server]:
    found = Server()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """One that listens in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    context = listening()
    yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(5)
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)


Post = Callable[..., Answer]


def through_call(url: str, timeout_s: float = 5.0) -> Answer:
    return call("POST", url, data=b"{}", timeout_s=timeout_s, limit_bytes=1000, allow_private=True)


def through_pool(url: str, timeout_s: float = 5.0) -> Answer:
    async def post() -> Answer:
        pool = Pool(allow_private=True, limit_bytes=1000)
        try:
            return await pool.post(url, b"{}", {}, timeout_s=timeout_s)
        finally:
            await pool.close()

    return asyncio.run(post())


@pytest.fixture(params=[through_call, through_pool], ids=["call", "pool"])
def post(request: pytest.FixtureRequest) -> Post:
    found: Post = request.param
    return found


def test_answer_is_given_whatever_its_status(server: Server, post: Post) -> None:
    server.answers["/no"] = b"HTTP/1.1 503 No\r\nRetry-After: 7\r\ncontent-length: 4\r\n\r\nbusy"
    answer = post(f"{server.url}/no")
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"busy", "7")


def test_request_asks_for_identity_and_names_no_library(server: Server, post: Post) -> None:
    post(f"{server.url}/")
    head = server.requests[0].lower()
    assert b"accept-encoding: identity\r\n" in head
    assert b"cookie" not in head


def test_redirect_is_an_answer_and_not_followed(server: Server, post: Post) -> None:
    server.answers["/moved"] = b"HTTP/1.1 307 Go\r\nlocation: /else\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
    assert post(f"{server.url}/moved").status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("path", ["/hang", "/drip-head", "/drip-body"])
def test_call_ends_at_its_deadline(server: Server, post: Post, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(DeliveryError, match=r"within 0\.3 s") as caught:
        post(f"{server.url}{path}", timeout_s=0.3)
    assert time.monotonic() - started < 5
    assert not caught.value.permanent


def test_large_answer_is_cut_off(server: Server, post: Post) -> None:
    server.answers["/large"] = b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001
    with pytest.raises(DeliveryError, match="larger than 1000 bytes") as caught:
        post(f"{server.url}/large")
    assert (caught.value.status, caught.value.permanent) == (200, False)


def test_compressed_answer_is_not_unpacked(server: Server, post: Post) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    server.answers["/bomb"] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (
        len(bomb),
        bomb,
    )
    with pytest.raises(DeliveryError, match="gzip"):
        post(f"{server.url}/bomb")


def test_answer_without_length_is_read_to_its_end(server: Server, post: Post) -> None:
    server.answers["/cut"] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it"
    assert post(f"{server.url}/cut").body == b"all of it"


def test_truncated_answer_is_a_fault(server: Server, post: Post) -> None:
    server.answers["/cut"] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    with pytest.raises(DeliveryError):
        post(f"{server.url}/cut")


def test_refused_connection_is_temporary(post: Post) -> None:
    with pytest.raises(DeliveryError) as caught:
        post("http://127.0.0.1:1/")
    assert not caught.value.permanent


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://example.org/", "ftp://x", "https://localhost:8443/"])
def test_address_that_is_not_public_is_refused_for_good(server: Server, url: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        call("POST", url, data=b"{}")
    assert caught.value.permanent

    async def post() -> None:
        pool = Pool()
        try:
            await pool.post(url, b"{}", {})
        finally:
            await pool.close()

    with pytest.raises(DeliveryError) as caught:
        asyncio.run(post())
    assert caught.value.permanent
    assert server.connections == 0


def test_environment_proxy_is_ignored(server: Server, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(f"{server.url}/").body == b"ok"


def test_call_sends_json_and_keeps_its_connection(server: Server) -> None:
    for _ in range(3):
        call("PUT", f"{server.url}/", json={"ä": 1}, headers={"x-own": "1"}, allow_private=True)
    assert server.connections == 1
    assert server.requests[0].startswith(b"PUT / HTTP/1.1\r\n")
    assert server.requests[0].endswith('{"ä":1}'.encode())
    assert b"x-own: 1" in server.requests[0].lower()


async def test_pool_keeps_connections_and_tries_again_on_a_stale_one() -> None:
    async with listening() as server:
        pool = Pool(allow_private=True)
        for path in ("/", "/", "/close-after"):
            assert (await pool.post(f"{server.url}{path}", b"{}", {})).status == 200
        assert server.connections == 1
        assert (await pool.post(f"{server.url}/", b"{}", {})).status == 200
        assert server.connections == 2
        await pool.close()


async def test_pool_holds_back_for_each_host() -> None:
    async with listening() as slow, listening() as quick:
        pool = Pool(allow_private=True, per_host=2, total=8)
        # Those that wait give up before the first two do, so that no place is handed on in between.
        patience = (2.0, 2.0, 0.5, 0.5, 0.5, 0.5)
        waiting = [asyncio.create_task(pool.post(f"{slow.url}/hang", b"", {}, timeout_s=each)) for each in patience]
        answers = await asyncio.gather(*(pool.post(f"{quick.url}/", b"", {}) for _ in range(6)))
        assert {answer.status for answer in answers} == {200}
        faults = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(fault, DeliveryError) for fault in faults)
        assert slow.connections == 2
        assert quick.connections <= 2
        await pool.close()
