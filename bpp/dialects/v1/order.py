"""How does an order look on the wire, from draft to final bill?

Source: Beckn core 1.1.1 `Order`; UEI guide 1.3 states, quote titles and tag groups.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from bpp.dialects.v1 import catalog, terms, wishes, words
from bpp.dialects.v1.catalog import group, tag
from bpp.dialects.v1.context import wire_duration, wire_time
from bpp.messages import Contact, Quantity
from bpp.replies import (
    Cancellation,
    ChargingDetails,
    FeeTerm,
    Line,
    OrderView,
    PaymentView,
    Plug,
    QuoteView,
    RefundTerm,
    RefundView,
)

_UNITS = {"energy": ("kWh", 1000), "money": ("INR", 100), "time": ("min", 60)}
_PLUG_IN = {"name": "Plug in", "short_desc": "Connect the cable, then press start in the app"}
_CANCELLED_BY = {"consumer": "CONSUMER", "provider": "PROVIDER", "buyer": "CONSUMER", "bap": "CONSUMER"}


def order(view: OrderView, *, updated_by: str) -> dict[str, Any]:
    """The whole order; `updated_by` is who reports the fulfilment's state (our subscriber id)."""
    shown: dict[str, Any] = {
        "id": view.code,
        "status": words.ORDER_STATUS.get(view.status, "") if not view.draft else "",
        "type": "DRAFT" if view.draft else "DEFAULT",
        "provider": catalog.provider(view.plug.provider),
        "items": [_selected(view.plug, view.quantity), *(_alternative(plug) for plug in view.alternatives)],
        "offers": wishes.offers(view.offers),
        "billing": _billing(view.billing) if view.billing else None,
        "fulfillments": [_fulfillment(view, updated_by), *_other_chargers(view)],
        "quote": _quote(view.quote, view.plug.item_id),
        "payments": [_payment(payment) for payment in (view.payment, *view.topups) if payment],
        "cancellation_terms": [_fee_term(term) for term in view.fees],
        "refund_terms": [_refund_term(term) for term in view.refunds],
        "xinput": terms.xinput(view.terms) if view.terms else None,
        "tags": terms.tags(view.terms) if view.terms else None,
        "cancellation": _cancellation(view.cancellation) if view.cancellation else None,
        "created_at": _time(view.created_at),
        "updated_at": _time(view.updated_at),
    }
    return _known(shown)


def instead(plugs: tuple[Plug, ...]) -> dict[str, Any]:
    """A draft without a quote that offers other connectors: those of the nearest one's provider."""
    provider = plugs[0].provider
    mine = tuple(plug for plug in plugs if plug.provider.id == provider.id)
    return {
        "type": "DRAFT",
        "provider": catalog.provider(provider),
        "items": [_alternative(plug) for plug in mine],
        "fulfillments": _chargers(mine),
    }


def measure(quantity: Quantity) -> dict[str, str]:
    """A neutral quantity as `Scalar`: kWh, INR or min."""
    unit, size = _UNITS[quantity.kind]
    return {"type": "CONSTANT", "value": words.plain(_divided(quantity.amount, size)), "unit": unit}


def charging_details(details: ChargingDetails) -> dict[str, Any]:
    """The tag group charging-details of a running or finished session; what is not known is left out."""
    values = {
        "energy-delivered": f"{Decimal(details.energy_wh) / 1000:.3f}kWh",
        "soc": _with_unit(details.soc_percent, "%"),
        "start-time": _time(details.started_at),
        "stop-time": _time(details.ended_at),
        "meter-start": _with_unit(details.meter_start_wh, ""),
        "meter-stop": _with_unit(details.meter_stop_wh, ""),
        "current": _with_unit(details.current_a, "A"),
        "voltage": _with_unit(details.voltage_v, "V"),
        "power": None if details.power_w is None else f"{words.plain(Decimal(details.power_w) / 1000)}kW",
    }
    return group("charging-details", "Charging details", [tag(code, text) for code, text in values.items() if text])


def _selected(plug: Plug, quantity: Quantity) -> dict[str, Any]:
    shown = catalog.item(plug, availability=catalog.availability(plug.availability))
    return {**shown, "quantity": {"selected": {"measure": measure(quantity)}}}


def _alternative(plug: Plug) -> dict[str, Any]:
    shown = catalog.item(plug, availability=catalog.availability(plug.availability))
    return {**shown, "related": True, "recommended": True}


def _other_chargers(view: OrderView) -> list[dict[str, Any]]:
    return _chargers(tuple(plug for plug in view.alternatives if plug.charger.id != view.plug.charger.id))


def _chargers(plugs: tuple[Plug, ...]) -> list[dict[str, Any]]:
    others = {plug.charger.id: plug.charger for plug in plugs}
    return [
        {
            "id": charger.id,
            "type": "CHARGING",
            "stops": [{"type": "start", "location": catalog.location(charger.place)}],
            "tags": [catalog.charging_point(charger)],
        }
        for charger in others.values()
    ]


def _fulfillment(view: OrderView, updated_by: str) -> dict[str, Any]:
    charger = view.plug.charger
    tags = [catalog.charging_point(charger)]
    if view.charging:
        tags.append(charging_details(view.charging))
    if view.remarks:
        tags.append(group("remarks", "Remarks", [tag(remark.code, remark.value) for remark in view.remarks]))
    return _known(
        {
            "id": charger.id,
            "type": "CHARGING",
            "tracking": None if view.draft else True,
            "state": _state(view, updated_by),
            "customer": _customer(view.customer) if view.customer else None,
            "stops": _stops(view),
            "tags": tags,
        }
    )


