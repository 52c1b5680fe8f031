"""How is a station asked what its charging sessions came to, one due row after the other?

Asking only reads, so that it needs no journal: whoever dies on the way is followed by the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.models import Station
from core.due import lock_next
from core.errors import DriverError
from fulfillment.drivers import Options, driver_for
from fulfillment.drivers.base import Ack, MeterValue
from fulfillment.models import Session, WalkIn
from fulfillment.services.running import BY_STATION

log = logging.getLogger(__name__)

# Longer than a call may take: another worker asks only when this one has died.
LEASE_S = 15
REST_S = 30
UNKNOWN = "the station knows nothing of the session any more"

Asked = TypeVar("Asked", Session, WalkIn)


@dataclass(frozen=True, slots=True)
class Answer:
    """The station's record of a session, None where it knows of none; or the fault that kept it from answering."""

    ack: Ack | None
    err: DriverError | None


@dataclass(frozen=True, slots=True)
class Watch(Generic[Asked]):
    """Which rows are due at a moment (by `next_at`), at which station each charges, and what becomes of an answer."""

    due: Callable[[datetime], QuerySet[Asked]]
    station_of: Callable[[Asked], Station]
    take_in: Callable[[Asked, Answer, datetime], None]

    def ask_due(self, now: datetime | None, *, limit: int) -> int:
        """Ask about the rows that are due; returns how many. `now` replaces the clock.

        An answer that cannot be taken in is logged, and the row rests for REST_S.
        """
        for done in range(limit):
            row = self._next(now or timezone.now())
            if row is None:
                return done
            answer = _ask(self.station_of(row), row.remote_id)
            try:
                with transaction.atomic():
                    self.take_in(row, answer, now or timezone.now())
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                log.exception("an answer could not be taken in", extra={"row": row.pk, "of": type(row).__name__})
                rested = (now or timezone.now()) + timedelta(seconds=REST_S)
                type(row).objects.filter(pk=row.pk, next_at__isnull=False).update(next_at=rested)
        return limit

    @transaction.atomic
    def _next(self, now: datetime) -> Asked | None:
        row = lock_next(self.due(now).order_by("next_at", "pk"))
        if row is not None:
            row.next_at = now + timedelta(seconds=LEASE_S)
            row.save(update_fields=["next_at"])
        return row


def reading_of(ack: Ack, now: datetime) -> MeterValue:
    """What a station's record says of the meter, as a reading taken now."""
    return MeterValue(at=now, energy_wh=ack.meter_wh or 0, power_w=ack.power_w, soc_percent=ack.soc_percent)


def why_over(ack: Ack) -> str:
    """Why a session ended that nobody asked to end."""
    return "vehicle full" if ack.soc_percent == 100 else BY_STATION


def _ask(station: Station, remote_id: str) -> Answer:
    """The station's record of the session; never inside a transaction, whose locks a slow station would hold."""
    options = Options(settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN)
    try:
        return Answer(driver_for(station, options).status(remote_id), None)
    except DriverError as err:
        log.warning("a station could not be asked", extra={"session": remote_id, "fault": err.text})
        return Answer(None, err)
