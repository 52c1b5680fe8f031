"""What stands together on the page of a station, an order or a session?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.models import Evse, Station
from fulfillment.models import Reading, Session, TaskRun
from orders.balances import Purse, purse
from orders.filing import papers_of
from orders.models import Consent, Invoice, Order, OrderEvent, Payment, Quote, Refund, Reservation
from support.models import Rating, Ticket

MOST_ROWS = 20
CURVE_POINTS = 240


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote; `paise` None where the stored line says none."""

    code: str
    note: str
    energy_wh: int | None
    paise: int | None


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote with its lines; `adds_up` is False only where the stored total is not their sum."""

    quote: Quote
    lines: list[Line]
    adds_up: bool


@dataclass(frozen=True, slots=True)
class StationRoom:
    evses: list[Evse]
    sessions: list[Session]
    reservations: list[Reservation]


@dataclass(frozen=True, slots=True)
class OrderRoom:
    events: list[OrderEvent]
    quotes: list[Priced]
    payment: Payment | None
    money: Purse
    refunds: list[Refund]
    papers: list[Invoice]
    reservations: list[Reservation]
    session: Session | None
    ratings: list[Rating]
    tickets: list[Ticket]
    consents: list[Consent]


@dataclass(frozen=True, slots=True)
class SessionRoom:
    """A session's calls to its station, newest readings, and its power curve as SVG points in a 600 × 120 box."""

    calls: list[TaskRun]
    readings: list[Reading]
    refused: int
    curve: str
    peak_w: int


def station_room(station: Station, now: datetime) -> StationRoom:
    """The station's EVSEs with their connectors, what charges there now, and who comes next."""
    evses = list(station.evses.order_by("slot_number").prefetch_related("connectors__tariff"))
    sessions = Session.objects.filter(evse__station=station, state__in=Session.LIVE).select_related("order", "evse")
    coming = (
        Reservation.objects.filter(connector__evse__station=station, during__endswith__gt=now)
        .exclude(state=Reservation.State.RELEASED)
        .select_related("order", "connector")
        .order_by("during")
    )
    return StationRoom(evses, list(sessions[:MOST_ROWS]), list(coming[:MOST_ROWS]))


def order_room(order: Order) -> OrderRoom:
    """Everything that hangs on one order, in the order it happened."""
    return OrderRoom(
        events=list(order.events.order_by("number")),
        quotes=[_priced(quote) for quote in order.quotes.order_by("created_at")],
        payment=Payment.objects.filter(order=order).first(),
        money=purse(order),
        refunds=list(order.refunds.order_by("number")),
        papers=papers_of(order.pk),
        reservations=list(order.reservations.select_related("connector").order_by("created_at")),
        session=Session.objects.filter(order=order).select_related("evse").first(),
        ratings=list(Rating.objects.filter(order=order).order_by("category")),
        tickets=list(Ticket.objects.filter(order=order).order_by("-opened_at")),
        consents=list(order.consents.select_related("terms").order_by("at", "pk")),
    )


def session_room(session: Session) -> SessionRoom:
    """What was asked of the station, what it answered, and what the meter read."""
    readings = Reading.objects.filter(session=session).order_by("-at")
    accepted = list(readings.filter(accepted=True)[:2000])[::-1]
    curve, peak_w = _curve(accepted)
    return SessionRoom(
        calls=list(
            TaskRun.objects.filter(instance__session=session, key__isnull=False)
            .select_related("instance")
            .order_by("started_at", "id")
        ),
        readings=list(readings[:MOST_ROWS]),
        refused=readings.filter(accepted=False).count(),
        curve=curve,
        peak_w=peak_w,
    )


def lines_of(quote: Quote) -> list[Line]:
    """The quote's lines; a line that is not as it should be is shown as far as it can be read."""
    stored = quote.lines if isinstance(quote.lines, list) else []
    return [_line(entry) for entry in stored if isinstance(entry, dict)]


def _line(entry: dict[str, Any]) -> Line:
    def whole(name: str) -> int | None:
        value = entry.get(name)
        return value if isinstance(value, int) else None

    return Line(str(entry.get("code", "")), str(entry.get("note", "")), whole("energy_wh"), whole("paise"))


def _priced(quote: Quote) -> Priced:
    lines = lines_of(quote)
    return Priced(quote, lines, sum(line.paise or 0 for line in lines) == quote.total_paise)


def _curve(readings: list[Reading]) -> tuple[str, int]:
    """The power over time as points of an SVG polyline; empty with fewer than two readings."""
    points = [(reading.at, reading.power_w) for reading in readings if reading.power_w is not None]
    points = points[:: max(1, len(points) // CURVE_POINTS)]
    if len(points) < 2:
        return "", 0
    first, whole_s = points[0][0], (points[-1][0] - points[0][0]).total_seconds()
    peak_w = max(power_w for _, power_w in points)
    if not whole_s or not peak_w:
        return "", peak_w
    places = (
        f"{600 * (at - first).total_seconds() / whole_s:.1f},{116 - 110 * power_w / peak_w:.1f}"
        for at, power_w in points
    )
    return " ".join(places), peak_w
