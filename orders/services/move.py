"""What if the promised connector fails: where can the order move, who decides, and when is it given up?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from catalog.models import Connector, Evse
from core.errors import DomainError, Invalid, Unavailable
from orders.booking import CANCEL
from orders.changes import What, Who, check, may_change
from orders.models import Deadline, Order, Reservation
from orders.pricing import energy_in_time, terms_from
from orders.selectors import alternatives, offer_quote
from orders.services.cancel import close_cancelled
from orders.services.deadlines import ACTOR, drop_deadline, set_deadline
from orders.services.holds import hold, lock_evses, wanted_range
from orders.services.ledger import lock_order, record
from orders.services.repricing import reprice
from orders.services.rules import check_bookable, order_rules, station_rules
from orders.services.wish import ITEM_PATH, check_in_service, current_terms, resolve_connector
from orders.terms import NOT_ANSWERED

K = Deadline.Kind
MOST_OTHERS = 3
MOVED = "moved"
CHARGER_OUT = "charger-out"
CHARGER_WARNING = "charger-warning"
CHARGER_BACK = "charger-back"
NOT_ANSWERED_TEXT = "The charger failed and no other was chosen in time"
Became = Literal["moved", "asked", "none"]


@transaction.atomic
def change_connector(order_id: int, *, who: Who, item_id: str, now: datetime, actor: str) -> Order:
    """Move an order to another connector of its operator, before it charges.

    Where the promised charger is out of service the promised price stays, else today's price there counts.
    Raises NotFound `item-unknown`, NotAllowed (`update-forbidden`, `booking-limit`, `not-in-this-state`), Unavailable
    (`connector-busy`, `station-closed`, `quantity-unavailable`), Invalid `update-inconsistent`.
    """
    order = lock_order(order_id)
    check(who, What.CONNECTOR, state=order.state, fulfillment=order.fulfillment)
    if order.connector.item_id == item_id:
        return order
    wanted = resolve_connector("", item_id)
    if wanted.evse.station.operator_id != order.operator_id:
        raise Invalid(
            "update-inconsistent",
            f"{item_id} belongs to another provider than order {order}; cancel and order there",
            path=ITEM_PATH,
        )
    _move(order, wanted, who=who, now=now, actor=actor)
    return order


def lock_ways_out(order_ids: Sequence[int], *, now: datetime) -> frozenset[int]:
    """Queue up for every charger that these orders, locked in order of their keys, have or may be moved to.

    Orders that fail in one transaction must not take promises one after the other: another transaction that wants two
    of the same chargers would wait for us, and we for it. Returns the EVSEs, by id, that are now locked.
    """
    orders = Order.objects.select_related("connector__evse__station").filter(pk__in=order_ids).order_by("pk")
    evse_ids = {order.connector.evse_id for order in orders}
    for order in orders:
        evse_ids.update(other.evse_id for other in _fitting(order, now=now))
    evse_ids.update(
        Reservation.objects.filter(order__in=order_ids, state__in=Reservation.LIVE).values_list("evse_id", flat=True)
    )
    lock_evses(evse_ids)
    return frozenset(evse_ids)


@transaction.atomic
def promise_failed(
    order_id: int, *, reason: str, now: datetime, actor: str = ACTOR, among: Collection[int] | None = None
) -> Became:
    """The charger promised to an order fails before it charges: move it, or ask its customer.

    `moved` only where the customer allowed that beforehand; `asked` where others are free: the customer has until the
    deadline to choose one; `none` where nothing can be done for it and the caller has to close it. `among` are the only
    EVSEs, by id, that it may move to; None: any.
    """
    order = lock_order(order_id)
    rules = order_rules(order)
    movable = may_change(Who.SYSTEM, What.CONNECTOR, state=order.state, fulfillment=order.fulfillment)
    if not movable or rules.on_failure == CANCEL:
        return "none"
    others = [other for other in _fitting(order, now=now) if among is None or other.evse_id in among][:MOST_OTHERS]
    if order.may_redirect and _moved_to_first(order, others, now=now, actor=actor):
        return "moved"
    if not others:
        return "none"
    if not Deadline.objects.filter(order=order, kind=K.ANSWER, done_at__isnull=True).exists():
        until = now + timedelta(seconds=rules.answer_s)
        set_deadline(order, K.ANSWER, at=until)
        data = {"reason": reason[:300], "until": until.isoformat(), "items": [other.item_id for other in others]}
        record(order, CHARGER_OUT, now=now, actor=actor, public=True, data=data)
    return "asked"


@transaction.atomic
def warn_of_fault(order_id: int, *, reason: str, now: datetime, actor: str = ACTOR) -> bool:
    """Tell the customer of a booking for later that its charger is out of order now, and where else there is one.

    Nothing is cancelled, and nothing has to be answered: it may be mended by then. Told once until it is back; whether
    it is told now.
    """
    order = lock_order(order_id)
    movable = may_change(Who.SYSTEM, What.CONNECTOR, state=order.state, fulfillment=order.fulfillment)
    if not movable or _told_last(order) in {CHARGER_WARNING, CHARGER_OUT}:
        return False
    record(order, CHARGER_WARNING, now=now, actor=actor, public=True, data={"reason": reason[:300]})
    return True


@transaction.atomic
def charger_back(order_id: int, *, now: datetime, actor: str = ACTOR) -> bool:
    """The charger of an order is in service again: who was warned or asked hears of it, and has nothing to answer.

    Whether it is told now.
    """
    order = lock_order(order_id)
    movable = may_change(Who.SYSTEM, What.CONNECTOR, state=order.state, fulfillment=order.fulfillment)
    if not movable or _told_last(order) not in {CHARGER_WARNING, CHARGER_OUT}:
        return False
    drop_deadline(order, K.ANSWER, now=now)
    record(order, CHARGER_BACK, now=now, actor=actor, public=True)
    return True


def fitting(order: Order, *, now: datetime) -> list[Connector]:
    """Free connectors of the same operator and type that deliver what was ordered in its time, the nearest three."""
    return _fitting(order, now=now)[:MOST_OTHERS]


def _fitting(order: Order, *, now: datetime) -> list[Connector]:
    starts_at, ends_at = wanted_range(order, now)
    found = alternatives(
        order.connector.item_id,
        starts_at=starts_at,
        ends_at=ends_at,
        energy_wh=order.energy_wh,
        now=now,
        limit=20,
    )
    vehicles = {Connector.Vehicle.ANY.value, order.connector.vehicle}
    return [
        other
        for other in found
        if other.evse.station.operator_id == order.operator_id
        and other.vehicle in vehicles
        and energy_in_time(int((ends_at - starts_at).total_seconds()), other.max_power_w) >= order.energy_wh
    ]


def give_up(order: Order, now: datetime) -> None:
    """Nobody chose another charger in time: where the promised one is still out of service, cancel free of charge."""
    check(Who.SYSTEM, What.CANCEL, state=order.state, fulfillment=order.fulfillment)
    if order.connector.evse.status not in Evse.OUT_OF_SERVICE:
        return
    close_cancelled(
        order,
        by="PROVIDER",
        reason_id=NOT_ANSWERED,
        text=NOT_ANSWERED_TEXT,
        now=now,
        actor=ACTOR,
        fulfillment=Order.Fulfillment.ORDER_CANCELLED,
    )


def _told_last(order: Order) -> str:
    """What the customer was told last of the order's charger."""
    told = order.events.filter(kind__in=[CHARGER_OUT, CHARGER_WARNING, CHARGER_BACK, MOVED])
    return told.order_by("-number").values_list("kind", flat=True).first() or ""


