"""What do select, init, confirm, status, track, cancel and update ask for?

Source: Beckn core 1.1.1; UEI guide 1.3 §4 and the variants met in published examples.
"""

from __future__ import annotations

import re
from typing import Any

from bpp.dialects.v1 import changes, terms, wishes, words
from bpp.dialects.v1.reading import ORDER, Reader, missing
from bpp.messages import (
    Cancel,
    Confirm,
    Contact,
    Init,
    ItemWish,
    PaymentProof,
    Select,
    Status,
    Track,
    Update,
    WireFault,
)

_ADD_ON_CODES = frozenset({"add-on-item", "add-on", "addon", "add-on-items"})
_INDEX = re.compile(r"\[\d*\]|\.\d+(?=\.|$)")
_TARGET_WORDS = {
    **dict.fromkeys(["fulfillment", "fulfilment", "fulfilments", "fufillment", "fufillments"], "fulfillments"),
    "item": "items",
    "payment": "payments",
    "stop": "stops",
    "states": "state",
}
_INFERRED = ("items", "payments", "billing", "quote")


def select(message: dict[str, Any], reader: Reader) -> Select:
    """The items, charger and time a buyer wishes. Raises WireFault where provider or items are missing."""
    return _wish(reader.map(message, "order", "$.message"), reader)


def init(message: dict[str, Any], reader: Reader) -> Init:
    """A wish with the payer's and the driver's details, and where the order's progress may be pushed to."""
    order = reader.map(message, "order", "$.message")
    return Init(
        _wish(order, reader),
        _billing(order, reader),
        _customer(order, reader),
        _payment(order, reader),
        may_redirect=changes.may_redirect(order, reader),
        callback_url=reader.text(message, "callback_url", "$.message", limit=2048),
    )


def confirm(message: dict[str, Any], reader: Reader) -> Confirm:
    """A wish with the proof of payment; an order id sent along is ignored, we give ours."""
    order = reader.map(message, "order", "$.message")
    if order.get("id"):
        reader.warn(f"{ORDER}.id", order["id"], "ignored; the order id is given in on_confirm")
    quote = reader.map(order, "quote", ORDER)
    return Confirm(
        _wish(order, reader),
        _billing(order, reader),
        _customer(order, reader),
        _payment(order, reader),
        quoted=reader.decimal(reader.map(quote, "price", f"{ORDER}.quote"), "value", f"{ORDER}.quote.price"),
        consents=terms.consents(order, reader),
    )


def status(message: dict[str, Any], reader: Reader) -> Status:
    """The order asked about."""
    return Status(_order_id(message, reader))


def track(message: dict[str, Any], reader: Reader) -> Track:
    """The order to follow."""
    return Track(_order_id(message, reader), reader.text(message, "callback_url", "$.message", limit=2048))


def cancel(message: dict[str, Any], reader: Reader) -> Cancel:
    """The order to cancel; descriptor.code SOFT_CANCEL only asks what cancelling would cost."""
    descriptor = reader.map(message, "descriptor", "$.message")
    reason = reader.text(message, "cancellation_reason_id", "$.message") or _nested_reason(message, reader)
    return Cancel(
        _order_id(message, reader),
        reason=reason,
        text=reader.text(descriptor, "short_desc", "$.message.descriptor", limit=1000)
        or reader.text(descriptor, "name", "$.message.descriptor", limit=1000),
        soft=words.fold(reader.text(descriptor, "code", "$.message.descriptor")) in {"soft-cancel", "soft"},
    )


def update(message: dict[str, Any], reader: Reader) -> Update:
    """The change asked for. The order id may be absent: the conversation or the charger then says which order.

    Raises WireFault 30012 where nothing says what to change, 30013 where the state named is no command.
    """
    order = reader.map(message, "order", "$.message")
    fulfillments = reader.rows(order, "fulfillments", ORDER) or reader.rows(order, "fulfillment", ORDER)
    targets = _targets(message, order, fulfillments, reader)
    where, first = fulfillments[0] if fulfillments else (f"{ORDER}.fulfillments[0]", {})
    wants_state = any(target.split(".")[-1] in {"state", "fulfillments", "code", "descriptor"} for target in targets)
    starts_at, ends_at = changes.times(first, where, reader)
    return Update(
        order=reader.text(order, "id", ORDER) or reader.text(message, "order_id", "$.message"),
        command=_command(first, where, reader) if wants_state else "",
        evse=reader.text(first, "id", where),
        targets=targets,
        starts_at=starts_at,
        ends_at=ends_at,
        item=changes.item(order, reader),
        billing=_billing(order, reader),
        code=changes.start_code(order, first, where, reader),
    )


