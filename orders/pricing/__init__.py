"""What does charging cost under a tariff, line by line: as an offer, while charging, as the bill, when cancelled?

Pure: a tariff's terms and the facts of a session go in, rounded lines come out. `price` is the only door to a price,
so that preview, offer, running cost and bill are the same for the same facts; they differ only in where the facts come
from: `assumed` from a wish, `session_segments` from the meter.
"""

from orders.pricing.facts import (
    MeterPoint,
    assumed,
    energy_in_time,
    reservation,
    session_segments,
    time_for_energy,
)
from orders.pricing.lines import (
    CANCELLATION_FEE,
    DISCOUNT,
    ENERGY_COST,
    GST,
    PARKING_FEE,
    REFUND,
    SERVICE_CHARGE,
    Line,
    Price,
    cancelled,
    lines_from,
)
from orders.pricing.making import energy_for_amount, price
from orders.pricing.terms import (
    ALL_LINES,
    ENERGY_LINES,
    PER_KWH,
    PER_SESSION,
    PERCENTAGE,
    Adjustment,
    Terms,
    adjustments_from,
    terms_from,
)

__all__ = [
    "ALL_LINES",
    "CANCELLATION_FEE",
    "DISCOUNT",
    "ENERGY_COST",
    "ENERGY_LINES",
    "GST",
    "PARKING_FEE",
    "PERCENTAGE",
    "PER_KWH",
    "PER_SESSION",
    "REFUND",
    "SERVICE_CHARGE",
    "Adjustment",
    "Line",
    "MeterPoint",
    "Price",
    "Terms",
    "adjustments_from",
    "assumed",
    "cancelled",
    "energy_for_amount",
    "energy_in_time",
    "lines_from",
    "price",
    "reservation",
    "session_segments",
    "terms_from",
    "time_for_energy",
]
