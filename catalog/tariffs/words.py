"""How does a tariff read in plain words, in English, Hindi and Kannada?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Final

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

MINUTE_S, HOUR_S = 60, 3600
LANGUAGES: Final = ("en", "hi", "kn")

_PHRASES: Final[Mapping[str, tuple[str, str, str]]] = {
    ENERGY: ("per kWh", "प्रति kWh", "ಪ್ರತಿ kWh ಗೆ"),
    FLAT: ("per session", "प्रति सत्र", "ಪ್ರತಿ ಸೆಷನ್‌ಗೆ"),
    TIME: ("per hour of charging", "चार्जिंग के प्रति घंटे", "ಚಾರ್ಜಿಂಗ್‌ನ ಪ್ರತಿ ಗಂಟೆಗೆ"),
    PARKING_TIME: ("per hour of parking", "पार्किंग के प्रति घंटे", "ನಿಲುಗಡೆಯ ಪ್ರತಿ ಗಂಟೆಗೆ"),
    f"{RESERVATION} {FLAT}": ("per reservation", "प्रति आरक्षण", "ಪ್ರತಿ ಕಾಯ್ದಿರಿಸುವಿಕೆಗೆ"),
    f"{RESERVATION} {TIME}": ("per hour of reservation", "आरक्षण के प्रति घंटे", "ಕಾಯ್ದಿರಿಸುವಿಕೆಯ ಪ್ರತಿ ಗಂಟೆಗೆ"),
    "unused": ("not used", "उपयोग न करने पर", "ಬಳಸದಿದ್ದರೆ"),
    "price": ("{0} {1}", "{1} {0}", "{1} {0}"),
    "after": ("after {0}", "{0} के बाद", "{0} ನಂತರ"),
    "steps": ("in steps of {0}", "{0} के चरणों में", "{0} ಹಂತಗಳಲ್ಲಿ"),
    "days": ("on {0}", "{0} को", "{0} ದಿನಗಳಲ್ಲಿ"),
    "hours": ("from {0} to {1}", "{0} से {1} तक", "{0} ರಿಂದ {1} ರವರೆಗೆ"),
    "since": ("since {0}", "{0} से", "{0} ರಿಂದ"),
    "until": ("until before {0}", "{0} से पहले तक", "{0} ಕ್ಕಿಂತ ಮೊದಲು"),
    "above": ("above {0} kWh", "{0} kWh से ऊपर", "{0} kWh ಗಿಂತ ಹೆಚ್ಚು"),
    "up to": ("up to {0} kWh", "{0} kWh तक", "{0} kWh ವರೆಗೆ"),
    "first": ("in the first {0}", "पहले {0} में", "ಮೊದಲ {0}ದಲ್ಲಿ"),
    "from": ("from {0} {1}", "{0} {1} से", "{0} {1} ನಿಂದ"),
    "below": ("below {0} {1}", "{0} {1} से कम", "{0} {1} ಗಿಂತ ಕಡಿಮೆ"),
    "h": ("{0} h", "{0} घंटे", "{0} ಗಂಟೆ"),
    "min": ("{0} min", "{0} मिनट", "{0} ನಿಮಿಷ"),
    "s": ("{0} s", "{0} सेकंड", "{0} ಸೆಕೆಂಡು"),
    "MONDAY": ("Monday", "सोमवार", "ಸೋಮವಾರ"),
    "TUESDAY": ("Tuesday", "मंगलवार", "ಮಂಗಳವಾರ"),
    "WEDNESDAY": ("Wednesday", "बुधवार", "ಬುಧವಾರ"),
    "THURSDAY": ("Thursday", "गुरुवार", "ಗುರುವಾರ"),
    "FRIDAY": ("Friday", "शुक्रवार", "ಶುಕ್ರವಾರ"),
    "SATURDAY": ("Saturday", "शनिवार", "ಶನಿವಾರ"),
    "SUNDAY": ("Sunday", "रविवार", "ಭಾನುವಾರ"),
}

Say = Callable[..., str]


def describe(elements: Elements, currency: str = "INR", language: str = "en") -> str:
    """The prices in plain words, for instance `₹18.00 per kWh, ₹14.00 from 09:00 to 16:00, ₹20.00 per session`.

    In a language of LANGUAGES, in English where it is none of them.
    """
    sign = "₹" if currency == "INR" else f"{currency} "
    say = partial(_phrase, LANGUAGES.index(language) if language in LANGUAGES else 0)
    plan = schedule(elements)
    parts: list[str] = []
    for dimension in DIMENSIONS:
        priced = [element for element in plan.charging if dimension in element.components]
        parts += _of_dimension(priced, dimension, sign, say)
    for element in plan.elements:
        if element.reservation:
            unused = "" if element.reservation == RESERVATION else say("unused")
            for dimension, component in element.components.items():
                unit = say(f"{RESERVATION} {dimension}")
                parts.append(_words(say, sign, component, unit, unused, _when(element, say)))
    return ", ".join(parts)


def _phrase(place: int, key: str, *values: object) -> str:
    return _PHRASES[key][place].format(*values)


def _of_dimension(priced: list[Element], dimension: str, sign: str, say: Say) -> list[str]:
    """The price that holds without condition first, then its exceptions in their order."""
    base = [element for element in priced if not _when(element, say)][:1]
    others = [element for element in priced if _when(element, say)]
    return [
        _words(say, sign, element.components[dimension], "" if number else say(dimension), _when(element, say))
        for number, element in enumerate([*base, *others])
    ]


def _words(say: Say, sign: str, component: Component, *words: str) -> str:
    grace = say("after", _time(component.grace_s, say)) if component.grace_s else ""
    text = f"{sign}{component.price:.2f}"
    for more in (*words, grace, _step(component, say)):
        text = say("price", text, more) if more else text
    return text


def _step(component: Component, say: Say) -> str:
    if component.step == 1 or component.dimension == FLAT:
        return ""
    return say("steps", f"{component.step} Wh" if component.dimension == ENERGY else _time(component.step, say))


def _time(seconds: int, say: Say) -> str:
    if seconds % HOUR_S == 0:
        return say("h", seconds // HOUR_S)
    return say("min", seconds // MINUTE_S) if seconds % MINUTE_S == 0 else say("s", seconds)


def _when(element: Element, say: Say) -> str:
    words: list[str] = []
    if element.weekdays:
        words.append(say("days", ", ".join(say(WEEKDAYS[day]) for day in sorted(element.weekdays))))
    if element.start_time or element.end_time:
        hours = [f"{clock or time.min:%H:%M}" for clock in (element.start_time, element.end_time)]
        words.append(say("hours", *hours))
    if element.start_date:
        words.append(say("since", element.start_date))
    if element.end_date:
        words.append(say("until", element.end_date))
    return " ".join([*words, *_limits(element, say)])


def _limits(element: Element, say: Say) -> list[str]:
    """The conditions of energy, duration, power and current."""
    words: list[str] = []
    if element.min_wh:
        words.append(say("above", plain(Decimal(element.min_wh) / 1000)))
    if element.max_wh is not None:
        words.append(say("up to", plain(Decimal(element.max_wh) / 1000)))
    if element.min_s:
        words.append(say("after", _time(element.min_s, say)))
    if element.max_s is not None:
        words.append(say("first", _time(element.max_s, say)))
    for low, high, unit in (
        (_kilo(element.min_w), _kilo(element.max_w), "kW"),
        (element.min_a, element.max_a, "A"),
    ):
        words += [say("from", plain(low), unit)] if low else []
        words += [say("below", plain(high), unit)] if high else []
    return words


def _kilo(watts: Fraction | None) -> Decimal | None:
    return None if watts is None else Decimal(watts.numerator) / watts.denominator / 1000


def plain(number: Decimal) -> str:
    """The number without needless zeros: `30`, `7.4`."""
    return f"{number.normalize():f}"
