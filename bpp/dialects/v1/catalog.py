"""How do stations, chargers and connectors look on the wire, and how is a catalogue put together fast?

A search answer is not built and dumped: each row is rendered once to bytes and joined here, with the live availability
spliced between the two halves of its item. Building and dumping the same answer costs about twenty times as much.

Source: Beckn core 1.1.1 `Catalog`, `Item`, `Fulfillment`, `Location`; UEI guide 1.3 tag groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import orjson

from bpp.dialects.v1 import words
from bpp.dialects.v1.context import callback_context, wire_time
from bpp.replies import Advert, Charger, Place, Plug, Provider

GREEN = "green-tariff"
_CATEGORIES = {GREEN: orjson.dumps({"id": GREEN, "descriptor": {"code": GREEN, "name": "Green tariff"}})}
_SPLICE = "@availability@"
_AVAILABILITY = {word: spelling.encode() for word, spelling in words.AVAILABILITY.items()}
_UNAVAILABLE = b"Unavailable"
_COUNTRIES = {"IND": "India"}


class Hit(Protocol):
    """One found connector with its rendered rows; `availability` is the live EVSE status in neutral words."""

    @property
    def provider_id(self) -> str: ...
    @property
    def station_id(self) -> str: ...
    @property
    def evse_id(self) -> str: ...
    @property
    def provider_fragment(self) -> bytes: ...
    @property
    def location_fragment(self) -> bytes: ...
    @property
    def fulfillment_fragment(self) -> bytes: ...
    @property
    def item_head(self) -> bytes: ...
    @property
    def item_tail(self) -> bytes: ...
    @property
    def availability(self) -> str: ...
    @property
    def categories(self) -> Sequence[str]: ...


AnyHit = TypeVar("AnyHit", bound=Hit)
# The rendered offers of a provider: station id, empty for all, and bytes.
Offers = Mapping[str, Sequence[tuple[str, bytes]]]
NO_OFFERS: Offers = {}


@dataclass(slots=True)
class Row:
    """A connector's rendered rows, kept between answers: a Hit whose `availability` may be set as it changes."""

    provider_id: str
    station_id: str
    evse_id: str
    provider_fragment: bytes
    location_fragment: bytes
    fulfillment_fragment: bytes
    item_head: bytes
    item_tail: bytes
    availability: str
    categories: tuple[str, ...] = ()


def location(place: Place) -> dict[str, Any]:
    """A station as `Location`, its point with six decimals."""
    shown: dict[str, Any] = {
        "id": place.id,
        "gps": f"{place.latitude:.6f},{place.longitude:.6f}",
        "descriptor": {"name": place.name},
        "address": place.address,
        "city": _without_empty({"name": place.city, "code": place.city_code}),
        "country": _without_empty({"name": _COUNTRIES.get(place.country, ""), "code": place.country}),
        "area_code": place.postal_code,
    }
    if place.directions:
        shown["descriptor"]["long_desc"] = place.directions
    return _without_empty(shown)


def charging_point(charger: Charger) -> dict[str, Any]:
    """The tag group Charging Point Specifications of an EVSE."""
    name = {"name": charger.label} if charger.label else {}
    tags = [tag("charger-id", charger.id, **name)]
    if charger.manufacturer:
        tags.append(tag("manufacturer", charger.manufacturer))
    tags.append(tag("availability", "Online" if charger.online else "Offline"))
    return group("charging-point-specifications", "Charging Point Specifications", tags)


def item(plug: Plug, *, availability: str) -> dict[str, Any]:
    """A connector as `Item`; `availability` is the wire's word (Available, Charging, …)."""
    name = words.plain_name(plug.standard)
    shown: dict[str, Any] = {
        "id": plug.item_id,
        "descriptor": {"code": "energy", "name": f"{plug.current} {_kilowatts(plug.max_power_w)} kW, {name}"},
        "price": {"value": price(plug.price_per_kwh.amount), "currency": f"{plug.price_per_kwh.currency}/kWh"},
        "fulfillment_ids": [plug.charger.id],
        "location_ids": [plug.charger.place.id],
    }
    if plug.green:
        shown["category_ids"] = [GREEN]
    shown["tags"] = [
        group(
            "connector-specifications",
            "Connector Specifications",
            [
                tag("connector-id", plug.number),
                tag("charger-type", plug.current),
                tag("connector-type", plug.standard, name=name),
                tag("power-rating", f"{_kilowatts(plug.max_power_w)}kW"),
                *([tag("vehicle-type", plug.vehicle)] if plug.vehicle not in {"", "any"} else []),
                tag("availability", availability),
            ],
        )
    ]
    return shown


