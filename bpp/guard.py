"""Is this request small, plain and prompt enough to be looked at?

Everything here happens before any cryptography: it is what a stranger can make us do.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = dict[bytes, list[bytes]]

_MOST_PEERS: Final = 10_000
_LOOPBACK: Final = ("127.", "::1")


class Turned(Exception):
    """A request turned away unread: the HTTP `status`, a verdict `code` and a `text` for the sender."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


class ClientLeft(Exception):
    """The client went away before its body was complete: there is nobody to answer."""


def headers_of(scope: Scope) -> Headers:
    """Header lines by lower-case name; a name given in several lines keeps them all."""
    found: Headers = {}
    for name, value in scope["headers"]:
        found.setdefault(name, []).append(value)
    return found


async def read_body(receive: Receive, headers: Headers, *, limit_bytes: int, deadline_s: float) -> bytes:
    """The body as it travelled, with or without Content-Length.

    Raises Turned: 413 above `limit_bytes`, 415 for a compressed body, 408 where it takes longer than `deadline_s`;
    ClientLeft.
    """
    _check_headers(headers, limit_bytes)
    event = await receive()
    if event["type"] == "http.request" and not event.get("more_body", False):
        body: bytes = event.get("body", b"")
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    try:
        async with asyncio.timeout(deadline_s):
            return await _rest(receive, event, limit_bytes)
    except TimeoutError as err:
        raise Turned(408, "TOO_SLOW", f"the body was not complete within {deadline_s} s") from err


async def _rest(receive: Receive, event: Event, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if event["type"] == "http.disconnect":
            raise ClientLeft
        part = event.get("body", b"")
        size += len(part)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)
        event = await receive()


def _check_headers(headers: Headers, limit_bytes: int) -> None:
    if b"content-encoding" in headers:
        _check_encoding(b",".join(headers[b"content-encoding"]).strip().lower())
    length = headers.get(b"content-length")
    if length is not None and length[0].isdigit() and (len(length[0]) > 12 or int(length[0]) > limit_bytes):
        raise _too_large(limit_bytes)


def _check_encoding(encoding: bytes) -> None:
    if encoding not in {b"", b"identity"}:
        shown = ascii(encoding[:20].decode("latin-1"))[1:-1]
        raise Turned(415, "ENCODED_BODY", f"Content-Encoding is {shown}; send the signed bytes as they are (identity)")


def _too_large(limit_bytes: int) -> Turned:
    return Turned(413, "TOO_LARGE", f"the body is larger than {limit_bytes} bytes")


class Rate:
    """A bucket of tokens for each name: `per_s` come each second, at most `burst` are kept; 0 means no limit."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, max(burst, 1.0)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """0 where one more is allowed now (and is counted), else how long until the next one is."""
        if self._per_s <= 0:
            return 0.0
        now = time.monotonic()
        tokens, since = self._buckets.pop(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_s)
        wait_s = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._per_s
        self._buckets[name] = (tokens if wait_s else tokens - 1.0, now)
        if len(self._buckets) > _MOST_PEERS:
            self._buckets.popitem(last=False)
        return wait_s


def peer_of(scope: Scope, headers: Headers, *, behind_proxy: bool) -> str:
    """Who is to be limited, or "" for nobody.

    Behind a proxy it is the last address the proxy wrote down. Without one a loopback peer is the operator's own
    process, and may stand for many clients.
    """
    if behind_proxy:
        forwarded = headers.get(b"x-forwarded-for")
        if forwarded:
            return forwarded[-1].rpartition(b",")[2].strip().decode("latin-1")[:64]
    client = scope.get("client")
    host = client[0] if client else ""
    return "" if host.startswith(_LOOPBACK) else host
