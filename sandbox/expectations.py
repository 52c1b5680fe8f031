"""Does what a provider says hold together? Checks on the orders of one journey, each failure told in a sentence.

Pure: JSON in, sentences out. An empty list of sentences means that it holds.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.offers import tag_values

WH_PER_KWH = 1000
_QUANTITY = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)\s*")


def charging_details(order: dict[str, Any]) -> dict[str, str]:
    """The charging-details of an order's first fulfilment, by code."""
    fulfillments = order.get("fulfillments") or [{}]
    groups = fulfillments[0].get("tags") or []
    codes = ("charging-details", "charging_details")
    return tag_values([group for group in groups if str((group.get("descriptor") or {}).get("code")).lower() in codes])


def amount(text: Any) -> Decimal | None:
    """A decimal number, or None where it is none."""
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return None


def energy_wh(text: str) -> int | None:
    """Wh out of a text such as 2.3kWh, 2300 Wh or 2300 (taken as Wh); None where it is not one."""
    match = _QUANTITY.fullmatch(text or "")
    if match is None:
        return None
    number, unit = Decimal(match[1]), match[2].lower()
    if unit not in ("", "wh", "kwh"):
        return None
    return int(number * WH_PER_KWH) if unit == "kwh" else int(number)


def power_kw(text: str) -> float:
    """kW out of a text such as 3.3kW or 3300W; 0 where it is none."""
    match = _QUANTITY.fullmatch(text or "")
    if match is None:
        return 0.0
    return float(match[1]) / (1000 if match[2].lower() == "w" else 1)


def quote_faults(order: dict[str, Any], *, where: str) -> list[str]:
    """Whether an order carries a quote whose lines add up to its total."""
    quote = order.get("quote")
    if not isinstance(quote, dict):
        return [f"{where}: the order has no quote"]
    total = amount((quote.get("price") or {}).get("value"))
    lines = [amount((line.get("price") or {}).get("value")) for line in quote.get("breakup") or []]
    if total is None or not lines or None in lines:
        return [f"{where}: the quote has no readable total and lines"]
    added = sum((line for line in lines if line is not None), Decimal(0))
    if added != total:
        return [f"{where}: the lines add up to {added}, the total says {total}"]
    return []


def billed_wh(order: dict[str, Any]) -> int | None:
    """The energy that the quote's energy lines charge for, None where they do not say."""
    found = None
    for line in (order.get("quote") or {}).get("breakup") or []:
        if line.get("title") != "energy-cost":
            continue
        quantity = (line.get("item") or {}).get("quantity") or {}
        measure = (quantity.get("selected") or {}).get("measure") or {}
        wh = energy_wh(f"{measure.get('value', '')}{measure.get('unit', '')}")
        if wh is not None:
            found = (found or 0) + wh
    return found


def bill_faults(order: dict[str, Any]) -> list[str]:
    """Whether the final bill's energy equals meter stop − meter start."""
    details = charging_details(order)
    start, stop = (energy_wh(details.get(name, "")) for name in ("meter-start", "meter-stop"))
    if start is None or stop is None:
        return ["final bill: charging-details name no meter-start and meter-stop"]
    metered, faults = stop - start, []
    if metered < 0:
        faults.append(f"final bill: the meter ran backwards, from {start} to {stop} Wh")
    told = energy_wh(details.get("energy-delivered", ""))
    if told != metered:
        faults.append(f"final bill: energy-delivered says {told} Wh, the meter {metered} Wh")
    billed = billed_wh(order)
    if billed != metered:
        faults.append(f"final bill: {billed} Wh are billed, the meter says {metered} Wh")
    return faults


def meter_faults(order: dict[str, Any], sessions: list[dict[str, Any]]) -> list[str]:
    """Whether the power supplier knows a session with just the bill's meter values."""
    details = charging_details(order)
    told = tuple(energy_wh(details.get(name, "")) for name in ("meter-start", "meter-stop"))
    if any((it.get("meterStartWh"), it.get("meterWh")) == told for it in sessions):
        return []
    return [f"final bill: the power supplier has no session with the meter going from {told[0]} to {told[1]} Wh"]


def context_faults(asked: dict[str, Any], got: dict[str, Any], *, where: str) -> list[str]:
    """Whether a solicited callback's context answers the request's: same ids and parties."""
    return [
        f"{where}: context.{name} is {got.get(name)!r}, the request said {asked[name]!r}"
        for name in ("transaction_id", "message_id", "bap_id", "bap_uri", "domain", "version", "bpp_id", "bpp_uri")
        if asked.get(name) and got.get(name) != asked[name]
    ]


def timestamp_faults(pairs: list[tuple[str, str]]) -> list[str]:
    """Whether callbacks carry times of their own; `pairs` are the timestamps of request and callback.

    One equal pair says nothing, an answer may be given within the same millisecond; all of them equal does.
    """
    if len(pairs) > 2 and all(asked == got for asked, got in pairs):
        return [f"context.timestamp was copied from the request in all {len(pairs)} callbacks"]
    return []


def same_order_faults(first: dict[str, Any], later: dict[str, Any], *, where: str) -> list[str]:
    """Whether the ids of an order stay what they were."""
    before, after = _ids(first), _ids(later)
    return [
        f"{where}: {name} changed from {before[name]!r} to {after[name]!r}"
        for name in before
        if before[name] != after[name]
    ]


def _ids(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "order.id": order.get("id"),
        "provider.id": (order.get("provider") or {}).get("id"),
        "items[0].id": (order.get("items") or [{}])[0].get("id"),
        "fulfillments[0].id": (order.get("fulfillments") or [{}])[0].get("id"),
    }