def provider(shown: Provider) -> dict[str, Any]:
    """An operator as `Provider`."""
    return {"id": shown.id, "descriptor": _without_empty({"name": shown.name, "short_desc": shown.summary})}


def offer(shown: Advert) -> dict[str, Any]:
    """A coupon as `Offer`; its id is what a buyer app sends as `order.offers[].id`."""
    made: dict[str, Any] = {
        "id": shown.id,
        "descriptor": {"code": shown.id, "name": shown.name, "short_desc": shown.summary},
    }
    if shown.station_id:
        made["location_ids"] = [shown.station_id]
    if shown.until is not None:
        made["time"] = {"range": {"end": wire_time(shown.until)}}
    return made


def tag(code: str, value: str, *, name: str = "") -> dict[str, Any]:
    """One tag: a code, its value, and a plain name where there is one."""
    return {"descriptor": {"code": code, "name": name} if name else {"code": code}, "value": value}


def group(code: str, name: str, tags: list[dict[str, Any]]) -> dict[str, Any]:
    """One tag group that is meant to be displayed."""
    return {"display": True, "descriptor": {"code": code, "name": name}, "list": tags}


def price(amount: Decimal) -> str:
    """A unit price with at least two decimals and no needless ones: `18.00`, `18.125`."""
    text = words.plain(amount)
    return f"{amount:.2f}" if len(text.partition(".")[2]) <= 2 else text


def availability(word: str) -> str:
    """The wire's word (an OCPP status) for a neutral EVSE status; an unknown one is Unavailable."""
    return words.AVAILABILITY.get(word, "Unavailable")


# -- rendered once, joined per answer ---------------------------------------------------------------------------------


def location_fragment(place: Place) -> bytes:
    """The rendered `Location`."""
    return _copied(orjson.dumps(location(place)))


def fulfillment_fragment(charger: Charger) -> bytes:
    """The rendered `Fulfillment` of an EVSE, its station as the start; the way to it stands in `locations` only."""
    place = location(replace(charger.place, directions=""))
    shown = {
        "id": charger.id,
        "type": "CHARGING",
        "stops": [{"type": "start", "location": place}],
        "tags": [charging_point(charger)],
    }
    return _copied(orjson.dumps(shown))


def item_fragment(plug: Plug) -> tuple[bytes, bytes]:
    """The rendered `Item` before and after the word of its availability."""
    head, _, tail = orjson.dumps(item(plug, availability=_SPLICE)).rpartition(_SPLICE.encode())
    return _copied(head), _copied(tail)


def provider_fragment(shown: Provider) -> bytes:
    """The rendered head of a `Provider`: an object left open for its lists."""
    return _copied(orjson.dumps(provider(shown))[:-1])


