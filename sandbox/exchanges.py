"""What was said? Every message that a buyer app sent or received, exactly as it stood on the wire."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEPT_FOR_LATE_WAITERS = 2_000
REMEMBERED_DIGESTS = 100_000


@dataclass(slots=True)
class Exchange:
    """One HTTP request with its answer. `direction` is seen from the buyer: out = sent by it, in = received by it."""

    at: str
    direction: str
    action: str
    url: str
    headers: dict[str, str]
    body: str
    status: int = 0
    response: str = ""
    latency_ms: float = 0.0
    verdict: str = ""
    genuine: bool = True
    ack: str = ""
    transaction_id: str = ""
    message_id: str = ""
    duplicate: bool = False
    number: int = 0

    def as_line(self) -> dict[str, Any]:
        """The exchange as one line of a message file: the exact texts and nothing computed."""
        names = ("direction", "action", "url", "headers", "body", "status", "response")
        return {name: getattr(self, name) for name in names}

    def as_dict(self) -> dict[str, Any]:
        """Everything that is known about the exchange."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Received:
    """One callback: its content, and the exchange that brought it."""

    action: str
    message_id: str
    transaction_id: str
    body: dict[str, Any]
    exchange: Exchange

    @property
    def error(self) -> dict[str, Any] | None:
        """The error the provider answered with, if it did."""
        found = self.body.get("error")
        return found if isinstance(found, dict) else None

    @property
    def message(self) -> dict[str, Any]:
        """The content under `message`, empty when there is none."""
        found = self.body.get("message")
        return found if isinstance(found, dict) else {}

    @property
    def order(self) -> dict[str, Any]:
        """The order it carries, empty when there is none."""
        found = self.message.get("order")
        return found if isinstance(found, dict) else {}

    @property
    def state(self) -> str:
        """The code of the first fulfilment's state, empty when there is none."""
        try:
            return str(self.order["fulfillments"][0]["state"]["descriptor"]["code"])
        except (KeyError, IndexError, TypeError):
            return ""


Wanted = Callable[[Received], bool]


@dataclass
class Ledger:
    """All exchanges and callbacks of one buyer.

    With `keep_bodies` off (load runs) only counters stay, the newest callback of each recent transaction, and callbacks
    that nobody has waited for yet: `wait_until` then sees the newest state of a transaction, not those before it.
    """

    keep_bodies: bool = True
    exchanges: list[Exchange] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    _callbacks: "OrderedDict[tuple[str, str], list[Received]]" = field(default_factory=OrderedDict)
    _by_transaction: dict[str, list[Received]] = field(default_factory=dict)
    _seen: "OrderedDict[tuple[str, str, str], None]" = field(default_factory=OrderedDict)
    _waiting: dict[tuple[str, str], deque["asyncio.Future[Received]"]] = field(default_factory=dict)
    _watching: dict[str, list[tuple[Wanted, "asyncio.Future[Received]"]]] = field(default_factory=dict)

    def note(self, exchange: Exchange) -> None:
        """Record one exchange."""
        self.counts[f"{exchange.direction} {exchange.action} {exchange.ack or exchange.status}"] += 1
        if not exchange.genuine:
            self.counts["bad signature"] += 1
        if exchange.duplicate:
            self.counts["duplicate"] += 1
        if exchange.direction == "out":
            self.latencies_ms.setdefault(exchange.action, []).append(exchange.latency_ms)
        if self.keep_bodies:
            exchange.number = len(self.exchanges) + 1
            self.exchanges.append(exchange)

    def seen_before(self, action: str, message_id: str, *, body_digest: str) -> bool:
        """Whether the same callback with the same bytes came already; remembers it."""
        key = (action, message_id, body_digest)
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > REMEMBERED_DIGESTS:
            self._seen.popitem(last=False)
        return False

    def deliver(self, received: Received) -> None:
        """Hand an accepted callback to whoever waits for it, now or later."""
        key = (received.message_id, received.action)
        waiting = self._waiting.pop(key, ())
        if self.keep_bodies:
            self._callbacks.setdefault(key, []).append(received)
            self._by_transaction.setdefault(received.transaction_id, []).append(received)
        else:
            self._keep_little(key, received, awaited=bool(waiting))
        for future in waiting:
            if not future.done():
                future.set_result(received)
        for wanted, future in list(self._watching.get(received.transaction_id, ())):
            if not future.done() and wanted(received):
                future.set_result(received)

    def _keep_little(self, key: tuple[str, str], received: Received, *, awaited: bool) -> None:
        received.exchange.body, received.exchange.headers = "", {}
        self._by_transaction[received.transaction_id] = [received]
        if not awaited:
            self._callbacks.setdefault(key, []).append(received)
        while len(self._callbacks) > KEPT_FOR_LATE_WAITERS:
            self._callbacks.popitem(last=False)
        while len(self._by_transaction) > KEPT_FOR_LATE_WAITERS:
            del self._by_transaction[next(iter(self._by_transaction))]

    def answers(self, message_id: str, action: str) -> list[Received]:
        """The callbacks that came for one request, oldest first."""
        return list(self._callbacks.get((message_id, action), ()))

    def of_transaction(self, transaction_id: str, action: str = "") -> list[Received]:
        """The callbacks of one transaction, oldest first; without bodies the newest alone."""
        return [item for item in self._by_transaction.get(transaction_id, ()) if action in ("", item.action)]

    async def wait_for(self, message_id: str, action: str, timeout_s: float) -> Received:
        """The first callback for one request. Raises TimeoutError naming what did not come."""
        key = (message_id, action)
        if found := self._callbacks.get(key) if self.keep_bodies else self._callbacks.pop(key, None):
            return found[0]
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(future)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError as err:
            raise TimeoutError(f"no {action} for message {message_id} within {timeout_s:g} s") from err
        finally:
            if key in self._waiting and future in self._waiting[key]:
                self._waiting[key].remove(future)

    async def wait_until(self, transaction_id: str, wanted: Wanted, *, timeout_s: float, what: str = "") -> Received:
        """The newest callback of a transaction that is wanted, or the next one. Raises TimeoutError naming `what`."""
        for received in reversed(self.of_transaction(transaction_id)):
            if wanted(received):
                return received
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        watcher = (wanted, future)
        self._watching.setdefault(transaction_id, []).append(watcher)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError as err:
            name = what or "wanted callback"
            raise TimeoutError(f"no {name} in transaction {transaction_id} within {timeout_s:g} s") from err
        finally:
            self._watching[transaction_id].remove(watcher)
            if not self._watching[transaction_id]:
                del self._watching[transaction_id]
