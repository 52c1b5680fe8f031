"""What ought the driver to know of a running session: silence, a pause and whose it is, power that jumps about?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import exp

from fulfillment.truths.curve import Curve

SILENT, STALE = "silent", "stale"
VEHICLE_PAUSED, STATION_PAUSED, GRID = "vehicle-paused", "station-paused", "grid"
FLUCTUATING, CHARGER_ERROR = "fluctuating", "charger-error"
IDLE_SOON, IDLE_NOW = "idle-soon", "idle-now"
PAUSED = (VEHICLE_PAUSED, STATION_PAUSED, GRID)

STALE_AFTER, SILENT_AFTER = timedelta(seconds=15), timedelta(seconds=60)
DEPARTS, RETURNS = 0.30, 0.15
HOLDS_S = 30.0
SETTLES_S = 60.0
LEVEL_OVER_S = 180.0
# Below this share of the voltage of a single phase nothing can be charged: the grid is gone.
LEAST_VOLTAGE_V = 80
DELIVERS = ("", "charging", "finishing")
GRID_WORDS = re.compile(
    r"under.?voltage|over.?voltage|grid|mains|power.?(cut|fail|loss|outage)|black.?out|load.?shed", re.I
)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is so since a moment and was known at `told_at`; `until` where its end is known beforehand."""

    code: str
    since: datetime
    told_at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What the station says of the charge point: its status in the catalogue's words, its fault, the newest voltage."""

    status: str = ""
    fault: str = ""
    voltage_v: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Unrest:
    """Power that departed from its level at `since`, which was told at `raised_at`, until it was back for good."""

    since: datetime
    raised_at: datetime
    until: datetime | None = None


def silence(heard_at: datetime, now: datetime) -> Remark | None:
    """What to say of a charge point that was last heard at a time: stale after 15 s, silent after 60 s."""
    for code, after in ((SILENT, SILENT_AFTER), (STALE, STALE_AFTER)):
        if now - heard_at > after:
            return Remark(code, heard_at, heard_at + after)
    return None


def pause(curve: Curve, place: Place) -> Remark | None:
    """Since when nothing flows and by whom: the grid, the station, or else the vehicle; None while energy flows.

    The grid, where the fault says so or there is no voltage. The station, where it has another fault or says that the
    charge point is doing anything but deliver. A station that says it delivers has a vehicle that takes nothing.
    """
    since = curve.standing_since
    if since is None:
        return None
    if GRID_WORDS.search(place.fault) or (place.voltage_v is not None and place.voltage_v < LEAST_VOLTAGE_V):
        code = GRID
    else:
        code = STATION_PAUSED if place.fault or place.status not in DELIVERS else VEHICLE_PAUSED
    return Remark(code, since, curve.points[-1].at)


def fluctuation(curve: Curve) -> Remark | None:
    """Since when the power jumps about, by the points alone; None where it does not at the newest one."""
    found = fluctuations(curve)
    if not found or found[-1].until is not None:
        return None
    return Remark(FLUCTUATING, found[-1].since, found[-1].raised_at)


def fluctuations(curve: Curve) -> list[Unrest]:
    """When the smoothed power departed from its level by over 30 % for over 30 s, until it was within 15 % for 30 s.

    The level is what flowed over the last minutes; it needs a minute to settle and stays as it is in a pause. Time
    without points counts for neither.
    """
    watch = _Watch()
    for place, power_w in enumerate(curve.smooth_w):
        passed_s = curve.seconds[place] - curve.seconds[place - 1] if place else 0.0
        if curve.still[place] or passed_s > curve.longest_s:
            watch.forget()
        if not curve.still[place]:
            watch.see(curve.points[place].at, power_w, passed_s)
    return watch.found


class _Watch:
    """The level of a power, and since when it is far from it or near."""

    def __init__(self) -> None:
        self.found: list[Unrest] = []
        self.level_w = self.settled_s = 0.0
        self.far_since: datetime | None = None
        self.near_since: datetime | None = None

    def forget(self) -> None:
        self.far_since = self.near_since = None

    def see(self, at: datetime, power_w: float, passed_s: float) -> None:
        if self.settled_s >= SETTLES_S:
            off = abs(power_w - self.level_w)
            self.far_since = (self.far_since or at) if off > DEPARTS * self.level_w else None
            self.near_since = (self.near_since or at) if off <= RETURNS * self.level_w else None
            self._judge(at)
        self.settled_s += passed_s
        share = 1 - exp(-passed_s / LEVEL_OVER_S) if self.settled_s > SETTLES_S else 1.0
        self.level_w += (power_w - self.level_w) * share

    def _judge(self, at: datetime) -> None:
        lasts = self.found and self.found[-1].until is None
        if not lasts and _held(self.far_since, at):
            self.found.append(Unrest(self.far_since or at, at))
        elif lasts and _held(self.near_since, at):
            last = self.found.pop()
            self.found.append(Unrest(last.since, last.raised_at, at))


def _held(since: datetime | None, at: datetime) -> bool:
    return since is not None and at - since > timedelta(seconds=HOLDS_S)
