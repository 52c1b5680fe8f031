"""Who sends requests in the proofs of the door, and exactly which bytes? Peers with keys, and HTTP written by hand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox import wishes
from sandbox.offers import Offer
from sandbox.registry import Registry, Row, add_registry_routes
from sandbox.serving import Server, serve, utc_now, wire_time
from sandbox.signing import SIGNED_HEADERS, Identity, digest, signing_string
from tests.verify.rig import BPP_ID

ANSWER_S = 20.0
ACTIONS = (
    *("search", "select", "init", "confirm", "status", "track", "update", "cancel", "rating", "support"),
    *("get_cancellation_reasons", "get_rating_categories"),
)
ACK = b'{"message":{"ack":{"status":"ACK"}}}'

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it arrived, `at` in seconds of the monotonic clock."""

    action: str
    body: dict[str, Any]
    at: float


@dataclass
class Peers:
    """A registry and the peers in it, all on one loopback port; callbacks are kept by their message_id."""

    registry: Registry = field(default_factory=Registry)
    callbacks: dict[str, asyncio.Future[Callback]] = field(default_factory=dict)
    server: Server | None = None

    async def __aenter__(self) -> Peers:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        add_registry_routes(app, self.registry)
        app.router.add_post("/peers/{name}/{action}", self._on_callback)
        self.server = await serve(app)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.server is not None:
            await self.server.stop()

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    def uri(self, identity: Identity) -> str:
        """Where a peer takes its callbacks."""
        return f"{self.url}/peers/{identity.subscriber_id}"

    def join(self, name: str, kind: str = "BAP", *, key_id: str = "k1", **changes: str) -> Identity:
        """A subscriber with fresh keys; `changes` replace fields of its row in the registry."""
        identity = Identity.fresh(f"{name}.verify.localhost", key_id)
        row: dict[str, str] = {
            "subscriber_id": identity.subscriber_id,
            "subscriber_url": self.uri(identity),
            "type": kind,
            "signing_public_key": identity.signing_public_key,
            "encr_public_key": identity.encryption_public_key,
            "key_id": key_id,
        }
        self.registry.add(Row(**(row | changes)))
        return identity

    def expect(self, message_id: str) -> asyncio.Future[Callback]:
        """The callback of a request, to come or come already."""
        return self.callbacks.setdefault(message_id, asyncio.get_running_loop().create_future())

    async def _on_callback(self, request: web.Request) -> web.StreamResponse:
        at, body = time.monotonic(), orjson.loads(await request.read())
        waiting = self.expect(str(body["context"]["message_id"]))
        if not waiting.done():
            waiting.set_result(Callback(request.match_info["action"], body, at))
        return web.Response(body=ACK, content_type="application/json")


# What is said


def context(identity: Identity, uri: str, action: str, **changes: Any) -> dict[str, Any]:
    """A sound context with fresh ids; a change to None leaves the member out."""
    content: dict[str, Any] = {
        "domain": "ev-charging:uei",
        "action": action,
        "version": "1.1.0",
        "location": {"country": {"code": "IND"}, "city": {"code": "std:080"}},
        "bap_id": identity.subscriber_id,
        "bap_uri": uri,
        "bpp_id": BPP_ID,
        "transaction_id": str(uuid.uuid4()),
        "message_id": str(uuid.uuid4()),
        "timestamp": wire_time(utc_now()),
        "ttl": "PT10M",
    }
    return {name: value for name, value in (content | changes).items() if value is not None}


