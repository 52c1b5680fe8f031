"""How are faults said: by the schema, and by our stable codes on the wire?

Source: BECKN-005 (error codes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jsonschema_rs

from bpp.dialects.v1.reading import shown
from bpp.messages import Note
from bpp.replies import ErrorReply

ERROR_CODES = {
    "expired": "30000",
    "provider-unknown": "30001",
    "location-unknown": "30002",
    "item-unknown": "30004",
    "offer-unknown": "30006",
    "add-on-unknown": "30007",
    "fulfillment-unknown": "30008",
    "order-unknown": "30010",
    "reason-unknown": "30011",
    "update-target-unknown": "30012",
    "update-inconsistent": "30013",
    "rating-target-unknown": "30014",
    "rating-value": "30015",
    "internal": "40000",
    "not-in-this-state": "40001",
    "already-confirmed": "40001",
    "connector-busy": "40002",
    "quantity-unavailable": "40002",
    "no-quote": "40003",
    "quote-expired": "40003",
    "price-differs": "40003",
    "no-tariff": "40003",
    "payment-kind": "40004",
    "payment-proof": "40004",
    "not-trackable": "40005",
    "consent-missing": "40000",
    "consent-differs": "40000",
    "cancel-forbidden": "50001",
    "update-forbidden": "50002",
    "price-guaranteed": "50002",
    "start-code": "50002",
    "booking-limit": "50000",
    "station-closed": "40002",
    "rating-category": "50003",
    "no-support": "50004",
}
OTHER_FAULT = "40000"
_WIRE_CODE = re.compile(r"[345]\d{4}")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def error(reply: ErrorReply) -> dict[str, str]:
    """The wire's error: a BECKN-005 number (which may also be given as it is), the culprit's JSON path, a sentence."""
    code = reply.code if _WIRE_CODE.fullmatch(reply.code) else ERROR_CODES.get(reply.code, OTHER_FAULT)
    found = {"code": code, "message": reply.text}
    return {**found, "paths": full_path(reply.path)} if reply.path else found


def full_path(path: str) -> str:
    """The path from the message's root: `order.items[0].id` becomes `$.message.order.items[0].id`."""
    if path.startswith("$"):
        return path
    return f"$.{path}" if path.startswith(("message", "context")) else f"$.message.{path}"


def json_path(parts: Sequence[str | int]) -> str:
    """`$.message.order.items[0].id` from the parts of a path."""
    return "$" + "".join(_step(part) for part in parts)


def schema_notes(validator: jsonschema_rs.Draft202012Validator, schema: dict[str, Any], document: object) -> list[Note]:
    """Every fault a schema finds: where, what was seen, what is allowed, as a sentence."""
    return [_note(fault, schema) for fault in validator.iter_errors(document)]


def _note(fault: jsonschema_rs.ValidationError, schema: dict[str, Any]) -> Note:
    path = json_path(fault.instance_path)
    rule = _walk(schema, fault.schema_path[:-1])
    if fault.kind.name == "required":
        name = getattr(fault.kind, "property", "")
        wanted = rule.get("properties", {}).get(name, {}).get("description", "it")
        where = f"{path}{_step(name)}"
        return Note(where, "missing", f"{where} is missing; send {wanted}.")
    seen = shown(fault.instance)
    if fault.kind.name == "additionalProperties":
        return Note(path, seen, f"{path}: {fault.message[:200]}.")
    return Note(path, seen, f"{path} is {seen!r}; send {rule.get('description', 'what the schema allows')}.")


def _walk(schema: dict[str, Any], parts: Sequence[str | int]) -> dict[str, Any]:
    node: Any = schema
    for part in parts:
        node = node[part]
    return node if isinstance(node, dict) else {}


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f"['{part}']"
