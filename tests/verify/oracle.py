"""What must a session cost? A second arithmetic for the proofs, in fractions of paise, that shares nothing with ours.

It knows the tariffs of `TARIFFS` only: prices per kWh by the hour of the day, a fee for the session, a price per hour
of charging, GST in two halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Kolkata")
HALF_GST = Fraction(9, 100)
Reading = tuple[datetime, int]


@dataclass(frozen=True)
class Tariff:
    """Paise per kWh by hours of the day (from, until, price), per session and per hour of charging."""

    bands: tuple[tuple[int, int, int], ...]
    fee: int = 0
    per_hour: int = 0

    def elements(self) -> list[dict[str, Any]]:
        """The same tariff as OCPI writes it."""
        made: list[dict[str, Any]] = []
        for begin, end, price in self.bands:
            components = [{"type": "ENERGY", "price": f"{price // 100}.{price % 100:02}"}]
            restrictions = {"start_time": f"{begin:02}:00", "end_time": f"{end % 24:02}:00"}
            made.append(
                {"price_components": components, **({"restrictions": restrictions} if len(self.bands) > 1 else {})}
            )
        for kind, price in (("FLAT", self.fee), ("TIME", self.per_hour)):
            if price:
                made.append({"price_components": [{"type": kind, "price": f"{price // 100}.{price % 100:02}"}]})
        return made


TARIFFS = (
    Tariff(((0, 24, 1_850),)),
    Tariff(((0, 24, 1_750),), fee=2_000),
    Tariff(((0, 6, 950), (6, 18, 1_450), (18, 24, 2_150)), fee=1_550),
    Tariff(((0, 10, 1_333), (10, 11, 2_777), (11, 24, 1_999)), per_hour=3_050),
    Tariff(((0, 24, 2_050),), fee=50, per_hour=150),
)


def cost(tariff: Tariff, started_at: datetime, ended_at: datetime, energy_wh: int, readings: Sequence[Reading]) -> int:
    """The price of a session with tax, paise; `readings` are (time, Wh since the begin), rising."""
    if not energy_wh:
        return 0
    used: dict[int, int] = {}
    points = [(started_at, 0), *readings, (ended_at, energy_wh)]
    for (begin, before), (end, after) in pairwise(points):
        reached = before
        for edge in [*_edges(tariff, begin, end), end]:
            flown = after if edge == end else before + (after - before) * _us(edge - begin) // _us(end - begin)
            price = _price(tariff, edge - timedelta(microseconds=1))
            used[price] = used.get(price, 0) + flown - reached
            reached = flown
    lines = [nearest(Fraction(price * wh, 1_000)) for price, wh in used.items()]
    lines += [tariff.fee, nearest(Fraction(tariff.per_hour * _us(ended_at - started_at), 3_600_000_000))]
    taxable = sum(lines)
    return taxable + 2 * nearest(taxable * HALF_GST)


def nearest(amount: Fraction) -> int:
    """Whole paise, half to even."""
    whole, rest = divmod(amount.numerator, amount.denominator)
    twice = 2 * rest - amount.denominator
    return whole + (twice > 0 or (twice == 0 and whole % 2 == 1))


def _edges(tariff: Tariff, begin: datetime, end: datetime) -> list[datetime]:
    """The moments strictly between two at which a price begins."""
    if len(tariff.bands) == 1:
        return []
    day = begin.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    last = end.astimezone(ZONE)
    found = []
    while day <= last:
        found += [day + timedelta(hours=hour) for hour, _, _ in tariff.bands]
        day += timedelta(days=1)
    return sorted(edge for edge in found if begin < edge < end)


def _price(tariff: Tariff, at: datetime) -> int:
    hour = at.astimezone(ZONE).hour
    return next(price for begin, end, price in tariff.bands if begin <= hour < end)


def _us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
