"""How do we speak Beckn 1.1 on UEI? This is the whole public face of the dialect.

`check` and `parse` read requests, `build` and `catalog` spell callbacks. All are pure: dates and ids are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from bpp.dialects.v1 import catalog, errors, intent, order, reading, requests, schemas, support
from bpp.dialects.v1.context import callback_context, callback_name, caller, deadline, note_deviations, stale
from bpp.dialects.v1.errors import ERROR_CODES, json_path, schema_notes
from bpp.dialects.v1.reading import Reader, shown
from bpp.dialects.v1.schemas import outgoing
from bpp.messages import Checked, Note, Request, WireFault
from bpp.replies import (
    CategoriesReply,
    ErrorReply,
    OrderReply,
    RateReply,
    ReasonsReply,
    Reply,
    SupportReply,
    TrackReply,
)

__all__ = [
    "ACTIONS",
    "ERROR_CODES",
    "build",
    "callback_context",
    "callback_name",
    "caller",
    "catalog",
    "check",
    "check_own",
    "deadline",
    "dumps",
    "faults",
    "json_path",
    "parse",
    "shown",
    "stale",
]

ACTIONS = schemas.ACTIONS
MALFORMED = "30000"
_READERS: dict[str, Callable[[dict[str, Any], Reader], Request]] = {
    "search": intent.search,
    "select": requests.select,
    "init": requests.init,
    "confirm": requests.confirm,
    "status": requests.status,
    "track": requests.track,
    "cancel": requests.cancel,
    "update": requests.update,
    "rating": support.rating,
    "support": support.support,
    "get_cancellation_reasons": support.ask_reasons,
    "get_rating_categories": support.ask_categories,
}
_SPELLERS: dict[str, tuple[type[Any], Callable[[Any, str], dict[str, Any]]]] = {
    **{
        action: (OrderReply, lambda reply, bpp_id: {"order": order.order(reply.order, updated_by=bpp_id)})
        for action in outgoing.ORDER_CALLBACKS
    },
    "on_track": (TrackReply, lambda reply, _: support.tracking_message(reply)),
    "on_rating": (RateReply, lambda reply, _: support.rating_message(reply)),
    "on_support": (SupportReply, lambda reply, _: support.support_message(reply)),
    "cancellation_reasons": (ReasonsReply, lambda reply, _: support.reasons_message(reply)),
    "rating_categories": (CategoriesReply, lambda reply, _: support.categories_message(reply)),
}


def check(action: str, document: Any) -> Checked:
    """Holds a request against what `action` needs: faults refuse it, warnings say which odd spellings were understood.

    A fault's path is the exact JSON path (`$.message.order.items[0].id`); its text says what was seen, what is allowed
    and what to do. A fault of substance, with a BECKN-005 number of its own (an unknown update target, a rating that is
    no number), is none here: `parse` raises it and a callback tells. Raises WireFault where the action is not spoken.
    """
    found = faults(action, document)
    if found:
        return Checked(faults=found)
    reader = _reader(document)
    try:
        _read(action, document, reader)
    except WireFault as fault:
        if fault.code == MALFORMED:
            return Checked((Note(fault.paths, "", fault.text),), _unique(reader))
        reader.warn(fault.paths, "", f"{fault.text} (answered by {callback_name(action)} with error {fault.code})")
    return Checked(warnings=_unique(reader))


def faults(action: str, document: Any) -> tuple[Note, ...]:
    """What the schema of `action` holds against a request; empty where it may be read.

    Raises WireFault where the action is not spoken.
    """
    validator, schema = _incoming(action)
    return () if validator.is_valid(document) else tuple(schema_notes(validator, schema, document))


def parse(action: str, document: dict[str, Any]) -> tuple[Request, tuple[Note, ...]]:
    """The neutral request a message makes, and a note for every odd spelling that was understood.

    Raises WireFault (code, JSON path, sentence) where it cannot be understood or the action is not spoken.
    """
    _incoming(action)
    reader = _reader(document)
    return _read(action, document, reader), _unique(reader)


def build(
    action: str,
    reply: Reply,
    *,
    context: dict[str, Any],
    message_id: str,
    now: datetime,
    bpp_id: str,
    bpp_uri: str,
    city_code: str = "std:080",
    country: str = "IND",
) -> dict[str, Any]:
    """The callback that carries `reply`; `action` is the callback's own name (`on_select`, `cancellation_reasons`).

    `context` is the request's (or the order's stored one), `message_id` the request's for an answer and a new one for
    news; an ErrorReply becomes {context, error}, with its alternatives as a draft without a quote where it has some.
    Raises ValueError where action and reply do not belong together.
    """
    head = callback_context(
        context,
        action=action,
        message_id=message_id,
        now=now,
        bpp_id=bpp_id,
        bpp_uri=bpp_uri,
        city_code=city_code,
        country=country,
    )
    if isinstance(reply, ErrorReply):
        refused = {"context": head, "error": errors.error(reply)}
        if reply.alternatives and action in outgoing.OFFERING:
            refused["message"] = {"order": order.instead(reply.alternatives)}
        return refused
    return {"context": head, "message": _message(action, reply, bpp_id)}


def check_own(action: str, document: dict[str, Any]) -> tuple[Note, ...]:
    """What is wrong with a callback of ours, by our own closed schemas; empty where it is sound.

    Raises ValueError where `action` is no callback we send.
    """
    instead = action in outgoing.OFFERING and "error" in document and "message" in document
    validator, schema = _outgoing(action, instead=instead)
    return () if validator.is_valid(document) else tuple(schema_notes(validator, schema, document))


def dumps(document: dict[str, Any]) -> bytes:
    """The exact bytes to sign and send."""
    return orjson.dumps(document)


@cache
def _validator(action: str) -> tuple[jsonschema_rs.Draft202012Validator, dict[str, Any]]:
    schema = schemas.incoming(action)
    return jsonschema_rs.Draft202012Validator(schema), schema


@cache
def _outgoing(action: str, *, instead: bool) -> tuple[jsonschema_rs.Draft202012Validator, dict[str, Any]]:
    schema = outgoing.callback(action, instead=instead)
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True), schema


def _message(action: str, reply: Reply, bpp_id: str) -> dict[str, Any]:
    kind, spell = _SPELLERS.get(action, (type(None), None))
    if spell is None or not isinstance(reply, kind):
        raise ValueError(f"{type(reply).__name__} cannot be sent as {action!r}")
    return spell(reply, bpp_id)


def _incoming(action: str) -> tuple[jsonschema_rs.Draft202012Validator, dict[str, Any]]:
    if action not in _READERS:
        raise WireFault(
            "30000",
            "$.context.action",
            f"the action {shown(action)!r} is not spoken here; send one of {', '.join(ACTIONS)}.",
        )
    return _validator(action)


def _read(action: str, document: dict[str, Any], reader: Reader) -> Request:
    note_deviations(document["context"], reader)
    return _READERS[action](reader.map(document, "message", "$"), reader)


def _reader(document: dict[str, Any]) -> Reader:
    return Reader(day=_day(document.get("context")))


def _day(context: object) -> date | None:
    timestamp = context.get("timestamp") if isinstance(context, dict) else None
    read = reading.instant(timestamp) if isinstance(timestamp, str) else None
    try:
        return read[0].astimezone(reading.IST).date() if read else None
    except OverflowError:
        # The last hours of the year 9999 have no date in India that a calendar could hold.
        return None


def _unique(reader: Reader) -> tuple[Note, ...]:
    return tuple(dict.fromkeys(reader.notes))
