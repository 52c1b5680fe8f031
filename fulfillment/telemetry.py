"""What do many meter values of many sessions come to, judged in memory; and which may be shed under pressure? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from fulfillment import metering, states
from fulfillment.drivers.base import MeterValue
from fulfillment.metering import DUPLICATE, Limits, Register

METERED = frozenset({"charging", "paused", "ending"})
FLOWING = frozenset({"charging", "paused"})
# Of what is shed, one value a minute stays, so that prices that change with the time find their energy.
KEPT_EVERY = timedelta(seconds=60)
FULL_PERCENT = 100
# A look at the station is put off only where the present one is nearer than this.
NEAR = timedelta(seconds=states.SILENT_AFTER_S / 2)
SOONEST = timedelta(milliseconds=250)
CLOCK_SLACK = timedelta(seconds=metering.FUTURE_S)


class Kept(NamedTuple):
    """A value to be kept with its session; `reason` says why it is not believed, empty where it is."""

    session_id: int
    value: MeterValue
    reason: str


@dataclass(slots=True)
class Stand:
    """Where one session stands while a batch is judged; Wh of the register, W, and what its order is to end at.

    `money_look_at` is when its cost is to be reckoned anew, None where no money limits it; `spent_at` is when the money
    should be used up, as far as that is known.
    """

    session_id: int
    order_id: int
    state: str
    started_at: datetime | None
    read_at: datetime | None
    meter_start_wh: int | None
    meter_wh: int | None
    power_w: int
    next_at: datetime | None
    order_wh: int
    ends_at: datetime | None
    limits: Limits
    money_look_at: datetime | None = None
    spent_at: datetime | None = None
    current_a: Decimal | None = None
    voltage_v: Decimal | None = None
    soc_percent: int | None = None
    before: Register | None = None
    newest: MeterValue | None = None
    kept: dict[tuple[datetime, int], Kept] = field(default_factory=dict)
    duplicates: int = 0

    @property
    def last(self) -> Register | None:
        """The newest believed register; None before the meter is known."""
        if self.meter_wh is None or self.started_at is None:
            return None
        return Register(self.read_at or self.started_at, self.meter_wh)

    def take(self, value: MeterValue, *, now: datetime) -> str:
        """Judge one value; returns why it is not believed, empty where it is. The same value again is a duplicate."""
        key = (value.at, value.energy_wh)
        reason = "" if self.state in METERED else f"the session is {self.state}"
        last = self.last
        reason = reason or metering.refusal(Register(*key), last, self.limits, now=now)
        if reason == DUPLICATE or key in self.kept:
            self.duplicates += 1
            return DUPLICATE
        self.kept[key] = Kept(self.session_id, value, reason)
        if not reason:
            self._believe(value, last)
        return reason

    def _believe(self, value: MeterValue, last: Register | None) -> None:
        if self.meter_start_wh is None:
            self.meter_start_wh = value.energy_wh
        self.before, self.newest = last, value
        self.meter_wh, self.read_at = value.energy_wh, value.at
        self.power_w = value.power_w if value.power_w is not None else self.power_w
        self.current_a = value.current_a if value.current_a is not None else self.current_a
        self.voltage_v = value.voltage_v if value.voltage_v is not None else self.voltage_v
        self.soc_percent = value.soc_percent if value.soc_percent is not None else self.soc_percent

    def changes(self, now: datetime) -> bool:
        """Whether the session may have to change state now: at its target or end, pausing or going on.

        It goes by where the session stands, not by the batch alone: a batch that is taken again says so again.
        """
        if self.state not in FLOWING:
            return False
        if any(moment is not None and now >= moment for moment in (self.ends_at, self.money_look_at)):
            return True
        if self.meter_wh is not None and self.meter_wh - (self.meter_start_wh or 0) >= self.order_wh:
            return True
        power_w = self.newest.power_w if self.newest is not None else self.power_w
        if self.state == "paused":
            return power_w != 0
        return power_w == 0 and self.read_at is not None

    def look_again(self, now: datetime) -> datetime | None:
        """When the station is to be asked next; what is planned stays where it is near enough to what is wanted."""
        if self.state not in FLOWING or self.newest is None:
            return self.next_at
        begun_at = self.started_at or self.newest.at
        registers = []
        if self.last is not None and self.meter_start_wh is not None:
            registers = [self.before or Register(begun_at, self.meter_start_wh), self.last]
        heard_at = max(begun_at, self.newest.at)
        target_wh = self.order_wh + (self.meter_start_wh or 0)
        ends_at = min((at for at in (self.ends_at, self.spent_at) if at is not None), default=None)
        wanted = next_look(heard_at, registers, target_wh, ends_at=ends_at, now=now)
        planned = self.next_at
        return planned if planned is not None and now + NEAR <= planned <= wanted else wanted


def next_look(
    heard_at: datetime, newest: Sequence[Register], target_wh: int, *, ends_at: datetime | None, now: datetime
) -> datetime:
    """When a station last heard at `heard_at` is asked: after 20 s of silence, at `ends_at`, or at its target.

    The plan of a poll and no estimate: nobody is told of it, and it is made anew with every value. So the two `newest`
    registers are enough, which costs nothing where values come by the thousand. When a session ends as drivers and
    operators are told, `fulfillment.truths` says.
    """
    moments = [max(min(heard_at, now), now - CLOCK_SLACK) + timedelta(seconds=states.SILENT_AFTER_S)]
    target_at = metering.reached_at(newest[-1], newest[-2], target_wh=target_wh) if len(newest) > 1 else None
    moments += [moment for moment in (ends_at, target_at) if moment is not None]
    return max(min(moments), now + SOONEST)


def spare(values: Sequence[tuple[str, MeterValue]]) -> set[int]:
    """The places of values that may be shed, of values with the names of their sessions, in the order they came.

    Of each session the first and the last stay, whatever changes its state (power to or from zero, the battery full)
    with its neighbour before, and one value a minute.
    """
    places: dict[str, list[int]] = {}
    for place, (name, _) in enumerate(values):
        places.setdefault(name, []).append(place)
    shed: set[int] = set()
    for mine in places.values():
        shed |= _spare_of_one([(place, values[place][1]) for place in mine])
    return shed


def _spare_of_one(values: Sequence[tuple[int, MeterValue]]) -> set[int]:
    kept_at = values[0][1].at
    shed = set()
    for (_, before), (place, value), (_, after) in zip(values, values[1:], values[2:], strict=False):
        turns = _phase(before) != _phase(value) or _phase(value) != _phase(after)
        if turns or value.final or abs(value.at - kept_at) >= KEPT_EVERY:
            kept_at = value.at
        else:
            shed.add(place)
    return shed


def _phase(value: MeterValue) -> tuple[bool, bool]:
    return value.power_w == 0, value.soc_percent == FULL_PERCENT
