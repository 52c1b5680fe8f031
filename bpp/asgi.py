"""Which part of the process answers: the Beckn door under our subscriber URL, meter values at /events, the hub for
streams, else Django.

Django knows no lifespan, so the door's writer, the storefront and the hub are started and stopped here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
# Each request has a thread of its own here: connections kept by threads would pile up, so they come from a pool.
# The choice is this process's alone: whatever it starts decides for itself.
_chosen = os.environ.get("DB_POOL")
os.environ["DB_POOL"] = _chosen or "1"
django_application = get_asgi_application()
if _chosen is None:
    del os.environ["DB_POOL"]

# Only now: these need Django's apps.
from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from bpp import layer2, meters, outbox, storefront, tasks  # noqa: E402
from bpp.door import ACTIONS, CHALLENGE, Accepted, Door  # noqa: E402
from bpp.guard import Receive, Scope, Send  # noqa: E402
from bpp.heads import DRAIN  # noqa: E402
from bpp.live import Hub  # noqa: E402
from bpp.refusals import RETRY_AFTER_S, respond  # noqa: E402
from bpp.storing import Writer, conninfo  # noqa: E402

log = logging.getLogger(__name__)

MOST_REPEATS = 10_000
MOST_REQUESTS = 1000  # at work at a time; streams have a limit of their own


class Wakener:
    """Wakes workers without holding up the event loop: one nudge at a time, and at most one more to come."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    def wake(self, queue: str) -> None:
        """Nudge `queue` soon."""
        if queue in self._running:
            self._again.add(queue)
            return
        self._running[queue] = asyncio.create_task(self._nudge(queue))

    async def _nudge(self, queue: str) -> None:
        try:
            await asyncio.to_thread(tasks.nudge, queue)
        finally:
            del self._running[queue]
        if queue in self._again:
            self._again.discard(queue)
            self.wake(queue)


class Front:
    """The whole ASGI application of a web process."""

    def __init__(self) -> None:
        self.prefix = urlsplit(settings.BECKN_SUBSCRIBER_URL).path.rstrip("/") + "/"
        self.door: Door | None = None
        self._writer: Writer | None = None
        self._store: storefront.Storefront | None = None
        self._meters = meters.Meters(django_application)
        self._wakener = Wakener()
        self._work: set[asyncio.Task[Any]] = set()
        self._repeated: dict[int, None] = {}
        self._requests = 0
        self._hub = Hub(self._answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            # What the server hands to its connections, so that they can tell when it begins to stop.
            scope.get("state", {})[DRAIN] = self._hub.drain
            await self._live(receive, send)
            return
        if self._hub.serves(scope):
            await self._hub(scope, receive, send)
            return
        if self._requests >= MOST_REQUESTS and scope["type"] == "http":
            await respond(send, 503, b"{}", ((b"retry-after", b"%d" % RETRY_AFTER_S),))
            return
        self._requests += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._requests -= 1

    async def start(self) -> None:
        """Connect the writer and open the door; the database may still be away."""
        self._writer = Writer(conninfo())
        self.door = Door(self._writer, on_stored=self._on_stored, on_repeat=self._on_repeat, also_check=layer2.incoming)
        await self._writer.start()
        self._store = storefront.Storefront(self._writer)
        await self._store.start()
        _allow_files(settings.LIVE_STREAMS_MAX + 2 * MOST_REQUESTS)
        # What stands now stays: the collector need not look at it again, nor so often (a fifth of a search's cost).
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)

    async def stop(self) -> None:
        """Finish what was acknowledged, as far as it is ours, and let go."""
        await self._hub.stop()
        if self._work:
            await asyncio.wait(self._work, timeout=10)
        if self._store is not None:
            await self._store.stop()
        if self._writer is not None:
            await self._writer.stop()
        if self.door is not None:
            self.door.close()
        await self._meters.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == meters.PATH:
            await self._meters(scope, receive, send)
            return
        action = self._action(scope)
        if action is None:
            await django_application(scope, receive, send)  # type: ignore[arg-type]  # asgiref's own narrower types
            return
        if self.door is None:
            await self.start()
        assert self.door is not None
        await self.door(scope, receive, send, action)

    def _action(self, scope: Scope) -> str | None:
        """The action a request is for, or None where it is Django's."""
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if not path.startswith(self.prefix):
            return None
        action = path[len(self.prefix) :]
        # A subscriber URL without a path would take all of Django's pages.
        if self.prefix == "/" and action not in ACTIONS and action != CHALLENGE:
            return None
        return action

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _on_stored(self, accepted: Accepted) -> None:
        if accepted.action == "search" and self._store is not None:
            self._store.answer(accepted.inbox_id, accepted.document)
        else:
            self._wakener.wake("process")

    def _on_repeat(self, accepted: Accepted) -> None:
        """The answer goes out again, once for each message: the sender may have missed it."""
        if accepted.inbox_id in self._repeated:
            return
        self._repeated[accepted.inbox_id] = None
        if len(self._repeated) > MOST_REPEATS:
            del self._repeated[next(iter(self._repeated))]
        self._later(self._repeat(accepted.inbox_id))

    async def _repeat(self, inbox_id: int) -> None:
        if await asyncio.to_thread(_repeat_answer, inbox_id):
            self._wakener.wake("deliver")
        else:
            self._repeated.pop(inbox_id, None)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work after an acknowledgement failed; the sweep will repeat it", exc_info=task.exception())


def _allow_files(most: int) -> None:
    """Each open stream is an open file: let the process have so many, as far as it may decide so itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < most:
        log.warning("fewer streams can be open than LIVE_STREAMS_MAX says: raise the limit of open files")


def _repeat_answer(inbox_id: int) -> int:
    try:
        return outbox.repeat_answer(inbox_id, now=datetime.now(UTC))
    finally:
        connections.close_all()


application = Front()