def offer_fragments(adverts: Iterable[Advert]) -> Offers:
    """The rendered offers of each provider, each with the station it is for, empty for all."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for shown in adverts:
        found.setdefault(shown.provider_id, []).append((shown.station_id, _copied(orjson.dumps(offer(shown)))))
    return found


def row(plug: Plug) -> Row:
    """Everything a search answer needs of one connector; rows of one station may share their fragments."""
    head, tail = item_fragment(plug)
    return Row(
        provider_id=plug.provider.id,
        station_id=plug.charger.place.id,
        evse_id=plug.charger.id,
        provider_fragment=provider_fragment(plug.provider),
        location_fragment=location_fragment(plug.charger.place),
        fulfillment_fragment=fulfillment_fragment(plug.charger),
        item_head=head,
        item_tail=tail,
        availability=plug.availability,
        categories=categories_of(plug),
    )


def categories_of(plug: Plug) -> tuple[str, ...]:
    """The category ids a Hit names for a connector."""
    return (GREEN,) if plug.green else ()


def join_catalog(
    context: dict[str, Any],
    hits: Sequence[Hit],
    *,
    message_id: str,
    now: datetime,
    bpp_id: str,
    bpp_uri: str,
    network_name: str,
    exp: datetime,
    city_code: str = "std:080",
    country: str = "IND",
    offers: Offers = NO_OFFERS,
) -> bytes:
    """The exact bytes of an on_search: found connectors grouped by operator, each station and charger once.

    `offers` of an operator stand with it where they are for a station of the answer. Operators, stations, chargers and
    items stand in the order of `hits`; `exp` is until when the caller may cache.
    """
    head = callback_context(
        context,
        action="on_search",
        message_id=message_id,
        now=now,
        bpp_id=bpp_id,
        bpp_uri=bpp_uri,
        city_code=city_code,
        country=country,
    )
    catalog = orjson.dumps({"descriptor": {"name": network_name}, "exp": wire_time(exp)})[:-1]
    parts = [b'{"context":', orjson.dumps(head), b',"message":{"catalog":', catalog, b',"providers":[']
    for number, (provider_id, shelf) in enumerate(_shelves(hits).items()):
        parts.append(b"," if number else b"")
        parts += shelf.parts(offers.get(provider_id, ()))
    parts.append(b"]}}}")
    return b"".join(parts)


def split(hits: Sequence[AnyHit], *, limit_bytes: int, offers: Offers = NO_OFFERS) -> list[Sequence[AnyHit]]:
    """The hits in as many runs as on_search messages are needed to keep each below `limit_bytes`.

    Every part names what it refers to, so each stands alone; a single hit is never cut. No hits make one empty part.
    """
    room = limit_bytes - 2000  # context, catalogue head and brackets
    runs: list[Sequence[AnyHit]] = []
    start = size = 0
    seen: set[tuple[str, str]] = set()
    for index, hit in enumerate(hits):
        added = _weight(hit, seen, offers)
        if index > start and size + added > room:
            runs.append(hits[start:index])
            start, size = index, 0
            seen.clear()
            added = _weight(hit, seen, offers)
        size += added
    return [*runs, hits[start:]]


def _weight(hit: Hit, seen: set[tuple[str, str]], offers: Offers) -> int:
    weight = len(hit.item_head) + len(hit.item_tail) + 16
    if offers and ("provider", hit.provider_id) not in seen:
        weight += sum(len(rendered) + 1 for _, rendered in offers.get(hit.provider_id, ())) + 16
    for key, rendered in (
        (("provider", hit.provider_id), hit.provider_fragment),
        (("station", hit.station_id), hit.location_fragment),
        (("evse", hit.evse_id), hit.fulfillment_fragment),
    ):
        if key not in seen:
            seen.add(key)
            weight += len(rendered) + 120
    return weight


class _Shelf:
    """One operator's rows of an answer, each once."""

    __slots__ = ("categories", "fulfillments", "head", "items", "locations")

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.categories: dict[str, bytes] = {}
        self.locations: dict[str, bytes] = {}
        self.fulfillments: dict[str, bytes] = {}
        self.items: list[bytes] = []

    def put(self, hit: Hit) -> None:
        self.locations[hit.station_id] = hit.location_fragment
        self.fulfillments[hit.evse_id] = hit.fulfillment_fragment
        for category in hit.categories:
            self.categories[category] = _CATEGORIES[category]
        self.items += (hit.item_head, _AVAILABILITY.get(hit.availability, _UNAVAILABLE), hit.item_tail, b",")

    def parts(self, offers: Sequence[tuple[str, bytes]] = ()) -> Iterator[bytes]:
        yield self.head
        shown = [rendered for station_id, rendered in offers if not station_id or station_id in self.locations]
        if shown:
            yield b',"offers":[' + b",".join(shown) + b"]"
        if self.categories:
            yield b',"categories":[' + b",".join(self.categories.values()) + b"]"
        yield b',"locations":['
        yield b",".join(self.locations.values())
        yield b'],"fulfillments":['
        yield b",".join(self.fulfillments.values())
        yield b'],"items":['
        yield from self.items[:-1]
        yield b"]}"


def _shelves(hits: Sequence[Hit]) -> dict[str, _Shelf]:
    shelves: dict[str, _Shelf] = {}
    for hit in hits:
        shelf = shelves.get(hit.provider_id)
        if shelf is None:
            shelf = shelves[hit.provider_id] = _Shelf(hit.provider_fragment)
        shelf.put(hit)
    return shelves


def _copied(rendered: bytes) -> bytes:
    """The same bytes in a buffer of their own size: orjson's is over-allocated, which adds up."""
    return bytes(bytearray(rendered))


def _kilowatts(power_w: int) -> str:
    return words.plain(Decimal(power_w) / 1000)


def _without_empty(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if value not in ("", {})}
