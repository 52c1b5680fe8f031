"""Which events does a filter let through?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.workflow import EventFilter

EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "https://e.com",
    "type": "t.v1",
    "data": {"card": "c-1", "power": 7, "slot": {"number": 2, "free": True}},
}


@pytest.mark.parametrize(
    ("attributes", "fits"),
    [
        ({"type": "t.v1"}, True),
        ({"type": "t.v2"}, False),
        ({"type": "t.v1", "source": "https://e.com"}, True),
        ({"type": "t.v1", "source": "https://other"}, False),
        ({"subject": "x"}, False),
        ({"data": {"card": "c-1"}}, True),
        ({"data": {"slot": {"number": 2}}}, True),
        ({"data": {"slot": {"free": 1}}}, False),
        ({"data": {"slot": {"number": 3}}}, False),
        ({"data": {"none": None}}, False),
        ({"data": "${ .power > 5 }"}, True),
        ({"data": "${ .power > 9 }"}, False),
        ({"data": "${ .card.x }"}, False),
        ({"type": '${ startswith("t.") }'}, True),
        ({"type": '${ "t.v1" }'}, True),
        ({"type": '${ "t.v2" }'}, False),
        ({"subject": "${ . }"}, False),
        ({"source": "${ $context.x }"}, False),
    ],
)
def test_filter_wants_all_its_attributes(attributes: dict[str, Any], fits: bool) -> None:
    assert EventFilter(attributes).matches(EVENT) is fits
