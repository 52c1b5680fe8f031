"""What else may a message say of an order: a preference given with it, a start code, another time, charger or payer?

Preferences are ours: a tag group `charging-preferences` on the order or its fulfilment (docs/protocol.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bpp.dialects.v1 import words
from bpp.dialects.v1.reading import ORDER, Reader
from bpp.dialects.v1.tags import tags

PREFERENCES = "charging-preferences"
REDIRECT = "auto-redirect"
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
    for where, row in reader.rows(order, "items", ORDER):
        return reader.text(row, "id", where)
    return ""


def _tagged(order: dict[str, Any], reader: Reader, *, group: str, code: str) -> str:
    """The value of a tag; in `group` or one without a code, empty `group`: in any."""
    for where, node in [(ORDER, order), *reader.rows(order, "fulfillments", ORDER)]:
        for tag in tags(node, where, reader):
            if tag.code == code and (not group or tag.group in {group, ""}):
                return tag.value(reader, limit=1000)
    return ""
