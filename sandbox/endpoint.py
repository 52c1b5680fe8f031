"""How does a buyer app stand on the network? It signs and posts requests, and takes and judges signed callbacks."""

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson
from aiohttp import web

from sandbox import challenge
from sandbox.answering import AckMode, accepts, acknowledged, answer, refused
from sandbox.directory import Directory
from sandbox.exchanges import Exchange, Ledger, Received
from sandbox.registry import Row
from sandbox.serving import Server, elapsed_ms, json_answer, serve, utc_now, wire_time
from sandbox.signing import Identity, SignatureError, Verdict, authorization, digest

META_CALLBACKS = {"cancellation_reasons", "rating_categories", "return_reasons"}


@dataclass(frozen=True)
class Network:
    """The words of a network that stand in every context."""

    domain: str = "ev-charging:uei"
    country: str = "IND"
    city: str = "std:080"
    version: str = "1.1.0"
    ttl: str = "PT10M"


@dataclass(frozen=True)
class Peer:
    """The provider a request goes to."""

    bpp_id: str
    bpp_uri: str


@dataclass(frozen=True)
class Sent:
    """One request that was sent, and how it was answered at once. `ack` is ACK, NACK or empty when neither came."""

    action: str
    transaction_id: str
    message_id: str
    status: int
    ack: str
    response: str
    latency_ms: float

    @property
    def acked(self) -> bool:
        """Whether the provider promised a callback."""
        return self.ack == "ACK"

    @property
    def error(self) -> dict[str, Any]:
        """The error beside a NACK, wherever the provider put it."""
        try:
            content = orjson.loads(self.response)
        except orjson.JSONDecodeError:
            return {}
        if not isinstance(content, dict):
            return {}
        message = content.get("message") or {}
        return content.get("error") or message.get("error") or (message.get("ack") or {}).get("error") or {}


