"""How was a station used in the last four weeks: how much, when, and when could a driver have charged there?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Q

from bpp import occupancy
from bpp.occupancy import FREE, IN_USE, KINDS, OUT, UNKNOWN, Interval, Seconds
from catalog.models import Evse, EvseStatusChange, Station
from fulfillment.models import Outage, Session, WalkIn
from orders.models import Order

DAYS = 28
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHADES = 5
CELL_WIDTH, CELL_HEIGHT, LEFT, TOP = 30, 26, 44, 20
BAR_STEP, BAR_HEIGHT = 24, 90
KIND_OF = {Evse.Status.AVAILABLE: FREE, Evse.Status.UNAVAILABLE: OUT, Evse.Status.FAULTED: OUT}


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the station; `share` is the part of its chargers' time in which they charged, percent."""

    day: date
    sessions: int
    charging_s: int
    share: float
    energy_wh: int
    paise: int
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of the week over all its chargers and weeks, percent; `free` None where nothing is known of it."""

    weekday: int
    hour: int
    free: int | None
    in_use: int
    out: int
    unknown: int
    x: int
    y: int

    @property
    def shade(self) -> str:
        """The class of its colour: h0 (never free) to h4 (always)."""
        return "unknown" if self.free is None else f"h{min(SHADES - 1, self.free * SHADES // 100)}"

    @property
    def weekday_name(self) -> str:
        return WEEKDAYS[self.weekday]


@dataclass(frozen=True, slots=True)
class Usage:
    """Four weeks of a station, in its zone; `unknown` is the part of the time of which nothing is known, percent."""

    begin: datetime
    end: datetime
    zone: str
    chargers: int
    days: list[Day]
    cells: list[Cell]
    sessions: int
    energy_wh: int
    paise: int
    share: float
    free: int | None
    unknown: int
    unbilled: int

    @property
    def known(self) -> int:
        """The part of the time of which something is known, percent; never 0 where there is any."""
        return max(100 - self.unknown, int(self.free is not None))

    @property
    def weeks(self) -> list[tuple[str, list[Cell]]]:
        """The cells by weekday."""
        return [(name, [cell for cell in self.cells if cell.weekday == day]) for day, name in enumerate(WEEKDAYS)]

    @property
    def hours(self) -> list[list[Cell]]:
        """The cells by hour of the day, Monday first."""
        return [[cell for cell in self.cells if cell.hour == hour] for hour in range(24)]


class _Sitting(NamedTuple):
    """A session at one of the chargers; `paise` None where it is not billed yet."""

    evse_id: int
    begin: datetime
    end: datetime
    energy_wh: int
    paise: int | None


def station_usage(station: Station, now: datetime) -> Usage:
    """The last 28 days of a station up to `now`, today included; in six statements.

    Energy, earnings with tax, and sessions count on the day the charging began. Times before a charger's first recorded
    status are not known, unless a session or an outage tells.
    """
    zone = ZoneInfo(station.time_zone)
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=DAYS - 1)
    evses = list(Evse.objects.filter(station=station).order_by("slot_number"))
    sittings = list(_sittings(station, begin, now))
    hours, spent = _spent(station, evses, sittings, begin=begin, end=now, zone=zone)
    whole = Counter[str]()
    for seconds in hours.values():
        whole.update(seconds)
    days = list(_days(sittings, begin, now, chargers=len(evses), zone=zone))
    return Usage(
        begin=begin,
        end=now,
        zone=station.time_zone,
        chargers=len(evses),
        days=days,
        cells=[_cell(day, hour, hours.get((day, hour), Counter())) for day in range(7) for hour in range(24)],
        sessions=sum(day.sessions for day in days),
        energy_wh=sum(day.energy_wh for day in days),
        paise=sum(day.paise for day in days),
        share=_percent(sum(day.charging_s for day in days), spent),
        free=_free(whole),
        unknown=round(_percent(whole[UNKNOWN], whole.total())),
        unbilled=sum(each.paise is None for each in sittings),
    )


def day_table(usage: Usage) -> Iterator[tuple[object, ...]]:
    """The days as rows of a CSV file, a heading first; times in seconds, energy in Wh, money in rupees."""
    yield "date", "sessions", "charging_s", "charging_percent", "energy_wh", "earnings_inr"
    for day in usage.days:
        rupees = f"{day.paise / 100:.2f}"
        yield day.day.isoformat(), day.sessions, day.charging_s, f"{day.share:.1f}", day.energy_wh, rupees


def hour_table(usage: Usage) -> Iterator[tuple[object, ...]]:
    """The hours of the week as rows of a CSV file, a heading first; shares of the chargers' time in percent."""
    yield "weekday", "hour", "free_percent", "in_use_percent", "out_of_order_percent", "not_known_percent"
    for cell in usage.cells:
        free = "" if cell.free is None else cell.free
        yield cell.weekday_name, cell.hour, free, cell.in_use, cell.out, cell.unknown


