"""Does a slow reader get the latest instead of a backlog, and are places counted?"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from bpp.guard import Event
from bpp.streams import HEARTBEAT, RETRY, BoardStream, Places, Stream

HEAD: Event = {"type": "http.response.start", "status": 200, "headers": []}


class Reader:
    """The far end: takes what is sent only while it is `awake`."""

    def __init__(self) -> None:
        self.awake = asyncio.Event()
        self.awake.set()
        self.heard: list[Event] = []
        self._ended = asyncio.Event()

    async def send(self, event: Event) -> None:
        await self.awake.wait()
        self.heard.append(event)
        if event.get("more_body") is False:
            self._ended.set()

    async def receive(self) -> Event:
        await self._ended.wait()
        return {"type": "http.disconnect"}

    @property
    def bodies(self) -> list[bytes]:
        return [event["body"] for event in self.heard if "body" in event]


async def quiet() -> None:
    """Let everything that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def opened(kind: type[Stream] = Stream) -> tuple[Reader, Any]:
    reader = Reader()
    stream = kind(reader.send)
    stream.begin(dict(HEAD))
    await quiet()
    assert reader.heard[0]["status"] == 200
    return reader, stream


async def test_nothing_is_said_before_the_beginning() -> None:
    reader = Reader()
    stream = Stream(reader.send)
    stream.offer(b"data: 1\n\n", "1")
    await quiet()
    assert reader.heard == []
    stream.begin(dict(HEAD))
    await quiet()
    assert reader.bodies == [RETRY + b"data: 1\n\n"]


async def test_slow_reader_gets_the_latest_and_no_backlog() -> None:
    reader, stream = await opened()
    reader.awake.clear()
    for number in range(100):
        stream.offer(b"%d" % number, str(number))
        await quiet()
    assert stream.busy
    reader.awake.set()
    await quiet()
    assert reader.bodies == [RETRY, b"0", b"99"]
    assert not stream.busy


async def test_heartbeat_is_no_news_and_never_takes_its_place() -> None:
    reader, stream = await opened()
    stream.beat()
    await quiet()
    assert reader.bodies == [RETRY, HEARTBEAT]
    reader.awake.clear()
    stream.offer(b"1", "1")
    await quiet()
    stream.offer(b"2", "2")
    stream.beat()
    reader.awake.set()
    await quiet()
    assert reader.bodies == [RETRY, HEARTBEAT, b"1", b"2"]


async def test_end_comes_after_the_last_word() -> None:
    reader, stream = await opened()
    reader.awake.clear()
    stream.offer(b"last", "1")
    stream.end()
    reader.awake.set()
    await asyncio.wait_for(stream.stay(reader.receive), 5)
    assert [event.get("more_body") for event in reader.heard if "body" in event] == [True, True, False]
    assert reader.bodies[-2:] == [b"last", b""]


async def test_stream_cut_off_writes_nothing_more() -> None:
    reader, stream = await opened()
    reader.awake.clear()
    stream.offer(b"never", "1")
    await quiet()
    stream.cut()
    await quiet()
    reader.awake.set()
    await quiet()
    assert (reader.bodies, stream.busy) == ([RETRY], False)


async def test_board_gathers_what_a_slow_reader_missed() -> None:
    reader, stream = await opened(BoardStream)
    reader.awake.clear()
    stream.add({1}, {"order"})
    await quiet()
    stream.add({2}, {"session"})
    stream.add({3, 2}, {"order"})
    reader.awake.set()
    await quiet()
    told = [orjson.loads(body.partition(b"data: ")[2]) for body in reader.bodies[1:]]
    assert told == [{"orders": [1], "kinds": ["order"]}, {"orders": [2, 3], "kinds": ["order", "session"]}]


def test_places_are_few_in_all_and_for_each_address() -> None:
    places = Places(3, 2)
    assert [places.take(address) for address in ("a", "a", "a", "b", "c", "")] == [
        "",
        "",
        "too-many",
        "",
        "full",
        "full",
    ]
    places.give_back("a")
    assert [places.take(address) for address in ("a", "b")] == ["", "full"]
    for address in ("a", "a", "b"):
        places.give_back(address)
    assert (places.taken, [places.take("") for _ in range(4)]) == (0, ["", "", "", "full"])
