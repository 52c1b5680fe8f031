"""What does each action ask, and what does each reply say, in words no protocol version owns?

Requests are what `dialects.<version>.parse` makes of a wire message; replies are what handlers return and
`dialects.<version>.build` spells for the wire. Everything is frozen; times are aware UTC, energy is Wh, money is Money.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.money import Money


class WireFault(Exception):
    """A message that cannot be understood; `code` is the BECKN-005 number, `paths` the JSON path of the culprit."""

    def __init__(self, code: str, paths: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.paths = paths
        self.text = text


@dataclass(frozen=True, slots=True)
class Note:
    """One remark on a message: where, what was seen, and what we made of it or what is allowed."""

    path: str
    seen: str
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of holding a message against the schema: faults refuse it, warnings are recorded on it."""

    faults: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom we talk to and within which conversation; `context` is what a callback's context copies."""

    bap_id: str
    bap_uri: str
    transaction_id: str
    message_id: str
    context: dict[str, object]


# -- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Circle:
    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Window:
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much is wanted: kind `energy` (Wh), `money` (paise) or `time` (seconds), as a positive whole number."""

    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Search:
    """What a buyer looks for; an empty field does not filter.

    Connector types are OCPP names; `current` is AC or DC; `level` is 1, 2 or 3 (DC fast); `vehicle` as catalogued.
    """

    text: str = ""
    near: Circle | None = None
    connector_types: frozenset[str] = frozenset()
    current: str = ""
    min_power_w: int | None = None
    max_power_w: int | None = None
    level: int | None = None
    vehicle: str = ""
    operator: str = ""
    operator_name: str = ""
    station: str = ""
    item: str = ""
    category: str = ""
    window: Window | None = None
    energy_wh: int | None = None
    available_only: bool = False
    payment_terms: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemWish:
    item_id: str
    quantity: Quantity | None
    add_ons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contact:
    name: str = ""
    phone: str = ""
    email: str = ""
    address: str = ""
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class PaymentProof:
    """What the buyer app says about the payment; compared with ours, never used instead of it."""

    collected_by: str = ""
    type: str = ""
    status: str = ""
    amount: Decimal | None = None
    currency: str = ""
    reference: str = ""
    finder_fee_type: str = ""
    finder_fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What a buyer says of the vehicle; 0 or None where it says nothing. Battery in Wh, charges in percent."""

    battery_wh: int = 0
    soc_percent: Decimal | None = None
    target_percent: Decimal | None = None
    max_power_w: int = 0
    max_ac_w: int = 0
    max_dc_w: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a buyer says beside item, amount and time; `offers` are coupon codes, `person` its id at the buyer app."""

    offers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    person: str = ""
    vehicle: Vehicle = Vehicle()
    until_full: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    operator: str
    items: tuple[ItemWish, ...]
    evse: str = ""
    window: Window | None = None
    said: Said = Said()


@dataclass(frozen=True, slots=True)
class Init:
    """A wish with payer and driver; `may_redirect`: the customer lets us move the order where its charger fails."""

    wish: Select
    billing: Contact
    customer: Contact
    payment: PaymentProof
    may_redirect: bool = False


@dataclass(frozen=True, slots=True)
class ConsentTold:
    """The buyer app's word that its customer agreed to a text of ours; `path` is where it stands in the message."""

    terms: str
    version: str = ""
    sha256: str = ""
    accepted_at: datetime | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Confirm:
    wish: Select
    billing: Contact
    customer: Contact
    payment: PaymentProof
    quoted: Decimal | None = None
    consents: tuple[ConsentTold, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    order: str


@dataclass(frozen=True, slots=True)
class Track:
    order: str
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    order: str
    reason: str = ""
    text: str = ""
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """A change to an order; `command` is `start`, `stop` or empty; `targets` are the paths as sent, folded.

    Times, item and payer are what the order shall have from now on, empty where nothing is said of them; `code` is the
    start code the driver gave.
    """

    order: str
    command: str
    evse: str = ""
    targets: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    item: str = ""
    billing: Contact = Contact()
    code: str = ""


@dataclass(frozen=True, slots=True)
class RatingGiven:
    target: str
    category: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    ratings: tuple[RatingGiven, ...]


@dataclass(frozen=True, slots=True)
class Support:
    reference: str
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class AskReasons:
    pass


@dataclass(frozen=True, slots=True)
class AskCategories:
    pass


Request = (
    Search | Select | Init | Confirm | Status | Track | Cancel | Update | Rate | Support | AskReasons | AskCategories
)


# -- replies ----------------------------------------------------------------------------------------------------------


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
class OrderView:
    """A whole order as callbacks show it. `draft` before confirm; `fulfillment` and `status` are neutral."""

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
