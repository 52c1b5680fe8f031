"""What is worth telling of running sessions without an event: four fifths reached, a silence, standing that costs?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from catalog.tariffs import PARKING_TIME
from fulfillment.models import Notice, NoticeSettings, Reading, Session
from fulfillment.services.leaving import LONGEST_STAY, still_stands
from fulfillment.services.noticing import SILENT, Fact, anybody, note, telling, told_of
from fulfillment.services.running import booked_end
from orders.models import Order, Quote

S = Session.State
K = Notice.Kind
EIGHTY_PERCENT = 80
SILENT_AFTER = timedelta(seconds=60)
WARNED_BEFORE = timedelta(minutes=10)
ONCE = 0


def spot_due(now: datetime) -> int:
    """Note what is worth telling of the sessions at work; returns how many notices are new."""
    if not anybody():
        return 0
    sessions = list(_at_work(now))
    known = _known([session.order_id for session in sessions])
    tariffs = _tariffs([session.order_id for session in sessions if K.IDLE_SOON not in known[session.order_id]])
    rules: dict[int, NoticeSettings] = {}
    count = 0
    for session in sessions:
        order, seen = session.order, known[session.order_id]
        facts = [
            fact
            for fact in moments(session, order, tariffs.get(order.pk, {}), now)
            if fact.kind not in seen and not (fact.cause == SILENT and _speaks(session))
        ]
        if K.EIGHTY not in seen and _battery_passed(session):
            facts.append(Fact(K.EIGHTY, ONCE, now))
        if K.INTERRUPTED in seen:
            facts += _heard_again(session, now)
        if facts:
            if order.operator_id not in rules:
                rules[order.operator_id] = told_of(order.operator_id)
            count += note(order, rules[order.operator_id], facts, now=now)
    return count


def moments(session: Session, order: Order, tariff: Mapping[str, Any], now: datetime) -> list[Fact]:
    """What is true now of a session at work that its driver should hear, without a look into the tables."""
    found: list[Fact] = []
    if session.state in {S.CHARGING, S.PAUSED}:
        if _share(session, order, now) >= EIGHTY_PERCENT:
            found.append(Fact(K.EIGHTY, ONCE, now))
        heard_at = heard(session)
        if heard_at is not None and now - heard_at > SILENT_AFTER:
            found.append(Fact(K.INTERRUPTED, int(heard_at.timestamp()), now, SILENT))
    costs_at = idle_costs_at(session, order, tariff, now)
    if costs_at is not None and costs_at - now <= WARNED_BEFORE:
        found.append(Fact(K.IDLE_SOON, ONCE, now))
    return found


def heard(session: Session) -> datetime | None:
    """When the station was last heard about a session."""
    return session.read_at or session.started_at


def idle_costs_at(session: Session, order: Order, tariff: Mapping[str, Any], now: datetime) -> datetime | None:
    """From when standing at the charger costs; None where it costs nothing, or nobody can tell."""
    graces = [
        int(part.get("grace") or 0)
        for element in tariff.get("elements") or []
        for part in element["price_components"]
        if part.get("type") == PARKING_TIME and Decimal(str(part.get("price") or 0)) > 0
    ]
    if not graces:
        return None
    if session.state == S.ENDED:
        ends_at = session.ended_at if still_stands(session) else None
    else:
        ends_at = _ends_at(session, order, now)
    return None if ends_at is None else ends_at + timedelta(seconds=min(graces))


def _share(session: Session, order: Order, now: datetime) -> int:
    """How much of what was ordered is reached, percent."""
    shares = [session.energy_wh * 100 // order.energy_wh if order.energy_wh else 0]
    if order.quantity_kind == Order.Quantity.TIME and session.started_at is not None:
        shares.append(int((now - session.started_at).total_seconds() * 100 / order.quantity))
    return max(shares)


def _ends_at(session: Session, order: Order, now: datetime) -> datetime | None:
    """When the charging ends at its present power, or when its time is over."""
    reached, heard_at = None, heard(session)
    if session.state == S.CHARGING and session.power_w and heard_at is not None:
        left_wh = max(0, order.energy_wh - session.energy_wh)
        reached = max(now, heard_at + timedelta(hours=left_wh / session.power_w))
    return min((at for at in (booked_end(order, session), reached) if at is not None), default=None)


def _at_work(now: datetime) -> QuerySet[Session]:
    """The sessions that may have something to tell, of operators who tell; most that charge have nothing."""
    below = Reading.objects.filter(session=OuterRef("pk"), accepted=True, soc_percent__lt=EIGHTY_PERCENT)
    stood = Q(state=S.ENDED, standing_at__isnull=False, left_at__isnull=True, ended_at__gt=now - LONGEST_STAY)
    running = Q(state__in=[S.CHARGING, S.PAUSED])
    rows = Session.objects.filter(running | stood, telling("order__operator")).select_related("order")
    got_wh = F("meter_wh") - F("meter_start_wh")
    measured = rows.annotate(got=got_wh * 100, left=(F("order__energy_wh") - got_wh) * 60)
    return measured.filter(_worth_a_look(now)).annotate(was_below=Exists(below)).order_by("order_id")


def _worth_a_look(now: datetime) -> Q:
    """Near the target or the end, standing, not heard, or heard again: a coarse sieve for `moments`."""
    told = Notice.objects.filter(order=OuterRef("order"), kind=K.INTERRUPTED, cause=SILENT, state=Notice.State.SENT)
    soon_min = WARNED_BEFORE // timedelta(minutes=1)
    near = Q(got__gte=F("order__energy_wh") * EIGHTY_PERCENT) | Q(left__lte=F("power_w") * soon_min)
    timed = Q(order__quantity_kind=Order.Quantity.TIME) | Q(order__ends_at__lte=now + WARNED_BEFORE)
    quiet = Q(read_at__isnull=True) | Q(read_at__lt=now - SILENT_AFTER)
    return near | timed | quiet | Q(soc_percent__gte=EIGHTY_PERCENT) | Q(state=S.ENDED) | Q(Exists(told))


def _battery_passed(session: Session) -> bool:
    """Whether the battery came to 80 % while it charged here: one that began above it has nothing new to tell."""
    return (
        session.state in {S.CHARGING, S.PAUSED}
        and (session.soc_percent or 0) >= EIGHTY_PERCENT
        and bool(getattr(session, "was_below", False))
    )


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
    if now - heard_at > SILENT_AFTER and not _speaks(session):
        return [Fact(K.INTERRUPTED, int(heard_at.timestamp()), now, SILENT)]
    return [Fact(K.RESUMED, newest, now, SILENT)] if session.state == S.CHARGING else []


def _tariffs(order_ids: list[int]) -> dict[int, Mapping[str, Any]]:
    rows = Quote.objects.filter(order__in=order_ids, current=True)
    return dict(rows.values_list("order_id", "tariff"))


def silent_since(place: int) -> datetime:
    """The moment a silence began, from the place of its notice."""
    return datetime.fromtimestamp(place, UTC)
