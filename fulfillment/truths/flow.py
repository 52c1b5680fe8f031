"""How will energy go on flowing: as now, or less and less, and how much until the vehicle is full?

The register alone tells how fast: the newest stretch that one straight line of power over energy fits. Power that falls
in a straight line over energy is what a vehicle near full takes: an exponential taper over time. Where the vehicle
tells its state of charge, the taper is expected before it is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, sqrt
from typing import NamedTuple

from fulfillment.truths.curve import SECONDS_PER_HOUR, Curve

LOOK_BACK_S = 1200.0
BUCKET_S = 30.0
BUCKETS = 20
BUCKET_GRAINS = 40
# A line is believed where its samples are this close to it, of the power, and counts as falling where it falls so far.
CLOSE, NEWEST_CLOSE, FALLS = 0.035, 0.06, 0.05
LEVEL_BUCKETS = 10
UNSTEADY = 0.5
SHARES = (1.0, 0.7, 0.5, 0.35, 0.2)
FEWEST = 4
# From so full, in percent, a vehicle takes less and less; a slow charger is the limit for longer.
TAPER_FROM, SLOW_TAPER_FROM = 80.0, 95.0
SLOW_C = 0.25
LEFT_AT_FULL = 0.15
TAPER_SEEN = 0.5
TOLD_APART = 0.15
FEWEST_PERCENT = 3
LATE_TAPER = 0.15
# Early in a taper it is steeper later: what is seen of it counts so much beside what must come until full.
SEEN_SHARE = 0.2


class _Sample(NamedTuple):
    """So much energy in so much time, in the middle at `at_wh` (0 is the newest point, below 0 before it)."""

    at_wh: float
    energy_wh: float
    seconds: float

    @property
    def power_w(self) -> float:
        return self.energy_wh * SECONDS_PER_HOUR / self.seconds


class _Line(NamedTuple):
    """Power over energy: `power_w` at the newest point, `fade` W less for each Wh; `off` is the samples' distance."""

    power_w: float
    fade: float
    off: float


class _Charge(NamedTuple):
    """Where the vehicle stands: `percent` now, `per_percent_wh` for each percent more."""

    percent: float
    per_percent_wh: float

    def until_wh(self, percent: float) -> float:
        return max(0.0, (percent - self.percent) * self.per_percent_wh)


@dataclass(frozen=True, slots=True)
class Flow:
    """Energy from the newest point on: `power_w` for `steady_wh`, then `fade` W less for each Wh, not below `floor_w`.

    `full_wh` is what is left until the vehicle is full; None where that is not known.
    """

    power_w: float
    fade: float = 0.0
    steady_wh: float = inf
    full_wh: float | None = None
    floor_w: float = 0.0

    def seconds(self, energy_wh: float) -> float | None:
        """How long so much energy takes, s; None where the vehicle is full, or stops taking any, before."""
        if self.full_wh is not None and energy_wh > self.full_wh:
            return None
        steady_wh = min(energy_wh, self.steady_wh)
        hours = steady_wh / self.power_w
        falling_wh = energy_wh - steady_wh
        if falling_wh > 0 and self.fade > 0:
            until_floor_wh = max(0.0, (self.power_w - self.floor_w) / self.fade)
            if falling_wh > until_floor_wh and self.full_wh is None:
                return None
            least_w = self.power_w - self.fade * min(falling_wh, until_floor_wh)
            hours += log(self.power_w / least_w) / self.fade
            hours += max(0.0, falling_wh - until_floor_wh) / self.floor_w
        return hours * SECONDS_PER_HOUR


def flow_of(curve: Curve) -> Flow | None:
    """How energy will flow from the newest point of a curve on.

    None where nobody can say: nothing flows now, too little has flowed, or the power jumps about.
    """
    if not curve.points or curve.still[-1]:
        return None
    samples = _samples(curve)
    line = _newest_line(samples) if samples else None
    if line is None:
        return None
    line = _held_against_told(line, curve)
    peak_w = max(sample.power_w for sample in samples)
    charge = _charge(curve)
    if charge is not None:
        return _with_charge(line, charge, peak_w)
    if line.fade <= 0:
        return Flow(line.power_w)
    floor_w = min(LEFT_AT_FULL * peak_w, line.power_w)
    seen = line.power_w <= TAPER_SEEN * peak_w
    full_wh = (line.power_w - floor_w) / line.fade if seen else None
    return Flow(line.power_w, line.fade, 0.0, full_wh, floor_w)


