"""Which payment provider collects for us, and with which account?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import PaymentError
from orders.payments.base import Provider
from orders.payments.razorpay import Account, Razorpay
from orders.payments.upi import Upi

NAMES = ("razorpay", "upi")


@dataclass(frozen=True, slots=True)
class Options:
    """Where providers are reached and with which secrets; empty where one is not used."""

    razorpay_url: str = ""
    razorpay_key_id: str = ""
    razorpay_key_secret: str = ""
    razorpay_account: str = ""
    razorpay_webhook_secrets: Sequence[str] = ()
    razorpay_partial_capture: bool = False
    upi_address: str = ""
    upi_payee: str = ""
    timeout_s: float = 6.0
    allow_private: bool = False


def can_be_asked(name: str) -> bool:
    """Whether a provider tells how a payment stands, be it configured now or not; else a person has to."""
    return any(provider.can_fetch for provider in (Razorpay, Upi) if provider.name == name)


def provider_named(name: str, options: Options) -> Provider:
    """The provider `name` with its account. Raises PaymentError (permanent) where it is unknown or not configured."""
    if name == "razorpay":
        if not (options.razorpay_url and options.razorpay_key_id and options.razorpay_key_secret):
            raise PaymentError(
                "PAYMENT_RAZORPAY_KEY_ID and PAYMENT_RAZORPAY_KEY_SECRET are not set; give the account's API key",
                permanent=True,
            )
        return Razorpay(
            Account(
                options.razorpay_url,
                options.razorpay_key_id,
                options.razorpay_key_secret,
                merchant=options.razorpay_account,
                webhook_secrets=options.razorpay_webhook_secrets,
                can_capture_part=options.razorpay_partial_capture,
                timeout_s=options.timeout_s,
                allow_private=options.allow_private,
            )
        )
    if name == "upi":
        return Upi(options.upi_address, options.upi_payee)
    raise PaymentError(f"payment provider {name!r} is unknown; allowed: {', '.join(NAMES)}", permanent=True)
