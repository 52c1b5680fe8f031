"""Is a station open, by its OCPI opening hours, for a whole window of time?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_MIN = 24 * 60
LONGEST_WINDOW = timedelta(days=31)

Spell = tuple[datetime, datetime]


class OpeningFault(ValueError):
    """Opening hours that cannot be read; `path` names the culprit, for instance `regular_hours[0].weekday`."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


@dataclass(frozen=True, slots=True)
class Opening:
    """Compiled opening hours: per weekday (Monday first) the minutes from midnight, and exceptions as UTC spells."""

    always: bool
    zone: str = "Asia/Kolkata"
    weekly: tuple[tuple[tuple[int, int], ...], ...] = ()
    extra: tuple[Spell, ...] = ()
    closed: tuple[Spell, ...] = ()

    def covers(self, starts_at: datetime, ends_at: datetime | None) -> bool:
        """Whether the station is open from `starts_at` through `ends_at`, or at `starts_at` where no end is given.

        Of a window longer than 31 days the first 31 are looked at.
        """
        ends_at = starts_at if ends_at is None else min(ends_at, starts_at + LONGEST_WINDOW)
        if any(
            (begin < ends_at and starts_at < end) or begin <= starts_at == ends_at < end for begin, end in self.closed
        ):
            return False
        if self.always:
            return True
        spells = sorted([*self._regular(starts_at, ends_at), *self.extra])
        open_until = starts_at
        for begin, end in spells:
            if begin > open_until:
                break
            open_until = max(open_until, end)
        return open_until >= ends_at and open_until > starts_at

    def _regular(self, starts_at: datetime, ends_at: datetime) -> Iterator[Spell]:
        zone = ZoneInfo(self.zone)
        day = starts_at.astimezone(zone).date() - timedelta(days=1)
        last = ends_at.astimezone(zone).date()
        while day <= last:
            for begin_min, end_min in self.weekly[day.weekday()]:
                yield _local(day, begin_min, zone), _local(day, end_min, zone)
            day += timedelta(days=1)


ALWAYS = Opening(always=True)


def opening(hours: Mapping[str, object], zone: str) -> Opening:
    """The compiled form of OCPI Hours; an empty mapping or `twentyfourseven` is always open.

    Raises OpeningFault where a part cannot be read. Source: OCPI 2.2.1 mod_locations, Hours class.
    """
    if not isinstance(hours, Mapping):
        raise OpeningFault("opening_times", f"{hours!r} is not an object of OCPI Hours")
    if not known_zone(zone):
        raise OpeningFault("time_zone", f"{zone!r} is not a time zone; write one such as Asia/Kolkata")
    closed = _exceptions(hours, "exceptional_closings")
    extra = _exceptions(hours, "exceptional_openings")
    if hours.get("twentyfourseven") is True or not hours.get("regular_hours"):
        if hours.get("twentyfourseven") is False and not extra:
            raise OpeningFault("regular_hours", "missing although twentyfourseven is false; list the hours")
        always = hours.get("twentyfourseven") is not False
        return Opening(always=always, zone=zone, weekly=((),) * 7, extra=extra, closed=closed)
    days: list[list[tuple[int, int]]] = [[] for _ in range(7)]
    for place, entry in _entries(hours, "regular_hours"):
        weekday = entry.get("weekday")
        if not isinstance(weekday, int) or isinstance(weekday, bool) or not 1 <= weekday <= 7:
            raise OpeningFault(f"{place}.weekday", f"{weekday!r} is not a day; write 1 (Monday) to 7 (Sunday)")
        begin_min = _minutes(entry, place, "period_begin")
        end_min = _minutes(entry, place, "period_end")
        days[weekday - 1].append((begin_min, end_min if end_min > begin_min else end_min + DAY_MIN))
    return Opening(
        always=False, zone=zone, weekly=tuple(tuple(sorted(day)) for day in days), extra=extra, closed=closed
    )


def known_zone(name: str) -> bool:
    """Whether a time zone of that name exists."""
    try:
        return bool(ZoneInfo(name).key)
    except (ValueError, ZoneInfoNotFoundError):
        return False


def _entries(hours: Mapping[str, object], name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    entries = hours.get(name) or []
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise OpeningFault(name, f"{entries!r} is not a list of periods")
    for number, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise OpeningFault(f"{name}[{number}]", f"{entry!r} is not a period; write an object")
        yield f"{name}[{number}]", entry


def _minutes(entry: Mapping[str, object], place: str, name: str) -> int:
    text = entry.get(name)
    try:
        moment = time.fromisoformat(str(text)) if len(str(text)) == 5 else None
    except ValueError:
        moment = None
    if moment is None:
        if text == "24:00":
            return DAY_MIN
        raise OpeningFault(f"{place}.{name}", f"{text!r} is not a time of day; write HH:MM from 00:00 to 23:59")
    return moment.hour * 60 + moment.minute


def _exceptions(hours: Mapping[str, object], name: str) -> tuple[Spell, ...]:
    return tuple(
        sorted(
            (_moment(entry, place, "period_begin"), _moment(entry, place, "period_end"))
            for place, entry in _entries(hours, name)
        )
    )


def _moment(entry: Mapping[str, object], place: str, name: str) -> datetime:
    text = str(entry.get(name))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        raise OpeningFault(f"{place}.{name}", f"{text!r} is not a time; write RFC 3339") from err
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@lru_cache(maxsize=65_536)
def _local(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    over, rest = divmod(minutes, DAY_MIN)
    return datetime.combine(day + timedelta(days=over), time(rest // 60, rest % 60), zone).astimezone(UTC)