def _held_against_told(line: _Line, curve: Curve) -> _Line:
    """The line, or a level where the power that the station tells is another by now: a register of whole steps is slow.

    What is told counts by what the register made of it so far.
    """
    told_wh = flowed_wh = 0.0
    points, seconds, powers_w, longest_s = curve.points, curve.seconds, curve.powers_w, curve.longest_s
    for place in range(1, len(points)):
        passed_s = seconds[place] - seconds[place - 1]
        if points[place].power_w is not None and passed_s <= longest_s:
            told_wh += powers_w[place] * passed_s / SECONDS_PER_HOUR
            flowed_wh += points[place].energy_wh - points[place - 1].energy_wh
    if not told_wh or not flowed_wh or curve.points[-1].power_w is None:
        return line
    told_w = curve.smooth_w[-1] * flowed_wh / told_wh
    return line if abs(told_w - line.power_w) <= TOLD_APART * line.power_w else _Line(told_w, 0.0, 0.0)


def _with_charge(line: _Line, charge: _Charge, peak_w: float) -> Flow:
    """The flow of a vehicle that tells how full it is: up to the taper as now, then down to what is left at full."""
    full_wh = charge.until_wh(100)
    floor_w = min(LEFT_AT_FULL * peak_w, line.power_w)
    if line.fade > 0:
        needed = (line.power_w - floor_w) / max(full_wh, 1.0)
        fade = SEEN_SHARE * line.fade + (1 - SEEN_SHARE) * needed
        return Flow(line.power_w, fade, 0.0, full_wh, floor_w)
    slow = line.power_w < SLOW_C * 100 * charge.per_percent_wh
    taper_from = SLOW_TAPER_FROM if slow else TAPER_FROM
    gone = (charge.percent - taper_from) / (100 - taper_from) * (1 - LEFT_AT_FULL)
    if gone > LATE_TAPER:  # it should be seen by now: this vehicle takes all of it for longer
        return Flow(line.power_w, full_wh=full_wh)
    steady_wh = charge.until_wh(taper_from)
    taper_wh = max(full_wh - steady_wh, 1.0)
    return Flow(line.power_w, line.power_w * (1 - LEFT_AT_FULL) / taper_wh, steady_wh, full_wh, floor_w)


def _samples(curve: Curve) -> list[_Sample]:
    """The energy that flowed, oldest first, in buckets; the time around pauses and gaps is left out."""
    steps = _steps(curve)
    flowed_s = sum(step.seconds for step in steps)
    bucket_s = min(BUCKET_S, flowed_s / BUCKETS)
    least_wh = BUCKET_GRAINS * curve.grain_wh if len(steps) > FEWEST else 0
    found: list[_Sample] = []
    energy_wh = seconds = 0.0
    end_wh = 0.0
    for step in reversed(steps):
        if not seconds:
            end_wh = step.at_wh + step.energy_wh / 2
        energy_wh += step.energy_wh
        seconds += step.seconds
        if seconds >= bucket_s and energy_wh >= least_wh:
            begin_wh = step.at_wh - step.energy_wh / 2
            found.append(_Sample((begin_wh + end_wh) / 2, energy_wh, seconds))
            energy_wh = seconds = 0.0
    if not found and energy_wh:
        found.append(_Sample(0.0, energy_wh, seconds))
    return [sample for sample in reversed(found) if sample.energy_wh]


