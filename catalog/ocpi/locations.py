"""What does an OCPI Location say in our words, and how is a station said in OCPI's?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.ocpi.fields import (
    Reading,
    Refused,
    Remark,
    a_list,
    a_moment,
    a_number,
    a_text,
    an_id,
    display_text,
    plain,
    shown,
    unwrapped,
    written,
)
from catalog.opening import OpeningFault, known_zone, opening
from catalog.plugs import PLAIN_NAMES, standard_named

# OCPI's status to the catalogue's; a removed EVSE is not sold.
STATUSES = {
    "AVAILABLE": "available",
    "BLOCKED": "unavailable",
    "CHARGING": "charging",
    "INOPERATIVE": "unavailable",
    "OUTOFORDER": "faulted",
    "PLANNED": "unavailable",
    "REMOVED": "unavailable",
    "RESERVED": "reserved",
    "UNKNOWN": "unavailable",
}
OCPI_STATUSES = {
    "available": "AVAILABLE",
    "preparing": "CHARGING",
    "charging": "CHARGING",
    "finishing": "CHARGING",
    "reserved": "RESERVED",
    "unavailable": "INOPERATIVE",
    "faulted": "OUTOFORDER",
}
# Voltage is between line and neutral, so that power is voltage × current × phases.
PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3, "DC": 1}
MAX_POWER_W = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorData:
    """A connector; `tariffs` are tariff codes, None where the document does not speak of them."""

    number: str
    standard: str
    power_type: str
    max_power_w: int
    max_voltage_v: int = 0
    max_current_a: int = 0
    tariffs: tuple[str, ...] | None = None
    vehicle: str = ""
    path: str = field(default="$", compare=False)

    @property
    def current(self) -> str:
        return "DC" if self.power_type == "DC" else "AC"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseData:
    """An EVSE in its slot; `whole` is False where a connector of the document had to be refused."""

    uid: str
    slot_number: int
    status: str
    connectors: tuple[ConnectorData, ...]
    status_at: datetime | None = None
    label: str = ""
    manufacturer: str = ""
    removed: bool = False
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationData:
    """A station; `whole` is False where an EVSE of the document had to be refused."""

    code: str
    name: str
    latitude: Decimal
    longitude: Decimal
    evses: tuple[EvseData, ...]
    path: str = field(default="$", compare=False)
    address: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = "IND"
    time_zone: str = "Asia/Kolkata"
    opening_times: dict[str, Any] = field(default_factory=dict)
    directions: str = ""
    amenities: tuple[str, ...] = ()
    publish: bool = True
    whole: bool = True


def read_locations(document: object, reading: Reading) -> list[LocationData]:
    """The stations of an array of Locations, or of an OCPI response with such an array in `data`.

    Source: OCPI 2.2.1 mod_locations, Location, EVSE and Connector objects.
    """
    entries, path = unwrapped(document)
    seen: set[str] = set()

    def read(entry: Mapping[str, Any], place: str) -> LocationData:
        return _location(entry, place, reading, seen=seen)

    return [data for _, data in reading.each(entries, path, read, name="Location")]


def location_document(data: LocationData, last_updated: datetime) -> dict[str, Any]:
    """The OCPI Location of a station."""
    document: dict[str, Any] = {
        "id": data.code,
        "publish": data.publish,
        "name": data.name,
        "address": data.address,
        "city": data.city,
        "country": data.country,
        "coordinates": {"latitude": f"{data.latitude:f}", "longitude": f"{data.longitude:f}"},
        "time_zone": data.time_zone,
        "facilities": list(data.amenities),
        "evses": [_evse_document(evse, last_updated) for evse in data.evses],
        "last_updated": written(last_updated),
    }
    optional = {"state": data.state, "postal_code": data.postal_code, "opening_times": data.opening_times}
    document |= {name: value for name, value in optional.items() if value}
    if data.directions:
        document["directions"] = [{"language": "en", "text": data.directions}]
    return document


def _evse_document(data: EvseData, last_updated: datetime) -> dict[str, Any]:
    return {
        "uid": data.uid,
        "evse_id": data.uid,
        "status": OCPI_STATUSES[data.status],
        "physical_reference": data.label,
        "connectors": [
            {
                "id": plug.number,
                "standard": plug.standard,
                "format": "CABLE" if plug.current == "DC" else "SOCKET",
                "power_type": plug.power_type,
                "max_voltage": plug.max_voltage_v,
                "max_amperage": plug.max_current_a,
                "max_electric_power": plug.max_power_w,
                "tariff_ids": list(plug.tariffs or ()),
                "last_updated": written(last_updated),
            }
            for plug in data.connectors
        ],
        "last_updated": written(data.status_at or last_updated),
    }


def _location(entry: Mapping[str, Any], path: str, reading: Reading, *, seen: set[str]) -> LocationData:
    code = an_id(entry, path, "id", limit=64)
    if code in seen:
        raise Refused(f"{path}.id", f"{code!r} appears twice in this document")
    seen.add(code)
    place = entry.get("coordinates")
    if not isinstance(place, Mapping):
        raise Refused(f"{path}.coordinates", f"{shown(place)} is not a position; write latitude and longitude")
    zone = _zone(entry, path)
    refused_before = len(reading.refused)
    evses = _evses(entry, path, reading)
    address = a_text(entry, path, "address", limit=300)
    return LocationData(
        code=code,
        name=a_text(entry, path, "name", limit=200) or address or code,
        latitude=_degrees(place, f"{path}.coordinates", "latitude", limit=90),
        longitude=_degrees(place, f"{path}.coordinates", "longitude", limit=180),
        evses=evses,
        path=path,
        address=address,
        city=a_text(entry, path, "city", limit=100),
        state=a_text(entry, path, "state", limit=100),
        postal_code=a_text(entry, path, "postal_code", limit=10),
        country=a_text(entry, path, "country", limit=3) or "IND",
        time_zone=zone,
        opening_times=_hours(entry, path, zone),
        directions=display_text(entry.get("directions"))[:300],
        amenities=tuple(str(facility) for facility in a_list(entry, path, "facilities")),
        publish=entry.get("publish") is not False,
        whole=len(reading.refused) == refused_before,
    )


def _evses(entry: Mapping[str, Any], path: str, reading: Reading) -> tuple[EvseData, ...]:
    fallback = entry.get("last_updated")
    seen: set[str] = set()

    def read(evse: Mapping[str, Any], place: str) -> EvseData:
        uid = an_id(evse, place, "evse_id" if evse.get("evse_id") else "uid", limit=64)
        if uid in seen:
            raise Refused(f"{place}.uid", f"{uid!r} appears twice at this location")
        seen.add(uid)
        status = evse.get("status")
        if status not in STATUSES:
            raise Refused(f"{place}.status", f"{shown(status)} is not a status; write one of {', '.join(STATUSES)}")
        refused_before = len(reading.refused)
        plugs = reading.each(evse.get("connectors"), f"{place}.connectors", _connector, name="Connector")
        return EvseData(
            uid=uid,
            slot_number=int(place[place.rindex("[") + 1 : -1]) + 1,
            status=STATUSES[status],
            connectors=_once([data for _, data in plugs], place, reading),
            status_at=a_moment(evse.get("last_updated", fallback), f"{place}.last_updated"),
            label=a_text(evse, place, "physical_reference", limit=100),
            removed=status == "REMOVED",
            whole=len(reading.refused) == refused_before,
        )

    return tuple(data for _, data in reading.each(a_list(entry, path, "evses"), f"{path}.evses", read, name="EVSE"))


def _once(plugs: list[ConnectorData], path: str, reading: Reading) -> tuple[ConnectorData, ...]:
    kept: dict[str, ConnectorData] = {}
    for plug in plugs:
        if plug.number in kept:
            reading.refused.append(Remark(f"{path}.connectors", f"connector id {plug.number!r} appears twice"))
        kept.setdefault(plug.number, plug)
    return tuple(kept.values())


def _connector(entry: Mapping[str, Any], path: str) -> ConnectorData:
    number = an_id(entry, path, "id", limit=36)
    standard = standard_named(str(entry.get("standard")))
    if standard is None:
        allowed = ", ".join(PLAIN_NAMES)
        raise Refused(f"{path}.standard", f"{shown(entry.get('standard'))} is not a known kind; write one of {allowed}")
    kind = entry.get("power_type")
    if kind not in PHASES:
        raise Refused(f"{path}.power_type", f"{shown(kind)} is not a power type; write one of {', '.join(PHASES)}")
    voltage = a_number(entry, path, "max_voltage")
    current = a_number(entry, path, "max_amperage")
    power = a_number(entry, path, "max_electric_power") or voltage * current * PHASES[kind]
    if not 0 < power <= MAX_POWER_W:
        place = f"{path}.max_electric_power"
        raise Refused(
            place, f"{power} W; give it in W, above 0 and at most {MAX_POWER_W}, or max_voltage, max_amperage"
        )
    tariffs = tuple(str(code) for code in a_list(entry, path, "tariff_ids")) if "tariff_ids" in entry else None
    return ConnectorData(
        number=number,
        standard=standard,
        power_type=kind,
        max_power_w=power,
        max_voltage_v=voltage,
        max_current_a=current,
        tariffs=tariffs,
        path=path,
    )


def _degrees(place: Mapping[str, Any], path: str, name: str, *, limit: int) -> Decimal:
    try:
        value = Decimal(str(place.get(name))).quantize(Decimal("0.000001"))
    except InvalidOperation:
        value = Decimal(1000)
    if not abs(value) <= limit:
        raise Refused(f"{path}.{name}", f"{shown(place.get(name))} is not in degrees from -{limit} to {limit}")
    return value


def _zone(entry: Mapping[str, Any], path: str) -> str:
    name = a_text(entry, path, "time_zone", limit=50) or "Asia/Kolkata"
    if not known_zone(name):
        raise Refused(f"{path}.time_zone", f"{name!r} is not a time zone; write one such as Asia/Kolkata")
    return name


def _hours(entry: Mapping[str, Any], path: str, zone: str) -> dict[str, Any]:
    hours = entry.get("opening_times") or {}
    try:
        opening(hours, zone)
    except OpeningFault as fault:
        raise Refused(f"{path}.opening_times.{fault.path}", fault.text) from fault
    return dict(plain(hours))
