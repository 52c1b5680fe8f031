"""How much of a session falls under which price of a tariff?

Facts go in: what was metered, piece by piece. Out come quantities by price, in steps as the tariff bills them. A piece
is cut wherever a price may change; its energy flows evenly, and cutting it at any reading on that line changes nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from catalog.tariffs.clock import MICROS, NEVER, Clock, micros
from catalog.tariffs.reading import (
    ENERGY,
    FLAT,
    PARKING_TIME,
    RESERVATION,
    RESERVATION_EXPIRES,
    TIME,
    Component,
    Element,
    Elements,
    Schedule,
    schedule,
)
from core.errors import Unavailable

CHARGING, PARKING, RESERVED, EXPIRED = "charging", "parking", "reserved", "expired"
RESERVATION_FEE, RESERVATION_TIME = "RESERVATION_FEE", "RESERVATION_TIME"
SECONDS_PER_HOUR = 3600
HOUR_US = SECONDS_PER_HOUR * MICROS


class NoTariff(Unavailable):
    """No element prices what was asked at that moment; there is no default price."""

    def __init__(self, text: str) -> None:
        super().__init__("no-tariff", text, path="order.items[0].id")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a session between two aware times: `energy_wh` that flowed evenly, and what the vehicle did.

    A vehicle is charging, parking (connected without charging), or its place is reserved; `expired` is a reservation
    that nobody came for. `power_w` says that energy flows at that very power until it is complete, as in an estimate;
    without it the power is energy by time. `current_a` is the sum over all phases, where it is known.
    """

    starts_at: datetime
    ends_at: datetime
    energy_wh: int
    kind: str = CHARGING
    power_w: int | None = None
    current_a: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """So much under one price: `quantity` is Wh for energy, µs for times, 1 for fees.

    `dimension` is OCPI's, or RESERVATION_FEE and RESERVATION_TIME; `extra` of the quantity is there by step size only.
    """

    dimension: str
    price: Decimal
    quantity: int
    extra: int = 0


def metered(elements: Elements, segments: Sequence[Segment], *, tz: tzinfo) -> tuple[Item, ...]:
    """What the segments, in order of time, come to under the elements at a place in zone `tz`; not yet rounded.

    The first element that holds prices each dimension; a fee is due once, when an element with it first holds. Step
    sizes round the total of a session: energy once by the step last used; of the times only the standing where any
    is charged, else the charging. Reserved time is counted by itself, from its own begin.
    Raises NoTariff where charging has no price or a price depends on a current that is not known; ValueError for
    segments that overlap or run backwards.
    Source: OCPI 2.2.1 mod_tariffs (first matching element, restrictions, step_size), mod_cdrs (step_size by session).
    """
    plan = schedule(elements)
    clock = Clock(plan, tz)
    used: list[Item] = []
    reserved = [segment for segment in segments if segment.kind in {RESERVED, EXPIRED}]
    if reserved:
        used += _reserved_items(plan, reserved, clock)
        segments = [segment for segment in segments if segment.kind not in {RESERVED, EXPIRED}]
    if segments:
        tally = _Walk(plan.charging, plan, clock).over(segments)
        used += _stepped(tally, ENERGY, 1)
        if tally.fee is not None:
            used.append(Item(FLAT, tally.fee.price, 1))
        last = PARKING_TIME if tally.used[PARKING_TIME] else TIME
        for dimension in (TIME, PARKING_TIME):
            used += _stepped(tally, dimension, MICROS if dimension == last else 0)
    return tuple(used)


class _Tally:
    """Quantities by price, in order of first use."""

    __slots__ = ("fee", "last", "used")

    def __init__(self) -> None:
        self.used: dict[str, dict[Component, int]] = {ENERGY: {}, TIME: {}, PARKING_TIME: {}}
        self.last: dict[str, Component] = {}
        self.fee: Component | None = None

    def add(self, component: Component, quantity: int) -> None:
        sums = self.used[component.dimension]
        sums[component] = sums.get(component, 0) + quantity
        self.last[component.dimension] = component


