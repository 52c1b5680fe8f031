"""How large and how slow may the head of an HTTP request be, and who hears that the server stops?

uvicorn's httptools protocol gathers header lines without any limit and waits for them for ever, before the application
hears of the request (https://github.com/Kludex/uvicorn/issues/157). The server is therefore started with
`--http bpp.heads:BoundedHttp`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bpp.corked import Corked

MOST_BYTES: Final = 65_536
HEAD_S: Final = 10.0
DRAIN: Final = "drain"
TRANSPORT: Final = "voltbazaar.transport"


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with a head of at most MOST_BYTES (and one read) within HEAD_S: 431 and 408, and closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head, self._head_bytes, self._message_ended = True, 0, False
        self._too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Corked(transport, self.loop))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._message_ended = False
        super().data_received(data)
        # After a whole request the keep-alive time runs; a head that began in the same read is counted from the next.
        if not self._in_head or self._message_ended or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._too_late is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._head_is_here()
        super().on_headers_complete()
        # How much may wait to be sent, and whether it is given up, the hub decides for its streams by itself.
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes, self._message_ended = True, 0, True
        super().on_message_complete()

    def shutdown(self) -> None:
        """The server begins to stop: streams do not end by themselves, and uvicorn would wait for them."""
        super().shutdown()
        drain = self.app_state.get(DRAIN)
        if drain is not None:
            drain()

    def _await_head(self) -> None:
        self._too_late = self.loop.call_later(HEAD_S, self._give_up)

    def _head_is_here(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _give_up(self) -> None:
        self._too_late = None
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        """An answer is written only where no other one is on its way over this connection."""
        self._head_is_here()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
