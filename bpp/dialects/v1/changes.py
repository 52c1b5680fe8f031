"""What else may a message say of an order: a preference given with it, a start code, another time, charger or payer?

Preferences are ours: a tag group `charging-preferences` on the order or its fulfilment (docs/protocol.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bpp.dialects.v1 import words
from bpp.dialects.v1.reading import Reader

PREFERENCES = "charging-preferences"
REDIRECT = "auto-redirect"
_ORDER = "$.message.order"
_YES = frozenset({"true", "yes", "y", "1", "allowed"})
_CODE = "start-code"


def may_redirect(order: dict[str, Any], reader: Reader) -> bool:
    """Whether the customer lets us move the order to another connector where the promised one fails."""
    return words.fold(_tagged(order, reader, group=PREFERENCES, code=REDIRECT)) in _YES


def start_code(order: dict[str, Any], fulfillment: dict[str, Any], where: str, reader: Reader) -> str:
    """The start code: the authorization of a stop, or a tag `start-code`; empty where none is given."""
    for at, stop in reader.rows(fulfillment, "stops", where):
        token = reader.text(reader.map(stop, "authorization", at), "token", f"{at}.authorization")
        if token:
            return token
    return _tagged(order, reader, group="", code=_CODE)


def times(fulfillment: dict[str, Any], where: str, reader: Reader) -> tuple[datetime | None, datetime | None]:
    """The booked start and end that an update names."""
    starts_at, ends_at, _ = reader.times(fulfillment, where)
    return starts_at, ends_at


def item(order: dict[str, Any], reader: Reader) -> str:
    """The connector that an update names; empty where it names none."""
    for where, row in reader.rows(order, "items", _ORDER):
        return reader.text(row, "id", where)
    return ""


def _tagged(order: dict[str, Any], reader: Reader, *, group: str, code: str) -> str:
    """The value of a tag; in `group` or one without a code, empty `group`: in any."""
    for name, tag, entry, at in _tags(order, reader):
        if tag == code and (not group or name in {group, ""}):
            return reader.text(entry, "value", at, limit=1000)
    return ""


def _tags(order: dict[str, Any], reader: Reader) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Each tag on the order and its fulfilments, after the codes of its group and its own, before its place."""
    places = [(_ORDER, order), *reader.rows(order, "fulfillments", _ORDER)]
    for place, node in places:
        for where, row in reader.rows(node, "tags", place):
            name = _code(row, where, reader)
            for at, entry in reader.rows(row, "list", where):
                yield name, _code(entry, at, reader), entry, at


def _code(node: dict[str, Any], where: str, reader: Reader) -> str:
    return words.fold(reader.text(reader.map(node, "descriptor", where), "code", f"{where}.descriptor"))
