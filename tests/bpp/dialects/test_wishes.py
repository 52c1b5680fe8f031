"""Is what a buyer says of itself, its vehicle, its coupons and its fee read, and are coupons and fee shown again?"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bpp.dialects import v1
from bpp.dialects.v1 import wishes
from bpp.messages import Checked, Said, Vehicle, WireFault
from bpp.replies import OfferView
from tests.bpp.dialects.samples import PAYMENT as PAID
from tests.bpp.dialects.samples import fixture
from tests.bpp.dialects.spoiling import FULFILLMENT, ITEM, PAYMENT, put, read, seen, tagged

ORDER_TAGS = "message.order.tags"
# where the wish may speak of groups and of the vehicle
PLACES = {
    ORDER_TAGS: "the order",
    f"{FULFILLMENT}.tags": "its first fulfilment",
    f"{FULFILLMENT}.customer": "the person",
    f"{ITEM}.tags": "its first item",
}


def at(path: str, tags: list[dict[str, Any]]) -> object:
    """The tags as what stands at `path`: a person's lie one level deeper."""
    return {"person": {"tags": tags}} if path.endswith("customer") else tags


def said(document: dict[str, Any]) -> Said:
    found = seen(v1.parse("select", document)[0], "said")
    assert isinstance(found, Said)
    return found


def fee(*pairs: tuple[str, str], group: str = "buyer-finder-fee") -> list[dict[str, Any]]:
    return [
        {
            "descriptor": {"code": group},
            "list": [{"descriptor": {"code": code}, "value": value} for code, value in pairs],
        }
    ]


def test_silent_wish_says_nothing() -> None:
    assert said(fixture("select")) == Said()
    assert said(put(fixture("select"), "message.order.fulfillments", [])) == Said()


@pytest.mark.parametrize(
    ("code", "value", "vehicle"),
    [
        ("battery-capacity", "40kWh", Vehicle(battery_wh=40_000)),
        ("Battery Size", "40500 Wh", Vehicle(battery_wh=40_500)),
        ("BATTERY", "2.4", Vehicle(battery_wh=2400)),
        ("soc", "35%", Vehicle(soc_percent=Decimal(35))),
        ("State of charge", "0", Vehicle(soc_percent=Decimal(0))),
        ("current_soc", "12.5 %", Vehicle(soc_percent=Decimal("12.5"))),
        ("target-soc", "80", Vehicle(target_percent=Decimal(80))),
        ("TARGET_STATE_OF_CHARGE", "100%", Vehicle(target_percent=Decimal(100))),
        ("max-power", "50kW", Vehicle(max_power_w=50_000)),
        ("max-charging-power", "7400 W", Vehicle(max_power_w=7400)),
        ("max-ac-power", "11", Vehicle(max_ac_w=11_000)),
        ("max-dc-power", "0.1MW", Vehicle(max_dc_w=100_000)),
    ],
)
def test_vehicle_is_read(code: str, value: str, vehicle: Vehicle) -> None:
    request, notes = read("select", ORDER_TAGS, tagged(code, value, "vehicle"))
    assert request.said == Said(vehicle=vehicle)
    assert notes == []


@pytest.mark.parametrize("value", ["full", "FULL", "until full", "100", "100%"])
def test_charging_until_full_is_read(value: str) -> None:
    request, notes = read("select", ORDER_TAGS, tagged("charge-until", value, "EV_DETAILS"))
    assert request.said == Said(until_full=True)
    assert notes == []


@pytest.mark.parametrize(("code", "value"), [("charge-until", "noon"), ("paint", "red"), ("", "40kWh")])
def test_unknown_word_of_a_vehicle_is_noted_and_ignored(code: str, value: str) -> None:
    request, notes = read("select", ORDER_TAGS, tagged(code, value, "vehicle-details"))
    assert request.said == Said()
    assert notes == ["$.message.order.tags[0].list[0]"]


@pytest.mark.parametrize(
    ("code", "value", "says"),
    [
        ("battery-capacity", "large", "a capacity such as 40kWh"),
        ("battery-capacity", "0kWh", "a capacity such as 40kWh"),
        ("battery-capacity", "-40", "a capacity such as 40kWh"),
        ("soc", "half", "a percentage from 0 to 100"),
        ("soc", "", "a percentage from 0 to 100"),
        ("soc", "-1", "a percentage from 0 to 100"),
        ("target-soc", "100.1%", "a percentage from 0 to 100"),
        ("max-power", "strong", "a power such as 50kW"),
        ("max-dc-power", "0", "a power such as 50kW"),
    ],
)
def test_vehicle_that_cannot_be_read_is_refused(code: str, value: str, says: str) -> None:
    with pytest.raises(WireFault, match=says) as refused:
        read("select", ORDER_TAGS, tagged(code, value, "vehicle"))
    assert (refused.value.code, refused.value.paths) == ("30000", "$.message.order.tags[0].list[0].value")


@pytest.mark.parametrize("path", PLACES, ids=PLACES.values())
def test_groups_and_vehicle_may_stand_at(path: str) -> None:
    tags = [*tagged("group-code", "fleet-9", "customer-group"), *tagged("soc", "20", "vehicle")]
    request, notes = read("select", path, at(path, tags))
    assert request.said == Said(groups=("fleet-9",), vehicle=Vehicle(soc_percent=Decimal(20)))
    assert notes == []


