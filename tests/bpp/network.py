"""A registry over real HTTP and participants who sign with another library than the product."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.registry import Registry, Row, add_registry_routes
from sandbox.serving import serve
from sandbox.signing import Identity, authorization

PROVIDER = "bpp.example.org"
BUYER = "bap.example.org"
Rows = Callable[..., list[tuple[Any, ...]]]
"""What the fixture `rows` gives: the rows that a statement returns."""


class Network:
    """One registry; `url` is its address and `registry` its rows and faults."""

    def __init__(self, registry: Registry, url: str) -> None:
        self.registry = registry
        self.url = url

    def join(self, subscriber_id: str, kind: str = "BAP", key_id: str = "k1", **changes: str) -> Identity:
        """A new participant, listed as SUBSCRIBED unless `changes` say otherwise."""
        identity = Identity.fresh(subscriber_id, key_id)
        row = Row(
            subscriber_id,
            f"https://{subscriber_id}/beckn",
            type=kind,
            signing_public_key=identity.signing_public_key,
            encr_public_key=identity.encryption_public_key,
            key_id=key_id,
        )
        for name, value in changes.items():
            setattr(row, name, value)
        self.registry.add(row)
        return identity

    @property
    def asked(self) -> int:
        """How many look-ups came."""
        return len(self.registry.lookups)


@contextmanager
def running_network() -> Iterator[Network]:
    """A registry that answers in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    registry = Registry()
    app = web.Application()
    add_registry_routes(app, registry)
    server = asyncio.run_coroutine_threadsafe(serve(app), loop).result(5)
    try:
        yield Network(registry, server.url)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def message(action: str = "search", *, bap_id: str = BUYER, **context: Any) -> dict[str, Any]:
    """A small valid request; `context` changes fields of the context, None takes one away."""
    found: dict[str, Any] = {
        "domain": "ev-charging:uei",
        "location": {"country": {"code": "IND"}, "city": {"code": "std:080"}},
        "action": action,
        "version": "1.1.0",
        "bap_id": bap_id,
        "bap_uri": f"https://{bap_id}/beckn",
        "transaction_id": str(uuid.uuid4()),
        "message_id": str(uuid.uuid4()),
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ttl": "PT10M",
        **({} if action == "search" else {"bpp_id": PROVIDER, "bpp_uri": f"https://{PROVIDER}/beckn"}),
    }
    found = {name: value for name, value in {**found, **context}.items() if value is not None}
    return {"context": found, "message": MESSAGES[action]()}


def signed(identity: Identity, body: bytes, **changes: Any) -> dict[str, str]:
    """Headers of a signed request; `created` and `ttl_s` change its window."""
    created = changes.pop("created", int(time.time()))
    return {
        "content-type": "application/json",
        "authorization": authorization(identity, body, created=created, **changes),
    }


def wire(document: Any) -> bytes:
    """The bytes of a document."""
    return json.dumps(document, separators=(",", ":")).encode()


def _order() -> dict[str, Any]:
    return {
        "provider": {"id": "cpo-1"},
        "items": [{"id": "IN*BPP*E0001*1", "quantity": {"selected": {"measure": {"value": "10", "unit": "kWh"}}}}],
        "fulfillments": [{"id": "IN*BPP*E0001", "type": "CHARGING"}],
    }


def _paid_order() -> dict[str, Any]:
    billing = {"name": "Test Driver", "email": "driver@example.org", "phone": "+910000000000"}
    payment = {
        "collected_by": "BAP",
        "type": "PRE-ORDER",
        "status": "PAID",
        "params": {"amount": "1", "currency": "INR"},
    }
    return {**_order(), "billing": billing, "payments": [payment]}


MESSAGES: dict[str, Callable[[], dict[str, Any]]] = {
    "search": lambda: {"intent": {"fulfillment": {"stops": [{"location": {"circle": _circle()}}]}}},
    "select": lambda: {"order": _order()},
    "init": lambda: {"order": _paid_order()},
    "confirm": lambda: {"order": _paid_order()},
    "status": lambda: {"order_id": "o-1"},
    "track": lambda: {"order_id": "o-1"},
    "cancel": lambda: {"order_id": "o-1", "cancellation_reason_id": "1"},
    "update": lambda: {
        "update_target": "order.fulfillments[0].state",
        "order": {
            "id": "o-1",
            "fulfillments": [{"id": "f", "state": {"descriptor": {"code": "start-charging"}}}],
        },
    },
    "rating": lambda: {"ratings": [{"rating_category": "Item", "id": "IN*BPP*E0001*1", "value": "5"}]},
    "support": lambda: {"support": {"order_id": "o-1", "phone": "+910000000000"}},
    "get_cancellation_reasons": dict,
    "get_rating_categories": dict,
}


def _circle() -> dict[str, Any]:
    return {"gps": "12.971600,77.594600", "radius": {"type": "CONSTANT", "value": "5", "unit": "km"}}
