"""What is sold right now, what has changed, and how does the index in memory follow?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.db.models import Value

from catalog.models import Connector, Evse, Operator, Station, Tariff
from catalog.opening import ALWAYS, Opening, known_zone, opening
from catalog.plugs import PLAIN_NAMES
from catalog.search import Index, Offer, words
from catalog.tariffs import NoTariff, Schedule, price_at, schedule
from core.money import Money

log = logging.getLogger(__name__)

# A row carries the time it was written, not the time its transaction became visible; a transaction may last this long.
OVERLAP = timedelta(seconds=10)
BATCH = 2000
OPERATOR_ITSELF = "operator itself"
# Cities that many still call by their former name.
OTHER_NAMES = {
    "bengaluru": "Bangalore",
    "chennai": "Madras",
    "gurugram": "Gurgaon",
    "kochi": "Cochin",
    "kolkata": "Calcutta",
    "mumbai": "Bombay",
    "mysuru": "Mysore",
    "thiruvananthapuram": "Trivandrum",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferData:
    """All that a rendering of a connector may show: the rows, read once and shared, and the price at this moment."""

    connector: Connector
    evse: Evse
    station: Station
    operator: Operator
    tariff: Tariff
    price_per_kwh: Money
    opening: Opening


Render = Callable[[OfferData], object]
Write = tuple[str, int, int, datetime]
"""A row that was written: its kind, its id, its station's id and the time it carries."""


def offers_of(station_ids: Collection[int] | None, now: datetime) -> Iterator[OfferData]:
    """What the stations (None: all) sell at `now`: published, by an active operator, with a place and a price.

    Read in batches of stations, three queries each, so that memory stays bounded. A tariff or opening hours that cannot
    be read are logged and not sold.
    """
    operators = Operator.objects.filter(active=True).in_bulk()
    tariffs = Tariff.objects.filter(operator__in=operators).in_bulk()
    prices = _Prices(tariffs, now)
    on_show = Station.objects.filter(
        published=True, latitude__isnull=False, longitude__isnull=False, operator__in=operators
    )
    if station_ids is None:
        station_ids = list(on_show.order_by("id").values_list("id", flat=True))
    for batch in _batched(sorted(station_ids), BATCH):
        stations = on_show.in_bulk(batch)
        hours = {station.id: _opening(station) for station in stations.values()}
        evses = Evse.objects.filter(station__in=stations).in_bulk()
        for connector in Connector.objects.filter(active=True, evse__station__in=stations).order_by(
            "evse__station", "evse__slot_number", "number"
        ):
            evse = evses.get(connector.evse_id)
            station = stations.get(evse.station_id) if evse else None
            if evse is None or station is None or connector.tariff_id is None:
                continue  # without a tariff, or written between the queries: the next refresh sees it whole
            opened = hours[station.id]
            price = prices.at(connector.tariff_id, station.time_zone) if opened else None
            if opened is None or price is None:
                continue
            yield OfferData(
                connector=connector,
                evse=evse,
                station=station,
                operator=operators[station.operator_id],
                tariff=tariffs[connector.tariff_id],
                price_per_kwh=price,
                opening=opened,
            )


def recent_writes(since: datetime) -> set[Write]:
    """What was written since 10 s before `since`: rows of stations and beside them, each with its station and time."""
    after = since - OVERLAP
    told = (
        ("station", Station.objects, "updated_at", "id", "id"),
        ("operator", Station.objects, "operator__updated_at", "operator_id", "id"),
        ("evse", Evse.objects, "updated_at", "id", "station_id"),
        ("connector", Connector.objects, "updated_at", "id", "evse__station_id"),
        ("tariff", Connector.objects, "tariff__updated_at", "tariff_id", "evse__station_id"),
    )
    parts = [
        rows.filter(**{f"{time}__gte": after})
        .annotate(kind=Value(kind))
        .values_list("kind", row, station, time)
        .order_by()
        for kind, rows, time, row, station in told
    ]
    return set(parts[0].union(*parts[1:]))


def repriced_stations(since: datetime, now: datetime) -> set[int]:
    """The stations with a tariff whose price per kWh at `now` is another than at `since`, by the clock alone."""
    if since.replace(second=0, microsecond=0) == now.replace(second=0, microsecond=0):
        return set()
    timed = {tariff.id: tariff for tariff in Tariff.objects.all() if (plan := _schedule(tariff)) and plan.timed}
    if not timed:
        return set()
    before, after = _Prices(timed, since), _Prices(timed, now)
    zones = Station.objects.filter(evses__connectors__tariff__in=timed).values_list("time_zone", flat=True).distinct()
    moved = [
        (tariff_id, zone)
        for zone in zones.order_by()
        if known_zone(zone)
        for tariff_id in timed
        if before.at(tariff_id, zone) != after.at(tariff_id, zone)
    ]
    return {
        station_id
        for tariff_id, zone in moved
        for station_id in Station.objects.filter(time_zone=zone, evses__connectors__tariff=tariff_id)
        .values_list("id", flat=True)
        .distinct()
    }


