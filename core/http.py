"""How do we call out, so that a hostile address, a slow answer or a huge one cannot hurt us?

Every connection goes to an address that was checked when its socket opened; redirects, proxies from the environment
and netrc are never used; a call has one deadline in all and its answer one size limit.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

from core.egress import AddressRefused, Egress
from core.errors import DeliveryError
from core.lines import CONNECT_S, LIMIT_BYTES, Answer, check_encoding
from core.pool import Pool

__all__ = ["AddressRefused", "Answer", "Egress", "Pool", "call"]


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
        request = partial(session.request, method, url, data=data, headers=sent, allow_redirects=False, stream=True)
        with watch, request(timeout=(min(CONNECT_S, timeout_s), timeout_s)) as response:
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
    check_encoding(response.headers.get("Content-Encoding", ""), response.status_code)
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
