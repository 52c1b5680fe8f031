"""Which other shapes of a request are understood, and what cannot be?"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bpp.dialects import v1
from bpp.messages import Circle, Window, WireFault
from tests.bpp.dialects.samples import fixture
from tests.bpp.dialects.spoiling import (
    AT_8,
    CIRCLE,
    CODE,
    FULFILLMENT,
    GONE,
    ITEM,
    PAYMENT,
    STOPS,
    TAGS,
    put,
    read,
    seen,
    start,
    tagged,
)


def test_fractions_may_be_json_numbers() -> None:
    request, _ = read("rating", "message.ratings.0.value", Decimal("4.5"))
    assert request.ratings[0].value == Decimal("4.5")
    request, _ = read("confirm", f"{PAYMENT}.params.amount", Decimal("230.10"))
    assert request.payment.amount == Decimal("230.10")


def test_order_id_may_stand_in_the_order() -> None:
    for name in ("status", "track", "cancel"):
        request, notes = read(name, "message", {"order": {"id": "VB-1001"}})
        assert request.order == "VB-1001"
        assert notes == ["$.message.order.id"]


def test_reason_may_stand_in_a_cancellation() -> None:
    nested = {"order_id": "o", "cancellation": {"reason_id": "c3"}}
    assert read("cancel", "message", nested)[0].reason == "c3"
    nested = {"order": {"id": "o", "cancellation": {"reason": {"id": "c4"}}}}
    assert read("cancel", "message", nested)[0].reason == "c4"


def test_providers_in_confirm_count_by_the_first() -> None:
    document = put(fixture("confirm"), "message.order.provider", GONE)
    for providers in ({"id": "volt-one"}, [{"id": "volt-one"}, {"id": "other"}]):
        document["message"]["order"]["providers"] = providers
        request, notes = v1.parse("confirm", document)
        assert seen(request, "wish.operator") == "volt-one"
        assert "$.message.order.providers" in [note.path for note in notes]


def test_quote_in_confirm_is_read_for_comparison() -> None:
    quote = {"price": {"value": "230.1", "currency": "INR"}}
    assert read("confirm", "message.order.quote", quote)[0].quoted == Decimal("230.1")


def test_add_on_as_an_item_of_its_own_joins_its_item() -> None:
    items = [
        {"id": "plug-1"},
        {"id": "plug-2"},
        {"id": "wash", "descriptor": {"code": "add-on-item"}},
        {"id": "tyres", "parent_item_id": "plug-2"},
    ]
    request, notes = read("select", "message.order.items", items)
    assert [(item.item_id, item.add_ons) for item in request.items] == [("plug-1", ("wash",)), ("plug-2", ("tyres",))]
    assert notes == ["$.message.order.items[2]", "$.message.order.items[3]"]


def test_add_ons_alone_are_no_order() -> None:
    with pytest.raises(WireFault, match=r"items\[0\] is missing"):
        read("select", "message.order.items", [{"id": "wash", "parent_item_id": "plug-1"}])


def test_charger_may_be_named_by_the_item_alone() -> None:
    document = put(fixture("select"), "message.order.fulfillments", GONE)
    assert v1.parse("select", document)[0] == v1.parse("select", put(document, "message.order.fulfillments", None))[0]
    for named, evse in ((["E1", "E2"], "E1"), ([], ""), ("E1", "")):
        document["message"]["order"]["items"][0]["fulfillment_ids"] = named
        assert seen(v1.parse("select", document)[0], "evse") == evse
        assert seen(v1.parse("select", document)[0], "window") is None


def test_single_objects_count_as_lists() -> None:
    document = fixture("init")
    order = document["message"]["order"]
    order["fulfillment"], order["items"] = order.pop("fulfillments")[0], order["items"][0]
    order["payment"] = {"collected_by": "BPP"}
    request, notes = v1.parse("init", document)
    assert seen(request, "wish.evse") == "IN*VBZ*E0101"
    assert seen(request, "payment.collected_by") == "BPP"
    assert len(notes) == 3


@pytest.mark.parametrize(
    ("stops", "window"),
    [
        ([{"type": "end", "time": {"range": {"start": "2026-03-10T08:00:00Z", "end": "2026-03-10T09:00:00Z"}}}], True),
        (start(range={"start": "2026-03-10T08:00:00Z", "end": "2026-03-10T09:00:00Z"}), True),
        (start(timestamp="2026-03-10T08:00:00Z", duration="PT1H"), True),
        ([{"type": "end", "time": {"timestamp": "2026-03-10T09:00:00Z"}}], False),
        ([{"type": "somewhere"}], False),
    ],
)
def test_window_is_read_from_range_and_duration(stops: list[Any], window: bool) -> None:
    request, _ = read("select", STOPS, stops)
    assert request.window == (Window(AT_8, datetime(2026, 3, 10, 9, tzinfo=UTC)) if window else None)


@pytest.mark.parametrize(
    ("name", "path", "value", "code", "says"),
    [
        (
            "select",
            STOPS,
            [*start(), {"type": "end", "time": {"timestamp": "2026-03-10T08:00:00Z"}}],
            "30000",
            "not after",
        ),
        ("select", STOPS, start(timestamp="soon"), "30000", "RFC 3339"),
        ("select", STOPS, start(timestamp="2026-03-10T08:00:00Z", duration="long"), "30000", "PT40M"),
        ("select", STOPS, start(timestamp="2026-03-10T08:00:00Z", duration="P9999Y"), "30000", "beyond the calendar"),
        ("select", STOPS, start(timestamp="0001-01-01T00:00:00+05:30"), "30000", "RFC 3339"),
        ("select", f"{ITEM}.quantity.selected.measure.unit", "gallon", "30000", "send one of kWh"),
        ("select", f"{ITEM}.quantity.selected.measure.value", "0", "30000", "above zero"),
        ("select", f"{ITEM}.quantity.selected.measure.value", "-4", "30000", "above zero"),
        ("select", f"{ITEM}.quantity.selected.measure.value", "NaN", "30000", "decimal number"),
        ("select", f"{ITEM}.quantity.selected.measure.value", "1e9", "30000", "decimal number"),
        ("select", f"{ITEM}.quantity.selected.measure.value", "999999999999999", "30000", "within reason"),
        ("confirm", f"{PAYMENT}.params.amount", True, "30000", "decimal number"),
        ("update_start", CODE, "fly", "30013", "send start-charging or end-charging"),
        ("update_start", "message", {"order": {"id": "VB-1001"}}, "30012", "name what to update"),
        ("rating", "message.ratings.0.value", "great", "30015", "decimal number"),
        ("search", f"{CIRCLE}.gps", "here", "30000", "latitude and longitude"),
        ("search", f"{CIRCLE}.gps", "91,77", "30000", "latitude and longitude"),
        ("search", f"{CIRCLE}.radius.unit", "furlong", "30000", "send km or m"),
        ("search", f"{CIRCLE}.radius.value", "0", "30000", "above zero"),
        ("search", TAGS, tagged("power-rating", "strong"), "30000", "such as 30kW"),
    ],
)
def test_what_cannot_be_understood_is_refused(name: str, path: str, value: object, code: str, says: str) -> None:
    with pytest.raises(WireFault, match=says) as refused:
        read(name, path, value)
    assert refused.value.code == code
    assert refused.value.paths.startswith("$.message.")


def test_update_without_a_charger_or_state_has_no_command() -> None:
    document = put(fixture("update_start"), "message.order.fulfillments", [])
    assert seen(v1.parse("update", document)[0], "command") == ""
    request, _ = read("update_start", f"{FULFILLMENT}.state", GONE)
    assert (request.command, request.evse) == ("", "IN*VBZ*E0101")


def test_update_target_is_inferred_from_what_the_order_changes() -> None:
    order = {"fulfillments": [{"id": "E1", "stops": start()}], "billing": {"name": "Test Driver"}}
    request, notes = read("update_start", "message", {"order": order})
    assert request.targets == ("order.fulfillments.stops", "order.billing")
    assert request.command == ""
    assert notes == ["$.message.update_target"]


@pytest.mark.parametrize(
    ("tags", "attribute", "means"),
    [
        (tagged("power-rating", "50kW"), "min_power_w", 50_000),
        (tagged("max-power", "7400 W"), "max_power_w", 7400),
        (tagged("charger-level", "DC fast"), "level", 3),
        (tagged("charger-type", "level 2"), "level", 2),
        (tagged("vehicle-type", "Two Wheeler"), "vehicle", "2w"),
        (tagged("paint", "red"), "vehicle", ""),
        (tagged("power-rating", ""), "min_power_w", None),
    ],
)
def test_search_filters_by_tags(tags: list[Any], attribute: str, means: object) -> None:
    request, notes = read("search", TAGS, tags)
    assert getattr(request, attribute) == means
    assert bool(notes) is (means == "")


def test_search_reads_every_other_filter() -> None:
    intent = {
        "descriptor": {"name": "EV charging near Lake View"},
        "provider": {"id": "volt-one", "descriptor": {"name": "Volt"}, "items": [{"id": "plug"}]},
        "item": {
            "descriptor": {"name": "ignored"},
            "quantity": {"selected": {"measure": {"value": "4", "unit": "kWh"}}},
        },
        "category": {"id": "Green Tariff"},
        "payment": {"type": "PRE-ORDER"},
        "fulfillment": {
            "vehicle": {"category": "car"},
            "stops": [
                {"type": "start", "location": {"id": "LAKE-01"}, "time": {"timestamp": "2026-03-10T08:00:00Z"}},
                {"type": "end", "location": {"gps": "12.9,77.6"}},
            ],
        },
    }
    request, notes = read("search", "message.intent", intent)
    assert (request.text, request.operator, request.operator_name) == ("Lake View", "volt-one", "Volt")
    assert (request.item, request.station, request.category) == ("plug", "LAKE-01", "green-tariff")
    assert (request.energy_wh, request.vehicle) == (4000, "4w")
    assert request.window == Window(AT_8, None)
    assert request.near == Circle(12.9, 77.6, 5000.0)
    assert notes == ["$.message.intent.fulfillment.stops[1].location.circle.radius"]


def test_search_by_station_of_a_provider() -> None:
    request, _ = read("search", "message.intent", {"provider": {"locations": [{"id": "LAKE-01"}]}})
    assert request.station == "LAKE-01"


def test_search_radius_without_unit_is_in_km_and_energy_alone_filters() -> None:
    request, notes = read("search", f"{CIRCLE}.radius", {"value": "2"})
    assert request.near.radius_m == 2000.0
    assert notes == [f"$.{CIRCLE.replace('.0.', '[0].')}.radius.unit"]
    request, notes = read(
        "search", "message.intent.item", {"quantity": {"available": {"measure": {"value": "9", "unit": "min"}}}}
    )
    assert request.energy_wh is None
    assert notes == ["$.message.intent.item.quantity"]


def test_search_for_everything() -> None:
    assert read("search", "message", {})[0] == read("search", "message", {"intent": None})[0]


def test_support_may_lack_wrapper_and_reference() -> None:
    assert read("support", "message", {"ref_id": "VB-1001"})[0].reference == "VB-1001"
    request, notes = read("support", "message.support", {"phone": "+919800000001", "email": "not an address"})
    assert (request.reference, request.phone, request.email) == ("", "+919800000001", "")
    assert notes == ["$.message.support.ref_id", "$.message.support.email"]


def test_personal_data_does_not_stand_in_notes() -> None:
    document = put(fixture("init"), "message.order.billing.phone", "98000 00042")
    document["message"]["order"]["billing"]["email"] = "someone at home"
    notes = v1.parse("init", document)[1]
    assert [note.seen for note in notes] == ["••••• •••42", "…"]


def test_context_deviations_are_warnings() -> None:
    document = fixture("status")
    document["context"] |= {"message_id": "m-1", "ttl": 600, "timestamp": "2026-03-10T11:59:59"}
    del document["context"]["location"]
    checked = v1.check("status", document)
    assert checked.faults == ()
    assert [note.path for note in checked.warnings] == [
        "$.context.message_id",
        "$.context.timestamp",
        "$.context.location",
        "$.context.ttl",
    ]
    document["context"] |= {"timestamp": None, "ttl": None}
    assert {"$.context.timestamp", "$.context.ttl"} <= {note.path for note in v1.check("status", document).warnings}


def test_clock_time_without_a_dated_message_is_refused() -> None:
    document = put(fixture("select"), STOPS, start(timestamp="13:30:00"))
    document["context"]["timestamp"] = None
    with pytest.raises(WireFault, match="RFC 3339"):
        v1.parse("select", document)
