"""What does the picture say of a task, and how does it shorten a text?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.workflow.diagram.letters import cut, duration, escaped, width
from tests.fulfillment.workflow.drawn import nodes

FILTER = {"with": {"type": "card.v1"}}


@pytest.mark.parametrize(
    ("task", "kind", "detail"),
    [
        ({"call": "http", "with": {"method": "get", "endpoint": "https://a.b/c/{d}"}}, "call", "GET /c/{d}"),
        ({"call": "http", "with": {"method": "put", "endpoint": {"uri": "http://a/x"}}}, "call", "PUT /x"),
        ({"call": "http", "with": {"method": "put", "endpoint": "${ .url }"}}, "call", "PUT ${ .url }"),
        ({"call": "openapi", "with": {"operationId": "findPets"}}, "call", "openapi findPets"),
        ({"call": "named"}, "call", "NAMED"),
        ({"emit": {"event": {"with": {"type": "started.v1"}}}}, "emit", "started.v1"),
        ({"raise": {"error": {"status": 400, "title": "Bad"}}}, "raise", "400 Bad"),
        ({"raise": {"error": "named"}}, "raise", "named"),
        ({"wait": "PT5S"}, "wait", "PT5S"),
        ({"wait": {"minutes": 2, "seconds": 5}}, "wait", "2 minutes 5 seconds"),
        ({"set": {"a": 1, "b": 2}}, "set", "a, b"),
        ({"set": "${ .a }"}, "set", ""),
        ({"for": {"each": "slot", "in": ".slots"}, "do": []}, "for", "each slot in .slots"),
        ({"for": {"in": ".slots"}, "do": []}, "for", "each item in .slots"),
        ({"fork": {"compete": True, "branches": []}}, "fork", "the first one wins"),
        ({"fork": {"branches": []}}, "fork", ""),
        ({"listen": {"to": {"one": FILTER}}}, "listen", "card.v1"),
        ({"listen": {"to": {"all": [FILTER, {}]}}}, "listen", "all card.v1 event"),
        ({"listen": {"to": {}}}, "listen", ""),
        ({"try": [], "catch": {}}, "try", "catch every error"),
        (
            {"try": [], "catch": {"errors": {"with": {"status": 404, "type": "https://a/b/timeout"}}}},
            "try",
            "catch 404 timeout",
        ),
        ({"try": [], "catch": {"exceptWhen": ".a", "retry": "slow"}}, "try", "catch every error if …, retry"),
        ({"switch": [{"a": {"then": "end"}}]}, "switch", ""),
        ({"do": []}, "do", ""),
        ({"odd": 1}, "", ""),
    ],
)
def test_task_is_told_in_a_few_words(task: dict[str, Any], kind: str, detail: str) -> None:
    (node,) = nodes([{"it": task}])
    assert (node.kind, node.detail) == (kind, detail)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"), (0.0042, "4 ms"), (1.24, "1.2 s"), (9.96, "10 s"), (59.4, "59 s"), (59.96, "1 min 00"),
        (125, "2 min 05"), (3600, "1 h 00"), (5400, "1 h 30"), (86400, "24 h 00"), (4 * 86400, "4 days"),
    ],
)  # fmt: skip
def test_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_text_that_fits_is_left_alone() -> None:
    assert cut("short", 11, 100) == "short"


@pytest.mark.parametrize("text", ["tryGetActiveSession" * 3, "日本語" * 20, "iiiii" * 30, "a/b.c" * 20])
@pytest.mark.parametrize("keep_end", [True, False])
def test_cut_text_fits_its_room(text: str, keep_end: bool) -> None:
    found = cut(text, 11, 90, keep_end=keep_end)
    assert width(found, 11) <= 90
    assert found.strip("…") in text
    assert "…" in found


@pytest.mark.parametrize(
    ("text", "room", "found"),
    [
        ("/stations/{stationId}/leds/main", 80, "…/leds/main"),
        ("com.ev-power-supplier.session-started.v1", 130, "…session-started.v1"),
        ("anAddressWithoutAnyPart", 60, "…AnyPart"),
        ("com.example.aVeryLongLastPart.v1", 60, "…tPart.v1"),
    ],
)
def test_end_is_cut_at_a_whole_part(text: str, room: float, found: str) -> None:
    assert cut(text, 11, room, keep_end=True) == found


def test_what_xml_forbids_is_replaced() -> None:
    assert (
        escaped("a\x00b\tc<&'\"\u202e") == "a\N{REPLACEMENT CHARACTER}b c&lt;&amp;&#x27;&quot;\N{REPLACEMENT CHARACTER}"
    )