def load(index: Index, render: Render, now: datetime) -> None:
    """Fill the index with everything on sale at `now`; `render` makes the payload of each offer."""
    index.load(offer(data, render(data)) for data in offers_of(None, now))


def refresh(
    index: Index, render: Render, since: datetime, *, now: datetime, followed: set[Write] | None = None
) -> set[int]:
    """Bring the index from `since`, when it was last brought up, to `now`; returns the stations looked at.

    `followed` is kept by the caller from call to call: the writes of the overlap that need not be followed again.
    """
    writes = recent_writes(since) | _operators_written(since)
    fresh = writes - (followed or set())
    stations = {station for kind, _, station, _ in fresh if kind != OPERATOR_ITSELF}
    stations |= _maybe_deleted(index, fresh) | repriced_stations(since, now)
    if stations:
        offers: dict[int, list[Offer]] = {station_id: [] for station_id in stations}
        for data in offers_of(stations, now):
            offers[data.station.id].append(offer(data, render(data)))
        for station_id, members in offers.items():
            index.replace_station(station_id, members)
    if followed is not None:
        followed.clear()
        followed.update(writes)
    return stations


def offer(data: OfferData, payload: object) -> Offer:
    """The searchable form of what is sold."""
    connector, evse, station, operator = data.connector, data.evse, data.station, data.operator
    assert station.latitude is not None
    assert station.longitude is not None
    return Offer(
        connector_id=connector.id,
        item_id=connector.item_id,
        operator=operator.code,
        operator_name=operator.name,
        station_id=station.id,
        station=station.code,
        latitude=float(station.latitude),
        longitude=float(station.longitude),
        opening=data.opening,
        evse_id=evse.id,
        evse=evse.uid,
        standard=connector.standard,
        current=connector.current,
        max_power_w=connector.max_power_w,
        vehicle=connector.vehicle,
        green=data.tariff.green,
        status=evse.status,
        words=_words(
            (operator.name, station.name, station.address, station.city, station.state, station.postal_code),
            connector.standard,
            current=connector.current,
            green=data.tariff.green,
        ),
        payload=payload,
    )


def _batched(ids: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _operators_written(since: datetime) -> set[Write]:
    written = Operator.objects.filter(updated_at__gte=since - OVERLAP).values_list("id", "updated_at")
    return {(OPERATOR_ITSELF, row, 0, at) for row, at in written}


def _maybe_deleted(index: Index, writes: set[Write]) -> set[int]:
    """Stations the index knows of operators just written: where a station is deleted its operator carries the time."""
    rows = [row for kind, row, _, _ in writes if kind == OPERATOR_ITSELF]
    if not rows:
        return set()
    return set(index.stations_of(frozenset(Operator.objects.filter(id__in=rows).values_list("code", flat=True))))


class _Prices:
    """The price of one kWh at one moment, by tariff and time zone, worked out once each."""

    def __init__(self, tariffs: dict[int, Tariff], now: datetime) -> None:
        self._tariffs = tariffs
        self._now = now
        self._known: dict[tuple[int | None, str], Money | None] = {}

    def at(self, tariff_id: int | None, zone: str) -> Money | None:
        key = tariff_id, zone
        if key not in self._known:
            self._known[key] = self._price(tariff_id, zone)
        return self._known[key]

    def _price(self, tariff_id: int | None, zone: str) -> Money | None:
        tariff = self._tariffs.get(tariff_id) if tariff_id else None
        plan = _schedule(tariff) if tariff else None
        if tariff is None or plan is None:
            return None
        try:
            price: Decimal = price_at(plan, self._now, tz=ZoneInfo(zone))
        except NoTariff:
            return None
        return Money(price, tariff.currency)


def _schedule(tariff: Tariff) -> Schedule | None:
    try:
        return schedule(tariff.elements)
    except ValueError:
        log.exception("tariff cannot be read and is not sold", extra={"tariff": tariff.id})
        return None


def _opening(station: Station) -> Opening | None:
    try:
        found = opening(station.opening_times, station.time_zone)
    except ValueError:
        log.exception("opening hours cannot be read; the station is not sold", extra={"station": station.id})
        return None
    return ALWAYS if found.always and not found.closed else found


@lru_cache(maxsize=65_536)
def _words(place: tuple[str, ...], standard: str, *, current: str, green: bool) -> str:
    plain = PLAIN_NAMES.get(standard, "")
    other_names = [OTHER_NAMES.get(text.casefold(), "") for text in place]
    kind = (standard, plain, plain.replace(" ", ""), current, "green" if green else "")
    return words(*place, *other_names, *kind)
