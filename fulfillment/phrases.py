"""Which words does the driver's page have for what it knows by code? Each is a key of the catalogues in `locale`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext, gettext_lazy

STATES: Final[Mapping[str, Any]] = {
    "waiting": gettext_lazy("Ready. Start charging from your app."),
    "starting": gettext_lazy("The charger is starting …"),
    "charging": gettext_lazy("Charging"),
    "paused": gettext_lazy("Paused. No energy is flowing."),
    "ending": gettext_lazy("Charging is ending …"),
    "ended": gettext_lazy("Charging has ended."),
    "failed": gettext_lazy("The charger could not deliver. You pay nothing."),
    "cancelled": gettext_lazy("This order was cancelled."),
}

NOTICES: Final[Mapping[str, tuple[Any, Any]]] = {
    "silent": (
        gettext_lazy("No word from the charger"),
        gettext_lazy(
            "It has sent nothing for a minute. Charging may well go on, and the bill follows the charger's own meter. "
            "If the charger looks dead, report a problem."
        ),
    ),
    "vehicle-paused": (
        gettext_lazy("Your vehicle paused charging"),
        gettext_lazy(
            "It may be full, protect its battery or keep to a timer. Charging goes on as soon as the vehicle asks for "
            "it; look at its display or its app."
        ),
    ),
    "station-paused": (
        gettext_lazy("The charger paused"),
        gettext_lazy("It goes on by itself as soon as it can. You need not do anything."),
    ),
    "grid": (
        gettext_lazy("No power from the grid"),
        gettext_lazy("Charging goes on when power is back. You pay only for what was delivered."),
    ),
    "fluctuating": (
        gettext_lazy("The power is unsteady"),
        gettext_lazy("This does no harm, but the end may come later than shown."),
    ),
    "idle-soon": (
        gettext_lazy("Standing here will soon cost extra"),
        gettext_lazy("Please unplug and move your vehicle before then; the price says what each hour costs."),
    ),
    "idle-now": (
        gettext_lazy("Standing here costs extra now"),
        gettext_lazy("Please unplug and move your vehicle; the price says what each hour costs."),
    ),
    "charger-error": (
        gettext_lazy("The charger has a fault"),
        gettext_lazy(
            "Only what was delivered is billed. Please use another charger, and report it if the cable is stuck."
        ),
    ),
}
"""Title and advice by code. `stale` has none: the line that tells the age of the figures says it."""

PROBLEMS: Final[Mapping[str, tuple[Any, str]]] = {
    "The charger reported a fault. Only what was delivered is billed.": (
        gettext_lazy("The charger reported a fault. Only what was delivered is billed."),
        "charger-error",
    ),
    "The charger's meter looks odd. The bill is checked against its final reading.": (
        gettext_lazy("The charger's meter looks odd. The bill is checked against its final reading."),
        "",
    ),
    "Your vehicle still stands at the charger. Standing there costs extra, see the price; please move it.": (
        gettext_lazy(
            "Your vehicle still stands at the charger. Standing there costs extra, see the price; please move it."
        ),
        "idle-now",
    ),
}
"""What a snapshot calls a problem, and the notice that says the same with more."""

ENDS_BY: Final[Mapping[str, Any]] = {
    "energy": gettext_lazy("when the ordered energy is reached"),
    "money": gettext_lazy("when your amount is used up"),
    "time": gettext_lazy("when your time is over"),
    "full": gettext_lazy("when the battery is full"),
}

SAID: Final[Mapping[str, Any]] = {
    "stopping": gettext_lazy("Charging is being stopped."),
    "ended-already": gettext_lazy("Charging had ended already."),
    "extended": gettext_lazy("Your time is extended. The new end and price hold from now on."),
    "reported": gettext_lazy("Thank you. The operator has your report."),
    "rated": gettext_lazy("Thank you for your rating."),
    "done-already": gettext_lazy("This was sent before and is done; it was not done twice."),
    "no-right": gettext_lazy("This link may not do that. Use the app you ordered with."),
    "not-now": gettext_lazy("That is not possible at this moment."),
    "form-unknown": gettext_lazy("This form was not one of this page. Please use the one below."),
    "connector-busy": gettext_lazy("Not extended: somebody else has booked the charger then."),
    "station-closed": gettext_lazy("Not extended: the station is closed then."),
    "booking-limit": gettext_lazy("Not extended: the operator allows no longer stay."),
    "quantity-unavailable": gettext_lazy("Not extended: there is not enough time for the energy ordered."),
    "update-forbidden": gettext_lazy("This order cannot be changed any more."),
    "report-text": gettext_lazy("Not sent: please write what is wrong, in at most 1,000 characters."),
    "rating-value": gettext_lazy("Not rated: please choose from 0 to 5."),
    "refused": gettext_lazy("That was refused. Use the app you ordered with, or report a problem."),
}
"""What came of a deed, by the code in the page's address."""

