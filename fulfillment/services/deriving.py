"""What is true of an order's session now: power, end, pauses, what the driver ought to know?

Rows are read once, whatever the length of the session; what follows from them is worked out by `fulfillment.truths`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from catalog.models import Evse
from catalog.tariffs import PARKING_TIME, NoTariff
from fulfillment import truths
from fulfillment.models import Reading, Session
from fulfillment.services.leaving import still_stands
from fulfillment.services.running import booked_end
from fulfillment.truths import Curve, Place, Point, Remark, Target
from orders.models import Order, Quote
from orders.pricing import MeterPoint
from orders.selectors import bill_price

S = Session.State
FLOWS = (S.CHARGING, S.PAUSED)
BEGUN = (*FLOWS, S.ENDING)
# What a forecast of the cost is worked out by: so many of the readings, evenly taken.
FORECAST_POINTS = 60


@dataclass(frozen=True, slots=True)
class Derived:
    """What is true of a session; `ends_by` is energy, money, time or full, empty where `ends_at` is not known."""

    curve: Curve
    meter: tuple[MeterPoint, ...] = ()
    ends_at: datetime | None = None
    ends_by: str = ""
    remarks: tuple[Remark, ...] = ()


def derive(order: Order, session: Session | None, offer: Quote, *, now: datetime) -> Derived:
    """What follows from the readings of an order's session; nothing before it has begun. One statement.

    The order comes with its connector and EVSE, `offer` is the quote it was promised under.
    """
    if session is None or session.started_at is None:
        return Derived(truths.curve_of(()), remarks=_broken(order, session, now))
    curve, meter = _read(session, session.started_at)
    forecast = _Forecast(order, session, offer, session.started_at, curve, _thin(meter, curve.standing_since))
    ending = truths.first_ending(forecast.endings(now)) if session.state in FLOWS else None
    ends_at, ends_by = ending or (None, "")
    found = (*_remarks(order, session, curve, now), forecast.idle(ends_at, now))
    return Derived(curve, meter, ends_at, ends_by, tuple(remark for remark in found if remark is not None))


def _read(session: Session, started_at: datetime) -> tuple[Curve, tuple[MeterPoint, ...]]:
    """The session's curve from its begin to its newest reading or its end; the readings as a bill asks for them."""
    start_wh = session.meter_start_wh
    if start_wh is None:
        return truths.curve_of(()), ()
    rows = list(
        Reading.objects.filter(session=session, accepted=True)
        .order_by("at")
        .values_list("at", "energy_wh", "power_w", "soc_percent", "current_a")
    )
    points = [Point(started_at, start_wh)]
    points += [Point(at, energy_wh, power_w, soc) for at, energy_wh, power_w, soc, _ in rows]
    ended_at, stop_wh = session.ended_at, session.meter_stop_wh
    if ended_at is not None and stop_wh is not None and (ended_at > points[-1].at or stop_wh > points[-1].energy_wh):
        points.append(Point(ended_at, stop_wh, 0))
    meter = tuple(MeterPoint(at, energy_wh - start_wh, current_a) for at, energy_wh, _, _, current_a in rows)
    return truths.curve_of(points), meter


def _remarks(order: Order, session: Session, curve: Curve, now: datetime) -> tuple[Remark | None, ...]:
    """Of a session that runs: silence, whose pause it is, unrest; and that its charger is broken."""
    broken = _broken(order, session, now)
    if session.state not in BEGUN:
        return broken
    place = Place(order.connector.evse.status, session.fault, session.voltage_v)
    heard_at = session.read_at or session.started_at or now
    return *broken, truths.silence(heard_at, now), truths.pause(curve, place), truths.fluctuation(curve)


def _broken(order: Order, session: Session | None, now: datetime) -> tuple[Remark, ...]:
    """That the charger is out of order: for a session that it broke off, or whoever waits for it."""
    evse = order.connector.evse
    if order.fulfillment == Order.Fulfillment.CHARGER_ERROR:
        since = (session.ended_at if session else None) or order.closed_at or now
    elif order.state == Order.State.ACTIVE and evse.status == Evse.Status.FAULTED:
        since = evse.status_at
    else:
        return ()
    return (Remark(truths.CHARGER_ERROR, since, since),)


