"""How much energy has a vehicle taken, and how fast does it charge? A curve: constant power, then a taper."""

import math
import zlib
from dataclasses import dataclass

TAPER_FROM_PERCENT = 80
POWER_LEFT_AT_FULL = 0.2  # of the full power, when the battery reaches 100 %
VOLTAGE_AC_V = 230
VOLTAGE_DC_V = 400
LARGEST_AC_POWER_W = 22_000


@dataclass(frozen=True)
class ChargingCurve:
    """A vehicle at a charger. Times are seconds of charging; with a time scale, simulated ones."""

    power_w: int = 30_000
    capacity_wh: int = 40_000
    soc_start_percent: int = 20

    @property
    def to_taper_wh(self) -> float:
        """Energy at full power before the taper."""
        return max(0.0, self.capacity_wh * (TAPER_FROM_PERCENT - self.soc_start_percent) / 100)

    @property
    def to_full_wh(self) -> float:
        """Energy until 100 %."""
        return self.capacity_wh * (100 - self.soc_start_percent) / 100

    @property
    def full_after_s(self) -> float:
        """Seconds of charging until 100 %."""
        taper_s = self._taper_scale_s * math.log(self._taper_height / POWER_LEFT_AT_FULL) if self.to_full_wh else 0.0
        return self.to_taper_wh / self.power_w * 3600 + taper_s

    def energy_wh(self, elapsed_s: float) -> float:
        """Energy taken after this time, at most what makes the battery full."""
        if elapsed_s <= 0:
            return 0.0
        if elapsed_s >= self.full_after_s:
            return self.to_full_wh
        constant_s = self.to_taper_wh / self.power_w * 3600
        if elapsed_s <= constant_s:
            return self.power_w * elapsed_s / 3600
        gone = 1 - math.exp(-(elapsed_s - constant_s) / self._taper_scale_s)
        return self.to_taper_wh + self.power_w * self._taper_height * self._taper_scale_s * gone / 3600

    def power_at_w(self, elapsed_s: float) -> int:
        """Power after this time, 0 before the start and when full."""
        if elapsed_s < 0 or elapsed_s >= self.full_after_s:
            return 0
        return round(self.power_w * self._share_of_power(self.energy_wh(elapsed_s)))

    def soc_percent(self, elapsed_s: float) -> int:
        """State of charge after this time."""
        if elapsed_s >= self.full_after_s:
            return 100
        return min(99, self.soc_start_percent + int(self.energy_wh(elapsed_s) / self.capacity_wh * 100))

    @property
    def _taper_height(self) -> float:
        """Share of full power at which the taper begins: below 1 for a vehicle that comes with more than 80 %."""
        return self._share_of_power(self.to_taper_wh)

    @property
    def _taper_scale_s(self) -> float:
        taper_wh = self.capacity_wh * (100 - TAPER_FROM_PERCENT) / 100
        return taper_wh / (1 - POWER_LEFT_AT_FULL) / self.power_w * 3600

    def _share_of_power(self, energy_wh: float) -> float:
        soc = self.soc_start_percent + energy_wh / self.capacity_wh * 100
        beyond = max(0.0, soc - TAPER_FROM_PERCENT) / (100 - TAPER_FROM_PERCENT)
        return 1 - (1 - POWER_LEFT_AT_FULL) * min(1.0, beyond)


def voltage_v(power_w: int) -> int:
    """The voltage that a charger of this power works with."""
    return VOLTAGE_AC_V if power_w <= LARGEST_AC_POWER_W else VOLTAGE_DC_V


def first_register_wh(station_id: str, slot_number: int) -> int:
    """What the meter of a slot showed before its first session: never zero, and the same on every start."""
    return 100_000 + zlib.crc32(f"{station_id}/{slot_number}".encode()) % 900_000
