"""Which offers match what a buyer looks for, nearest first? An index in memory; it never asks the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from catalog.opening import ALWAYS, Opening
from catalog.places import Point, Tree, distance_m, leaves_by_nearness, reach, vector

GREEN_TARIFF = "green-tariff"
LEVEL_1_MAX_W = 1_900
LEVEL_2_MAX_W = 22_000
OUT_OF_USE = frozenset({"unavailable", "faulted"})
# Words that describe everything offered here; a search for "EV charger" must find all of it.
GENERIC_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and any at by car charge charger chargers charging electric energy ev evs fast for in me my near nearby
        of on plug point points slot station stations the to vehicle vehicles with""",
    )
)

Busy = Mapping[int, Sequence[tuple[datetime, datetime]]]


class Near(Protocol):
    """A circle on the ground; without a radius the index's default holds."""

    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def radius_m(self) -> float | None: ...


class Span(Protocol):
    """A wanted time; without an end the time of arrival."""

    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A connector that can be found; `words` is its free text as `words()` makes it, `payload` is the caller's."""

    connector_id: int
    item_id: str
    operator: str
    operator_name: str
    station_id: int
    station: str
    latitude: float
    longitude: float
    evse_id: int
    evse: str
    standard: str
    current: str
    max_power_w: int
    opening: Opening = ALWAYS
    vehicle: str = "any"
    green: bool = False
    status: str = "available"
    words: str = ""
    payload: object = None

    @property
    def level(self) -> int:
        """1 up to 1.9 kW, 2 up to 22 kW, 3 above and for all DC."""
        if self.current == "DC" or self.max_power_w > LEVEL_2_MAX_W:
            return 3
        return 2 if self.max_power_w > LEVEL_1_MAX_W else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for; an empty field does not filter. Connector types are OCPP names, `current` is AC or DC."""

    text: str = ""
    near: Near | None = None
    connector_types: frozenset[str] = frozenset()
    current: str = ""
    min_power_w: int | None = None
    max_power_w: int | None = None
    level: int | None = None
    vehicle: str = ""
    operator: str = ""
    operator_name: str = ""
    station: str = ""
    item: str = ""
    category: str = ""
    window: Span | None = None
    energy_wh: int | None = None
    available_only: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A match; `distance_m` is None where no place was given."""

    offer: Offer
    distance_m: float | None


Check = Callable[[Offer], bool]


def words(*texts: str) -> str:
    """The words of texts in lower case, a space before each, so that the beginning of a word can be looked for."""
    return "".join(f" {word}" for text in texts for word in re.findall(r"\w+", text.casefold()))


class _State:
    """All offers at one time: by station, by item, and by connector type in trees of stations."""

    def __init__(self, stations: dict[int, tuple[Offer, ...]]) -> None:
        self.stations = stations
        self.items = {offer.item_id: offer for offers in stations.values() for offer in offers}
        self.codes = {offers[0].station: station_id for station_id, offers in stations.items()}
        points: dict[str, list[Point[tuple[Offer, ...]]]] = {}
        for station_id, offers in stations.items():
            for standard, point in _points(station_id, offers).items():
                points.setdefault(standard, []).append(point)
        self.trees: dict[str, Tree[tuple[Offer, ...]]] = {name: Tree(members) for name, members in points.items()}

    def put(self, station_id: int, offers: tuple[Offer, ...]) -> None:
        """Make `offers` the station's offers; an empty tuple takes the station out."""
        old = self.stations.get(station_id, ())
        self._put_points(station_id, old, offers)
        kept = {offer.item_id for offer in offers}
        for gone in old:
            # An item that has moved may stand under its new station already.
            if gone.item_id not in kept and self.items[gone.item_id].station_id == station_id:
                del self.items[gone.item_id]
        if old and self.codes.get(old[0].station) == station_id:
            del self.codes[old[0].station]
        if offers:
            self.stations[station_id] = offers
            self.codes[offers[0].station] = station_id
            self.items.update({offer.item_id: offer for offer in offers})
        else:
            self.stations.pop(station_id, None)

    def _put_points(self, station_id: int, old: tuple[Offer, ...], new: tuple[Offer, ...]) -> None:
        before, after = _points(station_id, old), _points(station_id, new)
        for standard, point in after.items():
            tree = self.trees.setdefault(standard, Tree())
            was = before.pop(standard, None)
            if was is not None and was[:3] == point[:3]:
                tree.swap(was, point)
                continue
            if was is not None:
                tree.swap(was, None)
            tree.add(point)
        for standard, point in before.items():
            self.trees[standard].swap(point, None)


