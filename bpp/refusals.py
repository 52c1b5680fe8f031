"""What do we answer instead of an ACK, and how is it counted?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import orjson
from django.conf import settings
from prometheus_client import Counter

from bpp import signing
from bpp.guard import Send

RETRY_AFTER_S: Final = 2
JSON_TYPE: Final = (b"content-type", b"application/json")

REQUESTS = Counter("beckn_requests_total", "Beckn requests by what became of them.", ["action", "verdict"])
SIGNATURE_FAILURES = Counter("signature_failures_total", "Signatures refused, by reason.", ["reason"])


class Refused(Exception):
    """What we answer instead of an ACK."""

    def __init__(
        self,
        status: int,
        verdict: str,
        text: str,
        *,
        code: str = "30000",
        paths: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(text)
        self.status = status
        self.verdict = verdict
        self.text = text
        self.code = code
        self.paths = paths
        self.headers = headers

    def body(self) -> bytes:
        """The NACK on the wire."""
        error = {"code": self.code, "paths": self.paths, "message": f"{self.verdict}: {self.text}"}
        return orjson.dumps({"message": {"ack": {"status": "NACK"}}, "error": error})


Unauthorized = Callable[[str, str], Refused]
"""Makes the refusal of a signature from its code and text: `unauthorized` or `proxy_unauthorized`."""


def nack(verdict: str, text: str, *, paths: str, code: str = "30000") -> Refused:
    """A fault of substance or context, at `paths` in the body."""
    return Refused(settings.BECKN_SYNC_NACK_STATUS, verdict, text, paths=paths, code=code)


def later(verdict: str, text: str, wait_s: float = 0.0) -> Refused:
    """Temporary trouble: 200 all the same, since gateways strike out providers that answer 5xx."""
    seconds = max(RETRY_AFTER_S, math.ceil(wait_s))
    return Refused(200, verdict, text, code="40000", headers=((b"retry-after", b"%d" % seconds),))


def unauthorized(code: str, text: str, *, paths: str = "") -> Refused:
    """A sender we do not believe; counted by its code."""
    SIGNATURE_FAILURES.labels(code).inc()
    return Refused(401, code, text, paths=paths, headers=((b"www-authenticate", _challenge()),))


def proxy_unauthorized(code: str, text: str) -> Refused:
    """A gateway we do not believe; counted by its code."""
    SIGNATURE_FAILURES.labels(code).inc()
    return Refused(401, code, text, headers=((b"proxy-authenticate", _challenge()),))


def _challenge() -> bytes:
    return f'Signature realm="{settings.BECKN_SUBSCRIBER_ID}",headers="{signing.COVERED}"'.encode()


def shown(value: object) -> str:
    """A value from outside, safe to print and short."""
    return ascii(value)[:80]


def count(action: str, verdict: str) -> None:
    """Count one request."""
    _counter(action, verdict).inc()


@cache
def _counter(action: str, verdict: str) -> Counter:
    return REQUESTS.labels(action, verdict)


async def answer(send: Send, refusal: Refused) -> None:
    """Send the refusal."""
    await respond(send, refusal.status, refusal.body(), refusal.headers)


async def respond(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send one JSON answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [JSON_TYPE, length, *headers]})
    await send({"type": "http.response.body", "body": body})
