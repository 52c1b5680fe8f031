"""How much energy fills a vehicle, how fast does it take it, and on which basis is that said?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from catalog.tariffs.words import plain

FULL = Decimal(100)
AC = "AC"


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What a wish says of the vehicle; 0 or None where it says nothing. Battery in Wh, charges in percent."""

    battery_wh: int = 0
    soc_percent: Decimal | None = None
    target_percent: Decimal | None = None
    max_power_w: int = 0
    max_ac_w: int = 0
    max_dc_w: int = 0

    def row(self) -> dict[str, Any]:
        """This vehicle as JSON, without what is not known."""
        return {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in asdict(self).items()
            if value not in (None, 0) or (name == "soc_percent" and value is not None)
        }


def vehicle_from(row: Mapping[str, Any]) -> Vehicle:
    """The vehicle that was kept as JSON."""
    return Vehicle(
        battery_wh=int(row.get("battery_wh", 0)),
        soc_percent=_percent(row, "soc_percent"),
        target_percent=_percent(row, "target_percent"),
        max_power_w=int(row.get("max_power_w", 0)),
        max_ac_w=int(row.get("max_ac_w", 0)),
        max_dc_w=int(row.get("max_dc_w", 0)),
    )


@dataclass(frozen=True, slots=True)
class Filling:
    """The energy, Wh at the meter, that fills a vehicle, and how it was worked out."""

    energy_wh: int
    basis: str


def charging_power_w(connector_w: int, current: str, vehicle: Vehicle) -> int:
    """The power a session runs at: the connector's, or what the vehicle takes at most from AC or DC."""
    limits = (vehicle.max_power_w, vehicle.max_ac_w if current == AC else vehicle.max_dc_w)
    return min(connector_w, *(limit for limit in limits if limit)) if any(limits) else connector_w


def filling(vehicle: Vehicle, *, loss_percent: Decimal) -> Filling | None:
    """What it takes to the wanted charge (full, where none is named), losses included; None where too little is known.

    Nothing is left to fill where the charge is at the wanted one already: the energy is 0 then.
    """
    if not vehicle.battery_wh or vehicle.soc_percent is None:
        return None
    target = vehicle.target_percent or FULL
    missing = max(target - vehicle.soc_percent, Decimal(0))
    stored = Decimal(vehicle.battery_wh) * missing / 100
    metered = int((stored * (100 + loss_percent) / 100).to_integral_value())
    basis = (
        f"estimate: a battery of {_kwh(Decimal(vehicle.battery_wh))} kWh from {plain(vehicle.soc_percent)} % to "
        f"{plain(target)} %, with {plain(loss_percent)} % charging losses"
    )
    return Filling(metered, basis)


def _percent(row: Mapping[str, Any], name: str) -> Decimal | None:
    return Decimal(row[name]) if name in row else None


def _kwh(energy_wh: Decimal) -> str:
    return plain(energy_wh / 1000)
