"""What does charging cost at a moment, and over a session, under OCPI tariff elements?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from core.errors import Unavailable

ENERGY, FLAT, TIME, PARKING_TIME = "ENERGY", "FLAT", "TIME", "PARKING_TIME"
DIMENSIONS = (ENERGY, FLAT, TIME, PARKING_TIME)
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
CLOCK_RESTRICTIONS = ("start_time", "end_time", "start_date", "end_date", "day_of_week")
LONGEST_SESSION = timedelta(days=31)


class NoTariff(Unavailable):
    """No element prices what was asked at that moment; there is no default price."""

    def __init__(self, text: str) -> None:
        super().__init__("no-tariff", text, path="order.items[0].id")


class TariffFault(ValueError):
    """Elements that cannot be read; `path` names the culprit, for instance `elements[0].price_components[1].price`."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


@dataclass(frozen=True, slots=True)
class Element:
    """Prices by dimension (per kWh, per session, per hour) and when they hold; an empty restriction always holds.

    `start_time` to `end_time` may pass midnight; `end_date` itself is excluded; a `reservation` element never prices
    charging.
    """

    prices: Mapping[str, Decimal]
    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    weekdays: frozenset[int] = frozenset()
    reservation: bool = False

    @property
    def timed(self) -> bool:
        return bool(self.start_time or self.end_time or self.start_date or self.end_date or self.weekdays)

    def holds(self, local: datetime) -> bool:
        """Whether this element prices charging at a local moment."""
        day, clock = local.date(), local.time()
        return not (
            self.reservation
            or (self.weekdays and local.weekday() not in self.weekdays)
            or (self.start_date and day < self.start_date)
            or (self.end_date and day >= self.end_date)
            or not _within(clock, self.start_time, self.end_time)
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Tariff elements, read and checked; the first element that holds and knows a dimension prices it."""

    elements: tuple[Element, ...]

    @property
    def timed(self) -> bool:
        """Whether any price depends on the clock."""
        return any(element.timed for element in self.elements)

    def price(self, dimension: str, local: datetime) -> Decimal | None:
        for element in self.elements:
            if dimension in element.prices and element.holds(local):
                return element.prices[dimension]
        return None


Elements = Schedule | Sequence[Mapping[str, object]]


def schedule(elements: Elements) -> Schedule:
    """The checked form of OCPI tariff elements; a Schedule is returned as it is.

    Raises TariffFault where an element cannot be read or depends on what we do not price by.
    Source: OCPI 2.2.1 mod_tariffs, TariffElement, PriceComponent, TariffRestrictions.
    """
    if isinstance(elements, Schedule):
        return elements
    if not isinstance(elements, list | tuple) or not elements:
        raise TariffFault("elements", f"{elements!r} is not a list of at least one element")
    return Schedule(tuple(_element(entry, f"elements[{number}]") for number, entry in enumerate(elements)))


def price_at(elements: Elements, moment: datetime, *, tz: tzinfo) -> Decimal:
    """The price of one kWh, before tax, at an aware moment. Raises NoTariff where no element says it."""
    local = moment.astimezone(tz)
    price = schedule(elements).price(ENERGY, local)
    if price is None:
        raise NoTariff(f"the tariff names no price per kWh for {local:%A %Y-%m-%d %H:%M}; choose another time")
    return price


def time_price_at(elements: Elements, moment: datetime, *, tz: tzinfo) -> Decimal | None:
    """The price of one hour of charging, before tax, at a moment; None where charging time is free of charge."""
    return schedule(elements).price(TIME, moment.astimezone(tz))


def parking_price_at(elements: Elements, moment: datetime, *, tz: tzinfo) -> Decimal | None:
    """The price of one hour of standing without charging, before tax; None where it is not charged."""
    return schedule(elements).price(PARKING_TIME, moment.astimezone(tz))


def session_fee(elements: Elements, moment: datetime, *, tz: tzinfo | None = None) -> Decimal | None:
    """The fee of one session that starts at `moment`, before tax; None where there is none.

    Without `tz` the moment's own zone is the tariff's.
    """
    return schedule(elements).price(FLAT, moment.astimezone(tz or moment.tzinfo))


def energy_lines(
    elements: Elements, starts_at: datetime, energy_wh: int, power_w: int, tz: tzinfo
) -> list[tuple[Decimal, int]]:
    """The energy of a session at constant power, by price: (price of one kWh, energy in Wh), in order of first use.

    The energies sum to `energy_wh` exactly; without energy there is one line of 0 Wh at the price of the start.
    Raises NoTariff where a part of the session has no price, ValueError for energy below 0, power not above 0, or a
    session longer than 31 days.
    """
    plan = schedule(elements)
    if energy_wh < 0 or power_w <= 0:
        raise ValueError(f"energy {energy_wh} Wh at {power_w} W: energy must be at least 0 and power above 0")
    if not plan.timed or energy_wh == 0:
        return [(price_at(plan, starts_at, tz=tz), energy_wh)]
    _check_length(energy_wh, power_w)
    lines: dict[Decimal, int] = {}
    done_wh, moment = 0, starts_at
    while done_wh < energy_wh:
        price = price_at(plan, moment, tz=tz)
        moment = _next_change(plan, moment, tz=tz)
        reached_wh = min(energy_wh, power_w * ((moment - starts_at) // timedelta(microseconds=1)) // 3_600_000_000)
        if reached_wh > done_wh:
            lines[price] = lines.get(price, 0) + reached_wh - done_wh
        done_wh = reached_wh
    return list(lines.items())


def average_price(elements: Elements, starts_at: datetime, ends_at: datetime, *, tz: tzinfo) -> Decimal:
    """The mean price of one kWh over a window, weighted by time, not rounded.

    Raises NoTariff where a part of the window has no price, ValueError where it does not end after it starts or lasts
    longer than 31 days.
    """
    if not starts_at < ends_at <= starts_at + LONGEST_SESSION:
        raise ValueError(f"the window {starts_at} to {ends_at} must end after it starts and last 31 days at most")
    plan = schedule(elements)
    weighted, moment = Decimal(0), starts_at
    while moment < ends_at:
        price = price_at(plan, moment, tz=tz)
        change = min(_next_change(plan, moment, tz=tz), ends_at)
        weighted += price * ((change - moment) // timedelta(microseconds=1))
        moment = change
    return weighted / ((ends_at - starts_at) // timedelta(microseconds=1))


def describe(elements: Elements, currency: str = "INR") -> str:
    """The prices in plain words, for instance `₹18.00 per kWh, ₹14.00 from 09:00 to 16:00, ₹20.00 per session`."""
    units = {ENERGY: "per kWh", FLAT: "per session", TIME: "per hour of charging", PARKING_TIME: "per hour of parking"}
    sign = "₹" if currency == "INR" else f"{currency} "
    parts: list[str] = []
    for dimension in DIMENSIONS:
        priced = [e for e in schedule(elements).elements if dimension in e.prices and not e.reservation]
        base = [element for element in priced if not element.timed][:1]
        for number, element in enumerate([*base, *(element for element in priced if element.timed)]):
            words = [f"{sign}{element.prices[dimension]:.2f}", "" if number else units[dimension], _when(element)]
            parts.append(" ".join(word for word in words if word))
    return ", ".join(parts)


def _within(clock: time, start: time | None, end: time | None) -> bool:
    start, end = start or time.min, end or time.min
    if start < end:
        return start <= clock < end
    # An end at or before the start lies on the next day: 00:00 is the end of this one.
    return clock >= start or clock < end


def _check_length(energy_wh: int, power_w: int) -> None:
    if energy_wh * 3600 > power_w * LONGEST_SESSION.total_seconds():
        raise ValueError(f"{energy_wh} Wh at {power_w} W take longer than 31 days; ask for less energy")


def _next_change(plan: Schedule, moment: datetime, *, tz: tzinfo) -> datetime:
    """The first moment after `moment` at which a price may differ: a time an element names, or local midnight."""
    clocks = {time.min}
    for element in plan.elements:
        clocks.update(clock for clock in (element.start_time, element.end_time) if clock)
    today = moment.astimezone(tz).date()
    changes = (
        datetime.combine(today + timedelta(days=days), clock, tz).astimezone(UTC)
        for days in (0, 1, 2)
        for clock in clocks
    )
    return min(change for change in changes if change > moment)


def _when(element: Element) -> str:
    words: list[str] = []
    if element.weekdays:
        words.append("on " + ", ".join(WEEKDAYS[day].capitalize() for day in sorted(element.weekdays)))
    if element.start_time or element.end_time:
        words.append(f"from {element.start_time or time.min:%H:%M} to {element.end_time or time.min:%H:%M}")
    if element.start_date:
        words.append(f"since {element.start_date}")
    if element.end_date:
        words.append(f"until before {element.end_date}")
    return " ".join(words)


def _element(entry: Mapping[str, object], path: str) -> Element:
    if not isinstance(entry, Mapping):
        raise TariffFault(path, f"{entry!r} is not an element; write an object with price_components")
    limits = entry.get("restrictions") or {}
    if not isinstance(limits, Mapping):
        raise TariffFault(f"{path}.restrictions", f"{limits!r} is not an object")
    for name, value in limits.items():
        if value is not None and name not in (*CLOCK_RESTRICTIONS, "reservation"):
            allowed = ", ".join(CLOCK_RESTRICTIONS)
            raise TariffFault(f"{path}.restrictions.{name}", f"{value!r}: prices may depend on {allowed} only")
    return Element(
        prices=dict(_prices(entry, path)),
        start_time=_clock(limits, path, "start_time"),
        end_time=_clock(limits, path, "end_time"),
        start_date=_day(limits, path, "start_date"),
        end_date=_day(limits, path, "end_date"),
        weekdays=_weekdays(limits, path),
        reservation=bool(limits.get("reservation")),
    )


def _prices(entry: Mapping[str, object], path: str) -> Iterator[tuple[str, Decimal]]:
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
        yield str(dimension), _price(component.get("price"), f"{place}.price")


def _price(value: object, path: str) -> Decimal:
    """A JSON number or its text as an exact Decimal; a float is read by its shortest text, as it was written."""
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal("NaN")
    if isinstance(value, bool) or not price.is_finite() or price < 0:
        raise TariffFault(path, f"{value!r} is not a price; write a number of at least 0, such as 18.00")
    return price


def _clock(limits: Mapping[str, object], path: str, name: str) -> time | None:
    value = limits.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", str(value)):
        raise TariffFault(f"{path}.restrictions.{name}", f"{value!r} is not a local time; write HH:MM, 00:00 to 23:59")
    return time.fromisoformat(str(value))


def _day(limits: Mapping[str, object], path: str, name: str) -> date | None:
    value = limits.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as err:
        raise TariffFault(f"{path}.restrictions.{name}", f"{value!r} is not a date; write YYYY-MM-DD") from err


def _weekdays(limits: Mapping[str, object], path: str) -> frozenset[int]:
    days = limits.get("day_of_week") or []
    if not isinstance(days, Sequence) or isinstance(days, str) or not all(day in WEEKDAYS for day in days):
        raise TariffFault(f"{path}.restrictions.day_of_week", f"{days!r} is not a list of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(str(day)) for day in days)
