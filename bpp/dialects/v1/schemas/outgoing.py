"""What may a callback of ours contain, and what must it?

Closed schemas: a member that core 1.1.1 and UEI layer 2 3.0 do not know is a fault of ours.

Source: Beckn core 1.1.1; UEI layer 2 3.0; UEI guide 1.3 words.
"""

from __future__ import annotations

from bpp.dialects.v1 import words
from bpp.dialects.v1.schemas.parts import Schema, formatted, one_of, rows, text, thing

OFFERING = ("on_select", "on_init", "on_confirm")
ORDER_CALLBACKS = ("on_select", "on_init", "on_confirm", "on_update", "on_status", "on_cancel")
_CONFIRMED = frozenset({"on_confirm", "on_update", "on_status", "on_cancel"})

_DATE_TIME = formatted("an RFC 3339 date-time", "date-time")
_URL = formatted("a URL", "uri")
_DURATION = text("an ISO 8601 duration", pattern=r"^P(\d+D|T\d+[HMS])$|^P[0-9DHMSTWY.,]+$")
_DECIMAL = text("a decimal number as text", pattern=r"^-?\d+(\.\d+)?$")
_YES_NO: Schema = {"type": "boolean", "description": "true or false"}
_NAMED = thing("a code with a name", {"code": text("a code")}, {"name": text("a name")}, closed=True)


def _descriptor(needed: str, *optional: str) -> Schema:
    return thing(
        "a descriptor",
        {needed: text(needed, limit=1000)},
        {key: text(key, limit=1000) for key in optional},
        closed=True,
    )


def _price(currency: str) -> Schema:
    return thing("a price", {"value": _DECIMAL, "currency": text("a currency", pattern=currency)}, closed=True)


