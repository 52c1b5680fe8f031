"""Which bodies are made to hurt whoever reads them? Each is built around a sound request and signed by its sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

Bomb = Callable[[dict[str, Any], dict[str, Any]], bytes]
"""Makes the body of one bomb from a sound context and message."""

LARGE = 250_000


def bombs() -> Iterator[tuple[str, Bomb, bool]]:
    """Name and body of each, at least 60, and whether no reader may take it."""
    for family, unreadable in ((_broken, True), (_numbers, True), (_encodings, True), (_heavy, False), (_tops, False)):
        for name, bomb in family():
            yield name, bomb, unreadable
    for name, bomb in _meanings():
        yield name, bomb, False


def _inside(raw: bytes) -> Bomb:
    """`raw` as the value of one more member of the message."""

    def build(context: dict[str, Any], message: dict[str, Any]) -> bytes:
        whole = orjson.dumps({"context": context, "message": message | {"x": "HERE"}})
        return whole.replace(b'"HERE"', raw)

    return build


def _whole(change: Callable[[bytes], bytes]) -> Bomb:
    return lambda context, message: change(orjson.dumps({"context": context, "message": message}))


def _member(**members: Any) -> Bomb:
    return lambda context, message: orjson.dumps({"context": context, "message": message | members})


def _head(**members: Any) -> Bomb:
    return lambda context, message: orjson.dumps({"context": context | members, "message": message})


def _broken() -> Iterator[tuple[str, Bomb]]:
    for depth in (33, 1000, 100_000):
        yield f"{depth} lists deep", _inside(b"[" * depth + b"]" * depth)
    for depth in (33, 30_000):
        yield f"{depth} objects deep", _inside(b'{"a":' * depth + b"1" + b"}" * depth)
    yield "lists never closed", _inside(b"[" * 200_000)
    yield "objects never closed", _inside(b'{"a":' * 40_000)
    yield "a name twice", _inside(b'{"a":1,"a":2}')
    yield "a name 30,000 times", _inside(b"{" + b",".join([b'"a":0'] * 30_000) + b"}")
    yield "a name twice by an escape", _inside(b'{"a":1,"\\u0061":2}')
    yield "the context twice", _whole(lambda text: text.replace(b'{"context":', b'{"context":{},"context":', 1))
    yield "no end", _whole(lambda text: text[:-1])
    yield "a comma too many", _whole(lambda text: text[:-1] + b",}")
    yield "something after it", _whole(lambda text: text + b"{}")
    yield "a comment", _whole(lambda text: b"/* */" + text)
    yield "single quotes", _whole(lambda text: text.replace(b'"', b"'"))


def _heavy() -> Iterator[tuple[str, Bomb]]:
    yield "brackets in a text", _inside(b'"' + b"[{" * 100_000 + b'"')
    yield "escaped quotes before brackets", _inside(b'"' + b'\\"[' * 60_000 + b'"')
    yield "backslashes", _inside(b'"' + b"\\\\" * 100_000 + b'"')
    yield "80,000 empty lists", _inside(b"[" + b",".join([b"[]"] * 80_000) + b"]")
    yield "25,000 members", _inside(b"{" + b",".join(b'"%d":0' % number for number in range(25_000)) + b"}")
    yield "a text of 250 kB", _inside(b'"' + b"a" * LARGE + b'"')
    yield "escapes by the thousand", _inside(b'"' + b"\\u0041" * 40_000 + b'"')
    yield "250 kB of spaces", _whole(lambda text: text + b" " * LARGE)
    yield "minus zero", _inside(b"-0")
    yield "30,000 fractions", _inside(b"[" + b",".join([b"1.5e9"] * 30_000) + b"]")


def _numbers() -> Iterator[tuple[str, Bomb]]:
    for text in (
        *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e300000", b"1e-300000", b"1E1000000000"),
        *(b"1" * 16, b"9" * 5000, b"9" * 200_000, b"0." + b"1" * 200_000, b"1e" + b"9" * 5000, b"01", b"+1"),
        *(b"0x10", b".5", b"1.", b"1_000"),
    ):
        yield f"number {text[:12].decode()}{'…' * (len(text) > 12)}", _inside(text)


def _encodings() -> Iterator[tuple[str, Bomb]]:
    yield "half a surrogate pair", _inside(b'"\\ud800"')
    yield "the other half", _inside(b'"\\udfff"')
    yield "half a pair as a name", _inside(b'{"\\ud800":1}')
    yield "an escaped NUL", _inside(b'"\\u0000"')
    yield "an escaped NUL as a name", _inside(b'{"a\\u0000":1}')
    yield "a raw NUL", _inside(b'"\0"')
    yield "a raw control character", _inside(b'"\x07"')
    yield "a byte order mark", _whole(lambda text: b"\xef\xbb\xbf" + text)
    yield "UTF-16", _whole(lambda text: text.decode().encode("utf-16"))
    yield "UTF-32", _whole(lambda text: text.decode().encode("utf-32"))
    yield "Latin-1", _inside(b'"\xe9"')
    yield "an overlong slash", _inside(b'"\xc0\xaf"')
    yield "a surrogate in UTF-8", _inside(b'"\xed\xa0\x80"')
    yield "a cut character", _inside(b'"\xf0\x9f\x98"')


def _tops() -> Iterator[tuple[str, Bomb]]:
    for top in (b"", b" ", b"null", b"true", b"7", b'"text"', b"[]", b"{}", b'{"context":[]}', b'{"context":null}'):
        yield f"only {top.decode()!r}", _whole(lambda _, top=top: top)  # type: ignore[misc]
    yield "a message that is a list", lambda context, _: orjson.dumps({"context": context, "message": []})
    yield "a message that is null", lambda context, _: orjson.dumps({"context": context, "message": None})


def _meanings() -> Iterator[tuple[str, Bomb]]:
    """Sound JSON that hurts later: numbers in texts, times beyond the calendar, very many parts."""
    for value in ("1e300000", "1e1000000000", "9" * 5000, "NaN", "Infinity", "-1e999999", "١٢", "1_000", " 5\n"):
        measure = {"type": "CONSTANT", "value": value, "unit": "kWh"}
        items = [{"id": "a*1", "quantity": {"selected": {"measure": measure}}}]
        order = {"provider": {"id": "a"}, "items": items, "id": "VB-NONE", "quote": {"price": {"value": value}}}
        circle = {"gps": f"{value},{value}", "radius": {"type": "CONSTANT", "value": value, "unit": "km"}}
        yield (
            f"value {value[:12]!a}",
            _member(
                order=order,
                ratings=[{"id": "VB-NONE", "rating_category": "Order", "value": value}],
                intent={"fulfillment": {"stops": [{"location": {"circle": circle}}]}},
            ),
        )
    for ttl in ("P9999Y", "PT9999999999S", "P" + "9" * 5000 + "Y", "PT1E9S", "-PT1M", "9" * 300):
        yield f"ttl {ttl[:14]}", _head(ttl=ttl)
    for moment in ("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "9" * 5000, "2026-02-30T00:00:00Z"):
        yield f"timestamp {moment[:12]}", _head(timestamp=moment)
    yield "20,000 items", _member(order={"provider": {"id": "a"}, "items": [{"id": "a"}] * 20_000})
    yield "20,000 odd items", _member(order={"provider": {"id": "a"}, "items": [7] * 60_000})
    yield "10,000 ratings", _member(ratings=[{"id": "VB-NONE", "rating_category": "Order", "value": "9"}] * 4_000)
    yield "a name of 200 kB in the intent", _member(intent={"descriptor": {"name": "a " * 100_000}})
    yield "30,000 targets", _member(order={"id": "VB-NONE"}, update_target=",".join(["order.x"] * 30_000))
    yield "an address of 200 kB", _head(bap_uri="http://127.0.0.1/" + "a" * 200_000)
    yield "texts that are objects", _head(bap_uri={}, transaction_id=[], message_id={}, version={})
    yield "a location that is a list", _head(location=[{"city": [1]}])
