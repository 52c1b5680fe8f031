"""Who opens a stream, and may they? Answered by Django's own parts, once at the beginning and now and then after."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from concurrent.futures import Executor
from functools import cache
from io import BytesIO
from typing import Final

from django.contrib import auth
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils import timezone

from bpp.guard import Scope
from bpp.kept import settings
from catalog.tenancy import Reach, reach_of
from core.pages import sealed
from fulfillment.services.links import tracked_orders
from fulfillment.views import POLICY

Viewer = Reach
"""What the viewer of a board may see."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST: Final = 1000


class Links:
    """Asks the database about links, one question for all that have gathered meanwhile."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._waiting: dict[str, asyncio.Future[int | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def order(self, token: str) -> int | None:
        """The order that a link opens; None where it opens none. Raises DatabaseError."""
        if not _TOKEN.fullmatch(token):
            return None
        future = self._waiting.get(token)
        if future is None:
            future = self._waiting[token] = asyncio.get_running_loop().create_future()
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(future)

    async def still(self, tokens: Collection[str]) -> dict[str, int]:
        """Those of many links that open an order. Raises DatabaseError."""
        found: dict[str, int] = {}
        every = list(tokens)
        for start in range(0, len(every), _MOST):
            loop = asyncio.get_running_loop()
            found |= await loop.run_in_executor(self._threads, _opened, every[start : start + _MOST])
        return found

    async def _ask(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                try:
                    found = await self.still(asked)
                except Exception as err:  # noqa: BLE001 - whatever it was, it is each asker's to know
                    for future in asked.values():
                        future.set_exception(err)
                else:
                    for token, future in asked.items():
                        future.set_result(found.get(token))
        finally:
            self._asking = None


def _opened(tokens: list[str]) -> dict[str, int]:
    try:
        return tracked_orders(tokens, timezone.now())
    finally:
        connections.close_all()


def answers_here(scope: Scope) -> bool:
    """Whether Django would answer at all under this host and scheme; where not, it shall refuse by itself."""
    request = _request(scope)
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return not settings.SECURE_SSL_REDIRECT or request.is_secure()


def viewer_of(scope: Scope) -> Viewer | None:
    """What the signed-in staff of this request may see; None where there is nobody or nothing. For a thread."""
    request = _request(scope)
    try:
        SessionMiddleware(_nothing).process_request(request)
        reach = reach_of(auth.get_user(request))
    finally:
        connections.close_all()
    return reach if reach.any else None


def sealed_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers with which the live page leaves, those that all of Django's pages have among them."""
    return _headers(_request(scope).is_secure())


@cache
def _headers(secure: bool) -> list[tuple[bytes, bytes]]:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "scheme": "https"}
    request = ASGIRequest({**scope, "scheme": "https" if secure else "http"}, BytesIO())
    response = sealed(HttpResponse(), POLICY)
    del response["Content-Type"]
    XFrameOptionsMiddleware(_nothing).process_response(request, response)
    SecurityMiddleware(_nothing).process_response(request, response)
    return [(name.lower().encode(), value.encode()) for name, value in response.items()]


def _request(scope: Scope) -> ASGIRequest:
    return ASGIRequest(scope, BytesIO())


def _nothing(_: HttpRequest) -> HttpResponse:
    return HttpResponse()
