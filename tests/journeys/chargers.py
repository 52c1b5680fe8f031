"""Which chargers do the stories drive to? Stations so far apart that a search finds one alone, as OCPI documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OPERATOR = "JRN"
POWER_W = 30_000
APART_DEGREES = 0.05
# The first station stands where the official collection of requests searches.
FIRST_LATITUDE, FIRST_LONGITUDE = 12.423423, 77.325647
PRICE_PER_KWH = "20.00"
LAST_UPDATED = "2026-01-01T00:00:00Z"

TARIFF: dict[str, Any] = {
    "id": "JRN-FLAT",
    "currency": "INR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 20.0, "vat": 18.0, "step_size": 1}]}],
    "last_updated": LAST_UPDATED,
}


@dataclass(frozen=True)
class Charger:
    """A station with two 30 kW charge points of one connector each, slots 1 and 2."""

    number: int

    @property
    def station_id(self) -> str:
        return f"JRN-{self.number:03d}"

    @property
    def gps(self) -> str:
        """ "lat,lon", some 5 km from the next station."""
        row, column = divmod(self.number, 20)
        return f"{FIRST_LATITUDE + APART_DEGREES * column:.6f},{FIRST_LONGITUDE + APART_DEGREES * row:.6f}"

    def evse_id(self, slot: int = 1) -> str:
        return f"IN*JRN*E{self.number:03d}{slot}"

    def item_id(self, slot: int = 1) -> str:
        return f"{self.evse_id(slot)}*1"

    def location(self) -> dict[str, Any]:
        """The OCPI Location."""
        latitude, longitude = self.gps.split(",")
        return {
            "country_code": "IN",
            "party_id": "JRN",
            "id": self.station_id,
            "publish": True,
            "name": f"Journey stop {self.number}",
            "address": f"{self.number} Example Road",
            "city": "Bengaluru",
            "postal_code": "560001",
            "country": "IND",
            "coordinates": {"latitude": latitude, "longitude": longitude},
            "time_zone": "Asia/Kolkata",
            "opening_times": {"twentyfourseven": True},
            "evses": [self._evse(1), self._evse(2)],
            "last_updated": LAST_UPDATED,
        }

    def _evse(self, slot: int) -> dict[str, Any]:
        connector = {
            "id": "1",
            "standard": "IEC_62196_T2_COMBO",
            "format": "CABLE",
            "power_type": "DC",
            "max_voltage": 1000,
            "max_amperage": 60,
            "max_electric_power": POWER_W,
            "tariff_ids": [TARIFF["id"]],
            "last_updated": LAST_UPDATED,
        }
        return {
            "uid": str(slot),
            "evse_id": self.evse_id(slot),
            "status": "AVAILABLE",
            "connectors": [connector],
            "last_updated": LAST_UPDATED,
        }
