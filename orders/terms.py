"""On which terms may an order be cancelled, what is refunded, and which reasons do we name?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class FeeTerm:
    """Cancelling while the fulfilment is in `state` costs `percent` of the total."""

    state: str
    percent: Decimal
    reason_required: bool = True


@dataclass(frozen=True, slots=True)
class RefundTerm:
    """Whether money comes back when the order is cancelled in `state`, and within which time."""

    state: str
    eligible: bool
    within_s: int


FEES = (FeeTerm("payment-completed", Decimal(30)), FeeTerm("charging-started", Decimal(100)))
REFUNDS = (RefundTerm("payment-completed", eligible=True, within_s=10 * DAY_S),)
PROVIDER_FEE_PERCENT = Decimal(0)

CHARGER_ERROR = "charger-error"
OTHER_REASON = "9"
CANCELLATION_REASONS = MappingProxyType(
    {
        "1": "Charger could not be reached",
        "2": "Charger does not work",
        "3": "Found another charger",
        "4": "Waiting takes too long",
        "5": "Plans changed",
        "6": "Price is too high",
        "7": "Vehicle does not fit the connector",
        "8": "Ordered by mistake",
        OTHER_REASON: "Other, or no reason given",
    }
)


def cancellation_terms() -> tuple[dict[str, Any], ...]:
    """What cancelling costs, by the state of the fulfilment: {state, percent, reason_required}."""
    return tuple(asdict(term) for term in FEES)


def refund_terms() -> tuple[dict[str, Any], ...]:
    """What is refunded and how soon: {state, eligible, within_s}."""
    return tuple(asdict(term) for term in REFUNDS)


def fee_percent(fulfillment: str, *, by_provider: bool) -> Decimal:
    """The share of the total, in percent, that a cancellation costs; nothing where the provider cancels."""
    if by_provider:
        return PROVIDER_FEE_PERCENT
    return FEES[0].percent if fulfillment == FEES[0].state else FEES[1].percent
