"""How do many POSTs go out at once over few connections, none of them to an address we do not call?"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from core.egress import AddressRefused, Egress
from core.errors import DeliveryError
from core.lines import CONNECT_S, LIMIT_BYTES, Answer, Line, Unanswered

KEPT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that may be called, taken apart once; `head` is its request line and Host."""

    secure: bool
    host: str
    port: int
    head: str


@dataclass(slots=True)
class _Host:
    """What is kept for one scheme, host and port."""

    gate: asyncio.Semaphore
    free: list[Line] = field(default_factory=list)
    users: int = 0


class Pool:
    """Asynchronous POSTs over kept connections: at most `per_host` at once to one host and `total` in all."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        per_host: int = 4,
        total: int = 32,
        connect_s: float = CONNECT_S,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._egress = Egress(allow_private=allow_private)
        self._per_host, self._total = per_host, total
        self._connect_s, self._limit_bytes = connect_s, limit_bytes
        self._gate = asyncio.Semaphore(total)
        self._hosts: dict[tuple[bool, str, int], _Host] = {}
        self._kept = 0
        self._reaper: asyncio.TimerHandle | None = None
        self._target = lru_cache(maxsize=1024)(self._checked)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float = 6.0) -> Answer:
        """POST these bytes and read the answer, whatever its status, within `timeout_s` in all.

        Tries a second time where the connection is closed before an answer. Raises DeliveryError: permanent for a URL
        or address we do not call, else not.
        """
        try:
            target = self._target(url)
            request = _request(target, body, headers)
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._ask(target, request)
                except Unanswered:
                    # A receiver must bear a repeated POST anyway.
                    return await self._ask(target, request, afresh=True)
        except AddressRefused as err:
            raise DeliveryError(err.text, permanent=True) from err
        except TimeoutError as err:
            raise DeliveryError(f"{url} did not answer within {timeout_s} s", permanent=False) from err
        except OSError as err:
            cause = str(err) or type(err).__name__
            raise DeliveryError(f"{url} could not be called: {cause[:200]}", permanent=False) from err

    async def close(self) -> None:
        """Close every connection."""
        if self._reaper is not None:
            self._reaper.cancel()
        self._reap(KEPT_S + time.monotonic())

    def _checked(self, url: str) -> _Target:
        self._egress.check_url(url)
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host, port = (parts.hostname or ""), parts.port or (443 if secure else 80)
        head = f"POST {place} HTTP/1.1\r\nHost: {parts.netloc.lower()}\r\n"
        return _Target(secure, host, port, head)

    async def _ask(self, target: _Target, request: bytes, *, afresh: bool = False) -> Answer:
        name = (target.secure, target.host, target.port)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(asyncio.Semaphore(self._per_host))
        host.users += 1
        try:
            async with host.gate, self._gate:
                line = (None if afresh else self._free(host)) or await self._opened(target)
                try:
                    return await line.ask(request)
                finally:
                    self._keep(host, line)
        finally:
            host.users -= 1
            if not host.users and not host.free:
                del self._hosts[name]

    def _free(self, host: _Host) -> Line | None:
        while host.free:
            line = host.free.pop()
            self._kept -= 1
            if line.usable and time.monotonic() - line.used_at < KEPT_S:
                return line
            line.close()
        return None

    def _keep(self, host: _Host, line: Line) -> None:
        if not line.usable or self._kept >= self._total:
            line.close()
            return
        host.free.append(line)
        self._kept += 1
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(KEPT_S, self._reap_again)

    def _reap_again(self) -> None:
        self._reaper = None
        self._reap(time.monotonic())
        if self._kept:
            self._reaper = asyncio.get_running_loop().call_later(KEPT_S, self._reap_again)

    def _reap(self, now: float) -> None:
        """Close what nobody used for a while, and forget hosts of which nothing is left."""
        for name, host in list(self._hosts.items()):
            old = [line for line in host.free if not line.usable or now - line.used_at >= KEPT_S]
            host.free = [line for line in host.free if line not in old]
            self._kept -= len(old)
            for line in old:
                line.close()
            if not host.users and not host.free:
                del self._hosts[name]

    async def _opened(self, target: _Target) -> Line:
        """A new connection to one of the host's addresses, each checked again as its socket opens."""
        found = await asyncio.to_thread(self._egress.resolve, target.host, target.port, wait_s=self._connect_s)
        fault: OSError = OSError(f"the name {target.host} has no address")
        for family, kind, proto, _, place in found[:3]:
            self._egress.check_address(target.host, str(place[0]))
            try:
                return await self._connected(target, socket.socket(family, kind, proto), place)
            except OSError as err:
                fault = err
        raise fault

    async def _connected(self, target: _Target, sock: socket.socket, place: Any) -> Line:
        loop = asyncio.get_running_loop()
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._connect_s):
                await loop.sock_connect(sock, place)
            context = await asyncio.to_thread(_tls) if target.secure else None
            name = target.host if target.secure else None
            _, line = await loop.create_connection(
                lambda: Line(self._limit_bytes), sock=sock, ssl=context, server_hostname=name
            )
        except BaseException:
            sock.close()
            raise
        return line


def _request(target: _Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request. Raises ValueError for a header that would be read as more than one."""
    sent = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
    lines = "".join([f"{name}: {value}\r\n" for name, value in sent.items()])
    if not lines.isascii() or lines.count("\r") + lines.count("\n") != 2 * len(sent) or "\0" in lines:
        raise ValueError("a header's name or value holds a line break or is not ASCII")
    return b"%sContent-Length: %d\r\n\r\n%s" % ((target.head + lines).encode(), len(body), body)


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
