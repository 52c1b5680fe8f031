"""What tests of invoices need: a registered operator, and an order that is billed."""

from __future__ import annotations

import string
from datetime import datetime, timedelta
from typing import Any

from catalog.models import Connector, Operator
from orders.models import Invoice, Order, PaperKind
from orders.services import (
    complete_order,
    mark_started,
)
from tests.factories.orders import (
    NOW,
    active_order,
)

GSTIN = "29AAGCB7383J1Z4"
DIGITS = string.digits + string.ascii_uppercase


def registered(connector: Connector, *, state: str = "Karnataka") -> Connector:
    """The connector of an operator registered in Karnataka, at a station in `state`."""
    operator = connector.evse.station.operator
    Operator.objects.filter(pk=operator.pk).update(
        gstin=GSTIN, state_code="29", legal_name="Example Charging Private Limited", address="1 MG Road, Bengaluru",
        invoice_prefix=DIGITS[operator.pk // 36 % 36] + DIGITS[operator.pk % 36],
    )  # fmt: skip
    connector.evse.station.state = state
    connector.evse.station.save()
    return Connector.objects.select_related("evse__station__operator", "tariff").get(pk=connector.pk)


def billed(order: Order | None = None, *, energy_wh: int = 8_000, at: datetime = NOW, **changes: Any) -> Order:
    order = order or active_order(now=at, **changes)
    begin, end = at, at + timedelta(minutes=20)
    mark_started(order.pk, now=begin, actor="test")
    return complete_order(
        order.pk, energy_wh=energy_wh, started_at=begin, ended_at=end, now=end, reason="done", actor="test"
    )


def papers(order: Order) -> list[Invoice]:
    return list(Invoice.objects.filter(order=order).order_by("pk"))


def papered(order: Order) -> int:
    return sum(-p.total_paise if p.kind == PaperKind.CREDIT_NOTE else p.total_paise for p in papers(order))
