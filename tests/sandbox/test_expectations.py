"""The journey's checks, each seen to fail once."""

from typing import Any

import pytest

from sandbox import expectations


def order(**details: str) -> dict[str, Any]:
    entries = [{"descriptor": {"code": code.replace("_", "-")}, "value": value} for code, value in details.items()]
    measure = {"value": "2.3", "unit": "kWh"}
    return {
        "id": "O-1",
        "items": [{"id": "I"}],
        "fulfillments": [{"id": "F", "tags": [{"descriptor": {"code": "charging-details"}, "list": entries}]}],
        "quote": {
            "price": {"value": "54.28"},
            "breakup": [
                {
                    "title": "energy-cost",
                    "price": {"value": "46.00"},
                    "item": {"quantity": {"selected": {"measure": measure}}},
                },
                {"title": "gst", "price": {"value": "8.28"}},
            ],
        },
    }


METERED = {"energy_delivered": "2.3kWh", "meter_start": "1000", "meter_stop": "3300 Wh"}


@pytest.mark.parametrize(
    ("text", "wh"), [("2.3kWh", 2300), ("2300 Wh", 2300), ("2300", 2300), ("0.001 KWH", 1), ("2 kg", None), ("", None)]
)
def test_energy_is_read_in_either_unit(text: str, wh: int | None) -> None:
    assert expectations.energy_wh(text) == wh


def test_sound_bill_has_no_faults() -> None:
    assert expectations.bill_faults(order(**METERED)) == []
    assert expectations.quote_faults(order(), where="on_status") == []


def test_lines_that_do_not_add_up_are_told() -> None:
    spoilt = order()
    spoilt["quote"]["price"]["value"] = "54.29"
    assert expectations.quote_faults(spoilt, where="x") == ["x: the lines add up to 54.28, the total says 54.29"]
    assert expectations.quote_faults({}, where="x") == ["x: the order has no quote"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"meter_stop": "3301"}, "2300 Wh are billed, the meter says 2301 Wh"),
        ({"meter_stop": "900"}, "the meter ran backwards"),
        ({"energy_delivered": "2.4kWh"}, "energy-delivered says 2400 Wh"),
        ({"meter_stop": ""}, "name no meter-start and meter-stop"),
    ],
)
def test_bill_beside_the_meter_is_told(change: dict[str, str], reason: str) -> None:
    assert reason in "; ".join(expectations.bill_faults(order(**METERED | change)))


def test_meter_that_the_supplier_never_had_is_told() -> None:
    assert expectations.meter_faults(order(**METERED), [{"meterStartWh": 1000, "meterWh": 3300}]) == []
    assert expectations.meter_faults(order(**METERED), [{"meterStartWh": 1000, "meterWh": 3299}])


def test_changed_ids_are_told() -> None:
    later = order() | {"id": "O-2"}
    assert expectations.same_order_faults(order(), order(), where="x") == []
    assert expectations.same_order_faults(order(), later, where="x") == ["x: order.id changed from 'O-1' to 'O-2'"]


def test_context_of_another_message_is_told() -> None:
    asked = {"message_id": "m", "transaction_id": "t"}
    assert expectations.context_faults(asked, asked, where="x") == []
    assert len(expectations.context_faults(asked, asked | {"message_id": "n"}, where="x")) == 1


def test_timestamps_that_were_all_copied_are_told() -> None:
    same, own = ("04:20:00.000Z", "04:20:00.000Z"), ("04:20:00.000Z", "04:20:00.001Z")
    assert expectations.timestamp_faults([same, same, own]) == []
    assert expectations.timestamp_faults([same, same, same])
