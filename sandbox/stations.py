"""What is there at a power supplier's stations? Slots with their meters, and the sessions of those who come."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.meter import ChargingCurve


@dataclass
class Slot:
    """One charging place with its meter. `register_wh` is what the meter showed when the last session ended."""

    number: int
    register_wh: int
    status: str = "free"
    session_id: str = ""
    error: dict[str, Any] = field(default_factory=dict)


@dataclass
class Station:
    """A station and its slots; `curve` describes the vehicles that come to it.

    While it is `cut_off` nobody hears what happens there, and what is told of its meters is an estimate.
    """

    id: str
    slots: dict[int, Slot]
    curve: ChargingCurve = field(default_factory=ChargingCurve)
    start_delay_s: float = 0.0
    cut_off: bool = False


@dataclass
class Session:
    """One stay of one card at one slot."""

    id: str
    card: str
    station_id: str
    slot_number: int
    curve: ChargingCurve
    meter_start_wh: int
    reserved_at: datetime
    status: str = "reserved"
    start_due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stop_reason: str = ""
    final_wh: int = 0
    final_soc: int = 0
    paid: bool = False
    payment_id: str = ""
    last_meter_at: datetime | None = None
