"""The door alone, as a web process runs it, with nobody behind it: what `bench.door` measures."""

from __future__ import annotations

import gc
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
django.setup()

from bpp import layer2  # noqa: E402 - after django.setup
from bpp.door import Door  # noqa: E402
from bpp.guard import Receive, Scope, Send  # noqa: E402
from bpp.storing import Writer, conninfo  # noqa: E402


class Alone:
    """The ASGI application."""

    def __init__(self) -> None:
        self.writer: Writer | None = None
        self.door: Door | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self.door is not None
        await self.door(scope, receive, send, scope["path"].rpartition("/")[2])

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.writer = Writer(conninfo())
        self.door = Door(self.writer, also_check=layer2.incoming)
        await self.writer.start()
        # The collector as `bpp.asgi` sets it, and layer 2 as it checks: what is measured is what runs.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.writer.stop()
        self.door.close()
        await send({"type": "lifespan.shutdown.complete"})


application = Alone()
