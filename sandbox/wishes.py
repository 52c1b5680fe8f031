"""What does a buyer write into each message? The `message` part of every request, in the words of the UEI guide."""

from dataclasses import dataclass
from typing import Any

from sandbox.offers import Offer

CUSTOMER = {
    "person": {"name": "Test Driver"},
    "contact": {"phone": "+910000000000", "email": "driver@example.org"},
}
BILLING = {"name": "Test Driver", "email": "driver@example.org", "phone": "+910000000000"}


@dataclass(frozen=True)
class Amount:
    """How much is ordered: a value in kWh (energy), INR (money) or min (time)."""

    value: str = "5"
    unit: str = "kWh"


@dataclass(frozen=True)
class Window:
    """The wanted stay, RFC 3339 texts; both empty means now."""

    starts_at: str = ""
    ends_at: str = ""


def search(gps: str, *, radius_km: str = "5", connector_type: str = "", text: str = "") -> dict[str, Any]:
    """Chargers within a circle around "lat,lon"."""
    circle = {"gps": gps, "radius": {"type": "CONSTANT", "value": radius_km, "unit": "km"}}
    fulfillment: dict[str, Any] = {"type": "CHARGING", "stops": [{"location": {"circle": circle}}]}
    if connector_type:
        entry = {"descriptor": {"code": "connector-type"}, "value": connector_type}
        fulfillment["tags"] = [{"descriptor": {"code": "connector-type"}, "list": [entry]}]
    intent: dict[str, Any] = {"fulfillment": fulfillment}
    if text:
        intent["descriptor"] = {"name": text}
    return {"intent": intent}


def select(offer: Offer, amount: Amount, *, window: Window) -> dict[str, Any]:
    """An amount of one offer, within a window if one is given."""
    measure = {"type": "CONSTANT", "value": amount.value, "unit": amount.unit}
    fulfillment: dict[str, Any] = {"id": offer.fulfillment_id, "type": "CHARGING"}
    if stops := _stops(window):
        fulfillment["stops"] = stops
    order = {
        "provider": {"id": offer.provider_id},
        "items": [{"id": offer.item_id, "quantity": {"selected": {"measure": measure}}}],
        "fulfillments": [fulfillment],
    }
    return {"order": order}


def init(selected: dict[str, Any], *, collected_by: str = "") -> dict[str, Any]:
    """The selection with who pays and who drives; `collected_by` BAP or BPP proposes who takes the money."""
    order = _with_customer(selected["order"]) | {"billing": BILLING}
    if collected_by:
        order["payments"] = [{"collected_by": collected_by, "type": "PRE-ORDER", "status": "NOT-PAID"}]
    return {"order": order}


def confirm(selected: dict[str, Any], payments: list[dict[str, Any]]) -> dict[str, Any]:
    """The order with its payments made."""
    return {"order": _with_customer(selected["order"]) | {"billing": BILLING, "payments": payments}}


def consents(on_init: dict[str, Any], *, accepted_at: str) -> list[dict[str, Any]]:
    """The word that the customer agreed to every required text that an on_init order names, at an RFC 3339 time."""
    declared = []
    for group in on_init.get("tags") or []:
        told = {tag["descriptor"]["code"]: tag["value"] for tag in group.get("list") or []}
        if group.get("descriptor", {}).get("code") != "terms" or told.get("terms-required") != "true":
            continue
        values = {code: told[code] for code in ("terms-id", "terms-version", "terms-hash")} | {
            "accepted-at": accepted_at
        }
        tags = [{"descriptor": {"code": code}, "value": value} for code, value in values.items()]
        declared.append({"descriptor": {"code": "terms-consent"}, "list": tags})
    return declared


def payment(on_init: dict[str, Any], *, reference: str, collected_by: str = "") -> dict[str, Any]:
    """The payment that an on_init order asks for, made, with the buyer's reference for it, if it has one."""
    asked: dict[str, Any] = next(iter(on_init.get("payments") or []), {})
    price = (on_init.get("quote") or {}).get("price") or {}
    params = asked.get("params") or {}
    named = {"transaction_id": reference} if reference else {}
    paid = {
        "collected_by": collected_by or asked.get("collected_by") or "BAP",
        "type": asked.get("type") or "PRE-ORDER",
        "status": "PAID",
        "params": {
            "amount": params.get("amount") or price.get("value", ""),
            "currency": params.get("currency") or price.get("currency", "INR"),
            **named,
        },
    }
    return {name: asked[name] for name in ("id", "url") if asked.get(name)} | paid


def update_state(order_id: str, fulfillment_id: str, *, command: str, code: str = "") -> dict[str, Any]:
    """Ask for start-charging or end-charging, with the start code where the driver was given one."""
    fulfillment: dict[str, Any] = {"id": fulfillment_id, "type": "CHARGING", "state": {"descriptor": {"code": command}}}
    if code:
        fulfillment["stops"] = [{"type": "start", "authorization": {"type": "OTP", "token": code}}]
    order = {"id": order_id, "fulfillments": [fulfillment]}
    return {"update_target": "order.fulfillments[0].state", "order": order}


def update_window(order_id: str, fulfillment_id: str, *, window: Window) -> dict[str, Any]:
    """Ask for another booked time; what is empty stays."""
    fulfillment = {"id": fulfillment_id, "type": "CHARGING", "stops": _stops(window)}
    return {"update_target": "order.fulfillments[0].stops", "order": {"id": order_id, "fulfillments": [fulfillment]}}


def update_item(order_id: str, item_id: str) -> dict[str, Any]:
    """Ask for another connector."""
    return {"update_target": "order.items[0].id", "order": {"id": order_id, "items": [{"id": item_id}]}}


def redirectable(message: dict[str, Any]) -> dict[str, Any]:
    """An init with the customer's leave to be moved to another connector where the promised one fails."""
    entry = {"descriptor": {"code": "auto-redirect"}, "value": "true"}
    preferences = {"descriptor": {"code": "charging-preferences"}, "list": [entry]}
    order = message["order"]
    return {"order": order | {"tags": [*order.get("tags", []), preferences]}}


def cancel(order_id: str, *, reason_id: str, descriptor: dict[str, str] | None = None) -> dict[str, Any]:
    """Cancel an order for a reason out of the provider's list."""
    message: dict[str, Any] = {"order_id": order_id, "cancellation_reason_id": reason_id}
    if descriptor:
        message["descriptor"] = descriptor
    return message


def rating(subject_id: str, value: str, *, category: str = "Order") -> dict[str, Any]:
    """A rating from 0 to 5."""
    return {"ratings": [{"id": subject_id, "rating_category": category, "value": value}]}


def support(ref_id: str) -> dict[str, Any]:
    """Ask for help about an order, a transaction or an item."""
    return {"support": {"ref_id": ref_id}}


def _stops(window: Window) -> list[dict[str, Any]]:
    return [
        {"type": kind, "time": {"timestamp": at}}
        for kind, at in (("start", window.starts_at), ("end", window.ends_at))
        if at
    ]


def _with_customer(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"fulfillments": [part | {"customer": CUSTOMER} for part in order["fulfillments"]]}