_MONEY = _price(r"^[A-Z]{3}$")
_MEASURE = thing(
    "a measure", {"type": one_of("CONSTANT"), "value": _DECIMAL, "unit": one_of("kWh", "INR", "min")}, closed=True
)
_SELECTED = thing("a quantity", {"selected": thing("an amount", {"measure": _MEASURE}, closed=True)}, closed=True)
_TAG = thing("a tag", {"descriptor": _NAMED, "value": text("a value", limit=1000)}, closed=True)
_TAGS = rows(
    thing("a tag group", {"display": _YES_NO, "descriptor": _NAMED, "list": rows(_TAG, least=1)}, closed=True), least=1
)
_PLACE = thing(
    "a location",
    {
        "id": text("the station's id"),
        "gps": text("latitude,longitude with six decimals", pattern=r"^-?\d{1,2}\.\d{6},-?\d{1,3}\.\d{6}$"),
        "descriptor": _descriptor("name", "long_desc"),
    },
    {"address": text("an address", limit=1000), "city": _NAMED, "country": _NAMED, "area_code": text("a postal code")},
    closed=True,
)
_STOP = thing(
    "a stop",
    {"type": one_of("start", "end"), "location": _PLACE},
    {
        "id": text("an id"),
        "time": thing("a time", {"timestamp": _DATE_TIME}, closed=True),
        "instructions": _descriptor("name", "short_desc", "long_desc"),
        "authorization": thing(
            "a start code",
            {"type": one_of("OTP"), "token": text("the code"), "status": one_of("VALID")},
            closed=True,
        ),
    },
    closed=True,
)
_STATE = thing(
    "a fulfilment state",
    {"descriptor": thing("a descriptor", {"code": one_of(*words.STATE_NAMES)}, {"name": text("a name")}, closed=True)},
    {"updated_at": _DATE_TIME, "updated_by": text("who")},
    closed=True,
)
_CONTACT = thing(
    "a contact", {}, {"phone": text("a phone number"), "email": formatted("an e-mail address", "email")}, closed=True
)
_CUSTOMER = thing(
    "a customer",
    {},
    {"person": thing("a person", {}, {"name": text("a name")}, closed=True), "contact": _CONTACT},
    closed=True,
)
_FULFILLMENT = thing(
    "a fulfilment",
    {"id": text("the charger's id"), "type": one_of("CHARGING"), "stops": rows(_STOP, least=1), "tags": _TAGS},
    {"tracking": _YES_NO, "state": _STATE, "customer": _CUSTOMER},
    closed=True,
)
_IDS = rows(text("an id"), least=1)
_ITEM = thing(
    "an item",
    {
        "id": text("the connector's item id"),
        "descriptor": _descriptor("code", "name"),
        "price": _price(r"^[A-Z]{3}/kWh$"),
        "fulfillment_ids": _IDS,
        "location_ids": _IDS,
        "tags": _TAGS,
    },
    {"category_ids": _IDS, "quantity": _SELECTED, "related": _YES_NO, "recommended": _YES_NO},
    closed=True,
)
_LINE_ITEM = thing(
    "an item", {}, {"id": text("an id"), "quantity": _SELECTED, "descriptor": _descriptor("name")}, closed=True
)
_LINE = thing("a line", {"title": text("a title"), "price": _MONEY}, {"item": _LINE_ITEM}, closed=True)
_QUOTE = thing(
    "a quote",
    {"id": formatted("a UUID", "uuid"), "price": _MONEY, "breakup": rows(_LINE, least=1)},
    {"ttl": _DURATION},
    closed=True,
)
_PAYMENT = thing(
    "a payment",
    {
        "collected_by": one_of("BAP", "BPP"),
        "type": one_of("PRE-ORDER", "PRE-FULFILLMENT", "ON-FULFILLMENT", "POST-FULFILLMENT"),
        "status": one_of("PAID", "NOT-PAID"),
        "params": thing(
            "parameters",
            {"amount": _DECIMAL, "currency": text("a currency")},
            {"transaction_id": text("the payer's transaction id"), "virtual_payment_address": text("a UPI address")},
            closed=True,
        ),
    },
    {
        "id": text("an id"),
        "url": _URL,
        "time": thing("a time", {"timestamp": _DATE_TIME}, closed=True),
        "tags": _TAGS,
    },
    closed=True,
)
_FEE_TERM = thing(
    "a cancellation term",
    {
        "fulfillment_state": thing("a state", {"descriptor": _NAMED}, closed=True),
        "reason_required": _YES_NO,
        "cancellation_fee": thing("a fee", {}, {"percentage": _DECIMAL, "amount": _MONEY}, closed=True),
    },
    {
        "cancel_by": thing("a time", {}, {"duration": _DURATION, "timestamp": _DATE_TIME}, closed=True),
        "external_ref": thing("a page", {"mimetype": one_of("text/html"), "url": _URL}, closed=True),
    },
    closed=True,
)
_REFUND_TERM = thing(
    "a refund term",
    {
        "fulfillment_state": _NAMED,
        "refund_eligible": _YES_NO,
        "refund_within": thing("a time", {"duration": _DURATION}, closed=True),
    },
    closed=True,
)
_REASON = thing("a reason", {}, {"id": text("an id"), "descriptor": _descriptor("short_desc")}, closed=True)
_CANCELLATION = thing(
    "a cancellation",
    {"time": _DATE_TIME, "cancelled_by": one_of("CONSUMER", "PROVIDER"), "reason": _REASON},
    closed=True,
)
_BILLING = thing(
    "billing details",
    {},
    {
        "name": text("a name"),
        "email": formatted("an e-mail address", "email"),
        "phone": text("a phone number"),
        "address": text("an address", limit=1000),
        "tax_id": text("a tax id"),
    },
    closed=True,
)
_PROVIDER = thing("a provider", {"id": text("an id"), "descriptor": _descriptor("name", "short_desc")}, closed=True)
_FORM = thing("a form", {"url": _URL, "mime_type": one_of("text/html")}, closed=True)
_XINPUT = thing("a form to fill in", {"form": _FORM, "required": _YES_NO}, closed=True)
_ORDER_NEEDED = {
    "type": one_of("DRAFT", "DEFAULT"),
    "provider": _PROVIDER,
    "items": rows(_ITEM, least=1),
    "fulfillments": rows(_FULFILLMENT, least=1),
    "quote": _QUOTE,
}
_OFFER = thing("an offer", {"id": text("a coupon's code"), "descriptor": _descriptor("code", "name")}, closed=True)
_ORDER_OPTIONAL = {
    "offers": rows(_OFFER, least=1),
    "billing": _BILLING,
    "payments": rows(_PAYMENT, least=1),
    "cancellation_terms": rows(_FEE_TERM, least=1),
    "refund_terms": rows(_REFUND_TERM, least=1),
    "xinput": _XINPUT,
    "tags": _TAGS,
    "cancellation": _CANCELLATION,
    "created_at": _DATE_TIME,
    "updated_at": _DATE_TIME,
}
_ADVERT = thing(
    "a coupon for everybody",
    {"id": text("a coupon's code"), "descriptor": _descriptor("code", "name", "short_desc")},
    {
        "location_ids": _IDS,
        "time": thing("a time", {"range": thing("a range", {"end": _DATE_TIME}, closed=True)}, closed=True),
    },
    closed=True,
)
_NUMBERED = {"id": text("the order id"), "status": one_of(*words.ORDER_STATUS.values())}
_CATALOG = thing(
    "a catalogue",
    {
        "descriptor": _descriptor("name"),
        "providers": rows(
            thing(
                "a provider",
                {
                    "id": text("an id"),
                    "descriptor": _descriptor("name", "short_desc"),
                    "locations": rows(_PLACE, least=1),
                    "fulfillments": rows(_FULFILLMENT, least=1),
                    "items": rows(_ITEM, least=1),
                },
                {
                    "categories": rows(thing("a category", {"id": text("an id"), "descriptor": _NAMED}, closed=True)),
                    "offers": rows(_ADVERT, least=1),
                },
                closed=True,
            )
        ),
    },
    {"exp": _DATE_TIME},
    closed=True,
)
_SUPPORT = thing(
    "support contacts",
    {},
    {
        "ref_id": text("what it is about"),
        "phone": text("a phone number"),
        "email": formatted("an e-mail address", "email"),
        "url": _URL,
    },
    closed=True,
)


