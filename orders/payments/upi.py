"""How is money collected without a gateway: by a UPI address in a link and a QR code?

Nobody tells us about such a payment: a person confirms it with the reference on their bank's statement, or the buyer
app names the reference at confirm. Source: NPCI UPI Linking Specification 1.6, `upi://pay`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from core.errors import PaymentError
from core.money import from_paise
from orders.payments.base import Ask, Link, News, Received, Refunded, State, WebhookRefused

ADDRESS = re.compile(r"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")
REFERENCE_LENGTH = 35
NOTE_LENGTH = 80


class Upi:
    """Payments straight to one UPI address."""

    name = "upi"
    can_hold = False
    can_capture_part = False
    can_fetch = False

    def __init__(self, address: str, payee: str) -> None:
        if not ADDRESS.fullmatch(address):
            raise PaymentError(f"{address!r} is no UPI address; write it as name@bank", permanent=True)
        self.account = address
        self._payee = payee

    @classmethod
    def from_settings(cls, settings: Any) -> Upi:
        """The address of PAYMENT_UPI_ADDRESS. Raises PaymentError (permanent) where it is none."""
        return cls(settings.PAYMENT_UPI_ADDRESS, settings.PAYMENT_UPI_PAYEE)

    def create(self, ask: Ask) -> Link:
        """The intent that pays `ask`; the same at every repetition. Raises PaymentError for another currency."""
        return Link(ask.reference, intent=intent_of(self.account, self._payee, ask))

    def fetch(self, link_ref: str) -> Received:
        """Always open: nobody can be asked."""
        return Received(State.OPEN)

    def cancel(self, link_ref: str) -> None:
        """Nothing: an address cannot be taken back."""

    def locate(self, news: News) -> str:
        """Nothing: no news ever comes."""
        return ""

    def capture(self, payment_ref: str, paise: int, currency: str) -> Received:
        """The money was transferred whole: there is nothing to capture. Raises PaymentError."""
        raise PaymentError("a UPI transfer is final; there is nothing to capture", permanent=True)

    def refund(self, payment_ref: str, paise: int, *, key: str, again: bool = False) -> Refunded:
        """Raises PaymentError: a person transfers it back."""
        raise PaymentError("a UPI transfer without a gateway is given back by a person", permanent=True)

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> News:
        """Raises WebhookRefused: nobody sends news about such payments."""
        raise WebhookRefused("this provider sends no webhooks")


def intent_of(address: str, payee: str, ask: Ask) -> str:
    """The `upi://pay` address for an amount in rupees. Raises PaymentError for another currency or reference."""
    if ask.currency != "INR":
        raise PaymentError(f"UPI pays in INR, not in {ask.currency}", permanent=True)
    if not re.fullmatch(rf"[A-Za-z0-9-]{{1,{REFERENCE_LENGTH}}}", ask.reference):
        raise PaymentError(f"{ask.reference!r} is no UPI reference: 1 to 35 letters, digits, hyphens", permanent=True)
    parts = {
        "pa": address,
        "pn": payee,
        "am": from_paise(ask.amount_paise).wire,
        "cu": "INR",
        "tr": ask.reference,
        "tn": ask.description[:NOTE_LENGTH],
    }
    return "upi://pay?" + "&".join(f"{name}={quote(value, safe='@')}" for name, value in parts.items())
