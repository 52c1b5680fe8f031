"""Which driver talks to this station?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from core.errors import DriverError
from fulfillment.drivers.base import StationDriver
from fulfillment.drivers.power_supplier import PowerSupplier


class HasDriver(Protocol):
    """A station as far as choosing its driver needs it."""

    @property
    def driver(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Options:
    """Where the station sides are reached, and with which secret."""

    supplier_url: str
    supplier_token: str
    timeout_s: float = 4.0


def driver_for(station: HasDriver, options: Options) -> StationDriver:
    """The driver of a station by its protocol. Raises DriverError (permanent) where it is unknown or not configured."""
    if station.driver == "power_supplier":
        if not options.supplier_url:
            raise DriverError("EV_POWER_SUPPLIER_URL is not set; give the base of the supplier API", permanent=True)
        return PowerSupplier(options.supplier_url, options.supplier_token, timeout_s=options.timeout_s)
    raise DriverError(f"station driver {station.driver!r} is unknown; allowed: power_supplier", permanent=True)
