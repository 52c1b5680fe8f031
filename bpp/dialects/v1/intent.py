"""What does a search look for?

Source: Beckn core 1.1.1, `Intent`; UEI guide 1.3 and the spellings of its examples: connector filters stand in the
tags of the intent, of its fulfilment or of its item.
"""

from __future__ import annotations

from typing import Any

from bpp.dialects.v1 import words
from bpp.dialects.v1.reading import Reader
from bpp.dialects.v1.tags import Tag, tags
from bpp.messages import Circle, Search, Window, WireFault

DEFAULT_RADIUS_M = 5000.0
_CONNECTOR_CODES = frozenset({"connector-type", "connector-types", "connectortype", "connectors", "connector"})
# Categories that name the whole trade: everything offered here belongs to them.
GENERIC_CATEGORIES = frozenset({"charging", "energy", "ev", "ev-charging", "ev-charger"})
_INTENT = "$.message.intent"


def search(message: dict[str, Any], reader: Reader) -> Search:
    """The neutral search that an intent asks for; tag codes we do not know are ignored, with a note.

    Raises WireFault where a filter cannot be read: a search for something else would be a wrong answer.
    """
    intent = reader.map(message, "intent", "$.message")
    fulfillment = reader.map(intent, "fulfillment", _INTENT)
    item = reader.map(intent, "item", _INTENT)
    provider = reader.map(intent, "provider", _INTENT)
    filters = _Filters(reader)
    for node, path in (
        (intent, _INTENT),
        (fulfillment, f"{_INTENT}.fulfillment"),
        (item, f"{_INTENT}.item"),
    ):
        filters.read(node, path)
    vehicle = reader.map(fulfillment, "vehicle", f"{_INTENT}.fulfillment")
    if vehicle:
        filters.take(
            "vehicle", reader.text(vehicle, "category", f"{_INTENT}.fulfillment.vehicle"), f"{_INTENT}.fulfillment"
        )
    near, station = _place(fulfillment, reader)
    return Search(
        text=_words(intent, item, reader),
        near=near,
        connector_types=filters.connector_types(),
        current=filters.current,
        min_power_w=filters.min_power_w,
        max_power_w=filters.max_power_w,
        level=filters.level,
        vehicle=filters.vehicle,
        operator=reader.text(provider, "id", f"{_INTENT}.provider"),
        operator_name=_name(provider, f"{_INTENT}.provider", reader),
        station=_first_id(provider, "locations", f"{_INTENT}.provider", reader) or station,
        item=reader.text(item, "id", f"{_INTENT}.item") or _first_id(provider, "items", f"{_INTENT}.provider", reader),
        category=_category(intent, reader),
        window=_window(fulfillment, reader),
        energy_wh=_energy_wh(item, reader),
        available_only=filters.available_only,
    )


