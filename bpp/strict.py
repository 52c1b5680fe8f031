"""Is this body one unambiguous JSON object that every later layer can hold?

The standard parser takes the last of two equal names, NaN, numbers of any length and lone surrogates; each of these
means something else to the next reader. Nothing here depends on the protocol.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import orjson

MOST_DEPTH: Final = 32
_FRACTION = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_LARGEST_EXPONENT = 18
_NOT_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_ODD_NUMBER = re.compile(rb"[0-9][.eE]|[0-9]{16}")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class StrictFault(Exception):
    """Why a body is refused: `text` says where, what was seen and what is allowed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def load(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; whole numbers as int, others as Decimal.

    Raises StrictFault for anything but UTF-8 without BOM or NUL, for a name given twice in one object, NaN and
    Infinity, more than 32 levels, whole numbers above 15 digits, lone surrogates, and a top that is no object.
    """
    document = _read_plainly(body)
    return _read_warily(body) if document is None else document


def _read_plainly(body: bytes) -> dict[str, Any] | None:
    """The document where the fast parser cannot differ from the wary one, else None.

    It keeps the last of two equal names and makes floats of fractions: neither is the case where the document, written
    again, is the very body, and where nothing beside its texts looks like a fraction or a number of many digits.
    """
    if b"\\" in body or body.count(b"{") + body.count(b"[") > MOST_DEPTH:
        return None
    beside_texts = b"".join(body.split(b'"')[::2])
    if beside_texts.translate(None, _NOT_DIGITS) and _ODD_NUMBER.search(beside_texts):
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and orjson.dumps(document) == body else None


def _read_warily(body: bytes) -> dict[str, Any]:
    if b"\0" in body or body[:3] == b"\xef\xbb\xbf":
        raise StrictFault("the body holds a NUL byte or starts with a byte order mark; send plain UTF-8")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as err:
        raise StrictFault(f"the body is not UTF-8: byte {err.start} cannot be read") from err
    _check_depth(body)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as err:
        raise StrictFault(f"the body is not JSON: {err.msg} at line {err.lineno} column {err.colno}") from err
    except RecursionError as err:
        raise StrictFault(f"the body is nested more than {MOST_DEPTH} levels deep") from err
    if not isinstance(document, dict):
        raise StrictFault("the body must be one JSON object")
    if b"\\u" in body:
        _check_characters(document)
    return document


def _check_depth(body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") <= MOST_DEPTH:
        return
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    depth = 0
    for bracket in b"".join(plain.split(b'"')[::2]).translate(None, _NOT_BRACKETS):
        if bracket in b"{[":
            depth += 1
            if depth > MOST_DEPTH:
                raise StrictFault(f"the body is nested more than {MOST_DEPTH} levels deep")
        else:
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictFault(f"the name {_given_twice(pairs)[:60]!a} is given twice in one object")
    return found


def _given_twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name is given twice")


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > 15:
        raise StrictFault(f"a whole number of {len(text)} characters; allowed are 15 digits")
    return int(text)


def _fraction(text: str) -> Decimal:
    exponent = re.split("[eE]", text)[1] if "e" in text.lower() else "0"
    if not _FRACTION.fullmatch(text) or abs(int(exponent)) > _LARGEST_EXPONENT:
        raise StrictFault(
            f"the number {text[:40]} is too long; allowed are 15 digits before and after the point and exponents "
            f"to {_LARGEST_EXPONENT}"
        )
    return Decimal(text)


def _constant(text: str) -> None:
    raise StrictFault(f"{text} is not JSON")


def _check_characters(node: Any) -> None:
    if isinstance(node, str):
        if "\0" in node or any("\ud800" <= char <= "\udfff" for char in node):
            raise StrictFault("a text holds \\u0000 or half of a surrogate pair, which cannot be stored")
    elif isinstance(node, dict):
        for name, value in node.items():
            _check_characters(name)
            _check_characters(value)
    elif isinstance(node, list):
        for value in node:
            _check_characters(value)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole, parse_float=_fraction, parse_constant=_constant)