class Endpoint:
    """A buyer app's keys, server, connections and account of what was said; knows nothing of charging."""

    def __init__(
        self,
        identity: Identity | None = None,
        *,
        registry_url: str,
        network: Network | None = None,
        keep_bodies: bool = True,
        timeout_s: float = 30.0,
    ) -> None:
        self.identity = identity or Identity.fresh("buyer.sandbox.localhost")
        self.registry_url = registry_url
        self.network = network or Network()
        self.ledger = Ledger(keep_bodies=keep_bodies)
        self.ack_mode = AckMode()
        self.app = web.Application(client_max_size=8 * 1024 * 1024)
        self.app.router.add_post("/beckn/on_subscribe", self._on_subscribe)
        self.app.router.add_post("/beckn/{action}", self._on_callback)
        self._timeout_s = timeout_s
        self._server: Server | None = None
        self._http: aiohttp.ClientSession | None = None
        self._directory: Directory | None = None

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=64, keepalive_timeout=30)
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        self._http = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self._directory = Directory(self.registry_url, self._http)
        self._server = await serve(self.app, host=host, port=port)

    async def stop(self) -> None:
        """Stop listening and sending."""
        if self._server:
            await self._server.stop()
        if self._http:
            await self._http.close()

    async def __aenter__(self) -> Self:
        """Start on a free loopback port."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    @property
    def url(self) -> str:
        """Where the app listens, without a trailing slash."""
        if self._server is None:
            raise RuntimeError("the buyer is not started: await buyer.start() first")
        return self._server.url

    @property
    def uri(self) -> str:
        """The base address of its callbacks: context.bap_uri."""
        return f"{self.url}/beckn"

    @property
    def http(self) -> aiohttp.ClientSession:
        """Its connections."""
        if self._http is None:
            raise RuntimeError("the buyer is not started: await buyer.start() first")
        return self._http

    @property
    def directory(self) -> Directory:
        """Its view of the registry."""
        if self._directory is None:
            raise RuntimeError("the buyer is not started: await buyer.start() first")
        return self._directory

    def row(self) -> Row:
        """Its entry for a registry, SUBSCRIBED."""
        keys = {
            "signing_public_key": self.identity.signing_public_key,
            "encr_public_key": self.identity.encryption_public_key,
        }
        places = {"domain": self.network.domain, "city": self.network.city, "country": self.network.country}
        return Row(self.identity.subscriber_id, self.uri, type="BAP", key_id=self.identity.key_id, **keys, **places)

    async def subscribe(self, *, timeout_s: float = 10.0) -> None:
        """Subscribe at the registry and wait until it says SUBSCRIBED. Raises TimeoutError."""
        body = self.row().as_wire() | {"nonce": str(uuid.uuid4())}
        del body["status"]
        async with self.http.post(f"{self.registry_url}/subscribe", json=body) as response:
            if response.status != 200:
                raise ValueError(f"the registry refused the subscription: {await response.text()}")
        async with asyncio.timeout(timeout_s):
            # Another party decides when we are subscribed, and the registry can only be asked.
            while not await self.directory.row(self.identity.subscriber_id, self.identity.key_id, fresh=True):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    # Sending

    async def send(
        self,
        action: str,
        message: dict[str, Any] | None,
        *,
        peer: Peer | None = None,
        url: str = "",
        transaction_id: str = "",
        message_id: str = "",
        context: dict[str, Any] | None = None,
    ) -> Sent:
        """Build, sign and post one request to `url` or to the peer; `context` overrides fields of the context."""
        content: dict[str, Any] = {
            "context": self.context(action, peer=peer, transaction_id=transaction_id, message_id=message_id)
            | (context or {})
        }
        if message is not None:
            content["message"] = message
        target = url or (f"{peer.bpp_uri.rstrip('/')}/{action}" if peer else "")
        if not target:
            raise ValueError(f"{action}: give the peer or the url it goes to")
        body = orjson.dumps(content)
        headers = {"Authorization": authorization(self.identity, body, created=int(time.time()))}
        return await self.post(target, body, headers=headers, action=action, context=content["context"])

    async def post(
        self, url: str, body: bytes, *, headers: dict[str, str], action: str, context: dict[str, Any] | None = None
    ) -> Sent:
        """Post these very bytes with these very headers and record it; for forged and broken requests too."""
        about = context or {}
        transaction_id, message_id = (str(about.get(name, "")) for name in ("transaction_id", "message_id"))
        headers = {"Content-Type": "application/json"} | headers
        at, since = wire_time(utc_now()), time.perf_counter()
        try:
            async with self.http.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status, text = response.status, await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as err:
            status, text = 0, f"{type(err).__name__}: {err}"
        took_ms = elapsed_ms(since)
        ack = _ack_in(text)
        self.ledger.note(
            Exchange(
                at,
                "out",
                action,
                url=url,
                headers=headers,
                body=body.decode("utf-8", "replace"),
                status=status,
                response=text,
                latency_ms=took_ms,
                verdict="sent by us",
                ack=ack,
                transaction_id=transaction_id,
                message_id=message_id,
            )
        )
        return Sent(action, transaction_id, message_id, status, ack, response=text, latency_ms=took_ms)

    def context(
        self, action: str, *, peer: Peer | None = None, transaction_id: str = "", message_id: str = ""
    ) -> dict[str, Any]:
        """A context with fresh ids where none are given."""
        content: dict[str, Any] = {
            "domain": self.network.domain,
            "action": action,
            "version": self.network.version,
            "location": {"country": {"code": self.network.country}, "city": {"code": self.network.city}},
            "bap_id": self.identity.subscriber_id,
            "bap_uri": self.uri,
            "transaction_id": transaction_id or str(uuid.uuid4()),
            "message_id": message_id or str(uuid.uuid4()),
            "timestamp": wire_time(utc_now()),
            "ttl": self.network.ttl,
        }
        if peer:
            content |= {"bpp_id": peer.bpp_id, "bpp_uri": peer.bpp_uri}
        return content

    # Receiving

    async def _on_callback(self, request: web.Request) -> web.StreamResponse:
        since, action, body = time.perf_counter(), request.match_info["action"], await request.read()
        exchange = Exchange(
            wire_time(utc_now()),
            "in",
            action,
            url=str(request.url),
            headers={str(name): value for name, value in request.headers.items()},
            body=body.decode("utf-8", "replace"),
        )
        verdict = await self.directory.check(request.headers.get("Authorization"), body, kind="BPP")
        received, fault = _read(action, body, exchange=exchange, verdict=verdict)
        exchange.verdict, exchange.genuine = fault or verdict.reason, verdict.ok and not fault
        if received is None or fault:
            status = 503 if verdict.temporary else 401 if not verdict.ok else 200
            response: web.StreamResponse = refused(fault or verdict.reason, status=status)
        else:
            response = await self._take(request, received)
        exchange.latency_ms, exchange.status = elapsed_ms(since), response.status
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            exchange.response = response.body.decode("utf-8", "replace")
        exchange.ack = exchange.ack or _ack_in(exchange.response)
        self.ledger.note(exchange)
        return response

    async def _take(self, request: web.Request, received: Received) -> web.StreamResponse:
        action, mode = received.action, self.ack_mode
        received.exchange.duplicate = self.ledger.seen_before(
            action, received.message_id, body_digest=digest(received.exchange.body.encode())
        )
        kind = mode.take(action)
        if kind == "ack":
            response: web.StreamResponse = acknowledged()
        else:
            received.exchange.ack = kind.upper()
            response = await answer(request, kind, mode=mode)
        if accepts(kind):
            self.learn(received)
            self.ledger.deliver(received)
        return response

    def learn(self, received: Received) -> None:
        """Called for each callback that was taken over, before anyone waiting for it."""

    async def _on_subscribe(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            content = orjson.loads(body)
            verdict = await self.directory.check(request.headers.get("Authorization"), body, kind="BREG")
            row = await self.directory.row(verdict.subscriber_id, verdict.key_id) if verdict.ok else None
            if row is None:
                return refused(verdict.reason, status=401)
            plain = challenge.decrypt(
                str(content["challenge"]),
                our_seed=self.identity.encryption_seed,
                their_public_key=str(row["encr_public_key"]),
            )
        except (SignatureError, ValueError, KeyError) as err:
            return refused(f"the challenge cannot be answered: {err}", status=400)
        return json_answer({"answer": plain})


def _read(action: str, body: bytes, *, exchange: Exchange, verdict: Verdict) -> tuple[Received | None, str]:
    try:
        content = orjson.loads(body)
        context = content["context"]
        message_id, transaction_id = str(context["message_id"]), str(context["transaction_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as err:
        return None, f"the callback has no readable context: {err}"
    exchange.message_id, exchange.transaction_id = message_id, transaction_id
    received = Received(action, message_id, transaction_id, body=content, exchange=exchange)
    if not verdict.ok:
        return received, verdict.reason
    if verdict.subscriber_id != context.get("bpp_id"):
        return received, f"signed by {verdict.subscriber_id!r} but context.bpp_id is {context.get('bpp_id')!r}"
    if context.get("action") != action:
        return received, f"posted to {action!r} but context.action is {context.get('action')!r}"
    if not action.startswith("on_") and action not in META_CALLBACKS:
        return received, f"{action!r} is not a callback"
    return received, ""


def _ack_in(text: str) -> str:
    try:
        return str(orjson.loads(text)["message"]["ack"]["status"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