def _wish(order: dict[str, Any], reader: Reader) -> Select:
    items = _items(order, reader)
    fulfillments = reader.rows(order, "fulfillments", ORDER) or reader.rows(order, "fulfillment", ORDER)
    where, first = fulfillments[0] if fulfillments else ("", {})
    return Select(
        operator=_provider(order, reader),
        items=items,
        evse=reader.text(first, "id", where) or _charger_of_item(order, reader),
        window=reader.window(first, where) if fulfillments else None,
        said=wishes.said(order, reader),
    )


def _provider(order: dict[str, Any], reader: Reader) -> str:
    provider = reader.map(order, "provider", ORDER)
    if provider:
        return reader.wanted(provider, "id", f"{ORDER}.provider")
    others = reader.rows(order, "providers", ORDER)
    if not others:
        raise missing(f"{ORDER}.provider", "an object with the provider's id from on_search")
    reader.warn(f"{ORDER}.providers", f"{len(others)} in providers", "read as provider; the first one counts")
    return reader.wanted(others[0][1], "id", others[0][0])


def _items(order: dict[str, Any], reader: Reader) -> tuple[ItemWish, ...]:
    wishes: list[ItemWish] = []
    separate: list[tuple[str, str]] = []
    for where, item in reader.rows(order, "items", ORDER):
        item_id = reader.wanted(item, "id", where)
        parent = reader.text(item, "parent_item_id", where)
        if parent or _is_add_on(item, where, reader):
            reader.warn(where, item_id, "an add-on as an item of its own; read as add_ons of its item")
            separate.append((parent, item_id))
            continue
        quantity = reader.quantity(reader.map(item, "quantity", where), f"{where}.quantity")
        add_ons = tuple(reader.wanted(add_on, "id", at) for at, add_on in reader.rows(item, "add_ons", where))
        wishes.append(ItemWish(item_id, quantity, add_ons))
    if not wishes:
        raise missing(f"{ORDER}.items[0]", "at least one item with its id from on_search")
    return tuple(
        ItemWish(wish.item_id, wish.quantity, wish.add_ons + _added(wish.item_id, separate, first=index == 0))
        for index, wish in enumerate(wishes)
    )


def _added(item_id: str, separate: list[tuple[str, str]], *, first: bool) -> tuple[str, ...]:
    return tuple(add_on for parent, add_on in separate if parent == item_id or (first and not parent))


def _is_add_on(item: dict[str, Any], where: str, reader: Reader) -> bool:
    descriptor = reader.map(item, "descriptor", where)
    return words.fold(reader.text(descriptor, "code", f"{where}.descriptor")) in _ADD_ON_CODES


def _charger_of_item(order: dict[str, Any], reader: Reader) -> str:
    where, item = reader.rows(order, "items", ORDER)[0]
    named = item.get("fulfillment_ids")
    if not isinstance(named, list) or not named:
        return ""
    return reader.text({"fulfillment_ids[0]": named[0]}, "fulfillment_ids[0]", where)


def _billing(order: dict[str, Any], reader: Reader) -> Contact:
    billing = reader.map(order, "billing", ORDER)
    path = f"{ORDER}.billing"
    phone = reader.phone(billing, "phone", path)
    if not phone and billing.get("number") is not None:
        reader.warn(f"{path}.number", billing["number"], "read as phone")
        phone = reader.phone(billing, "number", path)
    return Contact(
        name=reader.text(billing, "name", path),
        phone=phone,
        email=reader.email(billing, "email", path),
        address=_address(billing, path, reader),
        tax_id=reader.text(billing, "tax_id", path, limit=40),
    )


def _address(node: dict[str, Any], path: str, reader: Reader) -> str:
    address = node.get("address")
    if not isinstance(address, dict):
        return reader.text(node, "address", path, limit=1000)
    full = reader.text(address, "full", f"{path}.address", limit=1000)
    parts = [value for value in address.values() if isinstance(value, str) and value]
    reader.warn(f"{path}.address", "an object", "a text is expected; its parts were joined")
    return full or ", ".join(parts)[:1000]