DONE: Final = frozenset({"stopping", "ended-already", "extended", "reported", "rated", "done-already"})

LINES: Final[Mapping[str, Any]] = {
    "energy-cost": gettext_lazy("Energy"),
    "service-charge": gettext_lazy("Service charge"),
    "parking-fee": gettext_lazy("Standing"),
    "gst": gettext_lazy("GST"),
    "discount": gettext_lazy("Discount"),
    "surge": gettext_lazy("Peak price"),
    "refund": gettext_lazy("Refund"),
    "cancellation-fee": gettext_lazy("Cancellation fee"),
    "correction": gettext_lazy("Correction of the bill"),
    "goodwill": gettext_lazy("Goodwill"),
}

PAYMENTS: Final[Mapping[str, Any]] = {
    "PRE-ORDER": gettext_lazy("before the session"),
    "ON-FULFILLMENT": gettext_lazy("at the station"),
    "POST-FULFILLMENT": gettext_lazy("after the session"),
    "PAID": gettext_lazy("paid"),
    "NOT-PAID": gettext_lazy("not paid"),
}

_NOTES: Final[Mapping[str, Any]] = {
    "per session": gettext_lazy("per session"),
    "for the reservation": gettext_lazy("for the reservation"),
    "per hour of charging": gettext_lazy("per hour of charging"),
    "per hour of standing": gettext_lazy("per hour of standing"),
    "per hour of reservation": gettext_lazy("per hour of reservation"),
    "up to the least price": gettext_lazy("up to the least price"),
    "down to the greatest price": gettext_lazy("down to the greatest price"),
}
_RATE = re.compile(r"(?P<amount>\d+\.\d\d) (?P<currency>[A-Z]{3})(?P<rest>.*)")


def scripted() -> dict[str, str]:
    """What the page's script says itself, in the language that is chosen; `{}` are numbers, in their order."""
    return {
        "age_s": gettext("Updated {} s ago"),
        "age_min": gettext("Updated {} min ago"),
        "days": gettext("{} days {} h"),
        "hours": gettext("{} h {} min"),
        "minutes": gettext("{} min"),
        "in": gettext("in {}"),
        "overdue": gettext("overdue; the operator is reminded"),
        "progress": gettext("{} % of the ordered energy, {} kWh, ₹{}"),
        "reconnecting": gettext("Reconnecting …"),
        "back": gettext("Connected again."),
        "gap": gettext("no values"),
        "chart": gettext("Power and energy over the time of the session; the same as a table below"),
    }


def note_of(note: str) -> str:
    """The remark of a bill's line in the chosen language; what is unknown, for instance an offer's name, stays."""
    found = _RATE.fullmatch(note)
    if found is None:
        return str(_NOTES.get(note, note))
    sign = "₹" if found["currency"] == "INR" else f"{found['currency']} "
    known = _NOTES.get(found["rest"].strip())
    return f"{sign}{found['amount']}" + (f" {known}" if known else found["rest"])


def span(seconds: int) -> str:
    """A length of time in the chosen language: days and hours, hours and minutes, or minutes."""
    words, minutes = scripted(), max(0, seconds) // 60
    if minutes >= 2_880:
        return words["days"].format(minutes // 1440, minutes % 1440 // 60)
    if minutes >= 60:
        return words["hours"].format(minutes // 60, minutes % 60)
    return words["minutes"].format(minutes)


def age(seconds: int) -> str:
    """How old the figures are, in the chosen language."""
    words = scripted()
    return words["age_s"].format(seconds) if seconds < 90 else words["age_min"].format(seconds // 60)
