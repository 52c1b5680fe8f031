"""Which booked times does an operator take, and how does it confirm them? The rules as an order keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

INSTANT = "instant"
ADVANCE = "advance"
PROVISIONAL = "provisional"
APPROVE = "approve"
DECLINE = "decline"
ASK = "ask"
CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Rules:
    """The reservation rules of a station; these defaults stand where its operator wrote none. Durations in seconds."""

    earliest_s: int = 30 * 86_400
    latest_s: int = 0
    shortest_s: int = 0
    longest_s: int = 86_400
    buffer_s: int = 0
    grace_s: int = 900
    no_show_after_s: int = 3_600
    mode: str = INSTANT
    reminder_s: int = 3_600
    approval_s: int = 900
    approval_outcome: str = DECLINE
    start_code: bool = False
    on_failure: str = ASK
    answer_s: int = 900
    free_cancel_s: int = 0

    def snapshot(self) -> dict[str, Any]:
        """These rules as JSON, to be kept with the order."""
        return asdict(self)

    def fault(self, starts_at: datetime | None, ends_at: datetime | None, *, now: datetime) -> str:
        """What these rules hold against a booked time, in words; empty where it is taken. Charging now has no start."""
        if starts_at is None or starts_at <= now:
            return ""
        ahead = starts_at - now
        if ahead > timedelta(seconds=self.earliest_s):
            return f"it begins {starts_at.isoformat()}; bookings are taken {_words(self.earliest_s)} ahead at most"
        if ahead < timedelta(seconds=self.latest_s):
            return f"it begins {starts_at.isoformat()}; bookings are taken {_words(self.latest_s)} ahead at least"
        if ends_at is None:
            return ""
        lasting = ends_at - starts_at
        if not timedelta(seconds=self.shortest_s) <= lasting <= timedelta(seconds=self.longest_s):
            return (
                f"it lasts {_words(int(lasting.total_seconds()))}; {_words(self.shortest_s)} to "
                f"{_words(self.longest_s)} are allowed"
            )
        return ""


_NAMES = frozenset(field.name for field in fields(Rules))


def rules_from(kept: Mapping[str, Any]) -> Rules:
    """The rules an order keeps; what an older order does not name is as the defaults say."""
    return Rules(**{name: value for name, value in kept.items() if name in _NAMES})


def due_from(starts_at: datetime | None, confirmed_at: datetime) -> datetime:
    """When the driver is expected: at the booked start, without one from the confirmation on."""
    return max(starts_at or confirmed_at, confirmed_at)


def _words(seconds: int) -> str:
    for name, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
