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
from typing import Final, NamedTuple

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
NO_FLOW: Final[frozenset[Element]] = frozenset()


class NoTariff(Unavailable):
    """No element prices what was asked at that moment; there is no default price."""

    def __init__(self, text: str) -> None:
        super().__init__("no-tariff", text, path="order.items[0].id")


class Segment(NamedTuple):
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
        # The cell in hand is good until there, and has so much charging to its account from `open_us` on.
        self.until_us = self.until_wh = -1
        self.open_us = self.open_wh = self.open_length_us = 0
        self.cell, self.flow = _Cell(()), NO_FLOW
        self.cells: dict[tuple[object, ...], _Cell] = {}

    def over(self, segments: Sequence[Segment]) -> _Tally:
        self.began_us = end_us = micros(segments[0].starts_at)
        end, flow = segments[0].starts_at, self.flow
        for segment in segments:
            start_us = end_us if segment.starts_at is end else micros(segment.starts_at)
            before_us, end = end_us, segment.ends_at
            end_us = micros(end)
            energy_wh = segment.energy_wh
            if not before_us <= start_us <= end_us or energy_wh < 0:
                raise _backwards(segment)
            if self.plan.by_flow:
                flow = _flow(self.plan, segment, end_us - start_us)
            whole = self.energy_wh + energy_wh
            if end_us < self.until_us and whole < self.until_wh and flow == self.flow and segment.kind != PARKING:
                self.energy_wh = whole
                self.open_wh += energy_wh
                self.open_length_us += end_us - start_us
            elif end_us > start_us or energy_wh or start_us == self.began_us:
                # Where nothing happens in no time nothing can begin to hold.
                self.flow = flow
                self._cut(segment, start_us, end_us)
        self._book()
        return self.tally

    def _cut(self, segment: Segment, start_us: int, end_us: int) -> None:
        """Divide a segment at every change of price."""
        base, whole = self.energy_wh, self.energy_wh + segment.energy_wh
        rate, per_us = (segment.power_w, HOUR_US) if segment.power_w else (segment.energy_wh, end_us - start_us)
        standing = segment.kind == PARKING
        at_us, done = start_us, -1
        while at_us < end_us or done != whole:
            self._look(at_us)
            until_us = min(end_us, self.until_us)
            if standing:
                until_us = min(until_us, at_us + _next(self.plan.graces_s, self.idle_us, MICROS) - self.idle_us)
            done = whole if until_us == end_us else min(whole, base + (until_us - start_us) * rate // per_us)
            if whole > self.until_wh and rate:
                full_us = min(end_us, start_us - (base - self.until_wh) * per_us // rate)
                if full_us <= until_us:
                    until_us, done = full_us, self.until_wh
            self.open_wh += done - self.energy_wh
            self.energy_wh = done
            if standing:
                self._stand(until_us - at_us)
            else:
                self.open_length_us += until_us - at_us
            at_us = until_us

    def _look(self, at_us: int) -> None:
        """Find the prices that hold now and how long, in time and in energy, they will."""
        self._book()
        clock_id, by_clock, clock_until_us = self.clock.at(at_us)
        plan, lasted_us = self.plan, at_us - self.began_us
        self.until_us = min(clock_until_us, self.began_us + _next(plan.durations_s, lasted_us, MICROS))
        self.until_wh = _next(plan.energies_wh, self.energy_wh, 1)
        self.open_us = at_us
        lasted_s, energy_wh = lasted_us // MICROS, self.energy_wh
        band = bisect_right(plan.durations_s, lasted_s), bisect_right(plan.energies_wh, energy_wh)
        key = clock_id, *band, self.flow
        cell = self.cells.get(key)
        if cell is None:
            fitting = (element for element in self.elements if element in by_clock and element not in self.flow)
            cell = self.cells[key] = _Cell([each for each in fitting if each.reached(energy_wh, lasted_s)])
        self.cell = cell
        if cell.flat is not None and self.tally.fee is None:
            self.tally.fee = cell.flat

    def _book(self) -> None:
        """Put what was charged under the cell in hand to its prices."""
        cell, energy_wh, length_us = self.cell, self.open_wh, self.open_length_us
        if energy_wh:
            if cell.energy is not None:
                self.tally.add(cell.energy, energy_wh)
            elif self.plan.by_energy or (cell.time is None and cell.flat is None):
                raise unpriced(self.open_us, self.clock.tz)
        if length_us and cell.time is not None:
            self.tally.add(cell.time, length_us)
        self.open_wh = self.open_length_us = 0

    def _stand(self, length_us: int) -> None:
        price = self.cell.standing
        if price is not None and length_us and self.idle_us >= price.grace_s * MICROS:
            self.tally.add(price, length_us)
        self.idle_us += length_us


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


def _flow(plan: Schedule, segment: Segment, length_us: int) -> frozenset[Element]:
    """The elements that power or current rule out; energy in no time at all is more power than any limit."""
    rate, per_us = (segment.power_w, HOUR_US) if segment.power_w else (segment.energy_wh, length_us)
    power = rate * HOUR_US
    out = []
    for element in plan.flowing:
        low, high = element.min_w, element.max_w
        too_low = low is not None and power * low.denominator < low.numerator * per_us
        too_high = high is not None and power * high.denominator >= high.numerator * per_us
        if too_low or too_high or (element.by_current and not _current_fits(element, segment)):
            out.append(element)
    return frozenset(out) if out else NO_FLOW


def _current_fits(element: Element, segment: Segment) -> bool:
    current_a = Decimal(0) if segment.kind != CHARGING else segment.current_a
    if current_a is None:
        raise NoTariff("the tariff depends on the current, which is not known here; choose another connector")
    if element.min_a is not None and current_a < element.min_a:
        return False
    return element.max_a is None or current_a < element.max_a
