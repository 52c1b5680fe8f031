"""What must a request of each action contain for us to act on it?

Only what the action needs is demanded; unknown members are welcome and kept in the raw message.

Source: Beckn core 1.1.1, reduced to what UEI buyer apps send.
"""

from __future__ import annotations

from bpp.dialects.v1.schemas.parts import Schema, loose, text, thing

_ID = r"^[^\u0000-\u001f\u007f]+$"


def _context(action: str) -> Schema:
    return thing(
        "an object with domain, action, version, bap_id, bap_uri, transaction_id and message_id",
        {
            "domain": text("the network's domain, such as ev-charging:uei", pattern=_ID),
            "action": {"const": action, "description": f"{action}, the action the message was posted to"},
            "version": text("the version of the core, such as 1.1.0", limit=20, pattern=_ID),
            "bap_id": text("your subscriber id", pattern=_ID),
            "bap_uri": text(
                "the http(s) URL that takes your callbacks", limit=2048, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://"
            ),
            "transaction_id": text("one UUID for the whole journey", pattern=_ID),
            "message_id": text("one UUID for this request", pattern=_ID),
        },
        {
            "timestamp": loose("an RFC 3339 date-time such as 2026-02-01T04:20:00.000Z", "string"),
            "ttl": loose("an ISO 8601 duration such as PT10M", "string", "integer"),
            "location": loose("an object with country and city", "object"),
            "bpp_id": loose("our subscriber id", "string"),
            "bpp_uri": loose("our subscriber URL", "string"),
        },
        closed=False,
    )


_LISTED = loose("an array of objects", "array", "object")
_NAMED = loose("a text", "string", "number")
_ORDER = thing(
    "an object with provider, items and fulfillments",
    {"items": {"type": ["array", "object"], "minItems": 1, "description": "an array of at least one item with its id"}},
    {
        "provider": loose("an object with the provider's id", "object"),
        "fulfillments": _LISTED,
        "offers": _LISTED,
        "payments": _LISTED,
        "billing": loose("an object with name, phone and email", "object"),
        "quote": loose("an object with price and breakup", "object"),
    },
    closed=False,
)
_CHANGED = thing(
    "an object with what changes",
    {},
    {"id": _NAMED, "fulfillments": _LISTED, "items": _LISTED, "payments": _LISTED},
    closed=False,
)
_ABOUT_ORDER = {"order_id": _NAMED, "order": loose("an object with the order's id", "object")}
_MESSAGES: dict[str, Schema] = {
    "search": thing("an object with intent", {}, {"intent": loose("an object of filters", "object")}, closed=False),
    "select": thing("an object with order", {"order": _ORDER}, closed=False),
    "init": thing("an object with order", {"order": _ORDER}, closed=False),
    "confirm": thing("an object with order", {"order": _ORDER}, closed=False),
    "status": thing("an object with order_id", {}, _ABOUT_ORDER, closed=False),
    "track": thing(
        "an object with order_id", {}, {**_ABOUT_ORDER, "callback_url": loose("a URL", "string")}, closed=False
    ),
    "cancel": thing(
        "an object with order_id",
        {},
        {**_ABOUT_ORDER, "cancellation_reason_id": _NAMED, "descriptor": loose("an object with short_desc", "object")},
        closed=False,
    ),
    "update": thing(
        "an object with update_target and order",
        {"order": _CHANGED},
        {"update_target": loose("a path such as order.fulfillments[0].state", "string")},
        closed=False,
    ),
    "rating": thing("an object with ratings", {}, {"ratings": _LISTED}, closed=False),
    "support": thing("an object with support", {}, {"support": loose("an object with ref_id", "object")}, closed=False),
}
META_ACTIONS = ("get_cancellation_reasons", "get_rating_categories")
ACTIONS = (*_MESSAGES, *META_ACTIONS)


def incoming(action: str) -> Schema:
    """The schema of a request. Raises KeyError where the action is none of ACTIONS."""
    if action in META_ACTIONS:
        needed = {"context": _context(action)}
    else:
        needed = {"context": _context(action), "message": _MESSAGES[action]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **thing("an object with context and message", needed, closed=False),
    }
