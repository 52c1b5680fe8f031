"""What falls due for an order, and what becomes of it then: approval, reminder, no-show, an answer that never came?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from core.due import lock_next
from core.errors import DomainError
from orders.models import Deadline, Order

log = logging.getLogger(__name__)

ACTOR = "clock"
K = Deadline.Kind
Deed = Callable[[Order, datetime], None]


def set_deadline(order: Order, kind: Deadline.Kind, *, at: datetime) -> None:
    """Make something due for a locked order; what was due of this kind before is replaced."""
    Deadline.objects.bulk_create(
        [Deadline(order=order, kind=kind, at=at)],
        update_conflicts=True,
        unique_fields=["order", "kind"],
        update_fields=["at", "done_at"],
    )


def drop_deadline(order: Order, *kinds: Deadline.Kind, now: datetime) -> None:
    """Nothing of these kinds (of none: of any kind) is due for a locked order any more."""
    open_ones = Deadline.objects.filter(order=order, done_at__isnull=True)
    (open_ones.filter(kind__in=kinds) if kinds else open_ones).update(done_at=now)


def do_due(deeds: dict[str, Deed], *, now: datetime, limit: int = 100) -> int:
    """Do what is due now by the deed of its kind, each order in a transaction of its own; returns how many were done.

    A deed that is refused is over all the same; one that fails stays due and holds up nobody else in this round.
    """
    failed: list[int] = []
    for done in range(limit):
        if not _do_one(deeds, failed, now):
            return done
    return limit


def _do_one(deeds: dict[str, Deed], failed: list[int], now: datetime) -> bool:
    due = Deadline.objects.filter(done_at__isnull=True, at__lte=now)
    order: Order | None = None
    try:
        with transaction.atomic():
            order = lock_next(
                Order.objects.filter(Exists(due.filter(order=OuterRef("pk")))).exclude(pk__in=failed).order_by("pk")
            )
            if order is None:
                return False
            for deadline in due.filter(order=order).order_by("at", "pk"):
                _do(deeds, order, deadline, now)
    except Exception:
        if order is None:
            raise
        log.exception("deadline not met", extra={"order": order.pk})
        failed.append(order.pk)
    return True


def _do(deeds: dict[str, Deed], order: Order, deadline: Deadline, now: datetime) -> None:
    # What an earlier deed of this order made pointless was dropped by it.
    if not Deadline.objects.filter(pk=deadline.pk, done_at__isnull=True).update(done_at=now):
        return
    try:
        with transaction.atomic():
            deeds[deadline.kind](order, now)
    except DomainError as refusal:
        log.info("deadline passed over", extra={"order": order.pk, "kind": deadline.kind, "code": refusal.code})
        order.refresh_from_db()
