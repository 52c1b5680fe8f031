"""What does the driver's page show of an order beside its snapshot: place and times, the price, the bill's lines?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fulfillment.models import Session
from orders.models import Order, Payment, Quote


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of the bill; `energy_wh` where it is for energy."""

    code: str
    note: str
    paise: int
    energy_wh: int | None = None


@dataclass(frozen=True, slots=True)
class Promised:
    """The confirmation: the order, from when to when, for how much, how it is paid, and whether a person must agree."""

    order: str
    starts_at: datetime | None
    ends_at: datetime | None
    paise: int
    payment_type: str
    payment_status: str
    awaits_approval: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What stays as it is while energy flows; `zone` is the station's, `elements` are those of the agreed tariff."""

    zone: str
    started_at: datetime | None
    ended_at: datetime | None
    elements: Sequence[dict[str, Any]]
    currency: str
    lines: tuple[BillLine, ...]
    promised: Promised


def frame_of(order_id: int) -> Frame:
    """The frame of an order's page. Four statements."""
    order = Order.objects.select_related("connector__evse__station").get(pk=order_id)
    session = Session.objects.filter(order_id=order_id).only("started_at", "ended_at").first()
    quote = Quote.objects.get(order_id=order_id, current=True)
    payment = Payment.objects.filter(order_id=order_id).first()
    return Frame(
        zone=order.connector.evse.station.time_zone,
        started_at=session.started_at if session else None,
        ended_at=session.ended_at if session else None,
        elements=quote.tariff.get("elements") or [],
        currency=quote.currency,
        lines=tuple(
            BillLine(line["code"], line.get("note", ""), line["paise"], line.get("energy_wh")) for line in quote.lines
        ),
        promised=Promised(
            order=order.code or "",
            starts_at=order.starts_at,
            ends_at=order.ends_at,
            paise=quote.total_paise,
            payment_type=payment.type if payment else "",
            payment_status=payment.status if payment else "",
            awaits_approval=order.fulfillment == Order.Fulfillment.PENDING_APPROVAL,
        ),
    )
