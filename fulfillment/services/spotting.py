"""What is worth telling of running sessions without an event: four fifths reached, a silence, standing that costs?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from catalog.tariffs import PARKING_TIME
from fulfillment import truths
from fulfillment.models import Notice, NoticeSettings, Reading, Session
from fulfillment.services.deriving import Derived, derive
from fulfillment.services.leaving import LONGEST_STAY
from fulfillment.services.noticing import SILENT, Fact, anybody, note, telling, told_of
from fulfillment.services.sampling import NOTHING, samples
from fulfillment.truths import Curve, Remark
from orders.models import Order, Quote
from orders.selectors import by_standing, offer_quotes

S = Session.State
K = Notice.Kind
FLOWS = (S.CHARGING, S.PAUSED)
EIGHTY_PERCENT = 80
# The sieve looks at orders by money from half of their energy on, and at vehicles that take so little of the power.
HALF_PERCENT, LATE_SHARE = 50, 4
ONCE = 0


def spot_due(now: datetime) -> int:
    """Note what is worth telling of the sessions at work; returns how many notices are new."""
    if not anybody():
        return 0
    sessions = list(_at_work(now))
    known = _known([session.order_id for session in sessions])
    derived = _derived(sessions, known, now)
    rules: dict[int, NoticeSettings] = {}
    count = 0
    for session in sessions:
        order, seen = session.order, known[session.order_id]
        facts = [
            fact
            for fact in moments(session, order, derived.get(session.pk), now)
            if fact.kind not in seen and not (fact.cause == SILENT and _speaks(session))
        ]
        if K.INTERRUPTED in seen:
            facts += _heard_again(session, now)
        if facts:
            if order.operator_id not in rules:
                rules[order.operator_id] = told_of(order.operator_id)
            count += note(order, rules[order.operator_id], facts, now=now)
    return count


def moments(session: Session, order: Order, derived: Derived | None, now: datetime) -> list[Fact]:
    """What is true now of a session at work that its driver should hear, without a look into the tables.

    Without what follows from its readings, only its silence. Standing in a pause is told as the interruption it is.
    """
    found: list[Fact] = []
    flows = session.state in FLOWS
    if flows and derived is not None and _eighty(session, order, derived.curve, now):
        found.append(Fact(K.EIGHTY, ONCE, now))
    silence = _silence(session, now) if flows else None
    if silence is not None:
        found.append(Fact(K.INTERRUPTED, int(silence.since.timestamp()), now, SILENT))
    if derived is not None and _stands_soon(derived, flows=flows):
        found.append(Fact(K.IDLE_SOON, ONCE, now))
    return found


def heard(session: Session) -> datetime | None:
    """When the station was last heard about a session."""
    return session.read_at or session.started_at


def _derived(sessions: Sequence[Session], known: Mapping[int, set[str]], now: datetime) -> dict[int, Derived]:
    """What follows from the readings of the sessions of which not all was told yet. Two statements, however many."""
    offers = offer_quotes(session.order_id for session in sessions)
    asked = []
    for session in sessions:
        told, offer = known[session.order_id], offers.get(session.order_id)
        open_idle = offer is not None and K.IDLE_SOON not in told and by_standing(offer)
        if offer is not None and (open_idle or (K.EIGHTY not in told and session.state in FLOWS)):
            asked.append(session)
    seen = samples(asked)
    return {
        session.pk: derive(
            session.order, session, offers[session.order_id], now=now, seen=seen.get(session.pk, NOTHING)
        )
        for session in asked
    }


def _eighty(session: Session, order: Order, curve: Curve, now: datetime) -> bool:
    """Whether 80 % are reached: of the energy or the time ordered, or of a battery that came from below."""
    if order.energy_wh and curve.reached(order.energy_wh * EIGHTY_PERCENT / 100) is not None:
        return True
    begun_at = session.started_at if order.quantity_kind == Order.Quantity.TIME else None
    if begun_at is not None and (now - begun_at).total_seconds() * 100 >= order.quantity * EIGHTY_PERCENT:
        return True
    charged_at = curve.charged_to(EIGHTY_PERCENT)
    told = [point for point in curve.points if point.soc_percent is not None]
    return charged_at is not None and told[0].at < charged_at


def _stands_soon(derived: Derived, *, flows: bool) -> bool:
    warned = any(remark.code in {truths.IDLE_SOON, truths.IDLE_NOW} for remark in derived.remarks)
    return warned and not (flows and derived.curve.standing_since)


def _silence(session: Session, now: datetime) -> Remark | None:
    heard_at = heard(session)
    remark = truths.silence(heard_at, now) if heard_at is not None else None
    return remark if remark is not None and remark.code == truths.SILENT else None


def _at_work(now: datetime) -> QuerySet[Session]:
    """The sessions that may have something to tell, of operators who tell; most that charge have nothing."""
    stood = Q(state=S.ENDED, standing_at__isnull=False, left_at__isnull=True, ended_at__gt=now - LONGEST_STAY)
    running = Q(state__in=FLOWS)
    rows = Session.objects.filter(running | stood, telling("order__operator")).select_related("order__connector__evse")
    got_wh = F("meter_wh") - F("meter_start_wh")
    measured = rows.annotate(got=got_wh * 100, left=(F("order__energy_wh") - got_wh) * 60)
    return measured.filter(_worth_a_look(now)).order_by("order_id")


def _worth_a_look(now: datetime) -> Q:
    """Near the target or the end, standing, not heard, or heard again: a coarse sieve for `moments`.

    Where standing costs also those that may end long before their energy: by money, or full without saying so.
    """
    told = Notice.objects.filter(order=OuterRef("order"), kind=K.INTERRUPTED, cause=SILENT, state=Notice.State.SENT)
    soon_min = truths.IDLE_WARNING // timedelta(minutes=1)
    near = Q(got__gte=F("order__energy_wh") * EIGHTY_PERCENT) | Q(left__lte=F("power_w") * soon_min)
    timed = Q(order__quantity_kind=Order.Quantity.TIME) | Q(order__ends_at__lte=now + truths.IDLE_WARNING)
    quiet = Q(read_at__isnull=True) | Q(read_at__lt=now - truths.SILENT_AFTER)
    by_money = Q(order__quantity_kind=Order.Quantity.MONEY, got__gte=F("order__energy_wh") * HALF_PERCENT)
    nearly_full = Q(soc_percent__isnull=True, power_w__lte=F("order__connector__max_power_w") / LATE_SHARE)
    early = (by_money | nearly_full) & Q(Exists(_standing_costs()))
    return near | timed | quiet | early | Q(soc_percent__gte=EIGHTY_PERCENT) | Q(state=S.ENDED) | Q(Exists(told))


def _standing_costs() -> QuerySet[Quote]:
    parking = [{"price_components": [{"type": PARKING_TIME}]}]
    offers = Quote.objects.filter(order=OuterRef("order"), kind=Quote.Kind.OFFER)
    return offers.filter(tariff__elements__contains=parking)


def _speaks(session: Session) -> bool:
    """Whether the station tells what is not believed: that is odd, but no silence."""
    return Reading.objects.filter(session=session, at__gt=heard(session)).exists()


def _known(order_ids: list[int]) -> dict[int, set[str]]:
    """Which kinds that come once were noted of which order, and whether a silence was told."""
    once = Q(kind__in=[K.EIGHTY, K.IDLE_SOON]) | Q(kind=K.INTERRUPTED, cause=SILENT, state=Notice.State.SENT)
    found: dict[int, set[str]] = defaultdict(set)
    for order_id, kind in Notice.objects.filter(once, order__in=order_ids).values_list("order_id", "kind"):
        found[order_id].add(kind)
    return found


def _heard_again(session: Session, now: datetime) -> list[Fact]:
    """That a silence which was told is over, or that another one began."""
    told = Notice.objects.filter(order=session.order_id, kind=K.INTERRUPTED, cause=SILENT, state=Notice.State.SENT)
    newest = told.order_by("-place").values_list("place", flat=True).first()
    heard_at = heard(session)
    if newest is None or heard_at is None or int(heard_at.timestamp()) <= newest:
        return []
    if _silence(session, now) is not None and not _speaks(session):
        return [Fact(K.INTERRUPTED, int(heard_at.timestamp()), now, SILENT)]
    return [Fact(K.RESUMED, newest, now, SILENT)] if session.state == S.CHARGING else []


def silent_since(place: int) -> datetime:
    """The moment a silence began, from the place of its notice."""
    return datetime.fromtimestamp(place, UTC)
