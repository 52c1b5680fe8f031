"""How does a buyer app answer a callback, rightly or, on request of a test, wrongly?"""

import asyncio
from dataclasses import dataclass, field

import orjson
from aiohttp import web

ACK_BYTES = b'{"message":{"ack":{"status":"ACK"}}}'
MODES = ("ack", "nack", "status", "hang", "drip", "close", "slow", "redirect")


@dataclass
class AckMode:
    """How callbacks are answered.

    nack: HTTP 200 and NACK · status: an HTTP `status` without ACK · hang: no answer for `wait_s` · drip: one byte each
    `wait_s` · close: the connection is cut · slow: ACK after `wait_s` · redirect: 307 to `location`.
    `remaining` counts the callbacks still answered so (None: all); `actions` limits it to some (empty: all).
    """

    kind: str = "ack"
    status: int = 500
    wait_s: float = 5.0
    location: str = "http://127.0.0.1:9/"
    remaining: int | None = None
    actions: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist."""
        if self.kind not in MODES:
            raise ValueError(f"ack mode is {self.kind!r}; allowed are {', '.join(MODES)}")
        self.actions = set(self.actions)

    def take(self, action: str) -> str:
        """The kind for this callback, counted down."""
        if self.kind == "ack" or (self.actions and action not in self.actions):
            return "ack"
        if self.remaining is not None:
            if self.remaining <= 0:
                return "ack"
            self.remaining -= 1
        return self.kind


def accepts(kind: str) -> bool:
    """Whether a callback answered so counts as taken over by the buyer."""
    return kind in ("ack", "slow")


def acknowledged() -> web.Response:
    """HTTP 200 with ACK."""
    return web.Response(body=ACK_BYTES, content_type="application/json")


def refused(message: str, *, status: int = 200, code: str = "30000") -> web.Response:
    """A NACK with its reason."""
    content = {"message": {"ack": {"status": "NACK"}}, "error": {"code": code, "message": message}}
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


async def answer(request: web.Request, kind: str, *, mode: AckMode) -> web.StreamResponse:
    """Answer one callback in this way."""
    if kind == "nack":
        return refused("refused on request of a test", code="40000")
    if kind == "status":
        return web.Response(status=mode.status, text="failing on request of a test")
    if kind == "redirect":
        return web.Response(status=307, headers={"Location": mode.location})
    if kind == "drip":
        return await _drip(request, wait_s=mode.wait_s)
    if kind in ("slow", "hang"):
        await asyncio.sleep(mode.wait_s)
    if kind in ("close", "hang") and request.transport is not None:
        request.transport.abort()
    return acknowledged()


async def _drip(request: web.Request, *, wait_s: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(ACK_BYTES))})
    await response.prepare(request)
    for position in range(len(ACK_BYTES)):
        try:
            await response.write(ACK_BYTES[position : position + 1])
        except ConnectionError:
            break  # the sender lost patience, which is what dripping is for
        await asyncio.sleep(wait_s)
    return response
