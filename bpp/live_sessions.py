"""Which sessions run now, of orders and of walk-ins, how far are they, and what do they cost so far?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Subquery
from django.db.models.functions import TruncMinute
from django.urls import reverse

from catalog.tariffs import ENERGY, FLAT, NoTariff, TariffFault
from catalog.tenancy import Reach
from core.money import Money
from fulfillment.metering import Register, reached_at
from fulfillment.models import Reading, Session, WalkIn
from fulfillment.services.running import booked_end
from orders.models import Quote
from orders.pricing import MeterPoint
from orders.selectors import bill_price

S = Session.State
RUNNING = [state for state in Session.LIVE if state != S.WAITING]
# A session whose station says nothing for longer than this is shown as silent.
SILENT_AFTER = timedelta(seconds=60)
TONES = {S.STARTING: "wait", S.CHARGING: "good", S.PAUSED: "warn", S.ENDING: "wait"}
# Whatever a page of rows does not need of an order, and what names a person.
UNREAD = ("billing", "customer", "context", "cancellation", "rules", "asked")


@dataclass(frozen=True, slots=True)
class Running:
    """One session as the board shows it: power in W, energy in Wh, money in paise; None where it is not known."""

    title: str
    link: str
    station_id: int
    evse_id: int | None
    state: str
    words: str
    tone: str
    power_w: int
    energy_wh: int
    soc_percent: int | None
    started_at: datetime | None
    heard_at: datetime | None
    silent: bool
    problem: str
    paise: int | None = None
    ends_at: datetime | None = None
    session: Session | None = None

    @property
    def codes(self) -> frozenset[str]:
        """What the filter of states finds it by."""
        found = {"in-use"} | ({"paused"} if self.state == S.PAUSED else set())
        return frozenset(found | ({"silent"} if self.silent else set()))


def running_now(reach: Reach, *, operator: int | None, now: datetime) -> list[Running]:
    """Every session in reach whose station was asked to start and has not ended; without costs, in two statements."""
    sessions = reach.limit(Session.objects.filter(state__in=RUNNING), "order__operator").select_related(
        "order__connector"
    )
    walk_ins = reach.limit(WalkIn.objects.filter(state__in=WalkIn.LIVE), "station__operator").select_related("evse")
    if operator is not None:
        sessions, walk_ins = sessions.filter(order__operator=operator), walk_ins.filter(station__operator=operator)
    sessions = sessions.select_related("order__connector", "evse").defer(*(f"order__{name}" for name in UNREAD))
    return [_of_order(session, now) for session in sessions] + [_of_card(walk_in, now) for walk_in in walk_ins]


def priced(rows: Sequence[Running], now: datetime) -> list[Running]:
    """The rows with their cost so far and the time they will probably end, in three statements at most.

    The cost is the bill's own for tariffs by energy and session; for those that go by time or power it is reckoned from
    one reading a minute, so that it may differ from the bill by what flows in one.
    """
    sessions = [row.session for row in rows if row.session is not None and row.session.started_at is not None]
    if not sessions:
        return list(rows)
    offers = _offers(sessions)
    points = _by_the_minute(each for each in sessions if not _by_energy_alone(offers.get(each.order_id)))
    before = _registers_before(sessions)
    return [
        row
        if row.session is None
        else replace(
            row,
            paise=_cost(row.session, offers.get(row.session.order_id), points.get(row.session.pk, []), now),
            ends_at=None if row.silent else _ends_at(row.session, before.get(row.session.pk)),
        )
        for row in rows
    ]


def _of_order(session: Session, now: datetime) -> Running:
    heard_at = max(
        (at for at in (session.read_at, session.started_at, session.asked_at) if at is not None), default=None
    )
    return Running(
        title=str(session.order),
        link=reverse("admin:fulfillment_session_change", args=[session.pk]),
        station_id=session.evse.station_id,
        evse_id=session.evse_id,
        state=session.state,
        words=session.get_state_display(),
        tone=TONES[S(session.state)],
        power_w=session.power_w,
        energy_wh=session.energy_wh,
        soc_percent=session.soc_percent,
        started_at=session.started_at,
        heard_at=heard_at,
        silent=_silent(heard_at, now),
        problem=session.fault,
        session=session,
    )


def _of_card(walk_in: WalkIn, now: datetime) -> Running:
    heard_at = max((at for at in (walk_in.read_at, walk_in.asked_at) if at is not None), default=None)
    return Running(
        title="Walk-in",
        link=reverse("admin:fulfillment_walkin_change", args=[walk_in.pk]),
        station_id=walk_in.station_id,
        evse_id=walk_in.evse_id,
        state=walk_in.state,
        words=walk_in.get_state_display(),
        tone=TONES[S(walk_in.state)],
        power_w=walk_in.power_w,
        energy_wh=walk_in.energy_wh,
        soc_percent=walk_in.soc_percent,
        started_at=walk_in.started_at,
        heard_at=heard_at,
        silent=_silent(heard_at, now),
        problem=walk_in.fault,
        paise=walk_in.amount_paise,
    )


def _silent(heard_at: datetime | None, now: datetime) -> bool:
    return heard_at is None or now - heard_at > SILENT_AFTER


def _offers(sessions: Iterable[Session]) -> dict[int, Quote]:
    """The offer each session's order was promised under."""
    ids = [session.order_id for session in sessions]
    rows = Quote.objects.filter(order__in=ids, kind=Quote.Kind.OFFER).order_by("order_id", "-pk").distinct("order_id")
    return {quote.order_id: quote for quote in rows}


