"""What does each action ask, in words no protocol version owns?

Requests are what `dialects.<version>.parse` makes of a wire message; what handlers answer stands in `bpp.replies`.
Everything is frozen; times are aware UTC, energy is Wh, money is Money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


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

    def as_dict(self) -> dict[str, str]:
        """As it is kept beside a message."""
        return {"path": self.path, "seen": self.seen, "note": self.text}


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
    """A wish with payer and driver; `may_redirect`: the customer lets us move the order where its charger fails.

    `callback_url` is where the buyer app wants the order's progress pushed to.
    """

    wish: Select
    billing: Contact
    customer: Contact
    payment: PaymentProof
    may_redirect: bool = False
    callback_url: str = ""


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
