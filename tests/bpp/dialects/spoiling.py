"""How do the tolerance tests change a golden message and read what it then means?"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from bpp.dialects import v1
from bpp.messages import Request
from tests.bpp.dialects.samples import fixture

GONE = object()
FULFILLMENT = "message.order.fulfillments.0"
CODE = f"{FULFILLMENT}.state.descriptor.code"
ITEM = "message.order.items.0"
PAYMENT = "message.order.payments.0"
STOPS = f"{FULFILLMENT}.stops"
TAGS = "message.intent.fulfillment.tags"
CIRCLE = "message.intent.fulfillment.stops.0.location.circle"
AT_8 = datetime(2026, 3, 10, 8, tzinfo=UTC)
ENDS = {"type": "end", "time": {"timestamp": "2026-03-10T09:00:00Z"}}


def start(kind: str = "start", **time: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "time": time or {"timestamp": "2026-03-10T08:00:00Z"}}]


def put(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The document with `value` at a dotted path, or without it where the value is GONE."""
    changed = copy.deepcopy(document)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node: Any = changed
    for part in parents:
        node = node[part]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return changed


def read(name: str, path: str, value: object) -> tuple[Any, list[str]]:
    """The request read from a changed golden message, and the paths of its notes."""
    document = put(fixture(name), path, value)
    request, notes = v1.parse(document["context"]["action"], document)
    return request, [note.path for note in notes]


def seen(request: Request, path: str) -> object:
    """The attribute at a dotted path of a request."""
    node: Any = request
    for part in path.split("."):
        node = node[int(part)] if part.isdigit() else getattr(node, part)
    found: object = node
    return found


def tagged(code: str, value: str, group: str = "") -> list[dict[str, Any]]:
    return [{"descriptor": {"code": group}, "list": [{"descriptor": {"code": code}, "value": value}]}]