class Index:
    """The searchable catalogue. Any thread may ask at any time; changes are made one at a time.

    A whole load appears at once; a station that is replaced may for a moment be seen with some of its offers old.
    """

    def __init__(self, *, limit: int = 50, default_radius_m: float = 10_000) -> None:
        self.limit = limit
        self.default_radius_m = default_radius_m
        self._state = _State({})
        self._busy: Busy = {}
        self._writing = Lock()

    def __len__(self) -> int:
        return len(self._state.items)

    @property
    def station_ids(self) -> frozenset[int]:
        """The stations that have something to sell."""
        return frozenset(list(self._state.stations))

    def stations_of(self, operators: frozenset[str]) -> frozenset[int]:
        """The stations of the operators with these codes."""
        stations = list(self._state.stations.items())
        return frozenset(station_id for station_id, offers in stations if offers[0].operator in operators)

    def load(self, offers: Iterable[Offer]) -> None:
        """Replace everything at once."""
        stations: dict[int, list[Offer]] = {}
        for offer in offers:
            stations.setdefault(offer.station_id, []).append(offer)
        state = _State({station_id: tuple(members) for station_id, members in stations.items()})
        with self._writing:
            self._state = state

    def replace_station(self, station_id: int, offers: Sequence[Offer]) -> None:
        """Make `offers`, all of this station, what it sells; nothing takes it out, one that is not there too."""
        with self._writing:
            self._state.put(station_id, tuple(offers))

    def set_busy(self, busy: Busy) -> None:
        """Replace the promised times, by EVSE: `{evse_id: [(starts_at, ends_at), …]}`."""
        self._busy = busy

    def item(self, item_id: str) -> Offer | None:
        """The offer with this item id."""
        return self._state.items.get(item_id)

    def find(self, query: Query, now: datetime, *, limit: int | None = None) -> list[Found]:
        """The matching offers, nearest first and by item id among equals; at most `limit`.

        Without a place all matches count, in the order of loading. `now` decides what is available at once.
        """
        checks = _checks(query, busy=self._busy, now=now)
        limit = self.limit if limit is None else limit
        if query.near is not None:
            return self._near(query, query.near, checks, limit=limit)
        found: list[Found] = []
        for offer in self._candidates(query):
            if all(check(offer) for check in checks):
                found.append(Found(offer, None))
                if len(found) >= limit:
                    break
        return found

    def _candidates(self, query: Query) -> Iterable[Offer]:
        state = self._state
        if query.item:
            offer = state.items.get(query.item)
            return (offer,) if offer else ()
        if query.station:
            return state.stations.get(state.codes.get(query.station, -1), ())
        return (offer for offers in list(state.stations.values()) for offer in offers)

    def _near(self, query: Query, near: Near, checks: list[Check], *, limit: int) -> list[Found]:
        at = x, y, z = vector(near.latitude, near.longitude)
        worst = reach(self.default_radius_m if near.radius_m is None else near.radius_m)
        trees = self._state.trees
        wanted = query.connector_types or list(trees)
        hits: list[tuple[float, str, Offer]] = []
        for bound, points in leaves_by_nearness([trees[name] for name in wanted if name in trees], at):
            if bound > worst:
                break
            for px, py, pz, _, offers in points:
                chord2 = (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2
                if chord2 <= worst:
                    for offer in offers:
                        for check in checks:
                            if not check(offer):
                                break
                        else:
                            hits.append((chord2, offer.item_id, offer))
            if len(hits) >= limit:
                hits.sort(key=_rank)
                del hits[limit:]
                worst = min(worst, hits[-1][0]) if hits else -1.0
        hits.sort(key=_rank)
        return [Found(offer, distance_m(chord2)) for chord2, _, offer in hits]


def _rank(hit: tuple[float, str, Offer]) -> tuple[float, str]:
    return hit[:2]


def _points(station_id: int, offers: tuple[Offer, ...]) -> dict[str, Point[tuple[Offer, ...]]]:
    if not offers:
        return {}
    by_standard: dict[str, list[Offer]] = {}
    for offer in offers:
        by_standard.setdefault(offer.standard, []).append(offer)
    x, y, z = vector(offers[0].latitude, offers[0].longitude)
    return {standard: (x, y, z, station_id, tuple(members)) for standard, members in by_standard.items()}


def _checks(query: Query, *, busy: Busy, now: datetime) -> list[Check]:
    """One test per field that filters, the cheap ones first."""
    return [*_plug_checks(query), *_seller_checks(query), *_time_checks(query, busy=busy, now=now)]


def _plug_checks(query: Query) -> list[Check]:
    checks: list[Check] = []
    if query.connector_types and query.near is None:
        checks.append(lambda offer: offer.standard in query.connector_types)
    if query.current:
        checks.append(lambda offer: offer.current == query.current)
    if (least_w := query.min_power_w) is not None:
        checks.append(lambda offer: offer.max_power_w >= least_w)
    if (most_w := query.max_power_w) is not None:
        checks.append(lambda offer: offer.max_power_w <= most_w)
    if query.level is not None:
        checks.append(lambda offer: offer.level == query.level)
    if query.vehicle and query.vehicle != "any":
        checks.append(lambda offer: offer.vehicle in ("any", query.vehicle))
    return checks


def _seller_checks(query: Query) -> list[Check]:
    checks: list[Check] = []
    if query.operator:
        checks.append(lambda offer: offer.operator == query.operator)
    if name := query.operator_name.casefold().strip():
        checks.append(lambda offer: name in offer.operator_name.casefold())
    if query.station:
        checks.append(lambda offer: offer.station == query.station)
    if query.item:
        checks.append(lambda offer: offer.item_id == query.item)
    if query.category:
        checks.append(lambda offer: offer.green and query.category == GREEN_TARIFF)
    if wanted := [f" {word}" for word in words(query.text).split() if word not in GENERIC_WORDS]:
        checks.append(lambda offer: all(word in offer.words for word in wanted))
    return checks


def _time_checks(query: Query, *, busy: Busy, now: datetime) -> list[Check]:
    """A window must be inside the opening hours and free of promises; `available_only` asks the same of this moment."""
    checks: list[Check] = []
    span = query.window
    at_once = span is None or span.starts_at <= now
    if query.available_only and at_once:
        checks.append(lambda offer: offer.status == "available")
    elif query.available_only:
        checks.append(lambda offer: offer.status not in OUT_OF_USE)
    if span is None and not query.available_only:
        return checks
    starts_at, ends_at = (now, None) if span is None else (span.starts_at, span.ends_at)

    def free(offer: Offer) -> bool:
        promised = busy.get(offer.evse_id)
        if not promised:
            return True
        end = ends_at or starts_at + _charging_time(query.energy_wh, offer.max_power_w)
        return not any(begins < end and starts_at < ends for begins, ends in promised)

    opened: dict[int, bool] = {}

    def is_open(offer: Offer) -> bool:
        if offer.opening is ALWAYS:
            return True
        known = opened.get(offer.station_id)
        if known is None:
            known = opened[offer.station_id] = offer.opening.covers(starts_at, ends_at)
        return known

    return [*checks, free, is_open]


def _charging_time(energy_wh: int | None, power_w: int) -> timedelta:
    return max(timedelta(seconds=(energy_wh or 0) * 3600 / power_w), timedelta.resolution)
