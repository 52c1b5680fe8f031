"""Is a large, slow, compressed or too frequent request turned away before anything looks at it?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from bpp import guard
from bpp.guard import ClientLeft, Event, Rate, Receive, Turned


def events(*parts: bytes) -> list[Event]:
    last = len(parts) - 1
    return [{"type": "http.request", "body": part, "more_body": at < last} for at, part in enumerate(parts)]


def receiver(given: Iterable[Event]) -> Receive:
    waiting = iter(given)

    async def receive() -> Event:
        try:
            return next(waiting)
        except StopIteration:
            await asyncio.Event().wait()
            raise

    return receive


async def read(given: Iterable[Event], headers: dict[bytes, list[bytes]] | None = None, deadline_s: float = 1) -> bytes:
    return await guard.read_body(receiver(given), headers or {}, limit_bytes=10, deadline_s=deadline_s)


async def test_read_body_joins_the_parts() -> None:
    assert await read(events(b"12345", b"", b"67890")) == b"1234567890"


@pytest.mark.parametrize("parts", [[b"12345678901"], [b"123456", b"78901", b"x" * 100]])
async def test_read_body_stops_above_the_limit(parts: list[bytes]) -> None:
    with pytest.raises(Turned) as caught:
        await read(events(*parts))
    assert caught.value.status == 413


@pytest.mark.parametrize("length", [b"11", b"9" * 30])
async def test_read_body_believes_a_length_above_the_limit(length: bytes) -> None:
    with pytest.raises(Turned) as caught:
        await read([], {b"content-length": [length]})
    assert caught.value.status == 413


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate, gzip", b"br", b"x\xff"])
async def test_read_body_refuses_compression(encoding: bytes) -> None:
    with pytest.raises(Turned) as caught:
        await read(events(b"{}"), {b"content-encoding": [encoding]})
    assert caught.value.status == 415


async def test_read_body_ends_a_slow_client() -> None:
    slow: Event = {"type": "http.request", "body": b"1", "more_body": True}
    with pytest.raises(Turned) as caught:
        await read([slow], deadline_s=0.01)
    assert caught.value.status == 408


async def test_read_body_notices_that_the_client_left() -> None:
    with pytest.raises(ClientLeft):
        await read([{"type": "http.disconnect"}])


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=lambda: 1_000.0))


@pytest.mark.usefixtures("no_time_passes")
def test_rate_allows_the_burst_and_says_how_long_to_wait() -> None:
    rate = Rate(per_s=0.5, burst=3)
    assert [rate.wait_s("a") for _ in range(3)] == [0, 0, 0]
    assert rate.wait_s("a") == 2
    assert rate.wait_s("b") == 0


def test_rate_of_zero_is_no_limit() -> None:
    rate = Rate(per_s=0, burst=0)
    assert {rate.wait_s("a") for _ in range(1000)} == {0}


@pytest.mark.usefixtures("no_time_passes")
def test_rate_forgets_the_longest_silent() -> None:
    rate = Rate(per_s=1, burst=1)
    for number in range(10_002):
        rate.wait_s(str(number))
    assert rate.wait_s("0") == 0
    assert rate.wait_s("10001") == 1


def test_peer_is_the_address_the_proxy_wrote_down() -> None:
    scope = {"client": ("127.0.0.1", 1)}
    forwarded = {b"x-forwarded-for": [b"198.51.100.1", b"6.6.6.6, 203.0.113.7"]}
    assert guard.peer_of(scope, forwarded, behind_proxy=True) == "203.0.113.7"
    assert guard.peer_of(scope, forwarded, behind_proxy=False) == ""
    assert guard.peer_of({"client": ("203.0.113.9", 1)}, forwarded, behind_proxy=False) == "203.0.113.9"
