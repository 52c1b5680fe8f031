"""What does the driver's live page show? Who may open it stands in `links`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q

from catalog.tariffs import describe
from core.money import from_paise, total
from core.qr import qr_svg
from fulfillment.models import Session
from fulfillment.services.deriving import Derived, derive
from fulfillment.services.leaving import still_stands
from fulfillment.services.links import Link, deeds_now, once_token
from fulfillment.services.picturing import gaps_s, iso, newest_ms, power_curve, refund_open
from orders import selectors as order_selectors
from orders.estimates import vehicle_from
from orders.models import Order, Payment, Quote, Refund
from orders.services import start_code

S = Session.State
STALE_AFTER_S = 15

WORDS = {
    "waiting": "Ready. Start charging from your app.",
    "starting": "The charger is starting …",
    "charging": "Charging",
    "paused": "Paused. No energy is flowing.",
    "ending": "Charging is ending …",
    "ended": "Charging has ended.",
    "failed": "The charger could not deliver. You pay nothing.",
    "cancelled": "This order was cancelled.",
}


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    text: str
    amount: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What the driver ought to know now, by code, since when; `until` says when what is announced begins. ISO 8601.

    Codes: silent, stale, vehicle-paused, station-paused, grid, fluctuating, idle-soon, idle-now, charger-error.
    """

    code: str
    since: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the page shows at one moment; energy in Wh, power W, money as text in rupees, times ISO 8601.

    `seq` grows with all that is told: ms since 1970 of the newest news. `at` is the time of the newest reading,
    `ends_at` when the session will end by `ends_by`: energy, money, time or full; empty where nobody can say. `series`
    holds (s since the start, W, Wh), `gaps` (from, until) where the station told nothing. `refund` is the open refund
    in rupees and `refund_by` when it was promised. `may` names the deeds that the link which asked may do now, and
    `once` is what their forms carry.
    """

    state: str
    words: str
    live: bool
    station: str
    address: str
    connector: str
    tariff: str
    energy_wh: int
    target_wh: int
    power_w: int
    soc_percent: int | None
    cost: str
    minutes: int
    minutes_left: int | None
    age_s: int | None
    stale: bool
    problem: str
    lines: tuple[ReceiptLine, ...]
    total: str
    curve: str
    peak_w: int
    promise: tuple[str, ...] = ()
    start_code: str = ""
    start_qr: str = ""
    seq: int = 0
    at: str = ""
    ends_at: str = ""
    ends_by: str = ""
    soc_target: int | None = None
    notices: tuple[Notice, ...] = ()
    series: tuple[tuple[int, int, int], ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    refund_by: str = ""
    refund: str = ""
    may: tuple[str, ...] = ()
    once: str = ""

    @property
    def energy_kwh(self) -> str:
        return f"{self.energy_wh / 1000:.2f}"

    @property
    def target_kwh(self) -> str:
        return f"{self.target_wh / 1000:.2f}"

    @property
    def power_kw(self) -> str:
        return f"{self.power_w / 1000:.1f}"

    @property
    def peak_kw(self) -> str:
        return f"{self.peak_w / 1000:.1f}"

    @property
    def percent(self) -> int:
        """How much of the ordered energy has flowed."""
        return min(100, self.energy_wh * 100 // self.target_wh) if self.target_wh else 0

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as JSON carries it."""
        shown = {name: getattr(self, name) for name in ("energy_kwh", "target_kwh", "power_kw", "peak_kw", "percent")}
        return asdict(self) | shown


def snapshot(order_id: int, now: datetime, link: Link | None = None) -> Snapshot:
    """What the live page of an order shows now; names nobody.

    As many statements for a long session as for a short. For the `link` that asked, `may` names the deeds it may do
    now and `once` is what their forms carry.
    """
    order = Order.objects.select_related("connector__evse__station").get(pk=order_id)
    seen = _seen(order, Session.objects.filter(order_id=order_id).first(), now)
    if link is None:
        return seen
    return replace(seen, may=deeds_now(link, order, seen.state), once=once_token(link, seen.state))


def _seen(order: Order, session: Session | None, now: datetime) -> Snapshot:
    quote, offer = _quotes(order)
    seen = derive(order, session, offer, now=now)
    state = _state(order, session)
    live = state in {"charging", "paused", "ending"}
    lines = _receipt(quote) if state in {"ended", "failed", "cancelled"} else ()
    age_s = _age_s(session, now) if live else None
    station = order.connector.evse.station
    curve, peak_w = power_curve(seen.curve)
    code = start_code(order)
    return Snapshot(
        state=state,
        words=WORDS[state],
        live=live,
        station=station.name,
        address=", ".join(part for part in (station.address, station.city) if part),
        connector=f"{order.connector.evse} · {order.connector.max_power_w / 1000:g} kW {order.connector.current}",
        tariff=describe(quote.tariff.get("elements") or []) if quote.tariff else "",
        energy_wh=session.energy_wh if session else 0,
        target_wh=order.energy_wh,
        power_w=_power_w(session, seen) if live else 0,
        soc_percent=session.soc_percent if session else None,
        cost=_cost(order, session, quote, offer, seen, now=now),
        minutes=_minutes(session, now),
        minutes_left=_minutes_left(seen.ends_at, now) if live else None,
        age_s=age_s,
        stale=age_s is not None and age_s > STALE_AFTER_S,
        problem=_problem(order, session, quote),
        lines=lines,
        total=from_paise(quote.total_paise, quote.currency).wire if lines else "",
        curve=curve,
        peak_w=peak_w,
        promise=_promise(order, quote) if state == "waiting" else (),
        start_code=code,
        start_qr=qr_svg(f"{order.code} {code}", scale=6) if code else "",
        **_told(order, session, quote, seen),
    )


