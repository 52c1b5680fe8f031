"""What do OCPI tariff elements say, and can every part of them be priced by?"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from fractions import Fraction
from functools import cached_property

ENERGY, FLAT, TIME, PARKING_TIME = "ENERGY", "FLAT", "TIME", "PARKING_TIME"
DIMENSIONS = (ENERGY, FLAT, TIME, PARKING_TIME)
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
RESERVATION, RESERVATION_EXPIRES = "RESERVATION", "RESERVATION_EXPIRES"
RESTRICTIONS = (
    "start_time", "end_time", "start_date", "end_date", "day_of_week", "min_kwh", "max_kwh", "min_current",
    "max_current", "min_power", "max_power", "min_duration", "max_duration", "reservation",
)  # fmt: skip
KEPT = 512


class TariffFault(ValueError):
    """Elements that cannot be read; `path` names the culprit, for instance `elements[0].price_components[1].price`."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One price: per kWh, per session or per hour; billed in steps of Wh or s.

    `grace_s` is ours, not OCPI's: so much of the standing without charging is free.
    """

    dimension: str
    price: Decimal
    step: int = 1
    grace_s: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """Prices by dimension and when they hold; an empty restriction always holds.

    `start_time` to `end_time` may pass midnight; every end and maximum is itself excluded, every minimum included.
    Energy in Wh and duration in s count from the begin of the session; power in W, current in A over all phases.
    """

    components: Mapping[str, Component]
    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    weekdays: frozenset[int] = frozenset()
    min_wh: int = 0
    max_wh: int | None = None
    min_s: int = 0
    max_s: int | None = None
    min_w: Fraction | None = None
    max_w: Fraction | None = None
    min_a: Decimal | None = None
    max_a: Decimal | None = None
    reservation: str = ""

    @property
    def timed(self) -> bool:
        return bool(self.start_time or self.end_time or self.start_date or self.end_date or self.weekdays)

    @property
    def by_flow(self) -> bool:
        """Whether it depends on power or current."""
        return not (self.min_w is None and self.max_w is None and self.min_a is None and self.max_a is None)

    @property
    def by_current(self) -> bool:
        return not (self.min_a is None and self.max_a is None)

    def reached(self, energy_wh: int, lasted_s: int) -> bool:
        """Whether so much energy and so long a session allow this element."""
        return (
            self.min_wh <= energy_wh
            and (self.max_wh is None or energy_wh < self.max_wh)
            and self.min_s <= lasted_s
            and (self.max_s is None or lasted_s < self.max_s)
        )

    def holds(self, local: datetime) -> bool:
        """Whether the clock and the calendar allow this element at a local moment."""
        day, clock = local.date(), local.time()
        return not (
            (self.weekdays and local.weekday() not in self.weekdays)
            or (self.start_date and day < self.start_date)
            or (self.end_date and day >= self.end_date)
            or not _within(clock, self.start_time, self.end_time)
        )


@dataclass(frozen=True, eq=False)
class Schedule:
    """Tariff elements, read and checked; the first element that holds and knows a dimension prices it."""

    elements: tuple[Element, ...]

    @cached_property
    def charging(self) -> tuple[Element, ...]:
        """The elements that price charging and standing."""
        return tuple(element for element in self.elements if not element.reservation)

    @cached_property
    def everything(self) -> frozenset[Element]:
        return frozenset(self.elements)

    @cached_property
    def timed(self) -> bool:
        """Whether any price depends on the clock."""
        return any(element.timed for element in self.elements)

    @cached_property
    def flowing(self) -> tuple[Element, ...]:
        """The elements that depend on power or current."""
        return tuple(element for element in self.elements if element.by_flow)

    @cached_property
    def by_flow(self) -> bool:
        return bool(self.flowing)

    @cached_property
    def by_energy(self) -> bool:
        """Whether charging has a price per kWh at any time; if so it must have one at every time."""
        return any(ENERGY in element.components for element in self.charging)

    @cached_property
    def by_energy_alone(self) -> bool:
        """Whether only how much energy flowed decides the price of a session: not when, how fast or how long."""
        return not (self.timed or self.by_flow or self.durations_s) and all(
            element.components.keys() <= {ENERGY, FLAT} and not element.reservation for element in self.elements
        )

    @cached_property
    def by_standing(self) -> bool:
        """Whether standing without charging has a price at any time."""
        return any(PARKING_TIME in element.components for element in self.charging)

    @cached_property
    def clocks(self) -> tuple[time, ...]:
        """The times of day at which a price may change, midnight among them."""
        named = {clock for element in self.elements for clock in (element.start_time, element.end_time) if clock}
        return tuple(sorted({time.min} | named))

    @cached_property
    def energies_wh(self) -> tuple[int, ...]:
        """The energies, Wh, at which a price may change, in ascending order."""
        return _marks((element.min_wh, element.max_wh) for element in self.elements)

    @cached_property
    def durations_s(self) -> tuple[int, ...]:
        """The durations, s, at which a price may change, in ascending order."""
        return _marks((element.min_s, element.max_s) for element in self.elements)

    @cached_property
    def graces_s(self) -> tuple[int, ...]:
        """The lengths of standing, s, at which a price may begin, in ascending order."""
        return _marks((component.grace_s,) for element in self.elements for component in element.components.values())

    def price(self, dimension: str, local: datetime) -> Decimal | None:
        """The price of a dimension for a session that starts at a local moment; None where it is not charged.

        Power and current are not known yet: elements that depend on them count only where nothing else has a price.
        """
        fitting = [
            element
            for element in self.charging
            if dimension in element.components and element.holds(local) and not element.min_wh and not element.min_s
        ]
        first = next((element for element in fitting if not element.by_flow), fitting[0] if fitting else None)
        return first.components[dimension].price if first else None


Elements = Schedule | Sequence[Mapping[str, object]]
_read: OrderedDict[str, Schedule] = OrderedDict()


def schedule(elements: Elements) -> Schedule:
    """The checked form of OCPI tariff elements, read once for the same content; a Schedule is returned as it is.

    Raises TariffFault where an element cannot be read.
    Source: OCPI 2.2.1 mod_tariffs, TariffElement, PriceComponent, TariffRestrictions.
    """
    if isinstance(elements, Schedule):
        return elements
    content = repr(elements)
    known = _read.pop(content, None)
    if known is not None:
        _read[content] = known  # what was asked for last is forgotten last
        return known
    if not isinstance(elements, list | tuple) or not elements:
        raise TariffFault("elements", f"{elements!r} is not a list of at least one element")
    made = Schedule(tuple(_element(entry, f"elements[{number}]") for number, entry in enumerate(elements)))
    _read[content] = made
    while len(_read) > KEPT:
        _read.popitem(last=False)
    return made


def _within(clock: time, start: time | None, end: time | None) -> bool:
    start, end = start or time.min, end or time.min
    if start < end:
        return start <= clock < end
    # An end at or before the start lies on the next day: 00:00 is the end of this one.
    return clock >= start or clock < end


def _marks(groups: Iterable[tuple[int | None, ...]]) -> tuple[int, ...]:
    return tuple(sorted({mark for group in groups for mark in group if mark}))


def _element(entry: Mapping[str, object], path: str) -> Element:
    if not isinstance(entry, Mapping):
        raise TariffFault(path, f"{entry!r} is not an element; write an object with price_components")
    limits = entry.get("restrictions") or {}
    if not isinstance(limits, Mapping):
        raise TariffFault(f"{path}.restrictions", f"{limits!r} is not an object")
    place = f"{path}.restrictions"
    for name, value in limits.items():
        if value is not None and name not in RESTRICTIONS:
            raise TariffFault(f"{place}.{name}", f"{value!r}: prices may depend on {', '.join(RESTRICTIONS)} only")
    reservation = _reservation(limits, place)
    components = {component.dimension: component for component in _components(entry, path)}
    if reservation and not components.keys() <= {FLAT, TIME}:
        raise TariffFault(f"{path}.price_components", f"a reservation has {FLAT} and {TIME} prices only")
    low_kwh, high_kwh = _bounds(limits, place, "min_kwh", "max_kwh")
    low_s, high_s = _bounds(limits, place, "min_duration", "max_duration")
    low_kw, high_kw = _bounds(limits, place, "min_power", "max_power")
    low_a, high_a = _bounds(limits, place, "min_current", "max_current")
    return Element(
        components=components,
        start_time=_clock(limits, place, "start_time"),
        end_time=_clock(limits, place, "end_time"),
        start_date=_day(limits, place, "start_date"),
        end_date=_day(limits, place, "end_date"),
        weekdays=_weekdays(limits, place),
        min_wh=_whole(low_kwh, 1000) or 0,
        max_wh=_whole(high_kwh, 1000),
        min_s=_whole(low_s, 1) or 0,
        max_s=_whole(high_s, 1),
        min_w=None if low_kw is None else Fraction(low_kw * 1000),
        max_w=None if high_kw is None else Fraction(high_kw * 1000),
        min_a=low_a,
        max_a=high_a,
        reservation=reservation,
    )


def _components(entry: Mapping[str, object], path: str) -> Iterator[Component]:
    components = entry.get("price_components")
    if not isinstance(components, Sequence) or isinstance(components, str) or not components:
        raise TariffFault(f"{path}.price_components", f"{components!r} is not a list of at least one component")
    seen: set[object] = set()
    for number, component in enumerate(components):
        place = f"{path}.price_components[{number}]"
        if not isinstance(component, Mapping):
            raise TariffFault(place, f"{component!r} is not a component; write type and price")
        dimension = component.get("type")
        if dimension not in DIMENSIONS or dimension in seen:
            raise TariffFault(f"{place}.type", f"{dimension!r}: use each of {', '.join(DIMENSIONS)} at most once")
        seen.add(dimension)
        grace_s = _count(component, place, "grace")
        if grace_s and dimension != PARKING_TIME:
            raise TariffFault(f"{place}.grace", f"{grace_s}: only {PARKING_TIME} has a grace period, in seconds")
        price = exact_number(component.get("price"), f"{place}.price", "price", "18.00")
        yield Component(str(dimension), price, _count(component, place, "step_size") or 1, grace_s)


def exact_number(value: object, path: str, what: str, example: str) -> Decimal:
    """A JSON number or its text as an exact Decimal; a float is read by its shortest text, as it was written."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise TariffFault(path, f"{value!r} is not a {what}; write a number of at least 0, such as {example}")
    return number