class _Cell:
    """The prices that hold together, until the clock or the progress of the session changes them."""

    __slots__ = ("energy", "flat", "standing", "time")

    def __init__(self, elements: Sequence[Element]) -> None:
        found: dict[str, Component] = {}
        for element in elements:
            for dimension, component in element.components.items():
                found.setdefault(dimension, component)
        self.energy, self.time = found.get(ENERGY), found.get(TIME)
        self.standing, self.flat = found.get(PARKING_TIME), found.get(FLAT)


class _Walk:
    """One pass over the segments of a session under some elements of a plan."""

    def __init__(self, elements: tuple[Element, ...], plan: Schedule, clock: Clock) -> None:
        self.elements, self.plan, self.clock = elements, plan, clock
        self.tally = _Tally()
        self.energy_wh = self.idle_us = self.began_us = 0
        self.until_us = self.until_wh = -1  # the cell in hand is good up to here
        self.cell = _Cell(())
        self.cells: dict[tuple[int, ...], _Cell] = {}

    def over(self, segments: Sequence[Segment]) -> _Tally:
        self.began_us = end_us = micros(segments[0].starts_at)
        end = segments[0].starts_at
        for segment in segments:
            start_us = end_us if segment.starts_at is end else micros(segment.starts_at)
            before_us, end = end_us, segment.ends_at
            end_us = micros(end)
            if not before_us <= start_us <= end_us or segment.energy_wh < 0:
                raise _backwards(segment)
            self._segment(segment, start_us, end_us)
        return self.tally

    def _segment(self, segment: Segment, start_us: int, end_us: int) -> None:
        if end_us == start_us > self.began_us and not segment.energy_wh:
            return  # nothing happened, so nothing can begin to hold
        whole = self.energy_wh + segment.energy_wh
        charging = segment.kind != PARKING
        if charging and not self.plan.by_flow and end_us < self.until_us and whole < self.until_wh:
            self._take(segment, end_us - start_us, segment.energy_wh, at_us=start_us)
            self.energy_wh = whole
            return
        for at_us, until_us, energy_wh in self._pieces(segment, start_us, end_us):
            self._take(segment, until_us - at_us, energy_wh, at_us=at_us)
            self.energy_wh += energy_wh
            if not charging:
                self.idle_us += until_us - at_us

    def _pieces(self, segment: Segment, start_us: int, end_us: int) -> Iterator[tuple[int, int, int]]:
        """The segment cut at every change of price: (from, until, Wh); sets the cell that prices each."""
        base, whole = self.energy_wh, self.energy_wh + segment.energy_wh
        rate, per_us = (segment.power_w, HOUR_US) if segment.power_w else (segment.energy_wh, end_us - start_us)
        at_us, done = start_us, base
        while True:
            self._look(segment, at_us, rate * HOUR_US, per_us)
            until_us = min(end_us, self.until_us)
            if segment.kind == PARKING:
                until_us = min(until_us, at_us + _next(self.plan.graces_s, self.idle_us, MICROS) - self.idle_us)
            reached = whole if until_us == end_us else min(whole, base + (until_us - start_us) * rate // per_us)
            if whole > self.until_wh and rate:
                full_us = min(end_us, start_us - (base - self.until_wh) * per_us // rate)
                if full_us <= until_us:
                    until_us, reached = full_us, self.until_wh
            yield at_us, until_us, reached - done
            at_us, done = until_us, reached
            if at_us >= end_us and done == whole:
                return

    def _look(self, segment: Segment, at_us: int, rate: int, per_us: int) -> None:
        """Find the prices that hold now and how long, in time and in energy, they will."""
        clock_id, by_clock, clock_until_us = self.clock.at(at_us)
        plan, lasted_us = self.plan, at_us - self.began_us
        self.until_us = min(clock_until_us, self.began_us + _next(plan.durations_s, lasted_us, MICROS))
        self.until_wh = _next(plan.energies_wh, self.energy_wh, 1)
        key = (
            clock_id,
            bisect_right(plan.durations_s, lasted_us // MICROS),
            bisect_right(plan.energies_wh, self.energy_wh),
        )
        cell = None if plan.by_flow else self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = _Cell(
                [
                    element
                    for element in self.elements
                    if element in by_clock
                    and _reached(element, self.energy_wh, lasted_us)
                    and (not element.by_flow or _flows(element, segment, rate, per_us))
                ]
            )
        self.cell = cell

    def _take(self, segment: Segment, length_us: int, energy_wh: int, *, at_us: int) -> None:
        cell, tally = self.cell, self.tally
        if cell.flat is not None:
            tally.fee = tally.fee or cell.flat
        if energy_wh:
            if cell.energy is not None:
                tally.add(cell.energy, energy_wh)
            elif self.plan.by_energy or (cell.time is None and cell.flat is None):
                raise unpriced(at_us, self.clock.tz)
        if not length_us:
            return
        if segment.kind == PARKING:
            if cell.standing is not None and self.idle_us >= cell.standing.grace_s * MICROS:
                tally.add(cell.standing, length_us)
        elif cell.time is not None:
            tally.add(cell.time, length_us)


def unpriced(at_us: int, tz: tzinfo) -> NoTariff:
    """The refusal of energy at a moment without a price."""
    local = datetime.fromtimestamp(at_us // MICROS, UTC).astimezone(tz)
    return NoTariff(f"the tariff names no price per kWh for {local:%A %Y-%m-%d %H:%M}; choose another time")


def _backwards(segment: Segment) -> ValueError:
    return ValueError(
        f"{segment.energy_wh} Wh from {segment.starts_at} to {segment.ends_at}: neither meter nor clock may run "
        "backwards, segments follow each other, and nothing flows in a reservation"
    )


def _reserved_items(plan: Schedule, segments: Sequence[Segment], clock: Clock) -> Iterator[Item]:
    """The fee and the time of a reservation; one that expired has both fees, but the time of its own elements."""
    for segment in segments:
        if segment.energy_wh:
            raise _backwards(segment)
    expired = segments[-1].kind == EXPIRED
    usual = tuple(element for element in plan.elements if element.reservation == RESERVATION)
    special = tuple(element for element in plan.elements if element.reservation == RESERVATION_EXPIRES)
    plain = _Walk(usual, plan, clock).over(segments)
    late = _Walk(special, plan, clock).over(segments) if expired else _Tally()
    for tally in (plain, late):
        if tally.fee is not None:
            yield Item(RESERVATION_FEE, tally.fee.price, 1)
    counted = late if late.used[TIME] else plain
    for item in _stepped(counted, TIME, MICROS):
        yield Item(RESERVATION_TIME, item.price, item.quantity, item.extra)


def _stepped(tally: _Tally, dimension: str, unit: int) -> Iterator[Item]:
    """Quantities of a dimension by price; their sum rounded up to the step last used (`unit` 0: not rounded)."""
    sums = tally.used[dimension]
    if not sums:
        return
    last = tally.last[dimension]
    step = last.step * unit
    extra = -sum(sums.values()) % step if step else 0
    joined: dict[Decimal, int] = {}
    for component, quantity in sums.items():
        joined[component.price] = joined.get(component.price, 0) + quantity
    for price, quantity in joined.items():
        more = extra if price == last.price else 0
        yield Item(dimension, price, quantity + more, more)


def _next(marks: tuple[int, ...], value: int, unit: int) -> int:
    """The first mark above a value, in the value's units; practically never where there is none."""
    for mark in marks:
        if mark * unit > value:
            return mark * unit
    return NEVER


def _reached(element: Element, energy_wh: int, lasted_us: int) -> bool:
    return (
        element.min_wh <= energy_wh
        and (element.max_wh is None or energy_wh < element.max_wh)
        and element.min_s * MICROS <= lasted_us
        and (element.max_s is None or lasted_us < element.max_s * MICROS)
    )


def _flows(element: Element, segment: Segment, rate: int, per_us: int) -> bool:
    """Whether power and current fit; energy in no time at all is more power than any limit."""
    power, scale = Decimal(rate), Decimal(per_us)
    if element.min_w is not None and power < element.min_w * scale:
        return False
    if element.max_w is not None and power >= element.max_w * scale:
        return False
    if not element.by_current:
        return True
    current_a = Decimal(0) if segment.kind != CHARGING else segment.current_a
    if current_a is None:
        raise NoTariff("the tariff depends on the current, which is not known here; choose another connector")
    return (element.min_a is None or current_a >= element.min_a) and (
        element.max_a is None or current_a < element.max_a
    )
