"""What does an OCPI Tariff say in our words, and how is a tariff said in OCPI's?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.ocpi.fields import (
    Reading,
    Refused,
    Remark,
    a_moment,
    an_id,
    display_text,
    plain,
    shown,
    unwrapped,
    written,
)
from catalog.tariffs import PriceLimit, TariffFault, describe, price_limit, schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffData:
    """A tariff, its elements with prices as texts; `gst_percent` is None where the document names no tax."""

    code: str
    name: str
    currency: str
    elements: list[dict[str, Any]]
    path: str = "$"
    green: bool = False
    gst_percent: Decimal | None = None
    description: str = ""
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None


def read_tariffs(document: object, reading: Reading, now: datetime) -> list[TariffData]:
    """The tariffs of an array of Tariffs, or of an OCPI response with such an array in `data`.

    Source: OCPI 2.2.1 mod_tariffs, Tariff object.
    """
    entries, path = unwrapped(document)

    def read(entry: Mapping[str, Any], place: str) -> TariffData:
        return _tariff(entry, place, reading, now=now)

    return [data for _, data in reading.each(entries, path, read, name="Tariff")]


def tariff_document(data: TariffData, last_updated: datetime) -> dict[str, Any]:
    """The OCPI Tariff of a tariff, with prices as numbers."""
    elements = [
        element
        | {
            "price_components": [
                component
                | {"price": float(component["price"]), "step_size": int(component.get("step_size") or 1)}
                | ({} if data.gst_percent is None else {"vat": float(data.gst_percent)})
                for component in element["price_components"]
            ]
        }
        for element in data.elements
    ]
    document: dict[str, Any] = {
        "id": data.code,
        "currency": data.currency,
        "elements": elements,
        "tariff_alt_text": [{"language": "en", "text": data.description}],
        "last_updated": written(last_updated),
    }
    for name, limit in (("min_price", data.min_price), ("max_price", data.max_price)):
        if limit is not None:
            document[name] = {part: float(amount) for part, amount in limit.row().items()}
    if data.green:
        document["energy_mix"] = {"is_green_energy": True}
    return document


def _tariff(entry: Mapping[str, Any], path: str, reading: Reading, *, now: datetime) -> TariffData:
    code = an_id(entry, path, "id", limit=64)
    currency = entry.get("currency")
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise Refused(f"{path}.currency", f"{shown(currency)} is not a currency; write three letters, such as INR")
    _check_period(entry, path, reading, now=now)
    try:
        plan = schedule(entry.get("elements") or [])
        limits = {name: price_limit(entry.get(name), name) for name in ("min_price", "max_price")}
    except TariffFault as fault:
        raise Refused(f"{path}.{fault.path}", fault.text) from fault
    if not plan.by_energy:
        raise Refused(f"{path}.elements", "no ENERGY price; charging is sold by the kWh")
    gst = _gst(entry["elements"], path)
    words = display_text(entry.get("tariff_alt_text")) or describe(plan, currency)
    mix = entry.get("energy_mix")
    return TariffData(
        code=code,
        name=code,
        currency=currency,
        elements=_canonical(entry["elements"]),
        path=path,
        green=isinstance(mix, Mapping) and mix.get("is_green_energy") is True,
        gst_percent=gst,
        description=words,
        **limits,
    )


def _check_period(entry: Mapping[str, Any], path: str, reading: Reading, *, now: datetime) -> None:
    begins = a_moment(entry.get("start_date_time"), f"{path}.start_date_time")
    ends = a_moment(entry.get("end_date_time"), f"{path}.end_date_time")
    if (begins and begins > now) or (ends and ends <= now):
        raise Refused(
            path, f"the tariff holds from {begins or 'ever'} to {ends or 'ever'}, not now; import it when it does"
        )
    if ends:
        note = "holds until replaced: import the next tariff when this one ends"
        reading.notes.append(Remark(f"{path}.end_date_time", note))


def _gst(elements: list[Any], path: str) -> Decimal | None:
    rates = {str(component.get("vat")) for element in elements for component in element["price_components"]} - {"None"}
    if not rates:
        return None
    try:
        percent = {Decimal(rate) for rate in rates}
    except InvalidOperation:
        percent = set()
    rate = percent.pop() if len(percent) == 1 else Decimal(-1)
    if not 0 <= rate <= 100:
        seen = ", ".join(sorted(rates))
        raise Refused(f"{path}.elements", f"vat {seen}: give one tax rate from 0 to 100 per cent for the whole tariff")
    return rate.quantize(Decimal("0.01"))


def _canonical(elements: list[Any]) -> list[dict[str, Any]]:
    """The elements with what we use, prices as texts, since a JSON number may lose digits."""
    kept: list[dict[str, Any]] = []
    for element in elements:
        components = [_component(component) for component in element["price_components"]]
        limits = {name: value for name, value in (element.get("restrictions") or {}).items() if value is not None}
        kept.append({"price_components": components} | ({"restrictions": plain(limits)} if limits else {}))
    return kept


def _component(component: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"type": component["type"], "price": str(component["price"])}
    for name, usual in (("step_size", 1), ("grace", 0)):
        value = int(component.get(name) or usual)
        if value != usual:
            kept[name] = value
    return kept
