"""What do stations tell us, whichever protocol they speak?

Commands go through the station's workflow; truth comes back as an `Ack`, the station's own record of a session, or as
a `StationEvent`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from core.errors import DriverError as DriverError

RESERVED, LOCKED, CHARGING, ENDED, PAID, CLOSED = "reserved", "locked", "charging", "ended", "paid", "closed"
OVER = frozenset({ENDED, PAID, CLOSED})


@dataclass(frozen=True, slots=True)
class Ack:
    """A station's record of a session after a command; None and empty where it did not say.

    `status` is one of reserved, locked, charging, ended, paid, closed.

    Meters are registers in Wh, power is in W, soc in percent.
    """

    session_id: str = ""
    slot_number: int | None = None
    status: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    meter_start_wh: int | None = None
    meter_wh: int | None = None
    energy_wh: int | None = None
    power_w: int | None = None
    soc_percent: int | None = None
    paid: bool = False
    reference: str = ""

    @property
    def over(self) -> bool:
        """Whether the station says that charging has ended."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class MeterValue:
    """One reading: `energy_wh` is the register, power in W, soc in percent.

    `final`: the station says that it is the session's last register, whatever it told before.
    """

    at: datetime
    energy_wh: int
    power_w: int | None = None
    current_a: Decimal | None = None
    voltage_v: Decimal | None = None
    soc_percent: int | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class StationEvent:
    """A fact a station reported; `kind` is card-scanned, faulted, recovered, slot-status-changed or meter-values.

    `slot_number` None means the whole station; `status` is a catalogue status; `error` is the station's own text.
    """

    kind: str
    station: str
    at: datetime
    slot_number: int | None = None
    card: str = ""
    session_id: str = ""
    status: str = ""
    error_code: str = ""
    error: str = ""
    reading: MeterValue | None = None


class StationDriver(Protocol):
    """What is asked of a station beside its workflow, which makes its own calls."""

    def status(self, session_id: str) -> Ack | None:
        """The station's record of a session now; None where it knows none. Raises DriverError."""
        ...
