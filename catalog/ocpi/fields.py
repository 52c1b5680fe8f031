"""How is one field of an OCPI document read, and where is it refused?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one place of a document: its JSON path, and what was seen and is allowed."""

    path: str
    text: str


class Refused(Exception):
    """A part of a document that cannot be taken."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.remark = Remark(path, text)


@dataclass(slots=True)
class Reading:
    """What could not be taken from a document, and what was taken otherwise than it may be meant."""

    refused: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)

    def each(
        self, entries: object, path: str, read: Callable[[Mapping[str, Any], str], T], *, name: str
    ) -> Iterator[tuple[int, T]]:
        """The entries that can be read, with their place from 0; the others are refused one by one."""
        if not isinstance(entries, list):
            self.refused.append(Remark(path, f"{shown(entries)} is not a list; write an array of {name} objects"))
            return
        for number, entry in enumerate(entries):
            place = f"{path}[{number}]"
            try:
                if not isinstance(entry, Mapping):
                    raise Refused(place, f"{shown(entry)} is not a {name}; write an object")
                yield number, read(entry, place)
            except Refused as refusal:
                self.refused.append(refusal.remark)


def unwrapped(document: object) -> tuple[object, str]:
    if isinstance(document, Mapping) and "data" in document:
        return document["data"], "$.data"
    return document, "$"


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def an_id(entry: Mapping[str, Any], path: str, name: str, *, limit: int) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._*-]*", value) or len(value) > limit:
        raise Refused(f"{path}.{name}", f"{shown(value)} is not an id; use at most {limit} letters, digits and . _ * -")
    return value


def a_text(entry: Mapping[str, Any], path: str, name: str, *, limit: int) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise Refused(f"{path}.{name}", f"{shown(value)} is not a text of at most {limit} characters")
    return value.strip()


def a_list(entry: Mapping[str, Any], path: str, name: str) -> list[Any]:
    value = entry.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"{path}.{name}", f"{shown(value)} is not a list")
    return value


def plain(value: Any) -> Any:
    """A part of a document as it can be stored: numbers that JSON does not know become texts."""
    return json.loads(json.dumps(value, default=str))


def a_number(entry: Mapping[str, Any], path: str, name: str) -> int:
    value = entry.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value < 2**31:
        raise Refused(f"{path}.{name}", f"{shown(value)} is not a whole number of at least 0")
    return round(value)


def a_moment(value: object, path: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as err:
        raise Refused(path, f"{shown(value)} is not a time; write RFC 3339 such as 2026-02-01T04:20:00Z") from err
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def display_text(texts: object) -> str:
    """The English text of an OCPI DisplayText list, else the first one."""
    if not isinstance(texts, list):
        return ""
    spoken = [text for text in texts if isinstance(text, Mapping) and isinstance(text.get("text"), str)]
    english = [text for text in spoken if text.get("language") == "en"]
    return str((english or spoken)[0]["text"]) if spoken else ""


def shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r:.80}"
