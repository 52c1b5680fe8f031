"""How long is a duration of the DSL? Pure. Source: dsl-reference.md, Duration; ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

UNITS = ("days", "hours", "minutes", "seconds", "milliseconds")
LONGEST = timedelta(days=36_525)
# Years and months are left out: they are not of one length.
PATTERN = (
    r"^P(?!$)(?:(?P<weeks>\d+(?:\.\d+)?)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?$"
)
_ISO = re.compile(PATTERN)


def span(duration: object) -> timedelta:
    """`PT1M30S` or `{minutes: 1, seconds: 30}` as a timedelta. Raises ValueError for anything else."""
    if isinstance(duration, str) and (found := _ISO.match(duration)):
        return _span({unit: float(number) for unit, number in found.groupdict().items() if number})
    if isinstance(duration, Mapping) and duration and all(_counts(unit, of) for unit, of in duration.items()):
        return _span(dict(duration))
    raise ValueError(f"{duration!r} is no duration: write PT30S or {{seconds: 30}} (weeks to milliseconds)")


def _span(parts: dict[str, Any]) -> timedelta:
    try:
        found = timedelta(**parts)
    except OverflowError:
        found = timedelta.max
    if found > LONGEST:
        raise ValueError(f"{parts} is too long; at most {LONGEST.days} days")
    return found


def _counts(unit: object, amount: object) -> bool:
    return unit in UNITS and isinstance(amount, int | float) and not isinstance(amount, bool) and amount >= 0


def stamp(moment: datetime) -> str:
    """A time as it stands in states and events: RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The aware time that `stamp` wrote."""
    return datetime.fromisoformat(text)
