"""A buyer app's order on its way: started, charging, with a meter that moved."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from bpp.models import InboxMessage
from catalog.models import Evse
from fulfillment import services as fulfillment
from fulfillment.models import Session
from orders.models import Order
from tests.bpp.pipeline import Talk, decide, tell
from tests.factories.orders import NOW
from tests.fulfillment.supplier import FakeSupplier


def started(talk: Talk) -> InboxMessage:
    """A start that waits for its station."""
    talk.confirmed()
    Evse.objects.filter(pk=talk.connector.evse_id).update(status_at=NOW - timedelta(days=1))
    row = talk.put("update", talk.command("start-charging"))
    decide()
    hold_open(row)
    return row


def hold_open(row: InboxMessage) -> None:
    """Its wait is not over, whatever the real clock says."""
    InboxMessage.objects.filter(pk=row.pk).update(next_at=timezone.now() + timedelta(hours=1))


def charging(talk: Talk) -> Order:
    started(talk)
    drive(NOW)
    tell()
    return talk.order


def drive(at: datetime) -> None:
    """Everything the station and we do at one moment."""
    fulfillment.process_events_due(now=at)
    fulfillment.advance_due(at, limit=20)


def progressing(talk: Talk, supplier: FakeSupplier) -> datetime:
    """A session with a fresh reading a minute on."""
    charging(talk)
    at = supplier.after(60)
    drive(at)
    assert Session.objects.get(order=talk.order).read_at is not None
    return at
