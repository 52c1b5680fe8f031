"""Which providers get a buyer's search? The gateway: it checks, acknowledges and forwards the same bytes."""

import asyncio
import logging
import time
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from sandbox.directory import Directory, RegistryUnreachableError
from sandbox.serving import elapsed_ms, json_answer
from sandbox.signing import Identity, authorization

log = logging.getLogger(__name__)
KEPT_FORWARDS = 1000


@dataclass(frozen=True)
class Forward:
    """One search handed to one provider."""

    message_id: str
    bpp_id: str
    url: str
    status: int
    response: str
    latency_ms: float


class Gateway:
    """A gateway with its identity, against one registry."""

    def __init__(self, registry_url: str, identity: Identity | None = None) -> None:
        self.identity = identity or Identity.fresh("gateway.sandbox.localhost")
        self.registry_url = registry_url
        self.forwards: list[Forward] = []
        self._pending: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None
        self._directory: Directory | None = None

    def use_registry(self, url: str) -> None:
        """Look participants up there from now on."""
        self.registry_url = url
        if self._http:
            self._directory = Directory(url, self._http)

    async def start(self) -> None:
        """Open the connections to registry and providers."""
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=10), connector=aiohttp.TCPConnector(limit=200)
        )
        self._directory = Directory(self.registry_url, self._http)

    async def stop(self) -> None:
        """Let go of what is still under way."""
        for task in self._pending:
            task.cancel()
        if self._http:
            await self._http.close()

    async def accept(self, body: bytes, header: str | None) -> tuple[int, dict[str, Any]]:
        """Check one search, start forwarding it, and say what to answer: status and JSON."""
        if self._directory is None:
            raise RuntimeError("the gateway is not started")
        try:
            context = orjson.loads(body)["context"]
            place = context.get("location") or {}
            wanted = {"type": "BPP", "status": "SUBSCRIBED", "domain": str(context["domain"])}
            bap_id, message_id = str(context["bap_id"]), str(context["message_id"])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as err:
            return 400, _nack(f"context is not readable, it needs domain, bap_id and message_id: {err}")
        if city := (place.get("city") or {}).get("code"):
            wanted["city"] = city
        verdict = await self._directory.check(header, body, kind="BAP")
        if verdict.temporary:
            return 200, _nack(verdict.reason, code="40000")
        if not verdict.ok or verdict.subscriber_id != bap_id:
            return 401, _nack(verdict.reason if not verdict.ok else f"signed by {verdict.subscriber_id}, not {bap_id}")
        return await self._forward(body, header or "", wanted=wanted, message_id=message_id)

    async def _forward(
        self, body: bytes, header: str, *, wanted: dict[str, str], message_id: str
    ) -> tuple[int, dict[str, Any]]:
        if self._directory is None:
            raise RuntimeError("the gateway is not started")
        try:
            rows = await self._directory.lookup(wanted)
        except RegistryUnreachableError as err:
            return 200, _nack(str(err), code="40000")
        providers = {_url(row): str(row.get("subscriber_id")) for row in rows if row.get("status") == "SUBSCRIBED"}
        if not providers:
            return 200, _nack(f"no provider is subscribed for {wanted}", code="40000")
        for url, bpp_id in providers.items():
            task = asyncio.create_task(
                self._post(f"{url}/search", body, header=header, bpp_id=bpp_id, about=message_id)
            )
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
        return 200, {"message": {"ack": {"status": "ACK"}}}

    async def _post(self, url: str, body: bytes, *, header: str, bpp_id: str, about: str) -> None:
        if self._http is None:
            raise RuntimeError("the gateway is not started")
        headers = {
            "Content-Type": "application/json",
            "Authorization": header,
            "X-Gateway-Authorization": authorization(self.identity, body, created=int(time.time())),
        }
        since = time.perf_counter()
        try:
            async with self._http.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status, text = response.status, await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as err:
            status, text = 0, f"{type(err).__name__}: {err}"
            log.warning("search not forwarded", extra={"bpp_id": bpp_id, "reason": text})
        self.forwards.append(Forward(about, bpp_id, url, status=status, response=text, latency_ms=elapsed_ms(since)))
        del self.forwards[:-KEPT_FORWARDS]


def add_gateway_routes(app: web.Application, gateway: Gateway) -> None:
    """Serve `/search` and the log of forwards on this application, and tie the gateway's life to it."""

    async def search(request: web.Request) -> web.StreamResponse:
        status, answer = await gateway.accept(await request.read(), request.headers.get("Authorization"))
        response = json_answer(answer, status=status)
        if status == 401:
            realm = gateway.identity.subscriber_id
            response.headers["WWW-Authenticate"] = f'Signature realm="{realm}",headers="(created) (expires) digest"'
        return response

    async def forwards(request: web.Request) -> web.StreamResponse:
        about = request.query.get("message_id")
        return json_answer([asdict(item) for item in gateway.forwards if about in (None, item.message_id)])

    async def life(_: web.Application) -> Any:
        await gateway.start()
        yield
        await gateway.stop()

    app.cleanup_ctx.append(life)
    app.router.add_post("/search", search)
    app.router.add_get("/control/forwards", forwards)


def _url(row: dict[str, Any]) -> str:
    return str(row.get("subscriber_url") or row.get("url") or "").rstrip("/")


def _nack(message: str, code: str = "30000") -> dict[str, Any]:
    return {"message": {"ack": {"status": "NACK"}}, "error": {"code": code, "message": message}}
