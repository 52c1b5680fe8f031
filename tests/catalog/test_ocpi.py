"""Does an OCPI document say the same in our words, and is each fault named by its place?"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.ocpi import Reading, location_document, read_locations, read_tariffs, tariff_document
from catalog.plugs import standard_named

NOW = datetime(2026, 2, 2, 6, 0, tzinfo=UTC)

LOCATION: dict[str, Any] = {
    "country_code": "IN",
    "party_id": "SMP",
    "id": "LOC1",
    "publish": True,
    "name": "Sample hub",
    "address": "12 Example Road",
    "city": "Bengaluru",
    "postal_code": "560001",
    "state": "Karnataka",
    "country": "IND",
    "coordinates": {"latitude": "12.9715987", "longitude": "77.594566"},
    "directions": [{"language": "kn", "text": "ಎಡ"}, {"language": "en", "text": "Second gate"}],
    "facilities": ["CAFE"],
    "time_zone": "Asia/Kolkata",
    "opening_times": {"twentyfourseven": True},
    "evses": [
        {
            "uid": "1",
            "evse_id": "IN*SMP*E1",
            "status": "AVAILABLE",
            "physical_reference": "Bay 1",
            "connectors": [
                {
                    "id": "1",
                    "standard": "IEC_62196_T2_COMBO",
                    "format": "CABLE",
                    "power_type": "DC",
                    "max_voltage": 1000,
                    "max_amperage": 60,
                    "max_electric_power": 30000,
                    "tariff_ids": ["T1"],
                    "last_updated": "2026-01-01T00:00:00Z",
                }
            ],
            "last_updated": "2026-01-02T00:00:00Z",
        },
        {
            "uid": "IN*SMP*E2",
            "status": "OUTOFORDER",
            "connectors": [
                {
                    "id": "1",
                    "standard": "IEC_62196_T2",
                    "format": "SOCKET",
                    "power_type": "AC_3_PHASE",
                    "max_voltage": 230,
                    "max_amperage": 32,
                    "last_updated": "2026-01-01T00:00:00Z",
                }
            ],
            "last_updated": "2026-01-01T00:00:00Z",
        },
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}
TARIFF: dict[str, Any] = {
    "id": "T1",
    "currency": "INR",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 14.0, "vat": 18.0, "step_size": 1}],
            "restrictions": {"start_time": "09:00", "end_time": "16:00", "max_kwh": None},
        },
        {"price_components": [{"type": "ENERGY", "price": 18.5, "vat": 18.0, "step_size": 1}]},
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with the value at a dotted path replaced."""
    copy: Any = deepcopy(document)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node = copy
    for part in parents:
        node = node[part]
    node[last] = value
    return dict(copy)


def test_location_in_our_words() -> None:
    reading = Reading()
    (data,) = read_locations([LOCATION], reading)
    assert not reading.refused
    assert (data.code, data.name, data.address) == ("LOC1", "Sample hub", "12 Example Road")
    assert (data.latitude, data.longitude) == (Decimal("12.971599"), Decimal("77.594566"))
    assert data.directions == "Second gate"
    first, second = data.evses
    assert (first.uid, first.slot_number, first.status, first.label) == ("IN*SMP*E1", 1, "available", "Bay 1")
    assert first.status_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert (second.uid, second.slot_number, second.status) == ("IN*SMP*E2", 2, "faulted")
    assert (first.connectors[0].max_power_w, first.connectors[0].tariffs) == (30_000, ("T1",))
    # 230 V to neutral × 32 A × 3 phases
    assert (second.connectors[0].max_power_w, second.connectors[0].tariffs) == (22_080, None)


def test_location_survives_the_way_out_and_in() -> None:
    (data,) = read_locations({"data": [LOCATION]}, Reading())
    assert read_locations([location_document(data, NOW)], Reading())[0].evses[0] == data.evses[0]


def test_tariff_in_our_words_and_back() -> None:
    reading = Reading()
    (data,) = read_tariffs([TARIFF], reading, NOW)
    assert data.gst_percent == 18
    assert data.elements[0]["restrictions"] == {"start_time": "09:00", "end_time": "16:00"}
    assert data.elements[1]["price_components"][0]["price"] == "18.5"
    assert data.description == "₹18.50 per kWh, ₹14.00 from 09:00 to 16:00"
    assert not reading.refused
    assert not reading.notes
    again = read_tariffs([tariff_document(data, NOW)], Reading(), NOW)[0]
    assert (again.elements, again.description) == (data.elements, data.description)