def _count(component: Mapping[str, object], path: str, name: str) -> int:
    """A whole number of at least 0; one that is missing or 0 means none."""
    value = component.get(name)
    number = exact_number(0 if value is None else value, f"{path}.{name}", name, "300")
    if number != number.to_integral_value():
        raise TariffFault(f"{path}.{name}", f"{value!r} is not a whole number")
    return int(number)


def _bounds(limits: Mapping[str, object], path: str, low: str, high: str) -> tuple[Decimal | None, Decimal | None]:
    least, most = (
        None if limits.get(name) is None else exact_number(limits[name], f"{path}.{name}", "limit", "20")
        for name in (low, high)
    )
    if most is not None and most <= (least or 0):
        raise TariffFault(f"{path}.{high}", f"{most} is not above {low} ({least or 0}), so the prices never hold")
    return least, most


def _whole(value: Decimal | None, factor: int) -> int | None:
    """In whole units, rounded up: the first unit that lies at or above the limit."""
    return None if value is None else int((value * factor).to_integral_value(rounding=ROUND_CEILING))


def _reservation(limits: Mapping[str, object], path: str) -> str:
    value = limits.get("reservation") or ""
    if value not in {"", RESERVATION, RESERVATION_EXPIRES}:
        raise TariffFault(f"{path}.reservation", f"{value!r} is neither {RESERVATION} nor {RESERVATION_EXPIRES}")
    return str(value)


def _clock(limits: Mapping[str, object], path: str, name: str) -> time | None:
    value = limits.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", str(value)):
        raise TariffFault(f"{path}.{name}", f"{value!r} is not a local time; write HH:MM, 00:00 to 23:59")
    return time.fromisoformat(str(value))


def _day(limits: Mapping[str, object], path: str, name: str) -> date | None:
    value = limits.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as err:
        raise TariffFault(f"{path}.{name}", f"{value!r} is not a date; write YYYY-MM-DD") from err


def _weekdays(limits: Mapping[str, object], path: str) -> frozenset[int]:
    days = limits.get("day_of_week") or []
    if not isinstance(days, Sequence) or isinstance(days, str) or not all(day in WEEKDAYS for day in days):
        raise TariffFault(f"{path}.day_of_week", f"{days!r} is not a list of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(str(day)) for day in days)
