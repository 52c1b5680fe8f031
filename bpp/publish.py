"""Which facts must a buyer app be told? Events of orders become on_status, on_update and on_cancel."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from bpp import buyer_apps, inbox, outbox, showing
from bpp.models import InboxMessage
from bpp.replies import OrderReply, OrderView
from core.due import lock_next
from fulfillment import services as fulfillment
from orders.models import Order, OrderEvent

log = logging.getLogger(__name__)

F = Order.Fulfillment
CANCELLED = "cancelled"
# What became of the order; every other event is a step of its fulfilment, told by on_status.
ACTIONS = {
    CANCELLED: "on_cancel",
    "changed": "on_update",
    "moved": "on_update",
    "price-changed": "on_update",
    "charger-out": "on_update",
    "charger-warning": "on_update",
    "charger-back": "on_update",
}
# Told with the chargers that could be chosen instead.
WITH_OTHERS = {"charger-out", "charger-warning"}
# While a request waits for the station, these steps are told by its answer alone.
ON_THE_WAY = {F.CHARGING_STARTING.value, F.CHARGING_ENDING.value}
REST = timedelta(seconds=60)
_RESTING: dict[int, datetime] = {}  # of this process: orders whose news could not be told, and until when they rest
ANSWERS = {
    "start": {
        F.CHARGING_STARTED.value,
        F.CHARGING_ENDED.value,
        F.CHARGER_ERROR.value,
        F.ORDER_CANCELLED.value,
        F.NO_SHOW.value,
    },
    "stop": {F.CHARGING_ENDED.value, F.CHARGER_ERROR.value, F.ORDER_CANCELLED.value},
}


def publish_next(*, now: datetime) -> int:
    """Tell one event, or answer one request whose wait is over; returns how many were told (0 or 1 each)."""
    return _tell_next(now) + _answer_waited(now)


def publish_progress(*, now: datetime) -> int:
    """Tell the progress of running sessions, each at most every BECKN_PROGRESS_EVERY_S or as its buyer app has it.

    Returns how many were told. While an attempt to tell an order's progress is under way its next one stays due.
    """
    every_s, apart, count = settings.BECKN_PROGRESS_EVERY_S, buyer_apps.progress_every(), 0
    for order_id in fulfillment.progress_due(now=now, every_s=every_s, apart=apart):
        try:
            with transaction.atomic():
                if outbox.progress_flies(order_id):
                    continue
                if fulfillment.mark_progress(order_id, now=now, every_s=every_s, apart=apart):
                    count += _tell_progress(Order.objects.get(id=order_id), now)
        except IntegrityError as err:
            if "outbox_one_progress" not in str(err):
                raise
            # A worker took the undelivered one in hand between our look and our word.
            log.info("progress waits for the one before", extra={"order": order_id})
    return count


def _tell_progress(order: Order, now: datetime) -> int:
    if order.state != Order.State.ACTIVE:
        return 0
    _tell(order, None, now, progress=True)
    push_url = buyer_apps.push_url(order)
    if push_url and not outbox.progress_flies(order.id, pushed=True):
        _tell(order, None, now, progress=True, push_url=push_url)
    return 1


def _tell_next(now: datetime) -> int:
    """Tell the oldest event; an order whose news cannot be told now rests a while, so that it holds up nobody else."""
    event: OrderEvent | None = None
    try:
        with transaction.atomic():
            event = lock_next(_unpublished().exclude(order_id__in=_resting(now)))
            if event is None:
                return 0
            _tell_event(event, now)
    except Exception:
        if event is None:
            raise
        log.exception("event not told", extra={"order": event.order_id, "event": event.number})
        _RESTING[event.order_id] = now + REST
    return 1


def _tell_event(event: OrderEvent, now: datetime) -> None:
    order = Order.objects.get(id=event.order_id)
    waiting = _waiting(event)
    if waiting is not None:
        caller = showing.caller_of(order, waiting.message_id)
        inbox.reply_to(waiting, OrderReply(_view(order, event, now)), caller, now=now)
    # A cancellation by us is told as such, even where a request that waited was answered with it.
    if event.kind == CANCELLED or (waiting is None and not _told_later(event)):
        _tell(order, event, now, progress=False)
    event.published_at = now
    event.save(update_fields=["published_at"])


def _resting(now: datetime) -> list[int]:
    for order_id in [order_id for order_id, until in _RESTING.items() if until <= now]:
        del _RESTING[order_id]
    return list(_RESTING)


def _answer_waited(now: datetime) -> int:
    """Answer a request that waited long enough for its station with the state as it is; on_status tells the rest."""
    with transaction.atomic():
        row = lock_next(
            InboxMessage.objects.filter(state=InboxMessage.State.WAITING, next_at__lte=Now()).order_by("next_at")
        )
        if row is None:
            return 0
        order = Order.objects.get(id=row.order_id or 0)
        reply = OrderReply(showing.order_view(order, now=now))
        inbox.reply_to(row, reply, showing.caller_of(order, row.message_id), now=now)
    return 1


def _unpublished() -> QuerySet[OrderEvent]:
    earlier = OrderEvent.objects.filter(
        order_id=OuterRef("order_id"), number__lt=OuterRef("number"), public=True, published_at__isnull=True
    )
    return OrderEvent.objects.filter(public=True, published_at__isnull=True).exclude(Exists(earlier)).order_by("id")


def _waiting(event: OrderEvent) -> InboxMessage | None:
    rows = InboxMessage.objects.select_for_update(no_key=True).filter(
        state=InboxMessage.State.WAITING, order_id=event.order_id
    )
    for row in rows.order_by("id"):
        if event.to_fulfillment in ANSWERS.get(row.waits_for, set()):
            return row
    return None


def _told_later(event: OrderEvent) -> bool:
    return (
        event.to_fulfillment in ON_THE_WAY
        and InboxMessage.objects.filter(state=InboxMessage.State.WAITING, order_id=event.order_id).exists()
    )


def _tell(order: Order, event: OrderEvent | None, now: datetime, *, progress: bool, push_url: str = "") -> None:
    wait_s = settings.BECKN_DEFAULT_TTL_S if push_url else settings.BECKN_STATE_DEADLINE_S
    caller = showing.caller_of(order, str(uuid.uuid4()))
    reply = OrderReply(_view(order, event, now))
    owed = outbox.Owed(
        action=ACTIONS.get(event.kind, "on_status") if event is not None else "on_status",
        message_id=caller.message_id,
        order_id=order.id,
        operator_id=order.operator_id,
        progress=progress,
        deadline_at=now + timedelta(seconds=wait_s),
        push_url=push_url,
    )
    outbox.enqueue(reply, caller, owed, now=now)


def _view(order: Order, event: OrderEvent | None, now: datetime) -> OrderView:
    """The order as it is, in the state the event brought: a later event tells the later state."""
    view = showing.order_view(order, now=now)
    if event is not None and event.kind in WITH_OTHERS:
        view = replace(view, alternatives=showing.others(order, now=now))
    if event is None or not event.to_fulfillment:
        return view
    return replace(
        view,
        fulfillment=event.to_fulfillment,
        fulfillment_at=event.at,
        status=event.to_state or view.status,
        updated_at=event.at,
    )