def _moved_to_first(order: Order, others: list[Connector], *, now: datetime, actor: str) -> bool:
    for other in others:
        before = order.connector
        try:
            with transaction.atomic():
                _move(order, other, who=Who.SYSTEM, now=now, actor=actor)
        except DomainError:
            order.connector = before
            continue
        return True
    return False


def _move(order: Order, wanted: Connector, *, who: Who, now: datetime, actor: str) -> None:
    check_in_service(wanted)
    before = order.connector
    failed = before.evse.status in Evse.OUT_OF_SERVICE or who is Who.SYSTEM
    starts_at, ends_at = wanted_range(order, now)
    if energy_in_time(int((ends_at - starts_at).total_seconds()), wanted.max_power_w) < order.energy_wh:
        raise Unavailable(
            "quantity-unavailable",
            f"{wanted.item_id} cannot deliver {order.energy_wh} Wh in the booked time; choose a stronger one",
            path=ITEM_PATH,
        )
    check_bookable(wanted, station_rules(wanted), starts_at=order.starts_at, ends_at=order.ends_at, now=now)
    order.connector = wanted
    hold(order, state=Reservation.State.CONFIRMED, held_until=None, now=now)
    if not failed:
        _reprice(order, now=now)
    drop_deadline(order, K.ANSWER, now=now)
    record(
        order,
        MOVED,
        now=now,
        actor=actor,
        public=who is not Who.BUYER,
        data={"from": before.item_id, "to": wanted.item_id},
        saved=("connector",),
    )


def _reprice(order: Order, *, now: datetime) -> None:
    begins_at = max(order.starts_at or now, now)
    promised = offer_quote(order).tariff
    today = current_terms(order.connector, at=begins_at, gst_state=order.asked.get("gst_state", ""))
    reprice(order, replace(today, adjustments=terms_from(promised).adjustments), starts_at=begins_at, now=now)
