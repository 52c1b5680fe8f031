"""What does a buyer say of itself, its vehicle, its coupons and its fee, in the tags of an order?

Tag groups of ours (docs/protocol.md): `customer-group` (group-code) and `vehicle` (battery-capacity, soc, target-soc,
max-power, max-ac-power, max-dc-power, charge-until) on the order, its first fulfilment or item, or the person;
`buyer-finder-fee` (type, value) on the payment. Coupons are `order.offers[].id`.

Source: Beckn core 1.1.1 `TagGroup`, `Offer`, `Person`; the codes are ours, the network's own spellings are folded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bpp.dialects.v1 import words
from bpp.dialects.v1.catalog import group, tag
from bpp.dialects.v1.reading import ORDER, Reader
from bpp.dialects.v1.tags import tags
from bpp.messages import Said, WireFault
from bpp.replies import OfferView, PaymentView

_GROUPS = frozenset({"customer-group", "customer-groups", "membership", "memberships"})
_VEHICLES = frozenset({"vehicle", "vehicle-details", "ev-details"})
_FEES = frozenset({"buyer-finder-fee", "buyer-finder-fees", "finder-fee", "finder-fees"})
_PERCENTS = {
    **dict.fromkeys(["soc", "state-of-charge", "current-soc"], "soc_percent"),
    **dict.fromkeys(["target-soc", "target-state-of-charge"], "target_percent"),
}
_POWERS = {
    **dict.fromkeys(["max-power", "max-charging-power"], "max_power_w"),
    "max-ac-power": "max_ac_w",
    "max-dc-power": "max_dc_w",
}
_BATTERY = frozenset({"battery-capacity", "battery", "battery-size"})


def said(order: dict[str, Any], reader: Reader) -> Said:
    """What the order says beside item, amount and time. Raises WireFault where a value of ours cannot be read."""
    found = Said(
        offers=tuple(reader.wanted(offer, "id", at) for at, offer in reader.rows(order, "offers", ORDER)),
        person=_person(order, reader),
    )
    for node, where in _places(order, reader):
        for told in tags(node, where, reader, of=_GROUPS | _VEHICLES, or_name=True):
            value = told.value(reader)
            if told.group in _GROUPS and value and value not in found.groups:
                found = replace(found, groups=(*found.groups, value[:64]))
            elif told.group in _VEHICLES:
                found = _vehicle(found, told.code, value, told.path, reader)
    return found


def finder_fee(payment: dict[str, Any], where: str, reader: Reader) -> tuple[str, Decimal]:
    """What the buyer app asks to keep: `percent` or `amount`, and how much; empty and 0 where it asks for nothing."""
    kind, value, at = "", Decimal(0), f"{where}.tags"
    for _, code, path, entry in tags(payment, where, reader, of=_FEES, or_name=True):
        text = reader.text(entry, "value", path)
        if not text:
            continue
        if code.endswith("type"):
            kind = "percent" if words.fold(text).startswith("percent") else "amount"
            continue
        number = words.number(text.rstrip("% "))
        if number is None or number < 0:
            raise WireFault("30000", f"{path}.value", f"{path}.value is {text!r}; send a number such as 2.5.")
        value, at = number, path
        kind = kind or ("percent" if "percent" in code or text.endswith("%") else "amount")
    if not value:
        return "", Decimal(0)
    reader.warn(at, f"{kind} {value}", "the buyer app's finder fee")
    return kind, value


def fee_tags(payment: PaymentView) -> list[dict[str, Any]]:
    """The buyer app's fee as it was agreed."""
    if not payment.finder_fee_type:
        return []
    fee = [tag("type", payment.finder_fee_type), tag("value", words.plain(payment.finder_fee))]
    return [group("buyer-finder-fee", "Buyer finder fee", fee)]


def offers(shown: tuple[OfferView, ...]) -> list[dict[str, Any]]:
    """The coupons that count for the order."""
    return [{"id": offer.id, "descriptor": {"code": offer.id, "name": offer.name}} for offer in shown]


def _person(order: dict[str, Any], reader: Reader) -> str:
    rows = reader.rows(order, "fulfillments", ORDER)
    if not rows:
        return ""
    path = f"{rows[0][0]}.customer"
    person = reader.map(reader.map(rows[0][1], "customer", rows[0][0]), "person", path)
    return reader.text(person, "id", f"{path}.person")


def _places(order: dict[str, Any], reader: Reader) -> Iterator[tuple[dict[str, Any], str]]:
    yield order, ORDER
    for where, fulfillment in reader.rows(order, "fulfillments", ORDER)[:1]:
        yield fulfillment, where
        customer = reader.map(fulfillment, "customer", where)
        yield reader.map(customer, "person", f"{where}.customer"), f"{where}.customer.person"
    for where, item in reader.rows(order, "items", ORDER)[:1]:
        yield item, where


def _vehicle(found: Said, code: str, value: str, path: str, reader: Reader) -> Said:
    vehicle = found.vehicle
    if code in _PERCENTS:
        percent: dict[str, Any] = {_PERCENTS[code]: _percent(value, path)}
        return replace(found, vehicle=replace(vehicle, **percent))
    if code in _POWERS:
        power_w = words.power_w(value)
        if not power_w:
            raise WireFault("30000", f"{path}.value", f"{path}.value is {value!r}; send a power such as 50kW.")
        power: dict[str, Any] = {_POWERS[code]: power_w}
        return replace(found, vehicle=replace(vehicle, **power))
    if code in _BATTERY:
        battery_wh = words.energy_wh(value)
        if not battery_wh:
            raise WireFault("30000", f"{path}.value", f"{path}.value is {value!r}; send a capacity such as 40kWh.")
        return replace(found, vehicle=replace(vehicle, battery_wh=battery_wh))
    if code == "charge-until" and words.fold(value) in {"full", "until-full", "100", "100%"}:
        return replace(found, until_full=True)
    reader.warn(path, f"{code}: {value}", "not a word of the vehicle that we know; ignored")
    return found


def _percent(value: str, path: str) -> Decimal:
    number = words.number(value.rstrip("% "))
    if number is None or not 0 <= number <= 100:
        raise WireFault("30000", f"{path}.value", f"{path}.value is {value!r}; send a percentage from 0 to 100.")
    return number
