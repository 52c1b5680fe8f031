"""When will a session end, and by what: the energy, the money, the time, or because the vehicle is full?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fulfillment.truths.curve import Curve
from fulfillment.truths.flow import Flow, flow_of

ENERGY, MONEY, TIME, FULL = "energy", "money", "time", "full"
KINDS = (ENERGY, MONEY, TIME, FULL)
SILENT_S = 60.0
FARTHEST = timedelta(hours=24)
CLOSE_WH = 10
# The cost in paise of so much energy, Wh from the begin, delivered by a moment; None where the tariff has no price.
CostAt = Callable[[int, datetime], int | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What a session is to come to, as far as it is limited: Wh and paise from its begin, and its latest end."""

    energy_wh: int | None = None
    paise: int | None = None
    ends_at: datetime | None = None


def endings(
    curve: Curve,
    target: Target,
    *,
    now: datetime,
    cost_at: CostAt | None = None,
    longest_s: float | None = None,
) -> dict[str, datetime]:
    """When each limit will be reached, by its kind, never before `now`; what cannot be told is left out.

    Nothing but the time can be told while nothing flows, and after a silence longer than a minute (or than what is a
    gap at this station: `longest_s`, for a curve of only some of its values). `cost_at` is needed for money.
    """
    found: dict[str, datetime] = {}
    if target.ends_at is not None:
        found[TIME] = max(target.ends_at, now)
    flow = _heard_flow(curve, longest_s, now)
    if flow is None:
        return found
    moments = {
        ENERGY: _energy_at(curve, flow, target.energy_wh) if target.energy_wh is not None else None,
        MONEY: _money_at(curve, flow, target.paise, cost_at) if target.paise is not None and cost_at else None,
        FULL: _moment(curve, flow, flow.full_wh) if flow.full_wh is not None else None,
    }
    for kind, moment in moments.items():
        if moment is not None and moment <= now + FARTHEST:
            found[kind] = max(moment, now)
    return found


def first_ending(found: Mapping[str, datetime]) -> tuple[datetime, str] | None:
    """What comes first of some endings, and its kind; None where there are none."""
    return min(((found[kind], kind) for kind in KINDS if kind in found), key=lambda pair: pair[0], default=None)


def _heard_flow(curve: Curve, longest_s: float | None, now: datetime) -> Flow | None:
    longest = timedelta(seconds=max(SILENT_S, curve.longest_s if longest_s is None else longest_s))
    return flow_of(curve) if curve.points and now - curve.points[-1].at <= longest else None


def _energy_at(curve: Curve, flow: Flow, energy_wh: int) -> datetime | None:
    return _moment(curve, flow, max(0, energy_wh - curve.delivered_wh))


def _moment(curve: Curve, flow: Flow, more_wh: float) -> datetime | None:
    seconds = flow.seconds(more_wh)
    if seconds is None or seconds > 2 * FARTHEST.total_seconds():
        return None
    return curve.points[-1].at + timedelta(seconds=seconds)


def _money_at(curve: Curve, flow: Flow, paise: int, cost_at: CostAt) -> datetime | None:
    """When the cost reaches so many paise: the least energy with that cost, found by halving."""

    def spent(energy_wh: int) -> bool | None:
        moment = _energy_at(curve, flow, energy_wh)
        cost = cost_at(energy_wh, moment) if moment is not None else None
        return None if cost is None else cost >= paise

    low = curve.delivered_wh
    if spent(low):
        return curve.points[-1].at
    high = max(2 * low, 1000)
    while not (answer := spent(high)):
        if answer is None:
            break
        low, high = high, 2 * high
    while high - low > CLOSE_WH:
        middle = (low + high) // 2
        if spent(middle) is False:
            low = middle
        else:
            high = middle
    return _energy_at(curve, flow, high) if spent(high) else None
