"""How does the business stand at this moment? Figures of the overview, from the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from bpp.conversations import inbox_of, outbox_of
from catalog.models import Connector, Evse, Station
from catalog.tenancy import Reach, reach_of
from catalog.wording import kw, kwh, rupees
from fulfillment.models import Session
from orders.models import Order, Quote, Refund
from support.models import Ticket

MOST_ROWS = 8
RUNNING = [state for state in Session.LIVE if state != Session.State.WAITING]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the overview with where it leads; `tone` colours it where something is wrong."""

    title: str
    value: str
    note: str
    link: str
    tone: str = ""


def board(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The overview's context: figures, running sessions, newest orders, faults, tickets; empty lists where none."""
    reach, now = reach_of(request.user), timezone.now()
    if not reach.any:
        return {**context, "homeless": True}
    live = reach.limit(Session.objects.filter(state__in=RUNNING), "order__operator").select_related(
        "order", "evse__station"
    )
    running = list(live.order_by("-started_at")[:MOST_ROWS])
    orders = reach.limit(Order.objects.exclude(code=None), "operator").select_related("connector__evse__station")
    faulted = reach.limit(Evse.objects.filter(status=Evse.Status.FAULTED), "station__operator")
    tickets = reach.limit(Ticket.objects.filter(state=Ticket.State.OPEN), "operator")
    return {
        **context,
        "title": "Overview",
        "now": now,
        "figures": [
            _charging(list(live)),
            _orders_today(reach, now),
            _faults(faulted.count(), reach),
            _tickets(tickets.count(), tickets.filter(reply_due_at__lt=now).count()),
            _refunds(reach, now),
            _letters(reach),
        ],
        "running": running,
        "newest_orders": list(orders.order_by("-created_at")[:MOST_ROWS]),
        "faulted": list(faulted.select_related("station").order_by("-status_at")[:MOST_ROWS]),
        "open_tickets": list(tickets.order_by("reply_due_at")[:MOST_ROWS]),
        "fresh": not reach.limit(Station.objects.all(), "operator").exists(),
    }


def midnight(now: datetime) -> datetime:
    """The start of today where the business is."""
    return now.astimezone(ZoneInfo(settings.TIME_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)


def _charging(live: list[Session]) -> Figure:
    power_w = sum(session.power_w for session in live)
    energy_wh = sum(session.energy_wh for session in live)
    note = f"{kw(power_w)} now, {kwh(energy_wh)} so far" if live else "nobody is charging right now"
    return Figure("Sessions now", str(len(live)), note, reverse("admin:fulfillment_session_changelist"))


def _orders_today(reach: Reach, now: datetime) -> Figure:
    today = reach.limit(Order.objects.filter(confirmed_at__gte=midnight(now)), "operator")
    bills = Quote.objects.filter(order__in=today, current=True).exclude(order__state=Order.State.CANCELLED)
    total = bills.aggregate(total=Sum("total_paise"))["total"] or 0
    link = reverse("admin:orders_order_changelist")
    return Figure("Orders today", str(today.count()), f"{rupees(int(total))} including GST", link)


def _faults(faulted: int, reach: Reach) -> Figure:
    plugs = reach.limit(Connector.objects.filter(active=True), "evse__station__operator").count()
    link = reverse("admin:catalog_evse_changelist") + "?status__exact=faulted"
    return Figure("Faulted EVSEs", str(faulted), f"{plugs} connectors in service", link, "bad" if faulted else "")


def _tickets(waiting: int, late: int) -> Figure:
    note = f"{late} past their time" if late else "all within their time" if waiting else "nobody is waiting"
    return Figure("Open tickets", str(waiting), note, reverse("admin:support_ticket_changelist"), "bad" if late else "")


def _refunds(reach: Reach, now: datetime) -> Figure:
    owed = reach.limit(Refund.objects.filter(state__in=Refund.OPEN), "order__operator")
    paise = owed.aggregate(total=Sum("paise"))["total"] or 0
    asked = owed.filter(state__in=[Refund.State.PERSON, Refund.State.REQUESTED]).count()
    late = owed.filter(deadline_at__lt=now).count()
    note = f"{rupees(int(paise))}; {asked} wait for you, {late} past the promised time"
    link = reverse("admin:orders_refund_changelist")
    return Figure("Refunds on their way", str(owed.count()), note, link, "bad" if asked or late else "")


def _letters(reach: Reach) -> Figure:
    dead = outbox_of(reach).filter(state__in=["dead", "refused"]).count()
    failed = inbox_of(reach).filter(state="failed").count()
    note = f"{failed} requests not decided" if failed else "every request was decided"
    link = reverse("messages-list") + "?state=fault"
    return Figure("Undelivered callbacks", str(dead), note, link, "bad" if dead or failed else "")