class _Filters:
    """What the tags of an intent ask for, wherever they stand."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.wanted: list[tuple[str, str]] = []
        self.current = ""
        self.min_power_w: int | None = None
        self.max_power_w: int | None = None
        self.level: int | None = None
        self.vehicle = ""
        self.available_only = False

    def read(self, node: dict[str, Any], path: str) -> None:
        """Takes every tag of every group at `node`."""
        for tag in tags(node, path, self.reader, or_name=True):
            self._tag(tag)

    def take(self, code: str, value: str, path: str) -> None:
        """Takes one filter by its folded code. Raises WireFault where its value cannot be read."""
        if code in _CONNECTOR_CODES:
            self.wanted += [(part.strip(), path) for part in value.split(",") if part.strip()]
        elif code in {"power-rating", "min-power", "power"}:
            self.min_power_w = self._power(value, path)
        elif code == "max-power":
            self.max_power_w = self._power(value, path)
        elif code == "availability":
            self.available_only = words.availability(value) == "available"
        else:
            self._take_word(code, value, path)

    def connector_types(self) -> frozenset[str]:
        """The connector types wanted, by OCPI names; an unknown one stays, so that it finds nothing."""
        found: set[str] = set()
        for text, path in self.wanted:
            known = words.connectors(text, self.current)
            if not known:
                self.reader.warn(path, text, "an unknown connector type; nothing matches it")
            elif text not in known:
                self.reader.warn(path, text, f"read as connector type {' or '.join(sorted(known))}")
            found |= known or {text}
        return frozenset(found)

    def _tag(self, tag: Tag) -> None:
        value, path = tag.value(self.reader), tag.path
        if tag.group in _CONNECTOR_CODES and tag.code not in _CONNECTOR_CODES:
            raw = self.reader.map(tag.node, "descriptor", path)
            self.take("connector-type", value or self.reader.text(raw, "code", f"{path}.descriptor"), path)
        elif value:
            self.take(tag.code, value, path)

    def _take_word(self, code: str, value: str, path: str) -> None:
        if code in {"charger-type", "current", "current-type"} and words.current(value):
            self.current = words.current(value)
        elif code in {"charger-level", "level", "charger-type"} and words.level(value) is not None:
            self.level = words.level(value)
        elif code in {"vehicle", "vehicle-type", "vehicle-category"} and words.vehicle(value):
            self.vehicle = words.vehicle(value)
        else:
            self.reader.warn(path, f"{code}: {value}", "not a filter we know; ignored")

    def _power(self, value: str, path: str) -> int:
        power_w = words.power_w(value)
        if power_w is None:
            raise WireFault("30000", f"{path}.value", f"{path}.value is {value!r}; send a power such as 30kW.")
        return power_w


def _words(intent: dict[str, Any], item: dict[str, Any], reader: Reader) -> str:
    return words.searched(_name(intent, _INTENT, reader) or _name(item, f"{_INTENT}.item", reader))


def _name(node: dict[str, Any], path: str, reader: Reader) -> str:
    return reader.text(reader.map(node, "descriptor", path), "name", f"{path}.descriptor")


def _first_id(node: dict[str, Any], key: str, path: str, reader: Reader) -> str:
    rows = reader.rows(node, key, path)
    return reader.text(rows[0][1], "id", rows[0][0]) if rows else ""


def _category(intent: dict[str, Any], reader: Reader) -> str:
    category = reader.map(intent, "category", _INTENT)
    path = f"{_INTENT}.category"
    descriptor = reader.map(category, "descriptor", path)
    code = words.fold(reader.text(descriptor, "code", f"{path}.descriptor") or reader.text(category, "id", path))
    return "" if code in GENERIC_CATEGORIES else code


def _place(fulfillment: dict[str, Any], reader: Reader) -> tuple[Circle | None, str]:
    station = ""
    for where, stop in reader.rows(fulfillment, "stops", f"{_INTENT}.fulfillment"):
        location = reader.map(stop, "location", where)
        path = f"{where}.location"
        station = station or reader.text(location, "id", path)
        circle = reader.map(location, "circle", path)
        point = reader.point(circle, "gps", f"{path}.circle") or reader.point(location, "gps", path)
        if point is not None:
            return Circle(point[0], point[1], _radius_m(circle, f"{path}.circle", reader)), station
    return None, station


def _radius_m(circle: dict[str, Any], path: str, reader: Reader) -> float:
    radius = reader.map(circle, "radius", path)
    where = f"{path}.radius"
    value = reader.decimal(radius, "value", where)
    if value is None:
        reader.warn(where, "", f"no radius; {DEFAULT_RADIUS_M / 1000:g} km is taken")
        return DEFAULT_RADIUS_M
    unit = reader.text(radius, "unit", where)
    if not unit:
        reader.warn(f"{where}.unit", "", "no unit; read as km")
    length_m = words.length_m(unit or "km")
    if length_m is None:
        raise WireFault("30000", f"{where}.unit", f"{where}.unit is {unit!r}; send km or m.")
    if value <= 0:
        raise WireFault("30000", f"{where}.value", f"{where}.value is {value}; send a radius above zero.")
    return float(value) * length_m


def _window(fulfillment: dict[str, Any], reader: Reader) -> Window | None:
    return reader.window(fulfillment, f"{_INTENT}.fulfillment") if fulfillment else None


def _energy_wh(item: dict[str, Any], reader: Reader) -> int | None:
    path = f"{_INTENT}.item.quantity"
    quantity = reader.map(item, "quantity", f"{_INTENT}.item")
    wanted = reader.quantity(quantity, path, keys=("available", "selected"))
    if wanted is None or wanted.kind == "energy":
        return wanted.amount if wanted else None
    reader.warn(path, wanted.kind, "only an energy filters a search; ignored")
    return None
