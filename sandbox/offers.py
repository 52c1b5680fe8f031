"""What does a catalog offer? One offer per item, read from an on_search, and how far away it is."""

import math
from dataclasses import asdict, dataclass
from typing import Any

EARTH_RADIUS_M = 6_371_000


@dataclass(frozen=True)
class Offer:
    """One connector at a price, with whom to order it from. `gps` is "lat,lon", `price` as text of the catalog."""

    bpp_id: str
    bpp_uri: str
    provider_id: str
    provider_name: str
    item_id: str
    name: str
    fulfillment_id: str
    station: str = ""
    gps: str = ""
    price: str = ""
    currency: str = ""
    connector_type: str = ""
    power: str = ""
    availability: str = ""

    @property
    def available(self) -> bool:
        """Whether the catalog says that it is free; a catalog that says nothing does not say no."""
        return self.availability.lower() in ("", "available")

    def distance_m(self, near: tuple[float, float]) -> float:
        """Metres from a place, infinite when the catalog gives no coordinates."""
        try:
            lat, lon = (float(part) for part in self.gps.split(","))
        except ValueError:
            return math.inf
        return great_circle_m(near, (lat, lon))

    def as_dict(self) -> dict[str, str]:
        """The offer as JSON fields."""
        return {name: str(value) for name, value in asdict(self).items()}


def offers_in(on_search: dict[str, Any]) -> list[Offer]:
    """All offers of one on_search body."""
    context = on_search.get("context") or {}
    catalog = (on_search.get("message") or {}).get("catalog") or {}
    found = []
    for provider in catalog.get("providers") or []:
        places = {place.get("id"): place for place in provider.get("locations") or []}
        found += [_offer(context, provider, item=item, places=places) for item in provider.get("items") or []]
    return found


def great_circle_m(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Metres between two (latitude, longitude) pairs in degrees."""
    lat1, lon1, lat2, lon2 = (math.radians(value) for value in (*here, *there))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def tag_values(tags: Any) -> dict[str, str]:
    """All values of tag lists by code, in lower case with hyphens."""
    found: dict[str, str] = {}
    for group in tags or []:
        for entry in group.get("list") or []:
            code = str((entry.get("descriptor") or {}).get("code", "")).lower().replace("_", "-")
            if code:
                found[code] = str(entry.get("value", ""))
    return found


def _offer(
    context: dict[str, Any], provider: dict[str, Any], *, item: dict[str, Any], places: dict[Any, dict[str, Any]]
) -> Offer:
    place = places.get(next(iter(item.get("location_ids") or []), None), {})
    tags = tag_values(item.get("tags"))
    price = item.get("price") or {}
    return Offer(
        bpp_id=str(context.get("bpp_id", "")),
        bpp_uri=str(context.get("bpp_uri", "")),
        provider_id=str(provider.get("id", "")),
        provider_name=str((provider.get("descriptor") or {}).get("name", "")),
        item_id=str(item.get("id", "")),
        name=str((item.get("descriptor") or {}).get("name", "")),
        fulfillment_id=str(next(iter(item.get("fulfillment_ids") or []), "")),
        station=str((place.get("descriptor") or {}).get("name", "")),
        gps=str(place.get("gps", "")),
        price=str(price.get("value", "")),
        currency=str(price.get("currency", "")),
        connector_type=tags.get("connector-type", ""),
        power=tags.get("power-rating", ""),
        availability=tags.get("availability", ""),
    )
