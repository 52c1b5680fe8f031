"""What does charging cost at a moment, and over a session, under OCPI tariff elements?

`reading` checks the elements, `clock` knows when they hold, `engine` divides a session among their prices, `moments`
names one price, `words` says them all.
"""

from catalog.tariffs.engine import (
    CHARGING,
    EXPIRED,
    HOUR_US,
    PARKING,
    RESERVATION_FEE,
    RESERVATION_TIME,
    RESERVED,
    Item,
    NoTariff,
    Segment,
    metered,
)
from catalog.tariffs.limits import PriceLimit, price_limit
from catalog.tariffs.moments import price_at
from catalog.tariffs.reading import (
    DIMENSIONS,
    ENERGY,
    FLAT,
    PARKING_TIME,
    TIME,
    Elements,
    Schedule,
    TariffFault,
    schedule,
)
from catalog.tariffs.words import describe

__all__ = [
    "CHARGING",
    "DIMENSIONS",
    "ENERGY",
    "EXPIRED",
    "FLAT",
    "HOUR_US",
    "PARKING",
    "PARKING_TIME",
    "RESERVATION_FEE",
    "RESERVATION_TIME",
    "RESERVED",
    "TIME",
    "Elements",
    "Item",
    "NoTariff",
    "PriceLimit",
    "Schedule",
    "Segment",
    "TariffFault",
    "describe",
    "metered",
    "price_at",
    "price_limit",
    "schedule",
]
