"""What does one kWh cost at a moment, or on average over a window?"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from catalog.tariffs.clock import next_change
from catalog.tariffs.engine import NoTariff
from catalog.tariffs.reading import ENERGY, Elements, schedule

LONGEST_WINDOW = timedelta(days=31)


def price_at(elements: Elements, moment: datetime, *, tz: tzinfo) -> Decimal:
    """The price of the first kWh, before tax, of a session that starts at an aware moment.

    Where it depends on power or current it is the price without such a condition, if there is one. Raises NoTariff
    where no element says it.
    """
    local = moment.astimezone(tz)
    price = schedule(elements).price(ENERGY, local)
    if price is None:
        raise NoTariff(f"the tariff names no price per kWh for {local:%A %Y-%m-%d %H:%M}; choose another time")
    return price


def average_price(elements: Elements, starts_at: datetime, ends_at: datetime, *, tz: tzinfo) -> Decimal:
    """The mean price of one kWh over a window, weighted by time, not rounded.

    Raises NoTariff where a part of the window has no price, ValueError where it does not end after it starts or lasts
    longer than 31 days.
    """
    if not starts_at < ends_at <= starts_at + LONGEST_WINDOW:
        raise ValueError(f"the window {starts_at} to {ends_at} must end after it starts and last 31 days at most")
    plan = schedule(elements)
    weighted, moment = Decimal(0), starts_at
    while moment < ends_at:
        price = price_at(plan, moment, tz=tz)
        change = min(next_change(plan, moment, tz), ends_at)
        weighted += price * ((change - moment) // timedelta(microseconds=1))
        moment = change
    return weighted / ((ends_at - starts_at) // timedelta(microseconds=1))
