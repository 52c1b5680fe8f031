"""Is this meter reading believable, and when is the station to be asked whether the wanted energy is there? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

DUPLICATE = "duplicate"
FUTURE_S = 10
TOLERANCE_PERCENT = 110
MARGIN_WH = 50
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Register:
    """What a meter showed at a time: energy in Wh since it was built."""

    at: datetime
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connector can physically deliver: `power_w`; `speed` above 1 where a simulated station runs faster."""

    power_w: int
    speed: float = 1.0


def most_wh(seconds: float, limits: Limits) -> int:
    """The most energy that can flow in this time, Wh, with tolerance and margin."""
    flowed = limits.power_w * limits.speed * max(0.0, seconds) / SECONDS_PER_HOUR
    return int(flowed * TOLERANCE_PERCENT / 100) + MARGIN_WH


def refusal(new: Register, last: Register | None, limits: Limits, *, now: datetime) -> str:
    """Why a reading is not believed, in words; empty where it is. `last` is the newest believed one.

    A reading at the time of the last one with the same register is refused as a duplicate.
    """
    if new.at > now + timedelta(seconds=FUTURE_S):
        return f"in the future: {new.at.isoformat()} is later than {now.isoformat()} by more than {FUTURE_S} s"
    if last is None:
        return ""
    if new.at <= last.at:
        same = new.at == last.at and new.energy_wh == last.energy_wh
        return DUPLICATE if same else f"out of order: {new.at.isoformat()} is not after {last.at.isoformat()}"
    if new.energy_wh < last.energy_wh:
        return f"decreasing: {new.energy_wh} Wh after {last.energy_wh} Wh"
    most = most_wh((new.at - last.at).total_seconds(), limits)
    if new.energy_wh - last.energy_wh > most:
        return f"implausible: {new.energy_wh - last.energy_wh} Wh more, at most {most} Wh can have flowed"
    return ""


def reached_at(last: Register, before: Register, *, target_wh: int) -> datetime | None:
    """When the register shows `target_wh` if the flow between two readings goes on; None where it cannot be told."""
    if last.at <= before.at or last.energy_wh <= before.energy_wh:
        return None
    rate_wh_s = (last.energy_wh - before.energy_wh) / (last.at - before.at).total_seconds()
    return last.at + timedelta(seconds=max(0.0, (target_wh - last.energy_wh) / rate_wh_s))