def _sittings(station: Station, begin: datetime, now: datetime) -> Iterator[_Sitting]:
    """What charged there in this time, of orders and of cards."""
    met = Q(started_at__lt=now) & (Q(ended_at__gt=begin) | Q(ended_at=None))
    rows = Session.objects.filter(met, evse__station=station).filter(order__quotes__current=True)
    columns = ("evse_id", "started_at", "ended_at", "meter_start_wh", "meter_stop_wh", "meter_wh", "order__state")
    for evse_id, started_at, ended_at, first, last, newest, state, paise in rows.values_list(
        *columns, "order__quotes__total_paise"
    ):
        billed = paise if state in Order.BILLED else None
        yield _Sitting(evse_id, started_at, ended_at or now, _energy(first, last, newest), billed)
    cards = WalkIn.objects.filter(met, evse__station=station).values_list(
        "evse_id", "started_at", "ended_at", "meter_start_wh", "meter_stop_wh", "meter_wh", "state", "amount_paise"
    )
    for evse_id, started_at, ended_at, first, last, newest, state, paise in cards:
        if evse_id is not None and started_at is not None:
            billed = paise if state == WalkIn.State.ENDED else None
            yield _Sitting(evse_id, started_at, ended_at or now, _energy(first, last, newest), billed)


def _energy(first_wh: int | None, last_wh: int | None, newest_wh: int | None) -> int:
    reached = last_wh if last_wh is not None else newest_wh
    return max(0, reached - first_wh) if first_wh is not None and reached is not None else 0


def _spent(
    station: Station, evses: list[Evse], sittings: list[_Sitting], *, begin: datetime, end: datetime, zone: ZoneInfo
) -> tuple[dict[tuple[int, int], Seconds], int]:
    """How the hours of the week were spent by all chargers together, and how many seconds that were in all."""
    changes, outages = _changes(evses, begin, end), _outages(station, evses, begin, end)
    sat: dict[int, list[Interval]] = defaultdict(list)
    for each in sittings:
        sat[each.evse_id].append((each.begin, each.end))
    hours: dict[tuple[int, int], Seconds] = defaultdict(Counter)
    for evse in evses:
        spent = occupancy.stretches(
            changes[evse.pk], sessions=sat[evse.pk], outages=outages[evse.pk], begin=begin, end=end
        )
        for place, seconds in occupancy.by_hour(spent, zone).items():
            hours[place].update(seconds)
    return hours, len(evses) * round((end - begin).total_seconds())


def _changes(evses: list[Evse], begin: datetime, end: datetime) -> dict[int, list[tuple[datetime, str]]]:
    """What each charger was from when on: by its newest change before the time and those within."""
    recorded = EvseStatusChange.objects.filter(evse__in=evses)
    before = recorded.filter(at__lt=begin).order_by("evse_id", "-at", "-pk").distinct("evse_id")
    within = recorded.filter(at__gte=begin, at__lt=end).order_by("at", "pk")
    found: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for rows in (before, within):
        for evse_id, at, status in rows.values_list("evse_id", "at", "status"):
            found[evse_id].append((at, _kind(status)))
    for evse in evses:
        if evse.pk not in found:
            found[evse.pk] = [(evse.status_at, _kind(evse.status))]
    return found


def _kind(status: str) -> str:
    return KIND_OF.get(Evse.Status(status), IN_USE)


def _outages(station: Station, evses: list[Evse], begin: datetime, end: datetime) -> dict[int, list[Interval]]:
    rows = Outage.objects.filter(Q(until=None) | Q(until__gt=begin), station=station, since__lt=end)
    found: dict[int, list[Interval]] = defaultdict(list)
    for evse_id, since, until in rows.values_list("evse_id", "since", "until"):
        for met in [evse_id] if evse_id is not None else [evse.pk for evse in evses]:
            found[met].append((since, until or end))
    return found


def _days(
    sittings: Iterable[_Sitting], begin: datetime, now: datetime, *, chargers: int, zone: ZoneInfo
) -> Iterator[Day]:
    sittings = list(sittings)
    charged = occupancy.by_day(
        (occupancy.Stretch(max(each.begin, begin), min(each.end, now), IN_USE) for each in sittings), zone
    )
    whole = occupancy.by_day([occupancy.Stretch(begin, now, UNKNOWN)], zone)
    begun: dict[date, list[_Sitting]] = defaultdict(list)
    for each in sittings:
        begun[each.begin.astimezone(zone).date()].append(each)
    for place in range(DAYS):
        day = (begin.astimezone(zone) + timedelta(days=place)).date()
        charging_s, ours = charged.get(day, Counter())[IN_USE], begun.get(day, [])
        share = _percent(charging_s, chargers * whole.get(day, Counter())[UNKNOWN])
        height = min(100.0, share) * BAR_HEIGHT / 100
        yield Day(
            day=day,
            sessions=len(ours),
            charging_s=charging_s,
            share=share,
            energy_wh=sum(each.energy_wh for each in ours),
            paise=sum(each.paise or 0 for each in ours),
            x=LEFT + place * BAR_STEP,
            y=round(TOP + BAR_HEIGHT - height, 1),
            height=round(height, 1),
        )


def _cell(weekday: int, hour: int, seconds: Seconds) -> Cell:
    whole = seconds.total()
    in_use, out, unknown = (round(_percent(seconds[kind], whole)) for kind in KINDS[1:])
    x, y = LEFT + hour * CELL_WIDTH, TOP + weekday * CELL_HEIGHT
    return Cell(weekday, hour, _free(seconds), in_use, out, unknown if whole else 100, x, y)


def _free(seconds: Seconds) -> int | None:
    """The part of the known time that was free, percent; None where nothing is known."""
    known = seconds.total() - seconds[UNKNOWN]
    return round(_percent(seconds[FREE], known)) if known else None


def _percent(part: int, whole: int) -> float:
    return part * 100 / whole if whole else 0.0
