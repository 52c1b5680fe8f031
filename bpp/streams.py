"""How does an open response get what is newest, however slowly it is read, and how many may be open?"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter as Tally
from typing import Any, Final

import orjson
from prometheus_client import Counter, Gauge

from bpp.guard import Event, Receive, Send

HEARTBEAT: Final = b": still here\n\n"
RETRY: Final = b"retry: 3000\n\n"
NOT_SENT_BYTES: Final = 16_384

OPEN = Gauge("live_streams", "Event streams open in this process.", ["kind"])
EVENTS = Counter("live_events_total", "Events written to streams.", ["kind"])


class Stream:
    """One response of Server-Sent Events. It keeps the newest frame that is not written yet, never a second one.

    `told` is the id of the newest event it was given. Nothing is written before `begin`.
    """

    kind = "track"
    __slots__ = ("_ending", "_frame", "_head", "_send", "_transport", "_writing", "began_s", "busy_s", "said_s", "told")

    def __init__(self, send: Send, *, transport: Any = None, told: str = "") -> None:
        self._send, self._transport = send, transport
        self._head: Event | None = None
        self._frame = b""
        self._ending = False
        self._writing: asyncio.Task[None] | None = None
        self.began_s = self.said_s = self.busy_s = time.monotonic()
        self.told = told

    def begin(self, head: Event) -> None:
        """Answer with this head, and with what was offered before."""
        _narrow(self._transport)
        self._head = head
        self._frame = RETRY + self._frame
        self._write()

    def offer(self, frame: bytes, told: str) -> None:
        """Give it this frame, in place of one that is not written yet."""
        self._frame, self.told = frame, told
        self._write()

    def end(self) -> None:
        """Let it end once everything is written."""
        self._ending = True
        self._write()

    def beat(self) -> None:
        """Say that we are still here, where nothing else is being said."""
        if self._writing is None and not self._frame:
            self._frame = HEARTBEAT
            self._write()

    def cut(self) -> None:
        """Give up on a reader that takes nothing."""
        if self._writing is not None:
            self._writing.cancel()
        if self._transport is not None:
            self._transport.abort()

    @property
    def busy(self) -> bool:
        """Whether a write waits for the reader, since `busy_s`."""
        return self._writing is not None

    async def stay(self, receive: Receive) -> None:
        """Return once the client has left or the response is at its end; both look alike to an application."""
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            if self._writing is not None:
                self._writing.cancel()

    def _take(self) -> bytes:
        frame, self._frame = self._frame, b""
        return frame

    def _write(self) -> None:
        if self._writing is None and self._head is not None:
            self.busy_s = time.monotonic()
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            if self._head:
                head, self._head = self._head, {}
                await self._send(head)
            while frame := self._take():
                await self._send({"type": "http.response.body", "body": frame, "more_body": True})
                self.said_s = time.monotonic()
                if frame is not HEARTBEAT:
                    EVENTS.labels(self.kind).inc()
            if self._ending:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._writing = None


class BoardStream(Stream):
    """The same for an operator's board: what changed is gathered until it can be written."""

    kind = "board"
    __slots__ = ("_changed", "_kinds", "_orders")

    def __init__(self, send: Send, *, transport: Any = None) -> None:
        super().__init__(send, transport=transport)
        self._orders: set[int] = set()
        self._kinds: set[str] = set()
        self._changed = False

    def add(self, orders: set[int], kinds: set[str]) -> None:
        """Tell that these orders changed, and which kinds of rows did; nothing named means: look again."""
        self._orders |= orders
        self._kinds |= kinds
        self._changed = True
        self._write()

    def _take(self) -> bytes:
        frame = super()._take()
        if not self._changed:
            return frame
        data = orjson.dumps({"orders": sorted(self._orders), "kinds": sorted(self._kinds)})
        self._orders, self._kinds, self._changed = set(), set(), False
        return frame + b"event: change\nid: %d\ndata: %b\n\n" % (time.time_ns() // 1_000_000, data)


class Places:
    """How many streams may be open: `most` in all, `most_each` from one address; an empty address is not limited."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._each: Tally[str] = Tally()
        self.taken = 0

    def take(self, address: str) -> str:
        """Empty where there is a place, which is then taken; else why not: `full` or `too-many`."""
        if self.taken >= self._most:
            return "full"
        if address and self._each[address] >= self._most_each:
            return "too-many"
        self.taken += 1
        if address:
            self._each[address] += 1
        return ""

    def give_back(self, address: str) -> None:
        """The place is free again."""
        self.taken -= 1
        if address:
            self._each[address] -= 1
            if not self._each[address]:
                del self._each[address]


def _narrow(transport: Any) -> None:
    """Let little wait in buffers on the way: a reader that comes back shall not first get what is long past."""
    if transport is None:
        return
    transport.set_write_buffer_limits(high=0)
    wire = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if wire is not None and option is not None and wire.family in {socket.AF_INET, socket.AF_INET6}:
        wire.setsockopt(socket.IPPROTO_TCP, option, NOT_SENT_BYTES)
