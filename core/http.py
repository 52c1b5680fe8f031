"""How do we call out, so that a hostile address, a slow answer or a huge one cannot hurt us?

Every connection goes to an address that was checked when its socket opened; redirects, proxies from the environment
and netrc are never used; a call has one deadline in all and its answer one size limit.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import aiohttp
import orjson
import requests
from aiohttp.abc import AbstractResolver, ResolveResult
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

from core.egress import AddressRefused, Egress
from core.errors import DeliveryError

__all__ = ["AddressRefused", "Answer", "Egress", "Pool", "call"]

CONNECT_S: Final = 1.5
LIMIT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; header names in lower case, `body` as it travelled."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def call(
    method: str,
    url: str,
    *,
    json: Any = None,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 6.0,
    limit_bytes: int = LIMIT_BYTES,
    allow_private: bool = False,
) -> Answer:
    """One request and its answer, whatever its status.

    `json` is sent as a JSON body, `data` as it is. The whole call takes at most `timeout_s`, the answer's body at most
    `limit_bytes`. Raises DeliveryError: permanent for a URL or address we do not call, else not.
    """
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    if json is not None:
        data = orjson.dumps(json)
        sent.setdefault("Content-Type", "application/json")
    watch = _Watch(timeout_s)
    try:
        Egress(allow_private=allow_private).check_url(url)
        session = _session(allow_private=allow_private)
        with (
            watch,
            session.request(
                method,
                url,
                data=data,
                headers=sent,
                timeout=(min(CONNECT_S, timeout_s), timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            body = _body(response, limit_bytes)
            if watch.rang:
                raise TimeoutError
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, found, body)
    except AddressRefused as err:
        raise DeliveryError(err.text, permanent=True) from err
    except (requests.RequestException, HTTPError, OSError) as err:
        if watch.rang:
            raise DeliveryError(f"{url} did not answer within {timeout_s} s", permanent=False) from err
        raise DeliveryError(f"{url} could not be called: {_cause(err)}", permanent=False) from err


def _body(response: requests.Response, limit_bytes: int) -> bytes:
    _check_encoding(response.headers.get("Content-Encoding", ""), response.status_code)
    body = b""
    # Only the read that finds nothing more notices a connection that was cut short.
    while len(body) <= limit_bytes:
        part = response.raw.read(limit_bytes + 1 - len(body), decode_content=False)
        if not part:
            break
        body += part
    else:
        response.raw.close()
        raise DeliveryError(
            f"the answer is larger than {limit_bytes} bytes", permanent=False, status=response.status_code
        )
    return body


def _check_encoding(encoding: str, status: int) -> None:
    if encoding.lower() not in {"", "identity"}:
        raise DeliveryError(f"the answer came as {encoding}; we ask for identity", permanent=False, status=status)


def _cause(err: BaseException) -> str:
    reason = getattr(err, "reason", None) or (err.args[0] if err.args else err)
    reason = getattr(reason, "reason", None) or reason
    return str(reason)[:200]


class _Watch:
    """A deadline over one call: when it rings, the connection in use is cut, wherever the call waits."""

    def __init__(self, timeout_s: float) -> None:
        self.rang = False
        self._timer = threading.Timer(timeout_s, self._ring)
        self._timer.daemon = True
        self._line: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        _here.watch = self
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _here.watch = None

    def follow(self, line: socket.socket) -> None:
        with self._lock:
            self._line = line
            if self.rang:
                _cut(line)

    def _ring(self) -> None:
        with self._lock:
            self.rang = True
            if self._line is not None:
                _cut(self._line)


def _cut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Already closed by the other side: the waiting read ends by itself.
        return


class _Guarded:
    """Opens a connection to a checked address and lets the watch of the running call cut it."""

    host: str
    port: int
    allow_private = False
    _line: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        try:
            sock = Egress(allow_private=self.allow_private).connect(self.host.strip("[]"), self.port, wait_s=CONNECT_S)
        except OSError as err:
            raise NewConnectionError(self, str(err)) from err  # type: ignore[arg-type]  # a mixin of HTTPConnection
        # A duplicate of the descriptor: TLS takes the original over, and cutting must work during the handshake too.
        self._line = sock.dup()
        self._follow()
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._follow()
        super().request(*args, **kwargs)  # type: ignore[misc]  # a mixin of HTTPConnection

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        super().close()  # type: ignore[misc]  # a mixin of HTTPConnection

    def _follow(self) -> None:
        watch = getattr(_here, "watch", None)
        if watch is not None and self._line is not None:
            watch.follow(self._line)


class _PublicHTTP(_Guarded, HTTPConnection):
    pass


class _PublicHTTPS(_Guarded, HTTPSConnection):
    pass


class _AnyHTTP(_PublicHTTP):
    allow_private = True


class _AnyHTTPS(_PublicHTTPS):
    allow_private = True


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


class _AnyHTTPPool(HTTPConnectionPool):
    ConnectionCls = _AnyHTTP


class _AnyHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _AnyHTTPS


class _Adapter(HTTPAdapter):
    def __init__(self, *, allow_private: bool) -> None:
        self._pools: dict[str, Any] = (
            {"http": _AnyHTTPPool, "https": _AnyHTTPSPool}
            if allow_private
            else {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
        )
        super().__init__(pool_connections=8, pool_maxsize=2)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


_here = threading.local()


def _session(*, allow_private: bool) -> requests.Session:
    """This thread's session; a forked process starts anew, since two processes cannot share one connection."""
    if getattr(_here, "process", None) != os.getpid():
        _here.process, _here.sessions = os.getpid(), {}
    session: requests.Session | None = _here.sessions.get(allow_private)
    if session is None:
        session = requests.Session()
        session.trust_env = False
        session.headers.clear()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(allow_private=allow_private))
        _here.sessions[allow_private] = session
    return session


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
        self._client: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float = 6.0) -> Answer:
        """POST these bytes and read the answer, whatever its status, within `timeout_s` in all.

        Tries a second time where the connection is closed before an answer. Raises DeliveryError: permanent for a URL
        or address we do not call, else not.
        """
        ends_at = time.monotonic() + timeout_s
        try:
            self._egress.check_url(url)
            try:
                return await self._post(url, body, headers, wait_s=timeout_s)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError, BrokenPipeError):
                # Most often a kept connection the server had just closed. A receiver must bear a repeated POST anyway,
                # and telling the cases apart by aiohttp's tracing costs more than the rest of the call.
                return await self._post(url, body, headers, wait_s=ends_at - time.monotonic())
        except AddressRefused as err:
            raise DeliveryError(err.text, permanent=True) from err
        except TimeoutError as err:
            raise DeliveryError(f"{url} did not answer within {timeout_s} s", permanent=False) from err
        except (aiohttp.ClientError, OSError) as err:
            cause = str(err) or type(err).__name__
            raise DeliveryError(f"{url} could not be called: {cause[:200]}", permanent=False) from err

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str], *, wait_s: float) -> Answer:
        sent = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
        async with (
            asyncio.timeout(wait_s),
            self._session().post(url, data=body, headers=sent, allow_redirects=False) as response,
        ):
            return await self._answer(response)

    async def _answer(self, response: aiohttp.ClientResponse) -> Answer:
        _check_encoding(response.headers.get("Content-Encoding", ""), response.status)
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._limit_bytes:
                response.close()
                raise DeliveryError(
                    f"the answer is larger than {self._limit_bytes} bytes", permanent=False, status=response.status
                )
            parts.append(part)
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, b"".join(parts))

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._total,
                    limit_per_host=self._per_host,
                    resolver=_CheckedResolver(self._egress, wait_s=self._connect_s),
                    ttl_dns_cache=30,
                    socket_factory=self._open,
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent",),
            )
        return self._client

    def _open(self, info: Any) -> socket.socket:
        family, kind, proto, _, place = info
        self._egress.check_address(str(place[0]), str(place[0]))
        return socket.socket(family, kind, proto)


class _CheckedResolver(AbstractResolver):
    def __init__(self, egress: Egress, *, wait_s: float) -> None:
        self._egress, self._wait_s = egress, wait_s

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.to_thread(self._egress.resolve, host, port, wait_s=self._wait_s)
        return [
            ResolveResult(
                hostname=host, host=place[0], port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, place in found
        ]

    async def close(self) -> None:
        return None
