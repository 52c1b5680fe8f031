"""Which stations are out of order, since when, and what does that mean for whose orders?

An outage begins with the first word of a fault and ends with the recovery, however often either is told. What support
has to hear of it is a due row: `untold`. Orders and sessions are locked before EVSEs and outages, everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from catalog.models import Evse, Station
from core.due import each_alone, lock_next
from core.nudges import nudge_on_commit
from fulfillment.drivers.base import StationEvent as Fact
from fulfillment.drivers.supplier_json import EventFormError, station_event
from fulfillment.metering import FUTURE_S
from fulfillment.models import RECOVERED, Outage, Session, StationEvent
from fulfillment.services.running import STATION, fail
from fulfillment.services.sessions import lock_session
from orders import services as orders
from orders.models import Deadline, Order

S = Session.State
# A fault older than this against what the charge point told since is told late, and is over.
OLD_NEWS = timedelta(seconds=10)
CLOCK_SLACK = timedelta(seconds=FUTURE_S)
# What became of an order that an outage met, in the words of its ticket.
MOVED, ASKED, CANCELLED, WARNED = "moved to another charger", "customer asked", "cancelled", "customer warned"
STOPPED, ENDING = "charging stopped, billed to the meter", "was ending"


def split_old(station: Station, evses: Iterable[Evse], *, at: datetime, now: datetime) -> tuple[list[Evse], str]:
    """Those of the charge points that a fault told for `at` is news about; why it is none about the others, in words.

    A fault is old where the station has told a recovery from a later time, in whatever order the two came, and where
    the charge point has been in service since.
    """
    recoveries = _recoveries(station, after=at, until=now + CLOCK_SLACK)
    news, why = [], ""
    for evse in evses:
        recovered_at = max((moment for slot, moment in recoveries if slot in {None, evse.slot_number}), default=None)
        if recovered_at is not None:
            why = f"older than the recovery of {recovered_at.isoformat()}, which was heard before"
        elif evse.status not in Evse.OUT_OF_SERVICE and at < evse.status_at - OLD_NEWS:
            why = f"older than what {evse.uid} is known to be since {evse.status_at.isoformat()}: {evse.status}"
        else:
            news.append(evse)
    return news, why


def _recoveries(station: Station, *, after: datetime, until: datetime) -> list[tuple[int | None, datetime]]:
    """The recoveries that a station told for a later time: (slot or None for all, when)."""
    told = StationEvent.objects.filter(
        station=station, type=RECOVERED, time__gt=after, time__lte=until, state=StationEvent.State.DONE
    )
    found = []
    for row in told:
        try:
            fact = station_event(row.type, row.data, at=row.time)
        except EventFormError:
            continue
        if fact is not None:
            found.append((fact.slot_number, fact.at))
    return found


def begin_outage(row: StationEvent, fact: Fact, error: str, fates: Mapping[str, str], *, now: datetime) -> str:
    """Note that the event's place is out of order, where the catalogue agrees; told again, only what is new.

    `fates` says what became of the orders it met, by code. Returns since when it was known, in words; empty if new.
    """
    assert row.station is not None, "events without a station are refused"
    places = row.station.evses.filter(status=Evse.Status.FAULTED)
    if fact.slot_number is not None:
        places = places.filter(slot_number=fact.slot_number)
    place = places.first()
    if place is None:
        return ""
    evse = place if fact.slot_number is not None else None
    known = _covering(row.station, evse)
    if known is None:
        Outage.objects.create(
            station=row.station, evse=evse, since=min(fact.at, now), error=error, orders=dict(fates),
            event=row if row.pk else None,
        )  # fmt: skip
        nudge_on_commit("expire")
        return ""
    _add(known, error, {code: fate for code, fate in fates.items() if fate != ENDING or code not in known.orders})
    return f"known to be out of order since {known.since.isoformat()}"


def lock_waiting(evses: Iterable[Evse]) -> list[int]:
    """Lock the orders that wait for charge points which are out of service, before those; returns their keys."""
    out = [evse.pk for evse in evses if evse.status in Evse.OUT_OF_SERVICE]
    waiting = Session.objects.filter(evse__in=out, state=S.WAITING).order_by("order_id")
    order_ids = list(waiting.values_list("order_id", flat=True)) if out else []
    for order_id in order_ids:
        lock_session(order_id)
    return order_ids


def end_outages(station: Station, waiting: Iterable[int], *, at: datetime, now: datetime) -> int:
    """End the station's outages that its charge points have left; those who wait for one, locked, hear of it.

    Returns how many ended.
    """
    over = [outage for outage in _open().select_for_update(no_key=True).filter(station=station) if not _lasts(outage)]
    for outage in over:
        outage.until, outage.untold = max(at, outage.since), True
        outage.save(update_fields=["until", "untold"])
    for session in Session.objects.filter(order__in=waiting).select_related("evse").order_by("order_id"):
        if session.evse.status not in Evse.OUT_OF_SERVICE:
            orders.charger_back(session.order_id, now=now, actor=STATION)
    if over:
        nudge_on_commit("expire")
        nudge_on_commit("process")
    return len(over)


def outages_over_due(now: datetime, *, limit: int = 20) -> int:
    """End the outages whose charge points are in service again without an event, by an operator's hand."""
    out = Evse.objects.filter(status__in=Evse.OUT_OF_SERVICE)
    lasting = Exists(out.filter(pk=OuterRef("evse"))) | Q(evse__isnull=True) & Exists(
        out.filter(station=OuterRef("station"))
    )
    return each_alone(_open().filter(~lasting).order_by("pk"), lambda key: _end_by_hand(key, now), limit=limit)