def _state(view: OrderView, updated_by: str) -> dict[str, Any] | None:
    code = words.STATE_CODES.get(view.fulfillment, view.fulfillment)
    if code not in words.STATE_NAMES:
        return None
    return _known(
        {
            "descriptor": {"code": code, "name": words.STATE_NAMES[code]},
            "updated_at": _time(view.fulfillment_at),
            "updated_by": updated_by,
        }
    )


def _stops(view: OrderView) -> list[dict[str, Any]]:
    place = view.plug.charger.place
    where = catalog.location(place)
    instructions = {**_PLUG_IN, "long_desc": place.directions} if place.directions else dict(_PLUG_IN)
    starts_at = view.window.starts_at if view.window else None
    ends_at = view.window.ends_at if view.window else None
    code = {"authorization": {"type": "OTP", "token": view.start_code, "status": "VALID"}} if view.start_code else {}
    return [
        {"id": "s1", "type": "start", **_at(starts_at), "location": where, "instructions": instructions, **code},
        {"id": "s2", "type": "end", **_at(ends_at), "location": where},
    ]


def _at(moment: datetime | None) -> dict[str, Any]:
    return {"time": {"timestamp": wire_time(moment)}} if moment else {}


def _quote(quote: QuoteView, item_id: str) -> dict[str, Any]:
    return _known(
        {
            "id": quote.id,
            "price": {"value": quote.total.wire, "currency": quote.total.currency},
            "breakup": [_line(line, item_id) for line in quote.lines],
            "ttl": None if quote.ttl_s is None else wire_duration(quote.ttl_s),
        }
    )


def _line(line: Line, item_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": line.code,
        "price": {"value": line.amount.wire, "currency": line.amount.currency},
    }
    about: dict[str, Any] = {}
    if line.note:
        about["descriptor"] = {"name": line.note}
    if line.energy_wh is not None:
        about["id"] = item_id
        about["quantity"] = {"selected": {"measure": measure(Quantity("energy", line.energy_wh))}}
    return {**shown, "item": about} if about else shown


def _payment(payment: PaymentView) -> dict[str, Any]:
    params = {
        "amount": payment.amount.wire,
        "currency": payment.amount.currency,
        "transaction_id": payment.reference,
        "virtual_payment_address": payment.address,
    }
    return _known(
        {
            "id": payment.id,
            "collected_by": payment.collected_by,
            "type": payment.type,
            "status": payment.status,
            "url": payment.url,
            "params": _known(params),
            "time": {"timestamp": wire_time(payment.paid_at)} if payment.paid_at else None,
            "tags": [*wishes.fee_tags(payment), *(_refund(refund) for refund in payment.refunds)],
        }
    )


def _refund(refund: RefundView) -> dict[str, Any]:
    tags = [
        tag("refund-id", refund.id),
        tag("refund-amount", refund.amount.wire),
        tag("refund-currency", refund.amount.currency),
        tag("refund-status", refund.state),
        tag("refund-reason", refund.reason),
        tag("requested-at", wire_time(refund.at)),
        tag("refund-by", wire_time(refund.until)),
    ]
    if refund.reference:
        tags.append(tag("refund-reference", refund.reference))
    return group("refund", "Refund", tags)


def _fee_term(term: FeeTerm) -> dict[str, Any]:
    return _known(
        {
            "fulfillment_state": {"descriptor": {"code": words.STATE_CODES.get(term.state, term.state)}},
            "reason_required": term.reason_required,
            "cancel_by": _cancel_by(term),
            "cancellation_fee": _fee(term),
            "external_ref": {"mimetype": "text/html", "url": term.url} if term.url else None,
        }
    )


def _cancel_by(term: FeeTerm) -> dict[str, Any]:
    duration = None if term.until_s is None else wire_duration(term.until_s)
    return _known({"duration": duration, "timestamp": _time(term.until)})


def _fee(term: FeeTerm) -> dict[str, Any]:
    if term.amount is not None:
        return {"amount": {"value": term.amount.wire, "currency": term.amount.currency}}
    return {"percentage": words.plain(term.percent or Decimal(0))}


def _refund_term(term: RefundTerm) -> dict[str, Any]:
    code = words.STATE_CODES.get(term.state, term.state)
    return {
        "fulfillment_state": {"name": code, "code": code},
        "refund_eligible": term.eligible,
        "refund_within": {"duration": wire_duration(term.within_s)},
    }


def _cancellation(cancellation: Cancellation) -> dict[str, Any]:
    return {
        "time": wire_time(cancellation.at),
        "cancelled_by": _CANCELLED_BY.get(cancellation.by.lower(), "PROVIDER"),
        "reason": _known({"id": cancellation.reason_id, "descriptor": _known({"short_desc": cancellation.text})}),
    }


def _billing(contact: Contact) -> dict[str, Any]:
    return _known(
        {
            "name": contact.name,
            "email": contact.email,
            "phone": contact.phone,
            "address": contact.address,
            "tax_id": contact.tax_id,
        }
    )


def _customer(contact: Contact) -> dict[str, Any]:
    return _known(
        {
            "person": _known({"name": contact.name}),
            "contact": _known({"phone": contact.phone, "email": contact.email}),
        }
    )


def _time(moment: datetime | None) -> str | None:
    return wire_time(moment) if moment else None


def _with_unit(value: int | Decimal | None, unit: str) -> str | None:
    return None if value is None else f"{words.plain(Decimal(value))}{unit}"


def _divided(amount: int, size: int) -> Decimal:
    quotient = Decimal(amount) / size
    return quotient.quantize(Decimal("0.001")) if size == 60 else quotient


def _known(node: dict[str, Any]) -> dict[str, Any]:
    """The node without members that say nothing."""
    return {key: value for key, value in node.items() if value not in (None, "", [], {})}