def test_vehicle_is_gathered_from_all_its_tags() -> None:
    document = put(fixture("select"), ORDER_TAGS, tagged("battery-capacity", "40kWh", "vehicle"))
    document = put(document, f"{ITEM}.tags", [*tagged("soc", "20", "vehicle"), *tagged("soc", "25%", "vehicle")])
    assert said(document).vehicle == Vehicle(battery_wh=40_000, soc_percent=Decimal(25))


@pytest.mark.parametrize("group", ["customer-group", "CUSTOMER_GROUPS", "membership", "Memberships"])
def test_customer_groups_are_read_once_each(group: str) -> None:
    values = ("fleet-9", "", "fleet-9", "club")
    request, _ = read("select", ORDER_TAGS, [row for value in values for row in tagged("group-code", value, group)])
    assert request.said.groups == ("fleet-9", "club")


def test_group_may_be_named_instead_of_coded_and_is_kept_short() -> None:
    tags = [{"descriptor": {"name": "Customer group"}, "list": [{"value": "x" * 70}]}]
    assert read("select", ORDER_TAGS, tags)[0].said.groups == ("x" * 64,)


@pytest.mark.parametrize("value", [True, 7, {"a": 1}, "x" * 2000])
def test_tags_that_are_not_ours_are_not_read(value: object) -> None:
    theirs = [{"descriptor": {"code": "their-terms"}, "list": [{"descriptor": {"code": "text"}, "value": value}]}]
    document = put(put(fixture("init"), ORDER_TAGS, theirs), "message.order.payments", [{"tags": theirs}])
    assert v1.check("init", document) == Checked()
    document = put(fixture("update_start"), ORDER_TAGS, theirs)
    assert v1.check("update", document) == Checked()


def test_person_and_coupons_are_read() -> None:
    document = put(fixture("select"), "message.order.offers", [{"id": "night"}, {"id": "lake"}])
    document = put(document, f"{FULFILLMENT}.customer", {"person": {"id": "driver-7"}})
    assert said(document) == Said(offers=("night", "lake"), person="driver-7")


def test_coupon_without_a_code_is_refused() -> None:
    with pytest.raises(WireFault, match=r"offers\[0\]\.id is missing"):
        read("select", "message.order.offers", [{"descriptor": {"code": "night"}}])


@pytest.mark.parametrize(
    ("tags", "asked"),
    [
        (fee(("type", "percent"), ("value", "2.5")), ("percent", "2.5")),
        (fee(("type", "Percentage"), ("value", "2.5%")), ("percent", "2.5")),
        (fee(("value", "3"), ("type", "amount")), ("amount", "3")),
        (fee(("value", "3 %")), ("percent", "3")),
        (fee(("percent", "3")), ("percent", "3")),
        (fee(("value", "12.00")), ("amount", "12.00")),
        (fee(("fee-type", "INR"), ("fee", "12")), ("amount", "12")),
        (fee(("type", ""), ("value", "12"), group="BUYER_FINDER_FEES"), ("amount", "12")),
        (fee(("finder-fee-type", "percent"), ("finder-fee-value", "1"), group="finder fee"), ("percent", "1")),
    ],
)
def test_finder_fee_is_read_and_noted(tags: list[dict[str, Any]], asked: tuple[str, str]) -> None:
    request, notes = read("confirm", f"{PAYMENT}.tags", tags)
    assert (request.payment.finder_fee_type, request.payment.finder_fee) == (asked[0], Decimal(asked[1]))
    assert len(notes) == 1
    assert notes[0].startswith("$.message.order.payments[0].tags[0].list")


@pytest.mark.parametrize(
    "tags", [[], fee(("type", "percent")), fee(("value", "0")), fee(("value", "")), fee(("value", "9"), group="tip")]
)
def test_no_finder_fee_is_none(tags: list[dict[str, Any]]) -> None:
    request, notes = read("confirm", f"{PAYMENT}.tags", tags)
    assert (request.payment.finder_fee_type, request.payment.finder_fee) == ("", Decimal(0))
    assert notes == []


@pytest.mark.parametrize("value", ["some", "-1", "1e3"])
def test_finder_fee_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(WireFault, match=r"send a number such as 2\.5") as refused:
        read("confirm", f"{PAYMENT}.tags", fee(("value", value)))
    assert refused.value.paths == "$.message.order.payments[0].tags[0].list[0].value"


def test_finder_fee_reads_back() -> None:
    assert wishes.fee_tags(PAID) == []
    shown = wishes.fee_tags(replace(PAID, finder_fee_type="percent", finder_fee=Decimal("2.50")))
    request, _ = read("confirm", f"{PAYMENT}.tags", shown)
    assert (request.payment.finder_fee_type, request.payment.finder_fee) == ("percent", Decimal("2.5"))


def test_coupons_read_back() -> None:
    shown = wishes.offers((OfferView("night", "Night rate"), OfferView("lake", "Lake view")))
    assert read("select", "message.order.offers", shown)[0].said.offers == ("night", "lake")
    assert wishes.offers(()) == []
