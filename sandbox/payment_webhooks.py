"""How does the toy gateway tell its merchant what happened, and how does a test make it tell badly?

Each event is signed with HMAC-SHA256 over its exact bytes and repeated until it is answered with 2xx. On request events
are held back, told twice, in another order, late, or forged.
"""

import asyncio
import copy
import hashlib
import hmac
import logging
import random
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from sandbox.payments import AccountSettings
from sandbox.serving import Clock, utc_now

log = logging.getLogger(__name__)

KEPT_EVENTS = 10_000
ATTEMPTS = 8
TIMEOUT_S = 5.0


@dataclass
class Event:
    """A webhook as it is sent: its id, the exact body and what came of each attempt."""

    id: str
    name: str
    body: bytes
    answers: list[int] = field(default_factory=list)


@dataclass
class Behaviour:
    """How events are told: each `times` over, `delay_s` late, or held back until they are released."""

    times: int = 1
    delay_s: float = 0.0
    held: bool = False
    retry_s: float = 2.0


class Webhooks:
    """Tells one merchant's endpoint; nothing where its address is empty."""

    def __init__(self, settings: AccountSettings, url: str, *, clock: Clock = utc_now) -> None:
        self.settings, self.url, self.clock = settings, url, clock
        self.behaviour = Behaviour()
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._held: list[Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None

    def tell(self, name: str, entities: dict[str, dict[str, Any]]) -> None:
        """Keep an event as it is at this moment and send it by the behaviour asked for."""
        content = {
            "entity": "event",
            "account_id": self.settings.account_id,
            "event": name,
            "contains": list(entities),
            "payload": {kind: {"entity": copy.deepcopy(entity)} for kind, entity in entities.items()},
            "created_at": int(self.clock().timestamp()),
        }
        event = Event(secrets.token_hex(7), name, orjson.dumps(content))
        self.events.append(event)
        if self.behaviour.held:
            self._held.append(event)
            return
        for _ in range(self.behaviour.times):
            self._start(event, self.behaviour.delay_s)

    def release(self, *, order: str = "told", seed: int = 0) -> int:
        """Send what was held back, in the order `told`, `reversed` or `shuffled`; returns how many."""
        held, self._held = self._held, []
        if order == "reversed":
            held.reverse()
        elif order == "shuffled":
            random.Random(seed).shuffle(held)  # noqa: S311  # an order to try, no secret
        for event in held:
            for _ in range(self.behaviour.times):
                self._start(event, 0.0)
        return len(held)

    def repeat(self, name: str = "") -> int:
        """Send every event (of this name) once more, byte for byte; returns how many."""
        again = [event for event in self.events if not name or event.name == name]
        for event in again:
            self._start(event, 0.0)
        return len(again)

    async def send(self, body: bytes, *, signature: str, event_id: str = "") -> int:
        """One attempt with any body and signature, for forgeries; the status it was answered with."""
        headers = {
            "Content-Type": "application/json",
            "X-Razorpay-Signature": signature,
            "X-Razorpay-Event-Id": event_id or secrets.token_hex(7),
        }
        async with self._session().post(self.url, data=body, headers=headers) as response:
            await response.read()
            return response.status

    def sign(self, body: bytes) -> str:
        """The signature of these bytes."""
        return hmac.new(self.settings.webhook_secret.encode(), body, hashlib.sha256).hexdigest()

    async def idle(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Give up what is on its way."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            await self._client.close()

    def _start(self, event: Event, delay_s: float) -> None:
        if not self.url:
            return
        task = asyncio.get_running_loop().create_task(self._deliver(event, delay_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: Event, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for attempt in range(ATTEMPTS):
            try:
                status = await self.send(event.body, signature=self.sign(event.body), event_id=event.id)
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            event.answers.append(status)
            if 200 <= status < 300:
                return
            await asyncio.sleep(self.behaviour.retry_s * 2**attempt)
        log.warning("webhook %s was never taken", event.name)

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self._client