def _steps(curve: Curve) -> list[_Sample]:
    """The energy between each two points where it flowed all the time."""
    still, points, moments, longest_s = [*curve.still, False], curve.points, curve.seconds, curve.longest_s
    newest_wh = points[-1].energy_wh
    found = []
    for place in range(1, len(points)):
        seconds = moments[place] - moments[place - 1]
        if still[place - 1] or still[place] or still[place + 1] or seconds > longest_s:
            continue
        begin_wh, end_wh = points[place - 1].energy_wh, points[place].energy_wh
        found.append(_Sample((begin_wh + end_wh) / 2 - newest_wh, end_wh - begin_wh, seconds))
    return found


def _newest_line(samples: Sequence[_Sample]) -> _Line | None:
    """The line through the longest newest stretch that one fits, else the last samples' level; None where they jump."""
    recent = _recent(samples)
    for share in SHARES:
        part = recent[-max(FEWEST, round(len(recent) * share)) :]
        if len(part) < FEWEST:
            break
        line = _line(part)
        newest = part[-1]
        off = abs(newest.power_w - line.power_w + line.fade * newest.at_wh) if line.power_w > 0 else inf
        if line.off <= CLOSE and off <= NEWEST_CLOSE * line.power_w:
            return _judged(line, part)
    part = recent[-LEVEL_BUCKETS:]
    mean_w = _mean_w(part)
    spread_w = sqrt(sum((sample.power_w - mean_w) ** 2 for sample in part) / len(part))
    if spread_w > UNSTEADY * mean_w:
        return None
    return _Line(_mean_w(recent[-2:]) if spread_w > NEWEST_CLOSE * mean_w else mean_w, 0.0, 0.0)


def _recent(samples: Sequence[_Sample]) -> list[_Sample]:
    found: list[_Sample] = []
    seconds = 0.0
    for sample in reversed(samples):
        found.append(sample)
        seconds += sample.seconds
        if seconds >= LOOK_BACK_S:
            break
    return found[::-1]


def _line(samples: Sequence[_Sample]) -> _Line:
    """Least squares of power over energy; `off` is the root mean square distance as a share of the mean power."""
    count = len(samples)
    mean_wh = sum(sample.at_wh for sample in samples) / count
    mean_w = sum(sample.power_w for sample in samples) / count
    spread = sum((sample.at_wh - mean_wh) ** 2 for sample in samples)
    slope = sum((sample.at_wh - mean_wh) * (sample.power_w - mean_w) for sample in samples) / spread
    rest = sum((sample.power_w - mean_w - slope * (sample.at_wh - mean_wh)) ** 2 for sample in samples)
    return _Line(mean_w - slope * mean_wh, -slope, sqrt(rest / count) / mean_w)


def _judged(line: _Line, samples: Sequence[_Sample]) -> _Line:
    """A line that falls as far as that is sure; one that does not is a level, one that rises its newest value."""
    mean_w = _mean_w(samples)
    change_w = line.fade * (samples[-1].at_wh - samples[0].at_wh)
    doubt_w = line.off * mean_w * sqrt(12 / len(samples)) * 2
    if change_w > max(FALLS * mean_w, doubt_w):
        return line
    if -change_w > max(FALLS * mean_w, doubt_w):
        return line._replace(fade=0.0)
    return _Line(_mean_w(samples[-LEVEL_BUCKETS:]), 0.0, line.off)


def _mean_w(samples: Sequence[_Sample]) -> float:
    return sum(sample.energy_wh for sample in samples) * SECONDS_PER_HOUR / sum(sample.seconds for sample in samples)


def _charge(curve: Curve) -> _Charge | None:
    """How full the vehicle is, by the moments at which it told a percent more; None where there were too few."""
    steps: list[tuple[int, int]] = []
    before: int | None = None
    for point in curve.points:
        percent = point.soc_percent
        if percent is None:
            continue
        if before is not None and percent > before:
            steps.append((percent, point.energy_wh))
        before = percent
    if len(steps) < 2 or steps[-1][0] - steps[0][0] < FEWEST_PERCENT or steps[-1][1] <= steps[0][1]:
        return None
    per_percent_wh = (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0])
    more = min((curve.points[-1].energy_wh - steps[-1][1]) / per_percent_wh, 1.0)
    return _Charge(min(steps[-1][0] + more, 100.0), per_percent_wh)
