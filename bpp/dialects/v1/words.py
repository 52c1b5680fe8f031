"""Which spelling met on the wire means which neutral word, and how do we spell ours?

Folding: case, spaces, underscores and hyphens do not count. What stays unknown comes back as None or as it was, never
as a guess.

Source: UEI guide 1.3 taxonomy; OCPI 2.2.1 ConnectorType; the spellings met in published examples.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

_SEPARATORS = re.compile(r"[\s_\-./]+")
_NOT_ALNUM = re.compile(r"[^A-Z0-9]")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,12})?|\.\d{1,12})")
_ENERGY = re.compile(r"(\d{1,9}(?:\.\d{1,6})?|\.\d{1,6})\s*(KWH|WH)?", re.IGNORECASE)
_POWER = re.compile(r"(\d{1,9}(?:\.\d{1,6})?|\.\d{1,6})\s*(KW|W|MW)?", re.IGNORECASE)

_OFFICIAL = """
    CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H DOMESTIC_I
    DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC GBT_DC IEC_60309_2_single_16
    IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 IEC_62196_T1_COMBO IEC_62196_T2
    IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C NEMA_5_20 NEMA_6_30 NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30
    NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN TESLA_R TESLA_S CHOGORI TYPE_6 TYPE_7 IS_17017 ANDERSON
    SWAPPING"""
CONNECTORS = frozenset(_OFFICIAL.split())
PLAIN_NAMES = {
    "IEC_62196_T2_COMBO": "CCS2",
    "IEC_62196_T1_COMBO": "CCS1",
    "IEC_62196_T2": "Type 2",
    "IEC_62196_T1": "Type 1",
    "CHADEMO": "CHAdeMO",
    "GBT_AC": "GB/T AC",
    "GBT_DC": "GB/T DC",
    "IS_17017": "LEVAC (IS 17017)",
    "TYPE_6": "LEVDC (Type 6)",
    "TYPE_7": "Type 7",
    "IEC_60309_2_single_16": "Bharat AC (IEC 60309)",
}
_CONNECTOR_ALIASES = {
    **{_NOT_ALNUM.sub("", name.upper()): name for name in CONNECTORS},
    **dict.fromkeys(
        ["CCS2", "CCS", "COMBO2", "CCSTYPE2", "CCSCOMBO2", "IEC62196CCS2", "T2COMBO"], "IEC_62196_T2_COMBO"
    ),
    **dict.fromkeys(["CCS1", "COMBO1", "CCSTYPE1", "T1COMBO"], "IEC_62196_T1_COMBO"),
    **dict.fromkeys(["TYPE2", "MENNEKES", "T2", "IEC62196TYPE2"], "IEC_62196_T2"),
    **dict.fromkeys(["TYPE1", "J1772", "SAEJ1772", "T1"], "IEC_62196_T1"),
    "LEVAC": "IS_17017",
    "LEVDC": "TYPE_6",
}
AVAILABILITY = {
    "available": "Available",
    "preparing": "Preparing",
    "charging": "Charging",
    "finishing": "Finishing",
    "reserved": "Reserved",
    "unavailable": "Unavailable",
    "faulted": "Faulted",
}
_AVAILABILITY_ALIASES = {
    **{word: word for word in AVAILABILITY},
    **dict.fromkeys(["unvailable", "unavailability", "offline", "inoperative"], "unavailable"),
    **dict.fromkeys(["suspendedev", "suspendedevse"], "charging"),
    **dict.fromkeys(["availability", "online", "free", "true", "yes"], "available"),
}
STATE_NAMES = {
    "order-initiated": "Order initiated",
    "order-pending-approval": "Order waits for approval",
    "payment-completed": "Payment completed",
    "charging-starting": "Charging is starting",
    "charging-started": "Charging started",
    "charging-paused": "Charging paused",
    "charging-resumed": "Charging resumed",
    "charging-ending": "Charging is ending",
    "charging-ended": "Charging ended",
    "charger-error": "Charger fault",
    "order-cancelled": "Order cancelled",
    "no-show": "Driver did not come",
}
STATE_CODES = {"pending-approval": "order-pending-approval"}
ORDER_STATUS = {"active": "ACTIVE", "complete": "COMPLETE", "cancelled": "CANCELLED"}
_COMMANDS = {
    **dict.fromkeys(["start-charging", "start-chargin", "charging-start", "start", "charging-started"], "start"),
    **dict.fromkeys(["end-charging", "end-chargin", "stop-charging", "stop-chargin", "charging-end"], "stop"),
    **dict.fromkeys(["end", "stop", "charging-stop", "charging-ended", "charging-stopped"], "stop"),
}
EXACT_COMMANDS = frozenset({"start-charging", "end-charging"})
_STOP_TYPES = {
    **dict.fromkeys(["start", "starts", "begin", "pickup"], "start"),
    **dict.fromkeys(["end", "ends", "finish", "stop", "drop"], "end"),
}
_VEHICLES = {
    **dict.fromkeys(["any", "all"], "any"),
    **dict.fromkeys(["2w", "2-wheeler", "two-wheeler", "scooter", "motorcycle", "bike", "two-wheel"], "2w"),
    **dict.fromkeys(["3w", "3-wheeler", "three-wheeler", "auto", "auto-rickshaw", "e-rickshaw", "rickshaw"], "3w"),
    **dict.fromkeys(["4w", "4-wheeler", "four-wheeler", "car", "cab", "suv", "van"], "4w"),
    **dict.fromkeys(["bus", "truck", "hcv", "heavy", "bus-or-truck"], "bus"),
}
_LEVELS = {
    **dict.fromkeys(["1", "level-1", "l1", "level1", "slow"], 1),
    **dict.fromkeys(["2", "level-2", "l2", "level2"], 2),
    **dict.fromkeys(["3", "level-3", "l3", "level3", "dc-fast", "dcfast", "fast"], 3),
}
_PAYMENT_TYPES = {
    **dict.fromkeys(["pre-order", "preorder", "prepaid"], "PRE-ORDER"),
    **dict.fromkeys(["pre-fulfillment", "pre-fulfilment"], "PRE-FULFILLMENT"),
    **dict.fromkeys(["on-fulfillment", "on-fulfilment"], "ON-FULFILLMENT"),
    **dict.fromkeys(["post-fulfillment", "post-fulfilment", "postpaid"], "POST-FULFILLMENT"),
}
_PAYMENT_STATUS = {
    **dict.fromkeys(["paid", "complete", "completed", "success", "settled"], "PAID"),
    **dict.fromkeys(["not-paid", "notpaid", "unpaid", "initiated", "pending", "failed"], "NOT-PAID"),
}
RATING_CATEGORIES = ("Item", "Order", "Fulfillment", "Provider", "Agent", "Support")
_RATING_ALIASES = {
    **{name.lower(): name for name in RATING_CATEGORIES},
    **dict.fromkeys(["fulfilment", "charger", "station", "charging"], "Fulfillment"),
}
# unit → (kind of quantity, how many Wh, paise or seconds one of it is)
_UNITS: dict[str, tuple[str, Decimal]] = {
    "kwh": ("energy", Decimal(1000)),
    "wh": ("energy", Decimal(1)),
    "mwh": ("energy", Decimal(1_000_000)),
    **dict.fromkeys(["inr", "rs", "rupee", "rupees", "₹"], ("money", Decimal(100))),
    **dict.fromkeys(["paise", "paisa"], ("money", Decimal(1))),
    **dict.fromkeys(["min", "mins", "minute", "minutes"], ("time", Decimal(60))),
    **dict.fromkeys(["h", "hr", "hrs", "hour", "hours"], ("time", Decimal(3600))),
    **dict.fromkeys(["s", "sec", "secs", "second", "seconds"], ("time", Decimal(1))),
}
UNITS_TEXT = "kWh, Wh, INR, paise, min, hour or second"
EXACT_UNITS = frozenset({"kWh", "INR", "min"})
_LENGTHS_M = {
    **dict.fromkeys(["km", "kms", "kilometer", "kilometre", "kilometers", "kilometres"], 1000.0),
    **dict.fromkeys(["m", "meter", "metre", "meters", "metres"], 1.0),
    **dict.fromkeys(["mi", "mile", "miles"], 1609.344),
}
_EVERYWHERE = "a an at charge charger chargers charging electric ev evs for in me near of station stations the vehicle"
_GENERIC = frozenset(_EVERYWHERE.split())


@lru_cache(maxsize=1024)
def fold(text: str) -> str:
    """The text in lower case with every run of spaces, `_`, `-`, `.` and `/` as one hyphen."""
    return _SEPARATORS.sub("-", text.strip().lower()).strip("-")


def connectors(text: str, current: str = "") -> frozenset[str]:
    """The OCPI connector types a spelling means; GB/T without AC or DC means both; empty where it is unknown."""
    squashed = _NOT_ALNUM.sub("", text.upper())
    if squashed == "GBT":
        return frozenset({f"GBT_{current}"}) if current in {"AC", "DC"} else frozenset({"GBT_AC", "GBT_DC"})
    known = _CONNECTOR_ALIASES.get(squashed)
    return frozenset({known}) if known else frozenset()


def plain_name(connector: str) -> str:
    """What a driver calls the connector type: `CCS2` for IEC_62196_T2_COMBO."""
    return PLAIN_NAMES.get(connector) or connector.replace("_", " ")


def command(text: str) -> str:
    """`start`, `stop`, or empty where the state word is no command."""
    return _COMMANDS.get(fold(text), "")


def stop_type(text: str) -> str:
    """`start`, `end`, or empty."""
    return _STOP_TYPES.get(fold(text), "")


def availability(text: str) -> str:
    """The neutral EVSE status a spelling means, or empty."""
    return _AVAILABILITY_ALIASES.get(fold(text), "")


def current(text: str) -> str:
    """AC, DC, or empty."""
    word = fold(text).upper()
    return word if word in {"AC", "DC"} else ""


def vehicle(text: str) -> str:
    """The catalogue's vehicle word (any, 2w, 3w, 4w, bus), or empty."""
    return _VEHICLES.get(fold(text), "")


