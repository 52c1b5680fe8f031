"""Which payment provider collects for us, and with which account?"""

from __future__ import annotations

from typing import Any, Final

from core.errors import PaymentError
from orders.payments.base import Provider
from orders.payments.razorpay import Razorpay
from orders.payments.upi import Upi

PROVIDERS: Final[dict[str, type[Razorpay | Upi]]] = {provider.name: provider for provider in (Razorpay, Upi)}


def can_be_asked(name: str) -> bool:
    """Whether a provider tells how a payment stands, be it configured now or not; else a person has to."""
    return name in PROVIDERS and PROVIDERS[name].can_fetch


def provider_named(name: str, settings: Any) -> Provider:
    """The provider `name` with its account; of `settings` (PAYMENT_…) it reads its own.

    Raises PaymentError (permanent) where it is unknown or not configured.
    """
    if name not in PROVIDERS:
        raise PaymentError(f"payment provider {name!r} is unknown; allowed: {', '.join(PROVIDERS)}", permanent=True)
    return PROVIDERS[name].from_settings(settings)
