"""Whose buyer app is due to hear how charging goes on?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from fulfillment.models import Session
from orders.models import Order

NONE: Final[Mapping[str, int]] = MappingProxyType({})


def progress_due(now: datetime, *, every_s: int, apart: Mapping[str, int] = NONE, limit: int = 100) -> list[int]:
    """Ids of orders whose session has a reading that was not told yet, `every_s` after the last telling.

    `apart` gives the seconds of buyer apps (by their id) that hear more or less often.
    """
    return list(_due(now, every_s, apart).order_by("progress_at").values_list("order_id", flat=True)[:limit])


@transaction.atomic
def mark_progress(order_id: int, now: datetime, *, every_s: int, apart: Mapping[str, int] = NONE) -> bool:
    """Note that the buyer app is told now; False where another worker was first or nothing is due any more."""
    return _due(now, every_s, apart).filter(order_id=order_id).update(progress_at=now) == 1


@transaction.atomic
def pending_progress(now: datetime, *, limit: int = 100) -> list[Order]:
    """Orders whose buyer app is due a push, marked as told: the caller sends in the same transaction."""
    every_s = settings.BECKN_PROGRESS_EVERY_S
    ids = [pk for pk in progress_due(now, every_s=every_s, limit=limit) if mark_progress(pk, now, every_s=every_s)]
    return list(Order.objects.filter(pk__in=ids).order_by("pk"))


def _due(now: datetime, every_s: int, apart: Mapping[str, int]) -> QuerySet[Session]:
    rested = Q(progress_at__isnull=True) | _rested(now, every_s) & ~Q(order__bap_id__in=list(apart))
    for own_s in sorted(set(apart.values())):
        apps = [bap_id for bap_id, seconds in apart.items() if seconds == own_s]
        rested |= _rested(now, own_s) & Q(order__bap_id__in=apps)
    unheard = Q(progress_at__isnull=True) | Q(read_at__gt=F("progress_at"))
    return Session.objects.filter(
        rested, unheard, state__in=[Session.State.CHARGING, Session.State.PAUSED], read_at__isnull=False
    )


def _rested(now: datetime, every_s: int) -> Q:
    return Q(progress_at__lte=now - timedelta(seconds=every_s))
