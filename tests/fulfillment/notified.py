"""Orders of an operator that tells its drivers, and the rounds in which it does so."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from fulfillment import services as fulfillment
from fulfillment.models import Notice, NoticeSettings, Reading, Session
from fulfillment.services.noticing import _Looked
from orders.models import Order
from tests.factories.orders import NOW

BASE = "https://bpp.example.org"
DRIVER = "driver@example.org"


def switch_on(operator: Any, **changes: Any) -> NoticeSettings:
    """The operator tells everything at any hour, unless `changes` say otherwise."""
    fields = {"active": True, "quiet_from": time(0), "quiet_until": time(0)} | changes
    told, _ = NoticeSettings.objects.update_or_create(operator=operator, defaults=fields)
    return told


def noted(order: Order, *, way: str = "email") -> list[str]:
    """The kinds of the order's notices, in the order they were noted."""
    rows = Notice.objects.filter(order=order, way=way).order_by("pk")
    return list(rows.values_list("kind", flat=True))


def the_one(order: Order, kind: str, *, way: str = "email") -> Notice:
    return Notice.objects.get(order=order, kind=kind, way=way)


def look(now: datetime = NOW) -> int:
    """Everything a sweep notes, as by a process that has just begun."""
    _Looked.until = None
    return fulfillment.note_notices_due(now) + fulfillment.spot_notices_due(now)


def send(now: datetime = NOW, *, limit: int = 20) -> int:
    return fulfillment.send_notices_due(now, limit=limit, base_url=BASE)


def read(session: Session, energy_wh: int, at: datetime, *, power_w: int = 29_500, soc: int | None = None) -> None:
    """The meter of a session as it stands at a moment, believed."""
    first_wh = session.meter_start_wh or 0
    Reading.objects.create(
        session=session, at=at, energy_wh=first_wh + energy_wh, power_w=power_w, soc_percent=soc, accepted=True
    )
    session.meter_wh, session.read_at, session.power_w = first_wh + energy_wh, at, power_w
    session.soc_percent = soc
    session.save()
