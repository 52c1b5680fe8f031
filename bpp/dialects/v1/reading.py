"""How is one field of a wire message read, and what is said when it is spelt oddly?

A `Reader` walks plain JSON with the path it stands at. Absent and null are the same. Odd spellings become notes; what
cannot be understood raises WireFault with the JSON path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any

from bpp.dialects.v1 import words
from bpp.messages import Note, Quantity, Window, WireFault

ORDER = "$.message.order"
"""Where the order of a message stands."""
IST = timezone(timedelta(hours=5, minutes=30), "IST")
_DURATION = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,10})(?:[.,]\d{1,9})?S)?)?"
)
_LONGEST_DURATION = 80
_DURATION_S = (31_536_000, 2_592_000, 604_800, 86_400, 3600, 60, 1)
_CLOCK = re.compile(r"\d{2}:\d{2}(:\d{2})?")
_NOT_PHONE = re.compile(r"[^\d+]")
_ALL_BUT_TWO = re.compile(r"\d(?=.*\d.*\d)")
# Of a number with a fraction the strict reader makes a Decimal.
_NUMBERS = (int, float, Decimal)
_GPS = re.compile(r"([+-]?\d{1,3}(?:\.\d{1,15})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,15})?)")
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_AMOUNT = 1_000_000_000_000
INDIA = (6.0, 38.0, 68.0, 98.0)


def shown(value: object) -> str:
    """The value as a fault may quote it: at most 100 characters."""
    text = str(value) if isinstance(value, str | Decimal) else repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def duration_s(text: str) -> int | None:
    """Seconds of an ISO 8601 duration (a year is 365 days, a month 30); None where the text is none."""
    return _duration_s(text) if len(text) <= _LONGEST_DURATION else None


@lru_cache(maxsize=256)
def _duration_s(text: str) -> int | None:
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None or not any(match.groups()):
        return None
    return sum(int(part) * size for part, size in zip(match.groups(), _DURATION_S, strict=True) if part)


def instant(text: str, *, day: date | None = None) -> tuple[datetime, bool] | None:
    """The moment a text states, in UTC, and whether its zone was missing (then IST); None where unreadable.

    A bare clock time is taken on `day`, where one is given.
    """
    stripped = text.strip()
    if day is not None and _CLOCK.fullmatch(stripped):
        stripped = f"{day.isoformat()}T{stripped}"
    try:
        moment = datetime.fromisoformat(stripped.upper())
        naive = moment.tzinfo is None
        return (moment.replace(tzinfo=IST) if naive else moment).astimezone(UTC), naive
    except (ValueError, OverflowError):
        return None


class Reader:
    """Reads fields of one message and gathers notes about them; `day` dates a clock time that comes without a date."""

    def __init__(self, *, day: date | None = None) -> None:
        self.notes: list[Note] = []
        self.day = day

    def warn(self, path: str, seen: object, text: str) -> None:
        """Records a deviation that was understood all the same."""
        self.notes.append(Note(path, shown(seen), text))

    def map(self, node: Any, key: str, path: str) -> dict[str, Any]:
        """The object at `key`, empty where absent. Raises WireFault where it is something else."""
        value = node.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise _wrong(f"{path}.{key}", value, "an object {…}")
        return value

    def rows(self, node: Any, key: str, path: str) -> list[tuple[str, dict[str, Any]]]:
        """The objects of the list at `key` with their paths; a single object counts as a list of one, with a note."""
        value = node.get(key)
        if value is None:
            return []
        if isinstance(value, dict):
            self.warn(f"{path}.{key}", "an object", "an array is expected here; taken as its only element")
            return [(f"{path}.{key}", value)]
        if not isinstance(value, list):
            raise _wrong(f"{path}.{key}", value, "an array [ … ]")
        found = [(f"{path}.{key}[{index}]", row) for index, row in enumerate(value) if row is not None]
        for where, row in found:
            if not isinstance(row, dict):
                raise _wrong(where, row, "an object {…}")
        return found

    def text(self, node: Any, key: str, path: str, *, limit: int = 255) -> str:
        """The text at `key` without surrounding space and control characters; a number counts as text, with a note.

        Empty where absent. Raises WireFault where it is neither, or longer than `limit`.
        """
        value = node.get(key)
        if value is None:
            return ""
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            self.warn(f"{path}.{key}", value, "a text is expected here; the number was taken as text")
            return str(value)
        if not isinstance(value, str):
            raise _wrong(f"{path}.{key}", value, "a text")
        if len(value) > limit:
            raise WireFault(
                "30000",
                f"{path}.{key}",
                f"{path}.{key} has {len(value)} characters; at most {limit} are allowed: send a shorter one.",
            )
        return (value if value.isprintable() else _CONTROL.sub("", value)).strip()

    def folded(self, node: Any, key: str, path: str, *, rule: Callable[[str], str]) -> str:
        """The text at `key` as `rule` spells it, with a note where that differs; empty where absent."""
        text = self.text(node, key, path)
        if not text:
            return ""
        word = rule(text)
        if word != text:
            self.warn(f"{path}.{key}", text, f"read as {word}")
        return word

    def wanted(self, node: Any, key: str, path: str) -> str:
        """The text at `key`. Raises WireFault where it is absent or empty."""
        value = self.text(node, key, path)
        if not value:
            raise missing(f"{path}.{key}", "a text that is not empty")
        return value

    def decimal(self, node: Any, key: str, path: str, *, code: str = "30000") -> Decimal | None:
        """The decimal number at `key`, None where absent. Raises WireFault(code) where it is no number."""
        value = node.get(key)
        if value is None or value == "":
            return None
        number = (
            words.number(str(value)) if isinstance(value, (str, *_NUMBERS)) and not isinstance(value, bool) else None
        )
        if number is None:
            where = f"{path}.{key}"
            raise WireFault(code, where, f'{where} is {shown(value)!r}; send a decimal number as text, such as "10.5".')
        return number

    def moment(self, node: Any, key: str, path: str) -> datetime | None:
        """The moment at `key` in UTC, None where absent; without a zone it is read as IST, with a note."""
        text = self.text(node, key, path)
        if not text:
            return None
        where = f"{path}.{key}"
        read = instant(text, day=self.day)
        if read is None:
            raise WireFault(
                "30000",
                where,
                f"{where} is {shown(text)!r}; send an RFC 3339 date-time such as 2026-02-01T10:00:00+05:30.",
            )
        if read[1]:
            self.warn(where, text, "no time zone; read as Indian Standard Time (+05:30)")
        return read[0]

    def seconds(self, node: Any, key: str, path: str) -> int | None:
        """The ISO 8601 duration at `key` in seconds, None where absent."""
        text = self.text(node, key, path)
        if not text:
            return None
        found = duration_s(text)
        if found is None:
            where = f"{path}.{key}"
            raise WireFault("30000", where, f"{where} is {shown(text)!r}; send an ISO 8601 duration such as PT40M.")
        return found

    def phone(self, node: Any, key: str, path: str) -> str:
        """The phone number at `key` in E.164; an Indian number without country code gets +91, with a note."""
        text = self.text(node, key, path, limit=40)
        digits = _NOT_PHONE.sub("", text)
        bare = digits.lstrip("+")
        if digits.startswith("+") or not bare:
            number = f"+{bare}" if bare else ""
        elif len(bare) == 11 and bare.startswith("0"):
            number = f"+91{bare[1:]}"
        elif len(bare) == 10:
            number = f"+91{bare}"
        else:
            number = f"+{bare}" if len(bare) == 12 and bare.startswith("91") else bare
        if number != text:
            masked = _ALL_BUT_TWO.sub("•", text)  # notes are shown and logged: no personal data
            self.warn(f"{path}.{key}", masked, "a phone number in E.164, such as +91 and ten digits, is expected")
        return number[:20]

    def email(self, node: Any, key: str, path: str) -> str:
        """The e-mail address at `key`, empty where absent or where it is none (then with a note)."""
        text = self.text(node, key, path, limit=254)
        if text and not _EMAIL.fullmatch(text):
            self.warn(f"{path}.{key}", "…", "not an e-mail address; ignored")
            return ""
        return text

    def point(self, node: Any, key: str, path: str) -> tuple[float, float] | None:
        """Latitude and longitude in degrees from `lat,lon`, None where absent; a point outside India gets a note."""
        text = self.text(node, key, path)
        if not text:
            return None
        where = f"{path}.{key}"
        match = _GPS.fullmatch(text)
        latitude, longitude = (float(match[1]), float(match[2])) if match else (999.0, 999.0)
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise WireFault(
                "30000",
                where,
                f"{where} is {shown(text)!r}; send latitude and longitude in degrees: 12.971599,77.594566.",
            )
        if " " in text:
            self.warn(where, text, "no space is expected after the comma")
        if not in_india(latitude, longitude):
            turned = in_india(longitude, latitude)
            hint = "; it looks like longitude first, send latitude first" if turned else ""
            self.warn(where, text, f"this point is outside India{hint}")
        return latitude, longitude

    def measure(self, node: dict[str, Any], path: str) -> Quantity | None:
        """The quantity that {value, unit} states, None where no value is given.

        Raises WireFault where the unit is unknown, the value no number, not above zero or beyond reason.
        """
        value = self.decimal(node, "value", path)
        if value is None:
            return None
        text = self.text(node, "unit", path)
        if not text:
            self.warn(f"{path}.unit", "", "no unit; read as kWh")
        known = words.unit(text or "kWh")
        if known is None:
            where = f"{path}.unit"
            raise WireFault("30000", where, f"{where} is {shown(text)!r}; send one of {words.UNITS_TEXT}.")
        if text and text not in words.EXACT_UNITS:
            self.warn(f"{path}.unit", text, f"read as {known[0]}; kWh, INR or min is expected")
        amount = int((value * known[1]).to_integral_value(rounding=ROUND_HALF_EVEN))
        if not 0 < amount <= MAX_AMOUNT:
            where = f"{path}.value"
            raise WireFault("30000", where, f"{where} is {value}; send an amount above zero (and within reason).")
        return Quantity(known[0], amount)

    def quantity(self, node: dict[str, Any], path: str, *, keys: tuple[str, ...] = ("selected",)) -> Quantity | None:
        """The quantity measured under one of `keys` of an ItemQuantity, or directly in it; None where none is."""
        for key in keys:
            under = self.map(node, key, path)
            found = self.measure(self.map(under, "measure", f"{path}.{key}"), f"{path}.{key}.measure")
            if found is not None:
                return found
        return self.measure(self.map(node, "measure", path), f"{path}.measure")

    def window(self, node: dict[str, Any], path: str) -> Window | None:
        """The wanted time from `stops`: their timestamps, or a range or duration on one of them; None where none is.

        Stop types count in any case and spelling; without types the first is the start and the second the end.
        Raises WireFault where the end is not after the start.
        """
        return self._window(*self.times(node, path))

    def times(self, node: dict[str, Any], path: str) -> tuple[datetime | None, datetime | None, str]:
        """Start and end that `stops` name, each None where it is not said, and the path of the end."""
        starts_at = ends_at = None
        end_path = f"{path}.stops"
        for index, (where, stop) in enumerate(self.rows(node, "stops", path)):
            time = self.map(stop, "time", where)
            span = self.map(time, "range", f"{where}.time")
            moment = self.moment(time, "timestamp", f"{where}.time")
            first = self.moment(span, "start", f"{where}.time.range")
            last = self.moment(span, "end", f"{where}.time.range")
            lasting = self.seconds(time, "duration", f"{where}.time")
            if self._is_start(stop, where, index):
                starts_at, ends_at = moment or first or starts_at, last or ends_at
            else:
                starts_at, ends_at = starts_at or first, moment or last or ends_at
            if starts_at and lasting:
                ends_at = ends_at or _later(starts_at, lasting, f"{where}.time.duration")
            end_path = f"{where}.time" if ends_at else end_path
        return starts_at, ends_at, end_path

    def _is_start(self, stop: dict[str, Any], where: str, index: int) -> bool:
        text = self.text(stop, "type", where)
        kind = words.stop_type(text)
        if text and text not in {"start", "end"}:
            self.warn(f"{where}.type", text, f"read as {kind or 'a stop without type'}; start or end is expected")
        return kind == "start" if kind else index == 0

    def _window(self, starts_at: datetime | None, ends_at: datetime | None, path: str) -> Window | None:
        if starts_at is None:
            if ends_at is not None:
                self.warn(path, ends_at.isoformat(), "an end without a start; the wanted time was ignored")
            return None
        if ends_at is not None and ends_at <= starts_at:
            raise WireFault(
                "30000",
                path,
                f"{path} ends at {ends_at.isoformat()}, which is not after its start {starts_at.isoformat()};"
                " send an end after the start.",
            )
        return Window(starts_at, ends_at)


def in_india(latitude: float, longitude: float) -> bool:
    """Whether a point lies in the box around India."""
    south, north, west, east = INDIA
    return south <= latitude <= north and west <= longitude <= east


def missing(path: str, allowed: str) -> WireFault:
    """The fault for a needed field that is not there."""
    return WireFault("30000", path, f"{path} is missing; send {allowed}.")


def _wrong(path: str, value: object, allowed: str) -> WireFault:
    return WireFault("30000", path, f"{path} is {shown(value)!r}; send {allowed}.")


def _later(starts_at: datetime, lasting_s: int, path: str) -> datetime:
    try:
        return starts_at + timedelta(seconds=lasting_s)
    except OverflowError:
        raise WireFault("30000", path, f"{path} reaches beyond the calendar; send a duration such as PT40M.") from None
