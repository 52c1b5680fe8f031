"""What must every payment provider be able to do, and in which words does it tell us about money?

Nothing here moves our books: a provider is asked, and what it answers is compared with what we agreed before anything
is posted. Amounts are whole paise (hundredths of `currency`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.errors import PaymentError

__all__ = [
    "Ask",
    "Collects",
    "Link",
    "News",
    "PaymentError",
    "Provider",
    "Received",
    "Refunded",
    "Repays",
    "State",
    "TellsNews",
    "WebhookRefused",
]


class State(StrEnum):
    """How far a payment is at the provider."""

    OPEN = "open"
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Ask:
    """What we want from the payer. `reference` is ours and the same at every repetition."""

    reference: str
    amount_paise: int
    currency: str
    description: str
    back_url: str = ""
    expires_at: datetime | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Where the payer pays. `ref` is the provider's name for it; `intent` a upi:// address for apps and QR codes."""

    ref: str
    url: str = ""
    intent: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """The payment as the provider knows it now: the only thing money is ever posted from."""

    state: State
    payment_ref: str = ""
    order_ref: str = ""
    amount_paise: int = 0
    currency: str = ""
    captured_paise: int = 0


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund as the provider knows it; `done` is True once the money is on its way to the payer for good."""

    ref: str
    amount_paise: int
    done: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What a webhook hints at. Names only: amounts and states are fetched from the provider."""

    event_id: str
    kind: str
    account: str
    link_ref: str = ""
    order_ref: str = ""
    payment_ref: str = ""
    reference: str = ""
    refund_ref: str = ""
    happened_at: datetime | None = None


class WebhookRefused(Exception):
    """The message does not prove that the provider sent it."""


class Collects(Protocol):
    """Asks a payer for money, and takes it."""

    name: str
    can_hold: bool
    can_capture_part: bool
    can_fetch: bool

    def create(self, ask: Ask) -> Link:
        """A way to pay `ask`; asked again for the same reference it is the same one."""

    def fetch(self, link_ref: str) -> Received:
        """What was paid on a link: the payment that counts most, OPEN where there is none."""

    def cancel(self, link_ref: str) -> None:
        """Close a link, so that nobody pays it any more; nothing where it is closed or paid already."""

    def capture(self, payment_ref: str, paise: int, currency: str) -> Received:
        """Take `paise` of an authorised payment; one that was captured before is answered as it is."""


class Repays(Protocol):
    """Gives money back."""

    def refund(self, payment_ref: str, paise: int, *, key: str, again: bool = False) -> Refunded:
        """Give `paise` back, once for each `key`; `again` tries anew where the provider gave it up before."""


class TellsNews(Protocol):
    """Sends webhooks, about the payments of one account."""

    account: str

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> News:
        """The news in a webhook whose signature fits. Raises WebhookRefused.

        `headers` have lower-case names; `raw` are the bytes as they came.
        """

    def locate(self, news: News) -> str:
        """Our reference that the news belongs to, asked at the provider; empty where it is not one of ours."""


class Provider(Collects, Repays, TellsNews, Protocol):
    """One payment provider.

    Each call makes at most a few requests, each with a deadline, and raises PaymentError: `permanent` where asking
    again cannot help, `unknown` where it may have taken effect. Every call may be repeated: it asks before it repeats.
    """
