"""What can be asked of a station, and what may it tell us, whichever protocol it speaks?

A command only asks; truth comes back as an `Ack` of the station's own record, or later as a `StationEvent`. Every
command that has an effect carries a `key` that stays the same over repeats, and `repeated`, which is True where an
earlier try may already have taken effect: the driver then asks the station before it repeats.
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
class Light:
    """What a lamp shows: action `on` or `flicker`, color `blue`, `white` or `red`; `duration_ms` where it ends."""

    action: str
    color: str
    duration_ms: int | None = None


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


class Acquires(Protocol):
    def acquire(self, station: str, card: str, *, slot_number: int | None, key: str, repeated: bool) -> Ack:
        """Reserve a slot for a card; the Ack names the session and the slot given. Raises DriverError."""
        ...


class Locks(Protocol):
    def lock(self, station: str, slot_number: int, *, session_id: str, key: str, repeated: bool) -> Ack:
        """Close the slot around the vehicle's plug. Raises DriverError."""
        ...


class Starts(Protocol):
    def start(self, session_id: str, *, key: str, repeated: bool) -> Ack:
        """Let energy flow. Raises DriverError."""
        ...


class Stops(Protocol):
    def stop(self, session_id: str, *, key: str, repeated: bool) -> Ack:
        """End the flow; the Ack carries the final registers. Stopping twice is harmless. Raises DriverError."""
        ...


class Settles(Protocol):
    def settle(self, session_id: str, *, key: str, repeated: bool) -> Ack:
        """Pay the station side once for an ended session. Raises DriverError."""
        ...


class Unlocks(Protocol):
    def unlock(self, station: str, slot_number: int, *, session_id: str, key: str, repeated: bool) -> Ack:
        """Open the slot after the end. Raises DriverError."""
        ...


class Releases(Protocol):
    def release(self, station: str, card: str, *, key: str) -> Ack | None:
        """Undo whatever a card still holds (stop, pay, unlock); None where it holds nothing. Raises DriverError."""
        ...


class Tells(Protocol):
    def status(self, session_id: str) -> Ack | None:
        """The station's record of a session now; None where it knows none. Raises DriverError."""
        ...


class Signals(Protocol):
    def signal(self, station: str, slot_number: int | None, light: Light, *, key: str) -> None:
        """Show a light at a slot, or at the station's main lamp where the slot is None. Raises DriverError."""
        ...


class AsksSupport(Protocol):
    def support(self, station: str, error: str, *, key: str) -> str:
        """Report a defect; returns the number of the ticket. Raises DriverError."""
        ...


class StationDriver(Acquires, Locks, Starts, Stops, Settles, Unlocks, Releases, Tells, Signals, AsksSupport, Protocol):
    """Everything a session needs of a station."""
