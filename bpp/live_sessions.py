"""Which sessions run now, of orders and of walk-ins, how far are they, and what do they cost so far?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.urls import reverse

from catalog.tariffs import NoTariff, TariffFault
from catalog.tenancy import Reach
from core.money import Money
from fulfillment.models import Session, WalkIn
from fulfillment.services.deriving import ends_at
from fulfillment.services.sampling import NOTHING, Seen, samples
from fulfillment.truths import SILENT_AFTER
from orders.models import Quote
from orders.selectors import bill_price, by_energy_alone, offer_quotes

S = Session.State
RUNNING = [state for state in Session.LIVE if state != S.WAITING]
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
    """The rows with their cost so far and the time they will probably end, in two statements.

    Both are what the driver's page says, but for tariffs that go by time or power reckoned from a part of the readings,
    one a minute at least, so that the cost may differ from the bill by what flows in one.
    """
    sessions = [row.session for row in rows if row.session is not None and row.session.started_at is not None]
    if not sessions:
        return list(rows)
    offers = offer_quotes(session.order_id for session in sessions)
    seen = samples(sessions)
    return [_priced(row, offers, seen, now) for row in rows]


def _priced(row: Running, offers: Mapping[int, Quote], seen: Mapping[int, Seen], now: datetime) -> Running:
    session = row.session
    offer = offers.get(session.order_id) if session is not None else None
    if session is None or offer is None or not offer.tariff:
        return row
    shown = seen.get(session.pk, NOTHING)
    return replace(
        row,
        paise=_cost(session, offer, shown, now),
        ends_at=ends_at(session.order, session, offer, shown, now=now),
    )


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


def _cost(session: Session, offer: Quote, seen: Seen, now: datetime) -> int | None:
    if session.started_at is None:
        return None
    ended_at = max(session.started_at, min(now, session.read_at or now))
    try:
        price = bill_price(
            session.order,
            energy_wh=session.energy_wh,
            started_at=session.started_at,
            ended_at=ended_at,
            readings=() if by_energy_alone(offer) else seen.meter,
            offer=offer,
        )
    except (NoTariff, TariffFault):
        return None
    whole: Money = price.total
    return whole.paise
