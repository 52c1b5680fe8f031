"""Which spellings met on the network are understood, and are they noted?

One row for each contradiction between the published specifications, guides and examples that concerns reading.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bpp.messages import Circle, Quantity, Window
from tests.bpp.dialects.spoiling import (
    AT_8,
    CIRCLE,
    CODE,
    ENDS,
    FULFILLMENT,
    GONE,
    ITEM,
    PAYMENT,
    STOPS,
    TAGS,
    read,
    seen,
    start,
    tagged,
)

BOTH = {"IEC_62196_T2_COMBO", "CHADEMO"}
# number of the contradiction, message, path, spelling, attribute, what it means, whether it is noted
ROWS: list[tuple[int, str, str, object, str, object, bool]] = [
    (2, "select", STOPS, [*start("START"), ENDS], "window.starts_at", AT_8, True),
    (
        2,
        "select",
        STOPS,
        [*start(), {**ENDS, "type": "finish"}],
        "window.ends_at",
        datetime(2026, 3, 10, 9, tzinfo=UTC),
        True,
    ),
    (2, "select", STOPS, [{"time": {"timestamp": "2026-03-10T08:00:00Z"}}], "window", Window(AT_8, None), False),
    (3, "update_start", CODE, "start-chargin", "command", "start", True),
    (3, "update_start", CODE, "START_CHARGING", "command", "start", True),
    (3, "update_end", CODE, "end-chargin", "command", "stop", True),
    (3, "update_end", CODE, "stop-charging", "command", "stop", True),
    (4, "update_end", CODE, "charging ended", "command", "stop", True),
    (4, "update_start", CODE, "CHARGING_STARTED", "command", "start", True),
    (5, "update_start", f"{FULFILLMENT}.state", "start-charging", "command", "start", False),
    (5, "update_start", f"{FULFILLMENT}.state", {"descriptor": {"name": "Start charging"}}, "command", "start", True),
    (6, "search", TAGS, tagged("connector-type", "CHADEMO"), "connector_types", {"CHADEMO"}, False),
    (
        6,
        "search",
        "message.intent.tags",
        tagged("CCS2", "", "connector-types"),
        "connector_types",
        {"IEC_62196_T2_COMBO"},
        True,
    ),
    (6, "search", TAGS, tagged("CHADEMO", "CHADEMO", "CONNECTOR-TYPE"), "connector_types", {"CHADEMO"}, False),
    (
        6,
        "search",
        "message.intent.item",
        {"tags": tagged("connector-type", "CHADEMO")},
        "connector_types",
        BOTH,
        False,
    ),
    (7, "search", TAGS, tagged("connector-type", "CCS2"), "connector_types", {"IEC_62196_T2_COMBO"}, True),
    (7, "search", TAGS, tagged("connector-type", "Type2, mennekes"), "connector_types", {"IEC_62196_T2"}, True),
    (7, "search", TAGS, tagged("connector-type", "gb/t"), "connector_types", {"GBT_AC", "GBT_DC"}, True),
    (7, "search", TAGS, tagged("connector-type", "MagSafe"), "connector_types", {"MagSafe"}, True),
    (8, "search", TAGS, tagged("Connector_Type", "CHADEMO"), "connector_types", {"CHADEMO"}, False),
    (8, "search", TAGS, tagged("CHARGER-TYPE", "dc"), "current", "DC", False),
    (9, "search", TAGS, tagged("availability", "Available"), "available_only", True, False),
    (9, "search", TAGS, tagged("availability", "Unvailable"), "available_only", False, False),
    (12, "update_start", "message.order.id", GONE, "order", "", False),
    (13, "confirm", "message.order.id", "theirs", "wish.operator", "volt-one", True),
    (14, "update_start", "message.update_target", GONE, "targets", ("order.fulfillments.state",), True),
    (
        14,
        "update_start",
        "message.update_target",
        "order.fufillments.state",
        "targets",
        ("order.fulfillments.state",),
        True,
    ),
    (14, "update_start", "message.update_target", "message.order.fulfillments[0].state", "command", "start", True),
    (
        14,
        "update_start",
        "message.update_target",
        "order.items, payment",
        "targets",
        ("order.items", "order.payments"),
        False,
    ),
    (14, "update_start", "message.update_target", "order.billing", "command", "", False),
    (
        20,
        "select",
        f"{ITEM}.quantity.selected.measure.unit",
        "kWH",
        "items.0.quantity",
        Quantity("energy", 10_000),
        True,
    ),
    (
        20,
        "select",
        f"{ITEM}.quantity.selected.measure.unit",
        GONE,
        "items.0.quantity",
        Quantity("energy", 10_000),
        True,
    ),
    (20, "select", f"{ITEM}.quantity.selected.measure.unit", "INR", "items.0.quantity", Quantity("money", 1000), False),
    (
        20,
        "select",
        f"{ITEM}.quantity.selected.measure.unit",
        "Hours",
        "items.0.quantity",
        Quantity("time", 36_000),
        True,
    ),
    (
        20,
        "select",
        f"{ITEM}.quantity",
        {"measure": {"value": 2.5, "unit": "kWh"}},
        "items.0.quantity.amount",
        2500,
        False,
    ),
    (20, "select", f"{ITEM}.quantity", {"count": 1}, "items.0.quantity", None, False),
    (21, "confirm", f"{PAYMENT}.collected_by", "bap", "payment.collected_by", "BAP", True),
    (22, "confirm", f"{PAYMENT}.type", "PRE_ORDER", "payment.type", "PRE-ORDER", True),
    (22, "confirm", f"{PAYMENT}.type", "POST-FULFILMENT", "payment.type", "POST-FULFILLMENT", True),
    (22, "confirm", f"{PAYMENT}.status", "Completed", "payment.status", "PAID", True),
    (22, "confirm", f"{PAYMENT}.status", "Initiated", "payment.status", "NOT-PAID", True),
    (25, "rating", "message.ratings.0.value", 4, "ratings.0.value", Decimal(4), False),
    (25, "rating", "message.ratings.0.rating_category", "charger", "ratings.0.category", "Fulfillment", True),
    (25, "rating", "message.ratings.0.rating_category", "Food", "ratings.0.category", "Food", False),
    (
        25,
        "rating",
        "message.ratings",
        {"id": "i", "rating_category": "Item", "value": "0"},
        "ratings.0.target",
        "i",
        True,
    ),
    (26, "cancel", "message.cancellation_reason_id", 5, "reason", "5", True),
    (26, "cancel", "message.cancellation_reason_id", "user_request", "reason", "user_request", False),
    (27, "cancel", "message.descriptor", {"code": "SOFT_CANCEL", "name": "n"}, "soft", True, False),
    (27, "cancel", "message.descriptor", GONE, "soft", False, False),
    (28, "select", f"{ITEM}.add_ons", [{"id": "wash"}], "items.0.add_ons", ("wash",), False),
    (37, "init", "message.order.billing.address", {"full": "1 Lane"}, "billing.address", "1 Lane", True),
    (37, "init", "message.order.billing.address", {"door": "1", "street": "Lane"}, "billing.address", "1, Lane", True),
    (39, "init", "message.order.billing.phone", "+91-98000 00001", "billing.phone", "+919800000001", True),
    (39, "init", "message.order.billing.phone", "9800000001", "billing.phone", "+919800000001", True),
    (39, "init", "message.order.billing.phone", "09800000001", "billing.phone", "+919800000001", True),
    (39, "init", "message.order.billing.phone", "919800000001", "billing.phone", "+919800000001", True),
    (39, "init", "message.order.billing.phone", "12345", "billing.phone", "12345", False),
    (39, "init", "message.order.billing.phone", "none", "billing.phone", "", True),
    (40, "search", f"{CIRCLE}.gps", "12.9, 77.6", "near", Circle(12.9, 77.6, 3000.0), True),
    (40, "search", f"{CIRCLE}.gps", "77.6,12.9", "near", Circle(77.6, 12.9, 3000.0), True),
    (40, "search", f"{CIRCLE}.gps", "48.1,11.5", "near", Circle(48.1, 11.5, 3000.0), True),
    (41, "select", STOPS, start(timestamp="2026-03-10T13:30:00"), "window.starts_at", AT_8, True),
    (41, "select", STOPS, start(timestamp="13:30:00"), "window.starts_at", AT_8, True),
    (42, "select", "context.message_id", "select-message-001", "operator", "volt-one", True),
    (44, "init", "message.order.billing", {"number": "+919800000009"}, "billing.phone", "+919800000009", True),
    (45, "confirm", f"{FULFILLMENT}.location", {"x": 1}, "wish.evse", "IN*VBZ*E0101", False),
]


@pytest.mark.parametrize(
    ("number", "name", "path", "value", "attribute", "means", "noted"),
    ROWS,
    ids=[f"{row[0]}-{row[1]}-{index}" for index, row in enumerate(ROWS)],
)
def test_spelling_is_understood(
    number: int, name: str, path: str, value: object, attribute: str, means: object, noted: bool
) -> None:
    request, notes = read(name, path, value)
    assert seen(request, attribute) == means
    assert bool(notes) is noted, f"contradiction {number}: {notes}"
