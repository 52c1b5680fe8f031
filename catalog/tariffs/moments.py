"""What does one kWh cost at a moment?"""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import Decimal

from catalog.tariffs.clock import micros
from catalog.tariffs.engine import unpriced
from catalog.tariffs.reading import ENERGY, Elements, schedule


def price_at(elements: Elements, moment: datetime, *, tz: tzinfo) -> Decimal:
    """The price of the first kWh, before tax, of a session that starts at an aware moment.

    Where it depends on power or current it is the price without such a condition, if there is one. Raises NoTariff
    where no element says it.
    """
    price = schedule(elements).price(ENERGY, moment.astimezone(tz))
    if price is None:
        raise unpriced(micros(moment), tz)
    return price
