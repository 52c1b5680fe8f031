"""What has the meter of a session shown: how much, how fast, and when nothing at all?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import exp, gcd
from statistics import median

SECONDS_PER_HOUR = 3600
SHORTEST_GAP_S = 30.0
GAP_SPACINGS = 3
SMOOTHED_OVER_S = 15.0
ODD_PERCENT = 50
# A register that stands although so many of its steps should have flowed has stopped.
GRAINS = 1.5
MOST_SERIES = 240
A_BUCKET = 4  # first, least, greatest and last
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Point:
    """What a meter showed at a time: its register in Wh; the power in W and the state of charge where it told them."""

    at: datetime
    energy_wh: int
    power_w: int | None = None
    soc_percent: int | None = None


@dataclass(frozen=True)
class Curve:
    """The points of a session in order of time, no register below the one before; make it by `curve_of`.

    The first point is the session's begin: energy counts from its register, and no power is known of it.
    """

    points: tuple[Point, ...]

    @property
    def delivered_wh(self) -> int:
        """The energy from the first point to the newest, Wh."""
        return self.points[-1].energy_wh - self.points[0].energy_wh if self.points else 0

    @cached_property
    def seconds(self) -> list[float]:
        """When each point was, s after the first."""
        return [(point.at - self.points[0].at).total_seconds() for point in self.points]

    @cached_property
    def usual_s(self) -> float:
        """The usual time between two points, s; 0 for less than two."""
        spacings = [after - before for before, after in zip(self.seconds, self.seconds[1:], strict=False)]
        return median(spacings) if spacings else 0.0

    @cached_property
    def longest_s(self) -> float:
        """The longest time between two points that is no gap, s."""
        return longest_s(self.usual_s)

    @cached_property
    def gaps(self) -> tuple[Span, ...]:
        """Where points are missing: longer than three usual spacings, and than 30 s. What flowed there, when, is not
        known."""
        longest = timedelta(seconds=self.longest_s)
        return tuple(
            (before.at, after.at)
            for before, after in zip(self.points, self.points[1:], strict=False)
            if after.at - before.at > longest
        )

    @cached_property
    def grain_wh(self) -> int:
        """The step in which the register counts, Wh, as far as its values show; 0 before it has moved."""
        return gcd(*(point.energy_wh - self.points[0].energy_wh for point in self.points))

    @cached_property
    def still(self) -> list[bool]:
        """Of each point, whether nothing flowed since the one before: the register stands, not just for its grain."""
        points, seconds = self.points, self.seconds
        mean_w = self.delivered_wh * SECONDS_PER_HOUR / seconds[-1] if self.delivered_wh else 0.0
        found = [False] * len(points)
        for place in range(1, len(points)):
            point = points[place]
            if point.energy_wh == points[place - 1].energy_wh:
                said_w = point.power_w if point.power_w is not None else mean_w
                meant_wh = said_w * (seconds[place] - seconds[place - 1]) / SECONDS_PER_HOUR
                found[place] = said_w == 0 or meant_wh >= GRAINS * self.grain_wh
        return found

    @property
    def standing_since(self) -> datetime | None:
        """Since when nothing flows; None where energy flowed up to the newest point."""
        return self.pauses[-1][0] if self.still and self.still[-1] else None

    @cached_property
    def pauses(self) -> tuple[Span, ...]:
        """From when to when nothing flowed."""
        found: list[Span] = []
        for place, still in enumerate(self.still):
            if still:
                began = found.pop()[0] if self.still[place - 1] else self.points[place - 1].at
                found.append((began, self.points[place].at))
        return tuple(found)

    @cached_property
    def powers_w(self) -> list[float]:
        """The power at each point, W: as told, else by the register since the point before; 0 where it stands."""
        points, seconds, still = self.points, self.seconds, self.still
        found = []
        for place, point in enumerate(points):
            power_w = float(point.power_w or 0)
            if point.power_w is None and place:
                flowed_wh = point.energy_wh - points[place - 1].energy_wh
                power_w = flowed_wh * SECONDS_PER_HOUR / (seconds[place] - seconds[place - 1])
            found.append(0.0 if still[place] else power_w)
        return found

    @cached_property
    def smooth_w(self) -> list[float]:
        """The power at each point without single odd values, weighted by time over about 15 s; 0 at once at a stand.

        A value is odd where it is more than half off the middle one of the last three since energy flows.
        """
        seconds, still, powers_w = self.seconds, self.still, self.powers_w
        found: list[float] = []
        level_w, flowing = 0.0, 0
        for place, power_w in enumerate(powers_w):
            if still[place]:
                flowing, level_w = 0, 0.0
            elif place and not flowing:
                flowing, level_w = 1, power_w
            elif place:
                flowing += 1
                value_w = power_w
                if flowing > 2:
                    middle_w = sorted(powers_w[place - 2 : place + 1])[1]
                    value_w = middle_w if abs(power_w - middle_w) * 100 > ODD_PERCENT * middle_w else power_w
                level_w += (value_w - level_w) * (1 - exp((seconds[place - 1] - seconds[place]) / SMOOTHED_OVER_S))
            found.append(level_w)
        return found

    @property
    def power_w(self) -> int:
        """The power now, smoothed, W; 0 before the first point and where the register stands."""
        return round(self.smooth_w[-1]) if self.points else 0

    def reached(self, energy_wh: float) -> datetime | None:
        """The first point at which so much energy, Wh, had been delivered; None while it has not."""
        wanted_wh = self.points[0].energy_wh + energy_wh if self.points else 0
        return next((point.at for point in self.points if point.energy_wh >= wanted_wh), None)

    def charged_to(self, percent: int) -> datetime | None:
        """The first point at which the vehicle told so high a state of charge; None where it has not."""
        return next((point.at for point in self.points if (point.soc_percent or 0) >= percent), None)

    def series(self, most: int = MOST_SERIES) -> tuple[tuple[int, int, int], ...]:
        """The points as (s since the first, W, Wh delivered), at most so many; first and last, peaks and pauses stay.

        Source: M4, Jugel et al., VLDB 2014: first, last, least and greatest of each stretch draw the same line.
        """
        rows = [
            (int(at_s), round(power_w), point.energy_wh - self.points[0].energy_wh)
            for at_s, power_w, point in zip(self.seconds, self.powers_w, self.points, strict=True)
        ]
        if len(rows) <= most:
            return tuple(rows)
        return tuple(row for stretch in _stretches(rows, most // A_BUCKET) for row in _kept(stretch))


def longest_s(usual_s: float) -> float:
    """The longest time between two points that is no gap, s, where they usually come so far apart."""
    return max(SHORTEST_GAP_S, GAP_SPACINGS * usual_s)


def curve_of(points: Iterable[Point]) -> Curve:
    """The curve of some believed points, in whatever order; of two at one time the higher register counts."""
    kept: list[Point] = []
    for point in sorted(points, key=_order):
        if kept and point.energy_wh < kept[-1].energy_wh:
            continue
        if kept and point.at == kept[-1].at:
            kept.pop()
        kept.append(point)
    return Curve(tuple(kept))


def _order(point: Point) -> tuple[datetime, int, int, int]:
    power_w = -1 if point.power_w is None else point.power_w
    return point.at, point.energy_wh, power_w, -1 if point.soc_percent is None else point.soc_percent


def _stretches(rows: Sequence[tuple[int, int, int]], count: int) -> Iterator[Sequence[tuple[int, int, int]]]:
    """The rows in stretches of the same time each, those without any left out."""
    whole_s, begin = max(rows[-1][0], 1), 0
    for number in range(1, count + 1):
        end = begin
        while end < len(rows) and (rows[end][0] * count < number * whole_s or number == count):
            end += 1
        if end > begin:
            yield rows[begin:end]
        begin = end


def _kept(rows: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """First, least, greatest and last power of a stretch, in order of time."""
    places = range(len(rows))
    least, greatest = min(places, key=lambda place: rows[place][1]), max(places, key=lambda place: rows[place][1])
    return [rows[place] for place in sorted({0, least, greatest, len(rows) - 1})]
