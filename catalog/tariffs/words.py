"""How does a tariff read in plain words?"""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from fractions import Fraction

from catalog.tariffs.reading import (
    DIMENSIONS,
    ENERGY,
    FLAT,
    PARKING_TIME,
    RESERVATION,
    TIME,
    WEEKDAYS,
    Component,
    Element,
    Elements,
    schedule,
)

UNITS = {ENERGY: "per kWh", FLAT: "per session", TIME: "per hour of charging", PARKING_TIME: "per hour of parking"}
RESERVATION_UNITS = {FLAT: "per reservation", TIME: "per hour of reservation"}
MINUTE_S, HOUR_S = 60, 3600


def describe(elements: Elements, currency: str = "INR") -> str:
    """The prices in plain words, for instance `₹18.00 per kWh, ₹14.00 from 09:00 to 16:00, ₹20.00 per session`."""
    sign = "₹" if currency == "INR" else f"{currency} "
    plan = schedule(elements)
    parts: list[str] = []
    for dimension in DIMENSIONS:
        priced = [element for element in plan.charging if dimension in element.components]
        parts += _of_dimension(priced, dimension, sign)
    for element in plan.elements:
        if element.reservation:
            unused = "" if element.reservation == RESERVATION else "not used"
            for dimension, component in element.components.items():
                parts.append(_words(sign, component, RESERVATION_UNITS[dimension], unused, _when(element)))
    return ", ".join(parts)


def _of_dimension(priced: list[Element], dimension: str, sign: str) -> list[str]:
    """The price that holds without condition first, then its exceptions in their order."""
    base = [element for element in priced if not _when(element)][:1]
    others = [element for element in priced if _when(element)]
    return [
        _words(sign, element.components[dimension], "" if number else UNITS[dimension], _when(element))
        for number, element in enumerate([*base, *others])
    ]


def _words(sign: str, component: Component, *words: str) -> str:
    shown = [f"{sign}{component.price:.2f}", *words, _grace(component), _step(component)]
    return " ".join(word for word in shown if word)


def _grace(component: Component) -> str:
    return f"after {_time(component.grace_s)}" if component.grace_s else ""


def _step(component: Component) -> str:
    if component.step == 1 or component.dimension == FLAT:
        return ""
    return "in steps of " + (f"{component.step} Wh" if component.dimension == ENERGY else _time(component.step))


def _time(seconds: int) -> str:
    if seconds % HOUR_S == 0:
        return f"{seconds // HOUR_S} h"
    return f"{seconds // MINUTE_S} min" if seconds % MINUTE_S == 0 else f"{seconds} s"


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
    return " ".join([*words, *_limits(element)])


def _limits(element: Element) -> list[str]:
    """The conditions of energy, duration, power and current."""
    words: list[str] = []
    if element.min_wh:
        words.append(f"above {plain(Decimal(element.min_wh) / 1000)} kWh")
    if element.max_wh is not None:
        words.append(f"up to {plain(Decimal(element.max_wh) / 1000)} kWh")
    if element.min_s:
        words.append(f"after {_time(element.min_s)}")
    if element.max_s is not None:
        words.append(f"in the first {_time(element.max_s)}")
    for low, high, unit in (
        (_kilo(element.min_w), _kilo(element.max_w), "kW"),
        (element.min_a, element.max_a, "A"),
    ):
        words += [f"from {plain(low)} {unit}"] if low else []
        words += [f"below {plain(high)} {unit}"] if high else []
    return words


def _kilo(watts: Fraction | None) -> Decimal | None:
    return None if watts is None else Decimal(watts.numerator) / watts.denominator / 1000


def plain(number: Decimal) -> str:
    """The number without needless zeros: `30`, `7.4`."""
    return f"{number.normalize():f}"
