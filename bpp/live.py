"""How does news reach thousands of open pages? Server-Sent Events in front of Django, without a thread for each.

One subscription to announcements and one look at the tables each two seconds serve every stream of a web process; an
open stream holds neither a thread nor a connection to the database. Nothing is kept here: whoever connects again, to
this process or another, gets the state as it is.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db import DatabaseError

from bpp import guard, news
from bpp.audience import Links, Viewer, answers_here, sealed_headers, viewer_of
from bpp.guard import Receive, Scope, Send
from bpp.heads import TRANSPORT
from bpp.kept import settings
from bpp.pictures import MAKERS, Pictures, give
from bpp.streams import OPEN, BoardStream, Places, Stream

log = logging.getLogger(__name__)
T = TypeVar("T")

TRACK: Final = re.compile(r"/track/([^/]+)/events")
BOARD: Final = "/admin/live/events"
# Where a link that opens nothing leads: the page's own answer to it.
NOWHERE: Final = "/track/unknown"
BEAT_EVERY_S: Final = 1.0
SWEEP_EVERY_S: Final = 2.0
CHECK_EVERY_S: Final = 30.0
HEARTBEAT_S: Final = 10.0
LONGEST_S: Final = 900.0
STUCK_S: Final = 60.0
SOON_S: Final = 2
EVENT_STREAM: Final = (b"content-type", b"text/event-stream")

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(eq=False, slots=True)
class _Follower:
    """A page that is open: its stream, the link it came by and the order that opens."""

    stream: Stream
    token: str
    order_id: int


@dataclass(eq=False, slots=True)
class _Desk:
    """A board that is open: its stream, its request, and who looks at it."""

    stream: BoardStream
    scope: Scope
    viewer: Viewer


class Hub:
    """The ASGI application for event streams; whatever is no stream goes to `behind`, Django."""

    def __init__(self, behind: Application) -> None:
        self._behind = behind
        self._places = Places(settings.LIVE_STREAMS_MAX, settings.LIVE_STREAMS_PER_ADDRESS)
        self._threads: ThreadPoolExecutor | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._pictures: Pictures | None = None
        self._links: Links | None = None
        self._followers: set[_Follower] = set()
        self._desks: set[_Desk] = set()
        self._rows: news.Rows | None = None
        self._sooner = asyncio.Event()
        self._draining = False

    @staticmethod
    def serves(scope: Scope) -> bool:
        """Whether the request is for a stream."""
        if scope["type"] != "http":
            return False
        path: str = scope["path"]
        return path == BOARD or (path.startswith("/track/") and TRACK.fullmatch(path) is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that `serves` is true of."""
        if not answers_here(scope):
            await self._behind(scope, receive, send)
            return
        if scope["method"] != "GET":
            await _answer(send, scope, 405, "Only GET leads to a stream of events.", (b"allow", b"GET"))
            return
        if self._draining:
            await _answer(send, scope, 503, "This server is about to stop.", (b"retry-after", b"%d" % SOON_S))
            return
        headers = guard.headers_of(scope)
        address = guard.peer_of(scope, headers, behind_proxy=settings.BEHIND_PROXY)
        refusal = self._places.take(address)
        if refusal:
            status = 503 if refusal == "full" else 429
            text = "No more streams can be open at present; the page's JSON can be asked instead."
            await _answer(send, scope, status, text, (b"retry-after", b"30"))
            return
        try:
            self._begin()
            await self._open(scope, receive, send, headers)
        except DatabaseError as err:
            log.warning("a stream cannot be opened now", extra={"fault": repr(err)[:300]})
            await _answer(send, scope, 503, "The database does not answer.", (b"retry-after", b"%d" % SOON_S))
        finally:
            self._places.give_back(address)

    def drain(self) -> None:
        """End all streams, so that their pages connect elsewhere, and open no more; each connection asks for it."""
        if self._draining:
            return
        self._draining = True
        for stream in self._streams():
            stream.end()

    async def stop(self) -> None:
        """Let go of everything."""
        self.drain()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _open(self, scope: Scope, receive: Receive, send: Send, headers: guard.Headers) -> None:
        if scope["path"] == BOARD:
            await self._open_board(scope, receive, send)
            return
        assert self._links is not None
        found = TRACK.fullmatch(scope["path"])
        token = found[1] if found else ""
        order_id = await self._links.order(token)
        if order_id is None:
            await self._behind({**scope, "path": NOWHERE, "raw_path": NOWHERE.encode()}, receive, send)
            return
        told = headers.get(b"last-event-id", [b""])[0].decode("latin-1")[:64]
        stream = Stream(send, transport=_transport(scope), told=told)
        await self._follow(_Follower(stream, token, order_id), scope, receive, send)

    async def _follow(self, follower: _Follower, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._pictures is not None
        stream, told = follower.stream, follower.stream.told
        self._followers.add(follower)
        OPEN.labels(stream.kind).inc()
        try:
            made = await self._pictures.join(follower.order_id, stream)
            if made is None:
                text = "The order cannot be shown now."
                await _answer(send, scope, 503, text, (b"retry-after", b"%d" % SOON_S))
            elif made.over and made.is_known(told):
                # The one answer after which a browser does not connect again.
                await send({"type": "http.response.start", "status": 204, "headers": sealed_headers(scope)})
                await send({"type": "http.response.body", "body": b""})
            else:
                give(stream, made)
                self._begun(stream, scope)
                await stream.stay(receive)
        finally:
            OPEN.labels(stream.kind).dec()
            self._followers.discard(follower)
            self._pictures.leave(follower.order_id, stream)

    async def _open_board(self, scope: Scope, receive: Receive, send: Send) -> None:
        viewer = await self._apart(viewer_of, scope)
        if viewer is None:
            await _answer(send, scope, 403, "Sign in as staff of an operator to see its board.")
            return
        desk = _Desk(BoardStream(send, transport=_transport(scope)), scope, viewer)
        self._desks.add(desk)
        OPEN.labels(desk.stream.kind).inc()
        try:
            # What happened between the page and its stream has nobody to tell it: let it look again.
            desk.stream.add(set(), set())
            self._begun(desk.stream, scope)
            self._sooner.set()
            await desk.stream.stay(receive)
        finally:
            OPEN.labels(desk.stream.kind).dec()
            self._desks.discard(desk)

    def _begun(self, stream: Stream, scope: Scope) -> None:
        stream.begin(_head(scope))
        if self._draining:
            stream.end()

    def _streams(self) -> list[Stream]:
        return [each.stream for each in self._followers] + [each.stream for each in self._desks]

    def _begin(self) -> None:
        """With the first stream: threads, the subscription and the loops."""
        if self._loops or self._draining:
            return
        self._threads = ThreadPoolExecutor(MAKERS + 2, thread_name_prefix="live")
        self._pictures = Pictures(self._threads)
        self._links = Links(self._threads)
        makers = [self._pictures.make() for _ in range(MAKERS)]
        works = [*makers, news.listen(self._heard), *map(_steadily, (self._beat, self._sweep, self._look, self._check))]
        self._loops = [asyncio.create_task(work) for work in works]

    def _heard(self, order_ids: list[int]) -> None:
        if self._pictures is not None:
            self._pictures.news(order_ids)
        self._sooner.set()

    async def _beat(self) -> None:
        """Say that we are here, end what was open for long, cut off who takes nothing."""
        await asyncio.sleep(BEAT_EVERY_S)
        now_s = time.monotonic()
        for stream in self._streams():
            if stream.busy:
                if now_s - stream.busy_s >= STUCK_S:
                    stream.cut()
            elif now_s - stream.began_s >= LONGEST_S:
                stream.end()
            elif now_s - stream.said_s >= HEARTBEAT_S:
                stream.beat()

    async def _sweep(self) -> None:
        """Find what no announcement told, and what time alone changed."""
        await asyncio.sleep(SWEEP_EVERY_S)
        if self._pictures is not None and (watched := self._pictures.watched):
            self._pictures.compare(await self._apart(news.order_stands, watched))
            self._pictures.age()

    async def _look(self) -> None:
        """Tell boards what changed, soon after an announcement and at the latest with the next sweep."""
        try:
            async with asyncio.timeout(SWEEP_EVERY_S):
                await self._sooner.wait()
        except TimeoutError:
            pass
        self._sooner.clear()
        if not self._desks:
            self._rows = None
        else:
            before, self._rows = self._rows, await self._apart(news.board_rows)
            if before is not None:
                self._tell(news.changes(before, self._rows))
        await asyncio.sleep(BEAT_EVERY_S)

    def _tell(self, changes: list[news.Change]) -> None:
        for desk in self._desks:
            seen = [change for change in changes if desk.viewer.sees(change.operator_id)]
            if seen:
                orders = {change.order_id for change in seen if change.order_id is not None}
                desk.stream.add(orders, {change.kind for change in seen})

    async def _check(self) -> None:
        """End the streams of links that were revoked or ran out, and of viewers who may no longer look."""
        await asyncio.sleep(CHECK_EVERY_S)
        if self._links is not None and self._followers:
            valid = await self._links.still({follower.token for follower in self._followers})
            for follower in [each for each in self._followers if each.token not in valid]:
                # Those that came while we asked are valid anyway: they were asked about just now.
                if time.monotonic() - follower.stream.began_s >= CHECK_EVERY_S / 2:
                    follower.stream.end()
        for desk in list(self._desks):
            viewer = await self._apart(viewer_of, desk.scope)
            if viewer is None:
                desk.stream.end()
            else:
                desk.viewer = viewer

    async def _apart(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


async def _steadily(step: Callable[[], Awaitable[None]]) -> None:
    """Repeat a step that waits by itself; the database may be away for a while."""
    while True:
        try:
            await step()
        except DatabaseError as err:
            log.warning("no look at the tables was possible", extra={"fault": repr(err)[:300]})
        except Exception:
            log.exception("a step of the live streams failed; the next one follows")


def _transport(scope: Scope) -> Any:
    """The connection itself, where the server gives it (`bpp.heads`)."""
    return scope.get("extensions", {}).get(TRANSPORT, {}).get("transport")


def _head(scope: Scope) -> dict[str, Any]:
    headers = [EVENT_STREAM, (b"x-accel-buffering", b"no"), *sealed_headers(scope)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def _answer(send: Send, scope: Scope, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = text.encode() + b"\n"
    plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*plain, *headers, *sealed_headers(scope)]})
    await send({"type": "http.response.body", "body": body})