def _by_energy_alone(offer: Quote | None) -> bool:
    """Whether only how much energy flowed decides the price, not when or how fast."""
    elements: list[dict[str, Any]] = offer.tariff.get("elements") or [] if offer else []
    kinds = {part.get("type") for element in elements for part in element.get("price_components", ())}
    return kinds <= {ENERGY, FLAT} and not any(element.get("restrictions") for element in elements)


def _by_the_minute(sessions: Iterable[Session]) -> dict[int, list[MeterPoint]]:
    """The first believed reading of each minute, by session; energy in Wh since its begin."""
    first_wh = {each.pk: each.meter_start_wh for each in sessions if each.meter_start_wh is not None}
    rows = (
        Reading.objects.filter(session__in=list(first_wh), accepted=True)
        .annotate(minute=TruncMinute("at"))
        .order_by("session_id", "minute", "at")
        .distinct("session_id", "minute")
        .values_list("session_id", "minute", "at", "energy_wh", "current_a")
    )
    found: dict[int, list[MeterPoint]] = defaultdict(list)
    for session_id, _, at, energy_wh, current_a in rows:
        found[session_id].append(MeterPoint(at, energy_wh - first_wh[session_id], current_a))
    return found


def _registers_before(sessions: Iterable[Session]) -> dict[int, Register]:
    """The believed register before each session's newest one."""
    earlier = Reading.objects.filter(session=OuterRef("pk"), accepted=True, at__lt=OuterRef("read_at")).order_by("-at")
    rows = (
        Session.objects.filter(pk__in=[session.pk for session in sessions])
        .annotate(before_at=Subquery(earlier.values("at")[:1]), before_wh=Subquery(earlier.values("energy_wh")[:1]))
        .values_list("pk", "before_at", "before_wh")
    )
    return {pk: Register(at, energy_wh) for pk, at, energy_wh in rows if at is not None}


def _cost(session: Session, offer: Quote | None, points: list[MeterPoint], now: datetime) -> int | None:
    if session.started_at is None or offer is None or not offer.tariff:
        return None
    if session.read_at is not None:
        points = [*points, MeterPoint(session.read_at, session.energy_wh)]
    ended_at = max(session.started_at, min(now, session.read_at or now))
    try:
        price = bill_price(
            session.order,
            energy_wh=session.energy_wh,
            started_at=session.started_at,
            ended_at=ended_at,
            readings=points,
            offer=offer,
        )
    except (NoTariff, TariffFault):
        return None
    whole: Money = price.total
    return whole.paise


def _ends_at(session: Session, before: Register | None) -> datetime | None:
    """When the session will end: at its target if power stays as it is, or when its time is over."""
    reached = _reached_at(session, before) if session.state == S.CHARGING else None
    return min((at for at in (booked_end(session.order, session), reached) if at is not None), default=None)


def _reached_at(session: Session, before: Register | None) -> datetime | None:
    if session.started_at is None or session.meter_start_wh is None:
        return None
    if session.read_at is None or session.meter_wh is None:
        return None
    first = Register(session.started_at, session.meter_start_wh)
    newest = Register(session.read_at, session.meter_wh)
    return reached_at(newest, before or first, target_wh=session.meter_start_wh + session.order.energy_wh)
