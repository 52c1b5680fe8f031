"""What does the demonstration city consist of, for one seed?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from catalog.ocpi import ConnectorData, EvseData, LocationData, TariffData
from catalog.tariffs import describe

HISTORY = timedelta(days=14)
WEEKDAYS = range(1, 8)


@dataclass(frozen=True, slots=True)
class Company:
    """A fictional operator with its tariffs and stations."""

    code: str
    facts: dict[str, str]
    tariffs: tuple[TariffData, ...]
    stations: tuple[LocationData, ...]


def city_code() -> str:
    """The network's code of the city."""
    return str(_data()["city_code"])


def companies(seed: int) -> list[Company]:
    """The three operators; the same for the same seed."""
    data = _data()
    random = Random(seed)  # noqa: S311 a demonstration is drawn, no secret
    stations: dict[str, list[LocationData]] = {entry["code"]: [] for entry in data["operators"]}
    codes = list(stations)
    for number, place in enumerate(data["neighbourhoods"]):
        operator = codes[number % len(codes)]
        site = data["sites"][number % len(data["sites"])]
        stations[operator].append(_station(operator, number, place, site=site, random=random))
    return [
        Company(
            code=entry["code"],
            facts={key: value for key, value in entry.items() if key not in ("code", "tariffs")},
            tariffs=tuple(_tariff(tariff) for tariff in entry["tariffs"]),
            stations=tuple(stations[entry["code"]]),
        )
        for entry in data["operators"]
    ]


def dead_charger(seed: int) -> str:
    """The EVSE that is out of order."""
    return _drawn(seed).choice([evse.uid for company in companies(seed) for evse in company.stations[3].evses])


def history(uid: str, *, seed: int, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Fourteen days of an EVSE's changes before `now`, oldest first, as (moment, status); it ends available."""
    random = Random(f"{seed} {uid}")  # noqa: S311
    moment = now - HISTORY
    while True:
        moment += timedelta(minutes=random.randint(90, 600))
        ready = moment + timedelta(minutes=random.randint(25, 110))
        if ready >= now - timedelta(minutes=5):
            return
        if random.random() < 0.02:
            yield moment, "faulted"
        else:
            yield moment, "preparing"
            yield moment + timedelta(minutes=2), "charging"
            yield ready - timedelta(minutes=3), "finishing"
        yield ready, "available"
        moment = ready


def _station(
    operator: str, number: int, place: dict[str, str], *, site: dict[str, Any], random: Random
) -> LocationData:
    data = _data()
    kinds = site["chargers"]
    return LocationData(
        code=f"{operator}-BLR-{number + 1:03d}",
        name=f"{place['name']} {site['kind']}",
        latitude=_nearby(place["latitude"], random),
        longitude=_nearby(place["longitude"], random),
        address=f"{random.randint(1, 180)}, {place['name']}",
        city=data["city"],
        state=data["state"],
        postal_code=place["postal_code"],
        opening_times=_hours(site["hours"]),
        directions=f"Follow the green signs at the entrance of the {site['kind'].lower()}.",
        amenities=tuple(site["amenities"]),
        evses=tuple(
            _evse(operator, f"IN*{operator}*E{number + 1:03d}{slot}", kind, slot=slot)
            for slot, kind in enumerate(kinds, start=1)
        ),
    )


def _evse(operator: str, uid: str, kind: str, *, slot: int) -> EvseData:
    charger = _data()["chargers"][kind]
    tariff = f"{operator}-{charger['tariff']}"
    if operator == "KSP" and kind == "dc120":
        tariff = "KSP-GREEN"
    plugs = (
        ConnectorData(number=str(number), tariffs=(tariff,), **facts)
        for number, facts in enumerate(charger["connectors"], start=1)
    )
    return EvseData(
        uid=uid,
        slot_number=slot,
        status="available",
        label=f"Bay {slot}",
        manufacturer=charger["manufacturer"],
        connectors=tuple(plugs),
    )


def _tariff(entry: dict[str, Any]) -> TariffData:
    return TariffData(
        code=entry["code"],
        name=entry["name"],
        currency="INR",
        elements=entry["elements"],
        green=entry.get("green", False),
        gst_percent=Decimal("18.00"),
        description=describe(entry["elements"]),
    )


def _hours(hours: list[str] | None) -> dict[str, Any]:
    if hours is None:
        return {"twentyfourseven": True}
    begin, end = hours
    days = [{"weekday": day, "period_begin": begin, "period_end": end} for day in WEEKDAYS]
    return {"twentyfourseven": False, "regular_hours": days}


def _nearby(degrees: str, random: Random) -> Decimal:
    """Within some 200 m of the neighbourhood's centre."""
    return Decimal(degrees) + Decimal(random.randint(-1800, 1800)).scaleb(-6)


def _drawn(seed: int) -> Random:
    return Random(f"dead {seed}")  # noqa: S311


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Path(__file__).with_name("bengaluru.json").read_text(encoding="utf-8"))
    return data
