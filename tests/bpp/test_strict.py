"""Is only an unambiguous JSON object let in?"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpp import strict
from bpp.strict import StrictFault

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ROUND = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15) + 1, 10**15 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_load_gives_the_object() -> None:
    found = strict.load('{"a": [1, -2, 0.50, 1e3], "ü": "\\ud83d\\ude00", "n": null, "t": true}'.encode())
    assert found == {"a": [1, -2, Decimal("0.50"), Decimal("1E+3")], "ü": "😀", "n": None, "t": True}


@pytest.mark.parametrize("depth", [1, 31])
def test_load_takes_a_depth_up_to_the_limit(depth: int) -> None:
    strict.load(b'{"a":' + b"[" * depth + b"]" * depth + b"}")


def test_load_counts_no_brackets_in_texts() -> None:
    assert strict.load(b'{"a":"' + b"[{" * 50 + b'\\"[[\\\\","b":' + b"[[]]" + b"}")["b"] == [[]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b'{"a":1} {"b":2}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"c":2,"b":3}}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":1e-999}',
        b'{"a":1e100000}',
        b'{"a":1E19}',
        b'{"a":1e' + b"9" * 9000 + b"}",
        b'{"a":1234567890123456}',
        b'{"a":-1234567890123456}',
        b'{"a":' + b"9" * 100_000 + b"}",
        b'{"a":0.1234567890123456}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":["x",{"b":"\\u0000"}]}',
        b'{"a":"\0"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\x01"}',
        b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)
def test_load_refuses(body: bytes) -> None:
    with pytest.raises(StrictFault):
        strict.load(body)


def test_load_names_the_place() -> None:
    with pytest.raises(StrictFault, match="line 2 column 6"):
        strict.load(b'{\n "a" 1}')
    with pytest.raises(StrictFault, match="'bap_id' is given twice"):
        strict.load(b'{"bap_id":1,"bap_id":2}')


@given(st.dictionaries(TEXT, ROUND, max_size=5))
def test_load_reads_what_the_standard_writes(document: dict[str, object]) -> None:
    assert strict.load(json.dumps(document).encode()) == document


@given(st.binary(max_size=200))
def test_load_never_fails_otherwise(body: bytes) -> None:
    for text in (body, b'{"a":' + body + b"}"):
        try:
            strict.load(text)
        except StrictFault as fault:
            fault.text.encode("utf-8")
