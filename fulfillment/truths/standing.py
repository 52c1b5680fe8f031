"""From when does it cost to stand at the charger without charging, and when is the driver to be told?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from fulfillment.truths.remarks import IDLE_NOW, IDLE_SOON, Remark

IDLE_WARNING = timedelta(minutes=10)


def costs_from(cost_at: Callable[[datetime], int | None], since: datetime, until: datetime) -> datetime | None:
    """The first second in which standing `since` a moment costs more than at that moment; None up to `until`.

    `cost_at` is what the session costs, paise, if the vehicle stands up to a moment; None where no price is known.
    """
    begun = cost_at(since)

    def dearer(seconds: int) -> bool:
        cost = cost_at(since + timedelta(seconds=seconds))
        return cost is not None and begun is not None and cost > begun

    low, high = 0, int((until - since).total_seconds())
    if high <= 0 or not dearer(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if dearer(middle):
            high = middle
        else:
            low = middle
    return since + timedelta(seconds=high)


def idle(first_at: datetime, now: datetime) -> Remark | None:
    """What to say of standing that costs from a moment on: soon from 10 minutes before, then that it does."""
    if now >= first_at:
        return Remark(IDLE_NOW, first_at, first_at)
    if now >= first_at - IDLE_WARNING:
        return Remark(IDLE_SOON, first_at - IDLE_WARNING, first_at - IDLE_WARNING, first_at)
    return None
