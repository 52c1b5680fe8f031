"""Which CloudEvents does an HTTP request carry, in structured, batch or binary mode? Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MOST_EVENTS = 500
LONGEST_TEXT = 255
DEEPEST = 64
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
ATTRIBUTES = ("specversion", "id", "source", "type", "time")


class EventRefusedError(Exception):
    """A request that carries no readable event: where, what was seen, what is allowed."""

    def __init__(self, path: str, seen: object, allowed: str) -> None:
        text = repr(seen)
        super().__init__(f"{path} is {text if len(text) <= 80 else text[:77] + '...'}; allowed: {allowed}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Incoming:
    """A CloudEvent as it came: its time is aware, its data whatever JSON it carried."""

    source: str
    event_id: str
    type: str
    time: datetime
    data: Any


def read_events(body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[Incoming]:
    """The events of a request; header names in lower case. An event without a time happened `now`.

    Raises EventRefusedError. Source: CloudEvents 1.0.2, JSON format and HTTP protocol binding.
    """
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if "ce-id" in headers or "ce-type" in headers or "ce-specversion" in headers:
        attributes: dict[str, Any] = {name: headers[f"ce-{name}"] for name in ATTRIBUTES if f"ce-{name}" in headers}
        if kind not in {JSON, ""} and not kind.endswith("+json"):
            raise EventRefusedError("content-type", kind, JSON)
        return [_event(attributes | {"data": _json(body)}, "header ce-", now=now)]
    document = _json(body)
    if kind == BATCH or (kind == JSON and isinstance(document, list)):
        if not isinstance(document, list) or not 1 <= len(document) <= MOST_EVENTS:
            seen = f"{len(document)} events" if isinstance(document, list) else document
            raise EventRefusedError("$", seen, f"a JSON array of 1 to {MOST_EVENTS} events")
        return [_event(event, f"$[{number}].", now=now) for number, event in enumerate(document)]
    if kind not in {STRUCTURED, JSON}:
        raise EventRefusedError("content-type", kind, f"{STRUCTURED}, {BATCH}, or ce-* headers with {JSON}")
    return [_event(document, "$.", now=now)]


def _event(document: object, path: str, *, now: datetime) -> Incoming:
    if not isinstance(document, dict):
        raise EventRefusedError(path.rstrip("."), document, "a JSON object")
    if document.get("specversion") != "1.0":
        raise EventRefusedError(f"{path}specversion", document.get("specversion"), "1.0")
    if "data" not in document:
        raise EventRefusedError(f"{path}data", None, "a JSON object (data_base64 is not read)")
    if not _shallow(document["data"]):
        raise EventRefusedError(f"{path}data", "JSON nested deeper", f"at most {DEEPEST} levels")
    return Incoming(
        source=_text(document, "source", path, longest=LONGEST_TEXT),
        event_id=_text(document, "id", path, longest=LONGEST_TEXT),
        type=_text(document, "type", path, longest=100),
        time=_time(document.get("time"), f"{path}time", now=now),
        data=document["data"],
    )


def _shallow(data: object) -> bool:
    """Whether it can be written out again anywhere: what is nested by the hundred may not."""
    level = [data]
    for _ in range(DEEPEST):
        level = [child for each in level for child in _children(each) if isinstance(child, dict | list)]
        if not level:
            return True
    return False


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _text(document: dict[str, Any], name: str, path: str, *, longest: int) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
        raise EventRefusedError(f"{path}{name}", value, f"a text of 1 to {longest} characters")
    return value


def _time(value: object, path: str, *, now: datetime) -> datetime:
    if value is None:
        return now
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise EventRefusedError(path, value, "an RFC 3339 time with its offset")
    return moment


def _json(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        document = _DECODER.decode(text)
        # What the database cannot keep is refused at the door: NUL and half characters, which only escapes can make.
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as err:
        raise EventRefusedError("$", body[:60], f"JSON in UTF-8 ({type(err).__name__})") from err
    if "\\u0000" in text:
        raise EventRefusedError("$", "\\u0000", "text without NUL characters")
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