def _customer(order: dict[str, Any], reader: Reader) -> Contact:
    rows = reader.rows(order, "fulfillments", ORDER)
    if not rows:
        return Contact()
    customer = reader.map(rows[0][1], "customer", rows[0][0])
    path = f"{rows[0][0]}.customer"
    contact = reader.map(customer, "contact", path)
    return Contact(
        name=reader.text(reader.map(customer, "person", path), "name", f"{path}.person"),
        phone=reader.phone(contact, "phone", f"{path}.contact"),
        email=reader.email(contact, "email", f"{path}.contact"),
    )


def _payment(order: dict[str, Any], reader: Reader) -> PaymentProof:
    rows = reader.rows(order, "payments", ORDER) or reader.rows(order, "payment", ORDER)
    if not rows:
        return PaymentProof()
    where, payment = rows[0]
    params = reader.map(payment, "params", where)
    fee = wishes.finder_fee(payment, where, reader)
    return PaymentProof(
        collected_by=reader.folded(payment, "collected_by", where, rule=str.upper),
        type=reader.folded(payment, "type", where, rule=words.payment_type),
        status=reader.folded(payment, "status", where, rule=words.payment_status),
        amount=reader.decimal(params, "amount", f"{where}.params"),
        currency=reader.folded(params, "currency", f"{where}.params", rule=str.upper),
        reference=reader.text(params, "transaction_id", f"{where}.params"),
        finder_fee_type=fee[0],
        finder_fee=fee[1],
    )


def _order_id(message: dict[str, Any], reader: Reader) -> str:
    order_id = reader.text(message, "order_id", "$.message")
    if order_id:
        return order_id
    order = reader.map(message, "order", "$.message")
    nested = reader.text(order, "id", ORDER)
    if not nested:
        raise missing("$.message.order_id", "the order id from on_confirm")
    reader.warn("$.message.order.id", nested, "read as order_id")
    return nested


def _nested_reason(message: dict[str, Any], reader: Reader) -> str:
    cancellation = reader.map(message, "cancellation", "$.message") or reader.map(
        reader.map(message, "order", "$.message"), "cancellation", ORDER
    )
    reason = reader.map(cancellation, "reason", "$.message.cancellation")
    return reader.text(cancellation, "reason_id", "$.message.cancellation") or reader.text(
        reason, "id", "$.message.cancellation.reason"
    )


def _targets(
    message: dict[str, Any], order: dict[str, Any], fulfillments: list[tuple[str, dict[str, Any]]], reader: Reader
) -> tuple[str, ...]:
    text = reader.text(message, "update_target", "$.message", limit=1000)
    if text:
        targets = tuple(dict.fromkeys(_target(part) for part in text.split(",") if part.strip()))
        if any(word in text.lower() for word in ("fufil", "fulfilment", "message.")):
            reader.warn("$.message.update_target", text, f"read as {', '.join(targets)}")
        return targets
    inferred = tuple(
        f"order.fulfillments.{key}" for key in ("state", "stops") if any(key in row for _, row in fulfillments)
    )
    inferred += tuple(f"order.{key}" for key in _INFERRED if order.get(key))
    if not inferred:
        raise WireFault(
            "30012",
            "$.message.update_target",
            "$.message.update_target is missing and the order changes nothing; name what to update, such as"
            " order.fulfillments[0].state.",
        )
    reader.warn("$.message.update_target", "", f"missing; read from the order as {', '.join(inferred)}")
    return inferred


def _target(text: str) -> str:
    parts = _INDEX.sub("", text.strip()).split(".")
    folded = [_TARGET_WORDS.get(part.strip().lower(), part.strip().lower()) for part in parts if part.strip()]
    while folded and folded[0] in {"$", "message", "order"}:
        folded = folded[1:]
    return ".".join(["order", *folded])


def _command(fulfillment: dict[str, Any], where: str, reader: Reader) -> str:
    text, path = _state(fulfillment, where, reader)
    if not text:
        return ""
    command = words.command(text)
    if not command:
        raise WireFault("30013", path, f"{path} is {text!r}; send start-charging or end-charging.")
    if text not in words.EXACT_COMMANDS:
        reader.warn(path, text, f"read as {'start-charging' if command == 'start' else 'end-charging'}")
    return command


def _state(fulfillment: dict[str, Any], where: str, reader: Reader) -> tuple[str, str]:
    state = fulfillment.get("state")
    if not isinstance(state, dict):
        return reader.text(fulfillment, "state", where), f"{where}.state"
    path = f"{where}.state"
    descriptor = reader.map(state, "descriptor", path)
    code = reader.text(descriptor, "code", f"{path}.descriptor") or reader.text(state, "code", path)
    return code or reader.text(descriptor, "name", f"{path}.descriptor"), f"{path}.descriptor.code"
