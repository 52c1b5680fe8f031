"""How is the picture of an order made once, however many pages show it?

Each process makes it in few threads, when there is news and when time alone may have changed it, and never so often
that one order takes more than its share. What comes while a picture is being made leads to another one.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

import orjson
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connections
from django.utils import timezone
from prometheus_client import Counter

from bpp.streams import Stream
from fulfillment.services.following import Picture, Stand, picture, stands

log = logging.getLogger(__name__)

MAKERS: Final = 2
MOST_AT_ONCE: Final = 5
# A thread rests as long as it was at work: the door and the pages of the same process need their share.
REST: Final = 1.0
SOONEST_S: Final = 0.5
FRESH_S: Final = 1.0
AGES_S: Final = 16.0
RESTING_AGES_S: Final = 60.0
# What moves with the clock alone and is counted on by the page itself: no change worth an event.
UNTOLD: Final = frozenset({"age_s"})

SNAPSHOTS = Counter("live_snapshots_total", "Pictures of orders made for open pages.")


@dataclass(frozen=True, slots=True)
class Made:
    """A picture ready to be sent: `id` is its `seq`, a point, and a check of what it shows."""

    id: str
    version: str
    frame: bytes
    live: bool
    over: bool

    def is_known(self, told: str) -> bool:
        """Whether a page that was told `told` last, an id or a bare `seq`, shows this already."""
        return bool(told) and told in {self.id, self.id.partition(".")[0]}


@dataclass(eq=False, slots=True)
class _Topic:
    order_id: int
    streams: set[Stream] = field(default_factory=set)
    waiting: list[asyncio.Future[Made | None]] = field(default_factory=list)
    made: Made | None = None
    made_s: float = float("-inf")
    wanted: bool = False
    making: bool = False


class Pictures:
    """The pictures of all orders that somebody watches in this process."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._topics: dict[int, _Topic] = {}
        self._ready: deque[_Topic] = deque()
        self._some = asyncio.Event()

    @property
    def watched(self) -> list[int]:
        """The orders that somebody watches."""
        return list(self._topics)

    async def join(self, order_id: int, stream: Stream) -> Made | None:
        """Let the stream follow the order, and give the picture as it is now; None where none can be made."""
        topic = self._topics.setdefault(order_id, _Topic(order_id))
        topic.streams.add(stream)
        if topic.made is not None and time.monotonic() - topic.made_s <= FRESH_S:
            return topic.made
        future: asyncio.Future[Made | None] = asyncio.get_running_loop().create_future()
        topic.waiting.append(future)
        self._want(topic)
        return await future

    def leave(self, order_id: int, stream: Stream) -> None:
        """The stream is gone; an order without any is forgotten."""
        topic = self._topics.get(order_id)
        if topic is not None:
            topic.streams.discard(stream)
            if not topic.streams:
                del self._topics[order_id]

    def news(self, order_ids: Iterable[int]) -> None:
        """There is news of these orders, or may be."""
        for order_id in order_ids:
            if (topic := self._topics.get(order_id)) is not None:
                self._want(topic)

    def compare(self, found: dict[int, Stand]) -> None:
        """There is news of those whose version is another than that of their picture."""
        for order_id, stand in found.items():
            topic = self._topics.get(order_id)
            if topic is not None and topic.made is not None and topic.made.version != stand.version:
                self._want(topic)

    def age(self) -> None:
        """Look again at what time alone may have changed."""
        now_s = time.monotonic()
        for topic in self._topics.values():
            if topic.made is None or now_s - topic.made_s >= (AGES_S if topic.made.live else RESTING_AGES_S):
                self._want(topic)

    async def make(self) -> None:
        """Make what is wanted, for ever; several may do this at once."""
        while True:
            await self._some.wait()
            taken = [self._ready.popleft() for _ in range(min(MOST_AT_ONCE, len(self._ready)))]
            if not self._ready:
                self._some.clear()
            for topic in taken:
                topic.wanted, topic.making = False, True
            began_s = time.monotonic()
            made = await self._made([topic.order_id for topic in taken])
            spent_s = time.monotonic() - began_s
            for topic in taken:
                self._show(topic, made.get(topic.order_id), began_s)
            await asyncio.sleep(spent_s * REST)

    async def _made(self, order_ids: list[int]) -> dict[int, Made]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _make_all, order_ids)
        except DatabaseError as err:
            log.warning("pictures of orders cannot be made now", extra={"fault": repr(err)[:300]})
            return {}

    def _want(self, topic: _Topic) -> None:
        if topic.wanted:
            return
        topic.wanted = True
        if topic.making:
            return
        wait_s = topic.made_s + SOONEST_S - time.monotonic()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._queue, topic)
        else:
            self._queue(topic)

    def _queue(self, topic: _Topic) -> None:
        if topic.streams:
            self._ready.append(topic)
            self._some.set()
        else:
            topic.wanted = False

    def _show(self, topic: _Topic, made: Made | None, began_s: float) -> None:
        topic.making, topic.made_s = False, began_s
        if made is not None:
            topic.made = made
        waiting, topic.waiting = topic.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(made)
        if made is not None:
            for stream in topic.streams:
                give(stream, made)
        if topic.wanted:
            topic.wanted = False
            self._want(topic)


def give(stream: Stream, made: Made) -> None:
    """Offer the stream what it does not know yet; the last word ends it."""
    if not made.is_known(stream.told):
        stream.offer(made.frame, made.id)
    if made.over:
        stream.end()


def _make_all(order_ids: list[int]) -> dict[int, Made]:
    """The pictures of these orders in this thread, which keeps no connection; an order that is gone has none."""
    found = {}
    try:
        # Read before the picture is made: what changes in between leads to another look.
        for order_id, stand in stands(order_ids).items():
            try:
                found[order_id] = _ready_made(picture(order_id, stand, timezone.now()), stand.version)
            except DatabaseError:
                raise
            except ObjectDoesNotExist:
                log.warning("a watched order is gone", extra={"order": order_id})
            except Exception:
                # The others' pages go on; this one's looks again with the next sweep.
                log.exception("the picture of an order cannot be made", extra={"order": order_id})
            SNAPSHOTS.inc()
    finally:
        connections.close_all()
    return found


def _ready_made(seen: Picture, version: str) -> Made:
    told = {name: value for name, value in seen.shown.items() if name not in UNTOLD}
    check = zlib.crc32(orjson.dumps(told, option=orjson.OPT_SORT_KEYS))
    name = f"{seen.seq}.{check:010d}"
    frame = b"event: snapshot\nid: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(seen.shown))
    return Made(name, version, frame, seen.live, seen.over)
