"""What does each answer say, in words no protocol version owns?

Handlers return a reply, `dialects.<version>.build` spells it for the wire. Everything is frozen; times are aware UTC,
energy is Wh, money is Money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bpp.messages import Contact, Quantity, Window
from core.money import Money


@dataclass(frozen=True, slots=True)
class Provider:
    id: str
    name: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A station as messages show it."""

    id: str
    name: str
    latitude: Decimal
    longitude: Decimal
    address: str
    city: str
    city_code: str
    country: str
    postal_code: str
    directions: str = ""


@dataclass(frozen=True, slots=True)
class Charger:
    """An EVSE as messages show it; `online` says whether it can be used at all."""

    id: str
    label: str
    manufacturer: str
    online: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Plug:
    """A connector as messages show it: the item. `availability` is the EVSE status, a neutral word."""

    item_id: str
    number: str
    standard: str
    current: str
    max_power_w: int
    vehicle: str
    availability: str
    price_per_kwh: Money
    green: bool
    charger: Charger
    provider: Provider


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote; `code` as in `orders.pricing`: energy-cost, service-charge, parking-fee, gst, refund, …"""

    code: str
    amount: Money
    energy_wh: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class QuoteView:
    id: str
    total: Money
    lines: tuple[Line, ...]
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money on its way back to the customer: asked for `at`, promised `until`; `reference` once it was paid."""

    id: str
    amount: Money
    state: str
    reason: str
    at: datetime
    until: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class PaymentView:
    id: str
    collected_by: str
    type: str
    status: str
    amount: Money
    reference: str = ""
    url: str = ""
    paid_at: datetime | None = None
    address: str = ""
    finder_fee_type: str = ""
    finder_fee: Decimal = Decimal(0)
    refunds: tuple[RefundView, ...] = ()


@dataclass(frozen=True, slots=True)
class FeeTerm:
    """Cancelling while the fulfilment is in `state` costs `percent` of the total, or `amount` but never above it.

    It counts up to `until_s` before the start, at the moment `until` where a start is booked; None leaves that open.
    """

    state: str
    percent: Decimal | None
    reason_required: bool = True
    url: str = ""
    amount: Money | None = None
    until_s: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundTerm:
    state: str
    eligible: bool
    within_s: int


@dataclass(frozen=True, slots=True)
class TermsDocument:
    """One version of one document of the operator's terms; `accepted_by` is `form` or `declared` once agreed to."""

    id: str
    kind: str
    name: str
    version: int
    sha256: str
    required: bool
    declarable: bool = False
    accepted_at: datetime | None = None
    accepted_by: str = ""


@dataclass(frozen=True, slots=True)
class TermsView:
    """The terms of an order and the page that shows them; `asking` until the order is confirmed.

    `outstanding`: something must still be agreed to before the order can be confirmed.
    """

    url: str
    documents: tuple[TermsDocument, ...]
    asking: bool = False
    outstanding: bool = False


@dataclass(frozen=True, slots=True)
class ChargingDetails:
    """The running or finished session; energies and registers in Wh, powers in W."""

    energy_wh: int
    meter_start_wh: int | None = None
    meter_stop_wh: int | None = None
    power_w: int | None = None
    current_a: Decimal | None = None
    voltage_v: Decimal | None = None
    soc_percent: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cancellation:
    at: datetime
    by: str
    reason_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the customer should know of the order now: a stable code and its value as text."""

    code: str
    value: str


@dataclass(frozen=True, slots=True)
class OfferView:
    """A coupon that counts for an order."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Advert:
    """A coupon of a provider that everybody may use; `station_id` empty: at all of its stations."""

    provider_id: str
    id: str
    name: str
    summary: str
    station_id: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderView:
    """A whole order as callbacks show it. `draft` before confirm; `fulfillment` and `status` are neutral.

    `topups` are what a corrected bill asks for beyond the payment.
    """

    draft: bool
    plug: Plug
    quantity: Quantity
    quote: QuoteView
    alternatives: tuple[Plug, ...] = ()
    offers: tuple[OfferView, ...] = ()
    code: str = ""
    status: str = ""
    fulfillment: str = ""
    fulfillment_at: datetime | None = None
    window: Window | None = None
    billing: Contact | None = None
    customer: Contact | None = None
    payment: PaymentView | None = None
    topups: tuple[PaymentView, ...] = ()
    fees: tuple[FeeTerm, ...] = ()
    refunds: tuple[RefundTerm, ...] = ()
    terms: TermsView | None = None
    start_code: str = ""
    remarks: tuple[Remark, ...] = ()
    charging: ChargingDetails | None = None
    cancellation: Cancellation | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderReply:
    order: OrderView


@dataclass(frozen=True, slots=True)
class TrackReply:
    order: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class RateReply:
    form_url: str


@dataclass(frozen=True, slots=True)
class SupportReply:
    reference: str
    phone: str
    email: str
    url: str


@dataclass(frozen=True, slots=True)
class Reason:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReasonsReply:
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class CategoriesReply:
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A refusal of substance: `code` is a DomainError's stable code, `path` names the culprit in the request.

    `alternatives` are connectors that could be ordered instead, the nearest first.
    """

    code: str
    text: str
    path: str = ""
    alternatives: tuple[Plug, ...] = ()


Reply = OrderReply | TrackReply | RateReply | SupportReply | ReasonsReply | CategoriesReply | ErrorReply