def message(action: str, *, item: str = "IN*NONE*E0001*1", order: str = "VB-NONE") -> dict[str, Any] | None:
    """A sound message of an action, about an item and an order that need not exist."""
    evse = item.rpartition("*")[0]
    offer = Offer(BPP_ID, "", "", "", item, "", evse)
    selected = wishes.select(offer, wishes.Amount("3", "kWh"), window=wishes.Window())
    selected["order"]["provider"]["id"] = "none"
    payment = {"collected_by": "BAP", "type": "PRE-ORDER", "status": "PAID", "params": {"transaction_id": "utr-1"}}
    found: dict[str, dict[str, Any] | None] = {
        "search": wishes.search("12.971600,77.594600"),
        "select": selected,
        "init": wishes.init(selected, collected_by="BAP"),
        "confirm": wishes.confirm(selected, [payment]),
        "status": {"order_id": order},
        "track": {"order_id": order},
        "update": wishes.update_state(order, evse, command="start-charging"),
        "cancel": wishes.cancel(order, reason_id="1"),
        "rating": wishes.rating(order, "4"),
        "support": wishes.support(order),
    }
    return found.get(action)


def document(head: dict[str, Any], content: dict[str, Any] | None) -> bytes:
    """The bytes of a request."""
    return orjson.dumps({"context": head} if content is None else {"context": head, "message": content})


# How it is signed


def parameters(
    identity: Identity, body: bytes, *, created: int | None = None, expires: int | None = None, lasting_s: int = 300
) -> dict[str, str]:
    """The parameters of a signature header in their usual order; the times are Unix seconds."""
    made = int(time.time()) if created is None else created
    ends = made + lasting_s if expires is None else expires
    key = Ed25519PrivateKey.from_private_bytes(identity.signing_seed)
    raw = key.sign(signing_string(made, ends, body_digest=digest(body)))
    return {
        "keyId": f"{identity.subscriber_id}|{identity.key_id}|ed25519",
        "algorithm": "ed25519",
        "created": str(made),
        "expires": str(ends),
        "headers": SIGNED_HEADERS,
        "signature": base64_text(raw),
    }


def base64_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def written(pairs: dict[str, str] | Sequence[tuple[str, str]], *, comma: str = ",", scheme: str = "Signature ") -> str:
    """Parameters as a header value."""
    listed = pairs.items() if isinstance(pairs, dict) else pairs
    return scheme + comma.join(f'{name}="{value}"' for name, value in listed)


def authorized(value: str, *more: tuple[bytes, bytes]) -> Headers:
    """The Authorization header, and others after it."""
    return ((b"Authorization", value.encode()), *more)


# How it travels


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where the connection ended without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def acked(self) -> bool:
        return self.status == 200 and self._ack == "ACK"

    @property
    def nacked(self) -> bool:
        return self._ack == "NACK"

    @property
    def verdict(self) -> str:
        """The refusal's first word, such as SIGNATURE_MISMATCH."""
        text = str(self._document.get("error", {}).get("message", ""))
        return text.partition(":")[0] or f"HTTP {self.status}"

    @property
    def _ack(self) -> str:
        found: str = self._document.get("message", {}).get("ack", {}).get("status", "")
        return found

    @property
    def _document(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def request(path: str, body: bytes, headers: Headers, *, chunked: bool = False, method: bytes = b"POST") -> bytes:
    """The bytes of one HTTP request, headers exactly as given."""
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/json"]
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
        cuts = [body[at : at + 100] for at in range(0, len(body), 100)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(cut), cut) for cut in cuts) + b"0\r\n\r\n"
    else:
        lines.append(b"Content-Length: %d" % len(body))
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Line:
    """One connection that is kept as long as the other side keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, raw: bytes) -> Answer:
        """Send one request and read its answer; a kept connection that proves closed is opened again once."""
        kept = self._streams is not None
        answer = await self._try(raw)
        return await self._try(raw) if kept and answer.status == 0 else answer

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(OSError):
                await self._streams[1].wait_closed()
        self._streams = None

    async def _try(self, raw: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            async with asyncio.timeout(ANSWER_S):
                writer.write(raw)
                answer = await read_answer(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            answer = Answer(0, {}, b"")
        if answer.status == 0 or answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One answer with a Content-Length. Raises IncompleteReadError where the connection ends before."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)