@dataclass(frozen=True, slots=True)
class _Forecast:
    """When a session ends and from when its standing costs, by the bill's own rule over a part of its readings."""

    order: Order
    session: Session
    offer: Quote
    started_at: datetime
    curve: Curve
    meter: Sequence[MeterPoint]

    def endings(self, now: datetime) -> dict[str, datetime]:
        """When each limit is reached. The energy of an order by money is what the money was promised for."""
        by_money = self.order.quantity_kind == Order.Quantity.MONEY
        target = Target(
            energy_wh=self.order.energy_wh,
            paise=self.order.quantity if by_money else None,
            ends_at=booked_end(self.order, self.session),
        )
        found = truths.endings(self.curve, target, now=now, cost_at=self._cost_at)
        if by_money and truths.ENERGY in found:
            energy_at = found.pop(truths.ENERGY)
            found[truths.MONEY] = min(energy_at, found.get(truths.MONEY, energy_at))
        return found

    def idle(self, ends_at: datetime | None, now: datetime) -> Remark | None:
        """That standing costs, or soon will: during a pause, after the expected end, after the end."""
        if not self._standing_costs():
            return None
        since, cost_at = self._standing(ends_at)
        if since is None:
            return None
        first_at = truths.costs_from(cost_at, since, max(now, since) + truths.IDLE_WARNING)
        return truths.idle(first_at, now) if first_at is not None else None

    def _standing(self, ends_at: datetime | None) -> tuple[datetime | None, Callable[[datetime], int | None]]:
        """Since when the vehicle stands, or will, and what the session costs if it does so until a moment."""
        energy_wh, ended_at = self.session.energy_wh, self.session.ended_at
        if self.session.state in FLOWS:
            pause_at = self.curve.standing_since
            if pause_at is not None:
                return pause_at, partial(self._cost_at, energy_wh)
            # Something flows until the end, so that the standing begins there.
            whole_wh = max(self.order.energy_wh, energy_wh + 1)
            return ends_at, partial(self._stood_at, whole_wh, ends_at or self.started_at)
        billed = self.order.fulfillment == Order.Fulfillment.CHARGING_ENDED and not self.session.provisional
        stands = billed and still_stands(self.session)
        return ended_at if stands else None, partial(self._stood_at, energy_wh, ended_at or self.started_at)

    def _cost_at(self, energy_wh: int, at: datetime) -> int | None:
        """What it costs, paise, where so much has been delivered by a moment; None where no price holds."""
        return self._paise(energy_wh, at, None)

    def _stood_at(self, energy_wh: int, ended_at: datetime, at: datetime) -> int | None:
        return self._paise(energy_wh, ended_at, at)

    def _paise(self, energy_wh: int, ended_at: datetime, unplugged_at: datetime | None) -> int | None:
        try:
            bill = bill_price(
                self.order,
                energy_wh=energy_wh,
                started_at=self.started_at,
                ended_at=max(ended_at, self.started_at),
                readings=self.meter,
                unplugged_at=unplugged_at,
                offer=self.offer,
            )
        except NoTariff:
            return None
        return bill.total.paise

    def _standing_costs(self) -> bool:
        elements = self.offer.tariff.get("elements") or []
        return any(part.get("type") == PARKING_TIME for element in elements for part in element["price_components"])


def _thin(meter: Sequence[MeterPoint], stood_at: datetime | None) -> Sequence[MeterPoint]:
    """Some of the readings, evenly taken, the newest among them and the one at which a lasting pause began."""
    step = -(-len(meter) // FORECAST_POINTS) or 1
    last = len(meter) - 1
    return [point for place, point in enumerate(meter) if (last - place) % step == 0 or point.at == stood_at]