def level(text: str) -> int | None:
    """Charger level 1, 2 or 3 (DC fast), or None."""
    return _LEVELS.get(fold(text))


def payment_type(text: str) -> str:
    """The core's word for when it is paid; the text in capitals where it is unknown."""
    return _PAYMENT_TYPES.get(fold(text), text.strip().upper())


def payment_status(text: str) -> str:
    """PAID or NOT-PAID; the text in capitals where it is unknown."""
    return _PAYMENT_STATUS.get(fold(text), text.strip().upper())


def rating_category(text: str) -> str:
    """The core's rating category; the text as it was where it is unknown."""
    return _RATING_ALIASES.get(fold(text), text.strip())


def number(text: str) -> Decimal | None:
    """The decimal number a text is, or None; at most 15 digits before the point, no exponent, never NaN."""
    stripped = text.strip()
    return Decimal(stripped) if _NUMBER.fullmatch(stripped) else None


def unit(text: str) -> tuple[str, Decimal] | None:
    """The kind of quantity a unit measures and how many Wh, paise or seconds one is; None where it is unknown."""
    return _UNITS.get(text.strip().lower())


def length_m(text: str) -> float | None:
    """How many metres one of the unit is, or None."""
    return _LENGTHS_M.get(text.strip().lower())


def power_w(text: str) -> int | None:
    """The power a rating like `30kW`, `7.4 kW` or `3300W` states, in W; a bare number is kW; None where unreadable."""
    match = _POWER.fullmatch(text.strip())
    if match is None:
        return None
    factor = {"W": 1, "KW": 1000, "MW": 1_000_000}[(match[2] or "kW").upper()]
    return int((Decimal(match[1]) * factor).to_integral_value(rounding=ROUND_HALF_EVEN))


def energy_wh(text: str) -> int | None:
    """The energy a text like `40kWh`, `40 kWh` or `40000Wh` states, in Wh; a bare number is kWh; None if unreadable."""
    match = _ENERGY.fullmatch(text.strip())
    if match is None:
        return None
    factor = 1 if (match[2] or "kWh").upper() == "WH" else 1000
    return int((Decimal(match[1]) * factor).to_integral_value(rounding=ROUND_HALF_EVEN))


def searched(text: str) -> str:
    """What a free search text says beyond the words every charger answers to (`EV charger near me` → nothing)."""
    return " ".join(word for word in text.split() if word.lower().strip(".,;:") not in _GENERIC)


def plain(value: Decimal) -> str:
    """The number without exponent and trailing zeros: `10`, `2.3`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
