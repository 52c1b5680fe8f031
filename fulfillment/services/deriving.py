"""What is true of an order's session now: power, end, pauses, what the driver ought to know?

Rows are read once, whatever the length of the session; what follows from them is worked out by `fulfillment.truths`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from catalog.models import Evse
from fulfillment import truths
from fulfillment.models import Session
from fulfillment.services.leaving import LONGEST_STAY, still_stands
from fulfillment.services.running import booked_end
from fulfillment.services.sampling import Seen, every_value
from fulfillment.services.spending import limit_paise, price_paise, thin
from fulfillment.truths import Curve, Place, Remark, Target
from orders.models import Order, Quote
from orders.pricing import MeterPoint
from orders.selectors import by_standing

S = Session.State
FLOWS = (S.CHARGING, S.PAUSED)
BEGUN = (*FLOWS, S.ENDING)


@dataclass(frozen=True, slots=True)
class Derived:
    """What is true of a session; `ends_by` is energy, money, time or full, empty where `ends_at` is not known."""

    curve: Curve
    meter: tuple[MeterPoint, ...] = ()
    ends_at: datetime | None = None
    ends_by: str = ""
    remarks: tuple[Remark, ...] = ()


def derive(order: Order, session: Session | None, offer: Quote, *, now: datetime, seen: Seen | None = None) -> Derived:
    """What follows from the readings of an order's session; nothing before it has begun. One statement.

    The order comes with its connector and EVSE, `offer` is the quote it was promised under. No statement where the
    readings were `seen` before.
    """
    if session is None or session.started_at is None:
        return Derived(truths.curve_of(()), remarks=_broken(order, session, now))
    seen = every_value(session) if seen is None else seen
    forecast = _forecast(order, session, offer, seen)
    ends_at, ends_by = _ending(forecast, now) or (None, "")
    found = (*_remarks(order, session, seen.curve, now), forecast.idle(ends_at, now))
    remarks = tuple(remark for remark in found if remark is not None)
    return Derived(seen.curve, seen.meter, ends_at, ends_by, remarks)


def ends_at(order: Order, session: Session, offer: Quote, seen: Seen, *, now: datetime) -> datetime | None:
    """When a session will end, as `derive` says it, by readings that were seen before; None where nobody can say."""
    if session.started_at is None:
        return None
    ending = _ending(_forecast(order, session, offer, seen), now)
    return ending[0] if ending else None


def standing_costs_from(order: Order, session: Session | None, offer: Quote, *, now: datetime) -> datetime | None:
    """From when standing at the charger costs, or will after the expected end; None where it does not, or nobody can
    say. Looks a day ahead. One statement."""
    if session is None or session.started_at is None:
        return None
    forecast = _forecast(order, session, offer, every_value(session))
    ending = _ending(forecast, now)
    return forecast.standing_costs_from(ending[0] if ending else None, now, LONGEST_STAY)


def _forecast(order: Order, session: Session, offer: Quote, seen: Seen) -> _Forecast:
    started_at = session.started_at
    assert started_at is not None, "nothing is forecast of a session that has not begun"
    return _Forecast(order, session, offer, started_at, seen, thin(seen.meter, seen.curve.standing_since))


def _ending(forecast: _Forecast, now: datetime) -> tuple[datetime, str] | None:
    return truths.first_ending(forecast.endings(now)) if forecast.session.state in FLOWS else None


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
    seen: Seen
    meter: Sequence[MeterPoint]

    def endings(self, now: datetime) -> dict[str, datetime]:
        """When each limit is reached. The energy of an order by money is what the money was promised for: all of it
        where nothing but energy costs."""
        by_money = self.order.quantity_kind == Order.Quantity.MONEY
        target = Target(
            energy_wh=self.order.energy_wh,
            paise=limit_paise(self.order, self.offer),
            ends_at=booked_end(self.order, self.session),
        )
        found = truths.endings(self.seen.curve, target, now=now, cost_at=self._cost_at, longest_s=self.seen.longest_s)
        if by_money and truths.ENERGY in found:
            energy_at = found.pop(truths.ENERGY)
            found[truths.MONEY] = min(energy_at, found.get(truths.MONEY, energy_at))
        return found

    def idle(self, ends_at: datetime | None, now: datetime) -> Remark | None:
        """That standing costs, or soon will: during a pause, after the expected end, after the end."""
        first_at = self.standing_costs_from(ends_at, now, truths.IDLE_WARNING)
        return truths.idle(first_at, now) if first_at is not None else None

    def standing_costs_from(self, ends_at: datetime | None, now: datetime, ahead: timedelta) -> datetime | None:
        """From when standing costs, looked for so far ahead of now, or of the moment at which it begins."""
        if not by_standing(self.offer):
            return None
        since, cost_at = self._standing(ends_at)
        return truths.costs_from(cost_at, since, max(now, since) + ahead) if since is not None else None

    def _standing(self, ends_at: datetime | None) -> tuple[datetime | None, Callable[[datetime], int | None]]:
        """Since when the vehicle stands, or will, and what the session costs if it does so until a moment."""
        energy_wh, ended_at = self.session.energy_wh, self.session.ended_at
        if self.session.state in FLOWS:
            pause_at = self.seen.curve.standing_since
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
        return price_paise(
            self.order,
            self.session,
            self.offer,
            self.meter,
            energy_wh=energy_wh,
            ended_at=ended_at,
            unplugged_at=unplugged_at,
        )
