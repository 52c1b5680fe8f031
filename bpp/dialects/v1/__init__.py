"""How do we speak Beckn 1.1 on UEI? This is the whole public face of the dialect.

`check` and `parse` read requests, `build` and `catalog` spell callbacks. All are pure: dates and ids are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from bpp.dialects.v1 import intent, reading, requests, schemas, support
from bpp.dialects.v1.context import callback_context, callback_name, caller, deadline, note_deviations, stale
from bpp.dialects.v1.errors import ERROR_CODES, schema_notes
from bpp.dialects.v1.reading import Reader, shown
from bpp.messages import Checked, Note, Request, WireFault

__all__ = [
    "ACTIONS",
    "ERROR_CODES",
    "callback_context",
    "callback_name",
    "caller",
    "check",
    "deadline",
    "dumps",
    "parse",
    "stale",
]

ACTIONS = schemas.ACTIONS
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


def check(action: str, document: Any) -> Checked:
    """Holds a request against what `action` needs: faults refuse it, warnings say which odd spellings were understood.

    A fault's path is the exact JSON path (`$.message.order.items[0].id`); its text says what was seen, what is allowed
    and what to do. Raises WireFault where the action is not spoken.
    """
    validator, schema = _incoming(action)
    if not validator.is_valid(document):
        return Checked(faults=tuple(schema_notes(validator, schema, document)))
    reader = _reader(document)
    try:
        note_deviations(document["context"], reader)
        _READERS[action](document.get("message") or {}, reader)
    except WireFault as fault:
        return Checked((Note(fault.paths, "", fault.text),), _unique(reader))
    return Checked(warnings=_unique(reader))


def parse(action: str, document: dict[str, Any]) -> tuple[Request, tuple[Note, ...]]:
    """The neutral request a message makes, and a note for every odd spelling that was understood.

    Raises WireFault (code, JSON path, sentence) where it cannot be understood or the action is not spoken.
    """
    _incoming(action)
    reader = _reader(document)
    request = _READERS[action](reader.map(document, "message", "$"), reader)
    return request, _unique(reader)


def dumps(document: dict[str, Any]) -> bytes:
    """The exact bytes to sign and send."""
    return orjson.dumps(document)


@cache
def _validator(action: str) -> tuple[jsonschema_rs.Draft202012Validator, dict[str, Any]]:
    schema = schemas.incoming(action)
    return jsonschema_rs.Draft202012Validator(schema), schema


def _incoming(action: str) -> tuple[jsonschema_rs.Draft202012Validator, dict[str, Any]]:
    if action not in _READERS:
        raise WireFault(
            "30000",
            "$.context.action",
            f"the action {shown(action)!r} is not spoken here; send one of {', '.join(ACTIONS)}.",
        )
    return _validator(action)


def _reader(document: dict[str, Any]) -> Reader:
    return Reader(day=_day(document.get("context")))


def _day(context: object) -> date | None:
    timestamp = context.get("timestamp") if isinstance(context, dict) else None
    read = reading.instant(timestamp) if isinstance(timestamp, str) else None
    return read[0].astimezone(reading.IST).date() if read else None


def _unique(reader: Reader) -> tuple[Note, ...]:
    return tuple(dict.fromkeys(reader.notes))
