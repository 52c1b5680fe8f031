"""Which orders wait for somebody, and which tickets are due?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse

from bpp.live_filter import Wanted
from catalog.tenancy import Reach
from fulfillment.models import Outage
from orders.models import Order
from support.models import Ticket

F = Order.Fulfillment
NOT_STARTED = (F.NONE, F.ORDER_INITIATED, F.PENDING_APPROVAL, F.PAYMENT_COMPLETED)
# Who booked for later than this does not wait yet.
AHEAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that does not charge yet: `approval` where the operator must decide, else the driver may start."""

    code: str
    link: str
    station: str
    charger: str
    approval: bool
    since: datetime | None
    starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """An open ticket and when it must be answered."""

    code: str
    link: str
    subject: str
    due_at: datetime
    late: bool


def waiting_now(reach: Reach, wanted: Wanted, evses: Collection[int], now: datetime) -> list[Waiting]:
    """The orders in reach at these chargers that wait for approval or for their start; approvals first."""
    rows = reach.limit(Order.objects.filter(state=Order.State.ACTIVE, fulfillment__in=NOT_STARTED), "operator")
    if wanted.operator is not None:
        rows = rows.filter(operator=wanted.operator)
    if wanted.by_place:
        rows = rows.filter(connector__evse__in=evses)
    columns = ("pk", "code", "connector__evse__station__name", "connector__evse__uid", "connector__evse__label",
               "fulfillment", "confirmed_at", "starts_at")  # fmt: skip
    found = []
    for pk, code, station, uid, label, fulfillment, since, starts_at in rows.values_list(*columns):
        approval = fulfillment == F.PENDING_APPROVAL
        if not approval and starts_at is not None and starts_at > now + AHEAD:
            continue
        if wanted.text.casefold() in f"{code} {station} {uid} {label}".casefold():
            link = reverse("admin:orders_order_change", args=[pk])
            found.append(Waiting(code or "", link, station, label or uid, approval, since, starts_at))
    return sorted(found, key=lambda each: (not each.approval, each.starts_at or each.since or now))


def tickets_due(reach: Reach, wanted: Wanted, evses: Collection[int], now: datetime) -> list[Due]:
    """The open tickets in reach, the most pressing first; where only some places are wanted, those about these."""
    rows = reach.limit(Ticket.objects.filter(state=Ticket.State.OPEN), "operator").order_by("reply_due_at")
    if wanted.operator is not None:
        rows = rows.filter(operator=wanted.operator)
    if wanted.by_place:
        of_outages = Outage.objects.filter(station__evses__in=evses).exclude(ticket="").values("ticket")
        rows = rows.filter(Q(order__connector__evse__in=evses) | Q(code__in=of_outages))
    found = []
    for pk, code, subject, due_at in rows.values_list("pk", "code", "subject", "reply_due_at"):
        if wanted.text.casefold() in f"{code} {subject}".casefold():
            link = reverse("admin:support_ticket_change", args=[pk])
            found.append(Due(code, link, subject, due_at, due_at < now))
    return found