_INSTEAD = thing(
    "a message",
    {
        "order": thing(
            "other connectors",
            {
                "type": one_of("DRAFT"),
                "provider": _PROVIDER,
                "items": rows(_ITEM, least=1),
                "fulfillments": rows(_FULFILLMENT, least=1),
            },
            closed=True,
        )
    },
    closed=True,
)


def _order(*, confirmed: bool) -> Schema:
    needed = {**_ORDER_NEEDED, **_NUMBERED} if confirmed else _ORDER_NEEDED
    return thing("an order", needed, _ORDER_OPTIONAL, closed=True)


_MESSAGES: dict[str, Schema] = {
    "on_search": thing("a message", {"catalog": _CATALOG}, closed=True),
    **{
        action: thing("a message", {"order": _order(confirmed=action in _CONFIRMED)}, closed=True)
        for action in ORDER_CALLBACKS
    },
    "on_track": thing(
        "a message",
        {
            "tracking": thing(
                "tracking", {"id": text("an id"), "status": one_of("active", "inactive")}, {"url": _URL}, closed=True
            )
        },
        closed=True,
    ),
    "on_rating": thing(
        "a message",
        {},
        {"feedback_form": _XINPUT},
        closed=True,
    ),
    "on_support": thing("a message", {"support": _SUPPORT}, closed=True),
    "cancellation_reasons": thing("a message", {"cancellation_reasons": rows(_REASON)}, closed=True),
    "rating_categories": thing("a message", {"rating_categories": rows(one_of(*words.RATING_CATEGORIES))}, closed=True),
}
_ERROR = thing(
    "an error",
    {"code": text("a BECKN-005 number", pattern=r"^[345]\d{4}$"), "message": text("a sentence", limit=2000)},
    {"paths": text("a JSON path", limit=1000)},
    closed=True,
)


def _context(action: str) -> Schema:
    return thing(
        "a context",
        {
            "domain": text("the domain"),
            "location": thing("a location", {"country": _NAMED, "city": _NAMED}, closed=True),
            "action": {"const": action, "description": action},
            "version": text("the version"),
            "bap_id": text("the buyer app"),
            "bap_uri": _URL,
            "bpp_id": text("our subscriber id"),
            "bpp_uri": _URL,
            "transaction_id": text("a UUID"),
            "message_id": text("a UUID"),
            "timestamp": _DATE_TIME,
            "ttl": _DURATION,
        },
        closed=True,
    )


def callback(action: str, *, instead: bool = False) -> Schema:
    """The schema of a callback: {context, message} or {context, error}; `instead`: an error with other connectors.

    Raises ValueError where we send no such one.
    """
    if action not in _MESSAGES:
        raise ValueError(f"{action!r} is no callback of ours; they are {', '.join(_MESSAGES)}")
    schema = thing(
        "an object with context and message or error",
        {"context": _context(action)},
        {"message": _INSTEAD if instead else _MESSAGES[action], "error": _ERROR},
        closed=True,
    )
    if instead:
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "required": ["context", "message", "error"],
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "oneOf": [{"required": ["message"]}, {"required": ["error"]}],
    }