def stranded_due(now: datetime, *, limit: int = 20) -> int:
    """Find a way out for bookings whose time has come while their charger is still out of order; returns how many."""
    places = _open().values_list("evse", "station")
    if not places:
        return 0
    out = Evse.objects.filter(status__in=Evse.OUT_OF_SERVICE).filter(
        Q(pk__in=[evse for evse, _ in places if evse]) | Q(station__in=[whole for evse, whole in places if not evse])
    )
    due = Session.objects.filter(evse__in=out, state=S.WAITING, order__starts_at__lte=now).exclude(
        order__deadlines__kind=Deadline.Kind.ANSWER, order__deadlines__done_at__isnull=True
    )
    return each_alone(due.order_by("order_id"), lambda key: _rescue(key, now), limit=limit, name="order_id")


def lose_promise(order: Order, session: Session, text: str, free: Collection[int], *, now: datetime) -> str:
    """The promised charger of a locked session is lost before energy flowed: another one, of those in `free`, where
    that may be, else a full refund. Returns what became of the order, in words."""
    became = "none"
    if session.state == S.WAITING:
        became = orders.promise_failed(order.pk, reason=text, now=now, actor=STATION, among=free)
    if became == "none":
        fail(order, session, now=now, reason=text)
    elif became == "moved":
        lock_session(order.pk)
    nudge_on_commit("process")
    return {"moved": MOVED, "asked": ASKED}.get(became, CANCELLED)


def tell_outages(tell: Callable[[Outage], str], *, limit: int = 20) -> int:
    """Hand each outage that has news, locked, to `tell`, which returns the code of the ticket; returns how many had."""
    return each_alone(Outage.objects.filter(untold=True).order_by("pk"), lambda key: _tell(key, tell), limit=limit)


def _open() -> QuerySet[Outage]:
    return Outage.objects.filter(until__isnull=True)


def _covering(station: Station, evse: Evse | None) -> Outage | None:
    """The open outage, locked, that a charge point of a station is part of, or without one all of it."""
    # Whatever is said of one charge point is part of what was said of all of them.
    covers = Q(evse__isnull=True) if evse is None else Q(evse__isnull=True) | Q(evse=evse)
    return _open().select_for_update(no_key=True).filter(covers, station=station).order_by("pk").first()


def _add(outage: Outage, error: str, fates: Mapping[str, str]) -> None:
    """Add what is new to a locked outage."""
    orders_ = outage.orders | dict(fates)
    if error in outage.error and orders_ == outage.orders:
        return
    if error not in outage.error:
        outage.error = "; ".join(part for part in (outage.error, error) if part)
    outage.orders, outage.untold = orders_, True
    outage.save(update_fields=["error", "orders", "untold"])
    nudge_on_commit("expire")


def _lasts(outage: Outage) -> bool:
    places = Evse.objects.filter(status__in=Evse.OUT_OF_SERVICE)
    mine = places.filter(pk=outage.evse_id) if outage.evse_id else places.filter(station=outage.station_id)
    return mine.exists()


def _end_by_hand(pk: int, now: datetime) -> bool:
    outage = _open().select_related("station").filter(pk=pk).first()
    if outage is None:
        return False
    places = outage.station.evses.filter(pk=outage.evse_id) if outage.evse_id else outage.station.evses.all()
    waiting = Session.objects.filter(evse__in=places, state=S.WAITING).order_by("order_id")
    order_ids = list(waiting.values_list("order_id", flat=True))
    for order_id in order_ids:
        lock_session(order_id)
    return bool(end_outages(outage.station, order_ids, at=now, now=now))


def _rescue(order_id: int, now: datetime) -> bool:
    order, session = lock_session(order_id)
    begun = order.starts_at is not None and order.starts_at <= now
    if session.state != S.WAITING or not begun or session.evse.status not in Evse.OUT_OF_SERVICE:
        return False
    evse = session.evse
    free = orders.lock_ways_out([order_id], now=now) - {session.evse_id}
    fate = lose_promise(order, session, "the charger is still out of order at the booked time", free, now=now)
    outage = _covering(evse.station, evse)
    if outage is not None:
        _add(outage, "", {str(order): fate})
    return True


def _tell(pk: int, tell: Callable[[Outage], str]) -> bool:
    news = Outage.objects.filter(pk=pk, untold=True).select_related("station", "evse")
    outage = lock_next(news)
    if outage is None:
        return False
    outage.ticket, outage.untold = tell(outage), False
    outage.save(update_fields=["ticket", "untold"])
    return True
