"""On which terms may an order be cancelled, what is refunded, and which reasons do we name?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class FeeTerm:
    """Cancelling while the fulfilment is in `state` costs `percent` of the total, or `paise` but never above it.

    It counts from `from_min` up to `to_min` minutes before the start; None leaves that side open. What is left comes
    back within `within_s` where it is `eligible`.
    """

    state: str
    percent: Decimal | None = None
    paise: int | None = None
    from_min: int | None = None
    to_min: int | None = None
    reason_required: bool = True
    eligible: bool = True
    within_s: int = 10 * DAY_S

    def fits(self, state: str, minutes: int) -> bool:
        """Whether this term counts in `state`, so many whole minutes before the start."""
        return (
            self.state == state
            and (self.from_min is None or minutes >= self.from_min)
            and (self.to_min is None or minutes < self.to_min)
        )

    def fee_paise(self, total_paise: int) -> int:
        """The fee on a promised total, in paise; half a paisa goes to the even neighbour."""
        if not self.eligible:
            return total_paise
        if self.percent is None:
            return min(self.paise or 0, total_paise)
        return int((Decimal(total_paise) * self.percent / 100).quantize(Decimal(1)))

    @property
    def words(self) -> str:
        """This fee on the line of a refund."""
        if not self.eligible:
            return "not refundable"
        if self.percent is None:
            return f"cancellation fee {Decimal(self.paise or 0) / 100:.2f}"
        return f"cancellation fee {self.percent.normalize():f} %"


FREE = FeeTerm("", percent=Decimal(0))
READY = "payment-completed"
CHARGING = "charging-started"
NO_SHOW_STATE = "no-show"
FEES = (
    FeeTerm(READY, percent=Decimal(30)),
    FeeTerm(CHARGING, percent=Decimal(100), eligible=False),
)

CHARGER_ERROR = "charger-error"
NO_SHOW = "no-show"
DECLINED = "declined"
NOT_ANSWERED = "not-answered"
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


def terms_from(kept: Iterable[Mapping[str, Any]]) -> tuple[FeeTerm, ...]:
    """The terms an order keeps; ours where it keeps none."""
    found = tuple(
        FeeTerm(**{**row, "percent": None if row["percent"] is None else Decimal(row["percent"])}) for row in kept
    )
    return found or FEES


def cancellation_terms(terms: Iterable[FeeTerm]) -> tuple[dict[str, Any], ...]:
    """What cancelling costs: {state, percent | paise, from_min, to_min, reason_required}."""
    names = ("state", "percent", "paise", "from_min", "to_min", "reason_required")
    return tuple({name: getattr(term, name) for name in names} for term in terms)


def refund_terms(terms: Iterable[FeeTerm]) -> tuple[dict[str, Any], ...]:
    """What is refunded and how soon, once per state that gives something back: {state, eligible, within_s}."""
    named: dict[str, dict[str, Any]] = {}
    for term in terms:
        if term.eligible:
            named.setdefault(term.state, {"state": term.state, "eligible": True, "within_s": term.within_s})
    return tuple(named.values())


def refund_within_s(terms: Iterable[FeeTerm], *, state: str) -> int | None:
    """How soon a refund is promised in `state`, s, as `refund_terms` tells it; None where nothing is said of it."""
    told = {row["state"]: int(row["within_s"]) for row in refund_terms(terms)}
    return told.get(state, told.get(READY) if state == NO_SHOW_STATE else None)


def term_for(terms: Iterable[FeeTerm], *, state: str, starts_at: datetime | None, now: datetime) -> FeeTerm:
    """The term that counts now: the first that fits; cancelling is free where none does.

    A no-show without a term of its own costs what cancelling at the last moment would; waiting for approval is free.
    Charging now begins at once, so that no minutes are left.
    """
    known = tuple(terms)
    minutes = _minutes_before(starts_at, now)
    for wanted in (state, READY) if state == NO_SHOW_STATE else (state,):
        found = next((term for term in known if term.fits(wanted, minutes)), None)
        if found is not None:
            return found
    return FREE


def _minutes_before(starts_at: datetime | None, now: datetime) -> int:
    return max(0, (starts_at - now) // timedelta(minutes=1)) if starts_at is not None else 0