def test_green_tariff_and_its_own_words() -> None:
    mix = TARIFF | {"energy_mix": {"is_green_energy": True}, "tariff_alt_text": [{"language": "en", "text": "Sun"}]}
    (data,) = read_tariffs([mix], Reading(), NOW)
    assert data.green
    assert data.description == "Sun"
    assert "energy_mix" in tariff_document(data, NOW)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("id", "", "$[0].id"),
        ("id", "a b", "$[0].id"),
        ("name", 5, "$[0].name"),
        ("coordinates", None, "$[0].coordinates"),
        ("coordinates.latitude", "north", "$[0].coordinates.latitude"),
        ("coordinates.longitude", 181, "$[0].coordinates.longitude"),
        ("time_zone", "Mars", "$[0].time_zone"),
        ("opening_times", {"regular_hours": [3]}, "$[0].opening_times.regular_hours[0]"),
        ("facilities", "CAFE", "$[0].facilities"),
        ("evses", "none", "$[0].evses"),
    ],
)
def test_faulty_location_is_refused_whole(path: str, value: object, place: str) -> None:
    reading = Reading()
    found = read_locations([changed(LOCATION, path, value), LOCATION | {"id": "LOC2"}], reading)
    assert [data.code for data in found] == ["LOC2"]
    assert [remark.path for remark in reading.refused] == [place]


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("evses.0", 7, "$[0].evses[0]"),
        ("evses.0.evse_id", "IN SMP", "$[0].evses[0].evse_id"),
        ("evses.0.status", "ASLEEP", "$[0].evses[0].status"),
        ("evses.0.last_updated", "yesterday", "$[0].evses[0].last_updated"),
        ("evses.1.uid", "IN*SMP*E1", "$[0].evses[1].uid"),
    ],
)
def test_faulty_evse_is_refused_alone(path: str, value: object, place: str) -> None:
    reading = Reading()
    (data,) = read_locations([changed(LOCATION, path, value)], reading)
    assert len(data.evses) == 1
    assert not data.whole
    assert [remark.path for remark in reading.refused] == [place]


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("id", None, "id"),
        ("standard", "IEC_9", "standard"),
        ("power_type", "STEAM", "power_type"),
        ("max_electric_power", "much", "max_electric_power"),
        ("max_electric_power", 10**8, "max_electric_power"),
        ("max_voltage", -1, "max_voltage"),
        ("tariff_ids", "T1", "tariff_ids"),
    ],
)
def test_faulty_connector_is_refused_alone(field: str, value: object, place: str) -> None:
    reading = Reading()
    (data,) = read_locations([changed(LOCATION, f"evses.0.connectors.0.{field}", value)], reading)
    assert [len(evse.connectors) for evse in data.evses] == [0, 1]
    assert [remark.path for remark in reading.refused] == [f"$[0].evses[0].connectors[0].{place}"]


def test_what_appears_twice_is_taken_once() -> None:
    plugs = LOCATION["evses"][0]["connectors"] * 2
    reading = Reading()
    found = read_locations([changed(LOCATION, "evses.0.connectors", plugs), LOCATION], reading)
    assert len(found) == 1
    assert len(found[0].evses[0].connectors) == 1
    assert {remark.path for remark in reading.refused} == {"$[0].evses[0].connectors", "$[1].id"}


def test_document_that_is_no_list_is_refused() -> None:
    reading = Reading()
    assert read_locations({"data": None}, reading) == []
    assert reading.refused[0].path == "$.data"


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("currency", "Rs", "$[0].currency"),
        ("max_price", {"excl_vat": 5}, None),
        ("max_price", {"incl_vat": 5}, "$[0].max_price.excl_vat"),
        ("elements", [], "$[0].elements"),
        ("elements.0.price_components.0.price", "free", "$[0].elements[0].price_components[0].price"),
        ("elements.0.price_components.0.type", "FLAT", None),
        ("elements", [{"price_components": [{"type": "FLAT", "price": 5}]}], "$[0].elements"),
        ("elements.0.price_components.0.vat", 5, "$[0].elements"),
        ("elements.0.price_components.0.vat", "much", "$[0].elements"),
        ("elements.0.restrictions.max_kwh", 20, None),
        ("elements.0.restrictions.max_kwh", "all", "$[0].elements[0].restrictions.max_kwh"),
        ("start_date_time", "2026-03-01T00:00:00Z", "$[0]"),
        ("end_date_time", "2026-02-01T00:00:00", "$[0]"),
    ],
)
def test_faulty_tariff_is_refused(path: str, value: object, place: str | None) -> None:
    reading = Reading()
    found = read_tariffs([changed(TARIFF, path, value)], reading, NOW)
    assert len(found) == (1 if place is None else 0)
    assert [remark.path for remark in reading.refused] == ([place] if place else [])


def test_tariff_notes_say_what_is_not_applied() -> None:
    document = TARIFF | {"end_date_time": (NOW + timedelta(days=9)).isoformat()}
    reading = Reading()
    read_tariffs([document], reading, NOW)
    assert [remark.text.split()[0] for remark in reading.notes] == ["holds"]


def test_steps_grace_and_limits_come_and_go_unchanged() -> None:
    document = changed(TARIFF, "elements.0.price_components.0.step_size", 500)
    document["elements"].append({"price_components": [{"type": "PARKING_TIME", "price": 60.0, "step_size": 1}]})
    document["elements"][2]["price_components"][0]["grace"] = 600
    document |= {"min_price": {"excl_vat": 50, "incl_vat": 59.0}, "max_price": {"excl_vat": 500.5}}
    (data,) = read_tariffs([document], Reading(), NOW)
    assert [entry["price_components"][0] for entry in data.elements] == [
        {"type": "ENERGY", "price": "14.0", "step_size": 500},
        {"type": "ENERGY", "price": "18.5"},
        {"type": "PARKING_TIME", "price": "60.0", "grace": 600},
    ]
    told = tariff_document(data, NOW)
    assert [entry["price_components"][0]["step_size"] for entry in told["elements"]] == [500, 1, 1]
    assert (told["min_price"], told["max_price"]) == ({"excl_vat": 50.0, "incl_vat": 59.0}, {"excl_vat": 500.5})
    assert read_tariffs([told], Reading(), NOW)[0] == data


def test_connector_kinds_by_any_case() -> None:
    assert standard_named("iec_60309_2_SINGLE_16") == "IEC_60309_2_single_16"
    assert standard_named("plug") is None
