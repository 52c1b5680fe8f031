"""What happened in a session, or is assumed to: how much energy when, and how long the vehicle stood?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from catalog.tariffs import CHARGING, EXPIRED, HOUR_US, PARKING, RESERVED, Segment

HOUR_S = 3600
LONGEST_SESSION_S = 31 * 86_400
# A vehicle that takes no energy for longer than this is standing; less is how meters and stop commands are.
IDLE_AFTER = timedelta(seconds=60)


def assumed(
    *,
    energy_wh: int,
    starts_at: datetime,
    power_w: int,
    voltage_v: int = 0,
    idle_s: int = 0,
    reserved_s: int | None = None,
) -> tuple[Segment, ...]:
    """The session a wish comes to: reserved until the start, charging at constant power, then standing.

    `reserved_s` of 0 is a reservation whose driver comes in time, None is none. The current is the power by `voltage_v`
    (line to neutral for AC); unknown where that is 0.
    Raises ValueError for energy below 0, power not above 0, or more than 31 days.
    """
    if energy_wh < 0 or power_w <= 0 or energy_wh * HOUR_S > power_w * LONGEST_SESSION_S:
        raise ValueError(
            f"{energy_wh} Wh at {power_w} W: energy must be at least 0, power above 0, and both within 31 days"
        )
    full_at = starts_at + timedelta(microseconds=-(-energy_wh * HOUR_US // power_w))
    current_a = Decimal(power_w) / voltage_v if voltage_v else None
    made = [Segment(starts_at, full_at, energy_wh, CHARGING, power_w, current_a)]
    if reserved_s is not None:
        made.insert(0, Segment(starts_at - timedelta(seconds=reserved_s), starts_at, 0, RESERVED))
    if idle_s:
        made.append(Segment(full_at, full_at + timedelta(seconds=idle_s), 0, PARKING))
    return tuple(made)


def reservation(booked_at: datetime, until: datetime, *, came: bool) -> Segment:
    """The time that a place was kept for a driver: from the booked start until charging began, or nobody came."""
    return Segment(min(booked_at, until), until, 0, RESERVED if came else EXPIRED)


class MeterPoint(NamedTuple):
    """What the meter of a session showed at a time: energy since its begin, Wh, and the current where it told it."""

    at: datetime
    energy_wh: int
    current_a: Decimal | None = None


def session_segments(
    points: Iterable[MeterPoint],
    *,
    energy_wh: int,
    started_at: datetime,
    ended_at: datetime,
    unplugged_at: datetime | None = None,
    limit_w: int,
) -> tuple[Segment, ...]:
    """The session that the meter tells: a segment between each two readings, from the start to the end.

    `energy_wh` is the whole; readings outside the session, or against the direction of meter or clock, do not count.
    Where the energy ended more than a minute before the end, the rest is standing; so is what lies between the end and
    `unplugged_at`, where that is more than a minute. Energy in no time at all is taken as delivered at `limit_w`.
    """
    if ended_at <= started_at:
        made = assumed(energy_wh=energy_wh, starts_at=started_at, power_w=limit_w)
        ended_at = made[-1].ends_at
    else:
        made = tuple(_between(points, energy_wh=energy_wh, started_at=started_at, ended_at=ended_at))
    stayed = unplugged_at is not None and unplugged_at - ended_at > IDLE_AFTER
    gone_at = unplugged_at if stayed and unplugged_at is not None else ended_at
    flowing = next((place for place in range(len(made), 0, -1) if made[place - 1].energy_wh), 0)
    idle_from = made[flowing - 1].ends_at if flowing else started_at
    if gone_at - idle_from <= IDLE_AFTER:
        return made
    return (*made[:flowing], Segment(idle_from, gone_at, 0, PARKING))


def energy_in_time(time_s: int, power_w: int) -> int:
    """The energy, Wh, that `power_w` delivers in `time_s`, rounded down."""
    return time_s * power_w // HOUR_S


def time_for_energy(energy_wh: int, power_w: int) -> int:
    """The time, s, that `power_w` needs for the energy, rounded up."""
    return -(-energy_wh * HOUR_S // power_w)


def _between(
    points: Iterable[MeterPoint], *, energy_wh: int, started_at: datetime, ended_at: datetime
) -> Iterator[Segment]:
    at, done, current_a = started_at, 0, None
    for point in points:
        current_a = point.current_a if current_a is None else current_a
        if at < point.at < ended_at and done <= point.energy_wh <= energy_wh:
            yield Segment(at, point.at, point.energy_wh - done, CHARGING, None, point.current_a)
            at, done, current_a = point.at, point.energy_wh, point.current_a
    yield Segment(at, ended_at, energy_wh - done, CHARGING, None, current_a)
