"""What does a session cost under its order's offer, and when has it used up the money that was ordered?

An order by money is promised an energy. Where time, power or the clock cost as well, the money may be used up before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from catalog.tariffs import NoTariff, TariffFault
from fulfillment import truths
from fulfillment.models import Session
from fulfillment.services.sampling import Seen, every_value
from fulfillment.truths import Target
from orders.models import Order, Quote
from orders.pricing import MeterPoint
from orders.selectors import bill_price, by_energy_alone, offer_quote

# What a forecast of the cost is worked out by: so many of the readings, evenly taken.
FORECAST_POINTS = 60
FARTHEST = timedelta(days=1)
# How long is relied on a forecast: vehicles change their power.
RELIED = timedelta(minutes=2)
SOONEST = timedelta(seconds=1)


def price_paise(
    order: Order,
    session: Session,
    offer: Quote,
    meter: Sequence[MeterPoint],
    *,
    energy_wh: int,
    ended_at: datetime,
    unplugged_at: datetime | None = None,
) -> int | None:
    """What a session that has begun costs, paise, if it comes to so much energy at a moment; None where no price holds.

    `meter` is what was read until then, `unplugged_at` when the vehicle leaves.
    """
    started_at = session.started_at
    assert started_at is not None, "what has not begun costs nothing yet"
    try:
        bill = bill_price(
            order,
            energy_wh=energy_wh,
            started_at=started_at,
            ended_at=max(ended_at, started_at),
            readings=meter,
            unplugged_at=unplugged_at,
            offer=offer,
        )
    except (NoTariff, TariffFault):
        return None
    return bill.total.paise


def limit_paise(order: Order, offer: Quote) -> int | None:
    """The money at which a session ends before its energy; None where none was ordered, or only energy costs."""
    by_money = order.quantity_kind == Order.Quantity.MONEY
    return order.quantity if by_money and not by_energy_alone(offer) else None


def used_up_at(order: Order, session: Session, *, now: datetime) -> datetime | None:
    """When the money of an order is used up, not after `now` where it is by now; None where no money limits it.

    By the bill that would be made of it then, as far as can be told: in a pause by what standing costs, after a silence
    by what is known, since silence is no standing. A day from now where nothing says when. Two statements for an order
    by money, else none.
    """
    if order.quantity_kind != Order.Quantity.MONEY or session.started_at is None:
        return None
    offer = offer_quote(order)
    limit = limit_paise(order, offer)
    if limit is None:
        return None
    seen = every_value(session)
    heard_at = session.read_at or session.started_at
    silent = now - heard_at > truths.SILENT_AFTER
    until = heard_at if silent else now
    spent = price_paise(order, session, offer, seen.meter, energy_wh=session.energy_wh, ended_at=until)
    if spent is None or (silent and spent < limit):
        return now + FARTHEST
    return now if spent >= limit else _forecast(order, session, offer, seen, limit, now)


def look_at(used_up: datetime, now: datetime) -> datetime:
    """When to reckon anew whether the money is used up: after half of the time it should last, at most two minutes."""
    return now + max(SOONEST, min((used_up - now) / 2, RELIED))


def thin(meter: Sequence[MeterPoint], stood_at: datetime | None) -> Sequence[MeterPoint]:
    """Some of the readings, evenly taken, the newest among them and the one at which a lasting pause began."""
    step = -(-len(meter) // FORECAST_POINTS) or 1
    last = len(meter) - 1
    return [point for place, point in enumerate(meter) if (last - place) % step == 0 or point.at == stood_at]


def _forecast(order: Order, session: Session, offer: Quote, seen: Seen, limit: int, now: datetime) -> datetime:
    meter = thin(seen.meter, seen.curve.standing_since)

    def cost_at(energy_wh: int, at: datetime) -> int | None:
        return price_paise(order, session, offer, meter, energy_wh=energy_wh, ended_at=at)

    found = truths.endings(seen.curve, Target(paise=limit), now=now, cost_at=cost_at)
    if truths.MONEY in found:
        return found[truths.MONEY]
    least, most = now, now + FARTHEST
    while most - least > SOONEST:
        middle = least + (most - least) / 2
        cost = cost_at(session.energy_wh, middle)
        if cost is None or cost >= limit:
            most = middle
        else:
            least = middle
    return most