def _told(order: Order, session: Session | None, quote: Quote, seen: Derived) -> dict[str, Any]:
    """What a snapshot says of the newest news, the end, the notices, the line and the refund."""
    refunds = list(Refund.objects.filter(order=order).order_by("number")) if order.closed_at else []
    return {
        "seq": newest_ms(order, session, quote, refunds, seen.remarks),
        "at": iso(session.read_at if session else None),
        "ends_at": iso(seen.ends_at),
        "ends_by": seen.ends_by,
        "soc_target": _soc_target(order),
        "notices": tuple(Notice(each.code, iso(each.since), iso(each.until)) for each in seen.remarks),
        "series": seen.curve.series(),
        "gaps": gaps_s(seen.curve),
        **refund_open(refunds),
    }


def _quotes(order: Order) -> tuple[Quote, Quote]:
    """The price that counts now and the offer that the order was promised under, which may be the same."""
    found = list(Quote.objects.filter(Q(current=True) | Q(kind=Quote.Kind.OFFER), order=order).order_by("pk"))
    current = next(quote for quote in found if quote.current)
    return current, next((quote for quote in reversed(found) if quote.kind == Quote.Kind.OFFER), current)


def _power_w(session: Session | None, seen: Derived) -> int:
    """The power now, smoothed; what the station said at the start as long as it has sent no reading."""
    if len(seen.curve.points) > 1 or session is None:
        return seen.curve.power_w
    return session.power_w


def _soc_target(order: Order) -> int | None:
    """The state of charge that the buyer asked for, percent; None where none was named."""
    wanted = vehicle_from(order.asked.get("vehicle", {})).target_percent
    return int(wanted) if wanted is not None else None


def _promise(order: Order, quote: Quote) -> tuple[str, ...]:
    """The confirmation in lines: the order, when, for how much, and how it is paid."""
    zone = ZoneInfo(order.connector.evse.station.time_zone)
    times = [moment.astimezone(zone) for moment in (order.starts_at, order.ends_at) if moment]
    payment = Payment.objects.filter(order=order).first()
    paid = f", {payment.get_status_display().lower()}, {payment.get_type_display().lower()}" if payment else ""
    return (
        f"Order {order.code}",
        " to ".join(f"{moment:%d %b %Y, %H:%M}" for moment in times) or "Any time from now",
        f"₹{from_paise(quote.total_paise, quote.currency).wire}{paid}",
        *(("Waiting for the operator's approval",) if order.fulfillment == Order.Fulfillment.PENDING_APPROVAL else ()),
    )


def _state(order: Order, session: Session | None) -> str:
    if order.state == Order.State.CANCELLED and order.fulfillment == Order.Fulfillment.ORDER_CANCELLED:
        return "cancelled"
    return session.state if session is not None else "waiting"


def _age_s(session: Session | None, now: datetime) -> int | None:
    if session is None:
        return None
    heard_at = session.read_at or session.started_at
    return max(0, int((now - heard_at).total_seconds())) if heard_at else None


def _minutes(session: Session | None, now: datetime) -> int:
    if session is None or session.started_at is None:
        return 0
    return max(0, int(((session.ended_at or now) - session.started_at).total_seconds())) // 60


def _minutes_left(ends_at: datetime | None, now: datetime) -> int | None:
    return max(0, -(-int((ends_at - now).total_seconds()) // 60)) if ends_at else None


def _cost(order: Order, session: Session | None, quote: Quote, offer: Quote, seen: Derived, *, now: datetime) -> str:
    if session is None or session.started_at is None:
        return "0.00"
    if order.state != Order.State.ACTIVE:
        return from_paise(quote.total_paise, quote.currency).wire
    lines = order_selectors.running_total(
        order, session.energy_wh, started_at=session.started_at, now=now, readings=seen.meter, offer=offer
    )
    return total((line.amount for line in lines), quote.currency).wire


def _receipt(quote: Quote) -> tuple[ReceiptLine, ...]:
    return tuple(
        ReceiptLine(
            text=line.get("note") or str(line["code"]).replace("-", " ").capitalize(),
            amount=from_paise(line["paise"], quote.currency).wire,
        )
        for line in quote.lines
    )


def _problem(order: Order, session: Session | None, quote: Quote) -> str:
    if order.fulfillment == Order.Fulfillment.CHARGER_ERROR:
        return "The charger reported a fault. Only what was delivered is billed."
    if session is not None and session.state == S.CHARGING and session.fault:
        return "The charger's meter looks odd. The bill is checked against its final reading."
    if session is not None and still_stands(session) and order_selectors.by_standing(quote):
        return "Your vehicle still stands at the charger. Standing there costs extra, see the price; please move it."
    return ""
