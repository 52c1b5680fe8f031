"""How is an EVSE promised to one order at a time, however many ask at once?

Whoever changes what is promised of an EVSE first takes a lock on it (several in ascending order), so that promises
queue up instead of deadlocking; the exclusion constraint is the proof, `ON CONFLICT DO NOTHING` the question. It counts
the time that the operator keeps free after each session as taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from core.errors import Unavailable
from orders.estimates import charging_power_w, vehicle_from
from orders.models import Order, Reservation
from orders.pricing import time_for_energy
from orders.services.rules import order_rules

BUFFER_S = 900


def wanted_range(order: Order, now: datetime) -> tuple[datetime, datetime]:
    """When the order needs its EVSE: its window, or from now for the estimated time and a buffer."""
    starts_at = max(order.starts_at or now, now)
    if order.ends_at is not None and order.ends_at > starts_at:
        return starts_at, order.ends_at
    needed_s = time_for_energy(order.energy_wh, session_power_w(order)) + BUFFER_S
    return starts_at, starts_at + timedelta(seconds=needed_s)


def session_power_w(order: Order) -> int:
    """The power the order's session runs at: its connector's, or what its vehicle takes at most, W."""
    connector = order.connector
    return charging_power_w(connector.max_power_w, connector.current, vehicle_from(order.asked.get("vehicle", {})))


def live_hold(order: Order) -> Reservation | None:
    """The order's reservation that is not released, if any."""
    return Reservation.objects.filter(order=order, state__in=Reservation.LIVE).first()


def hold(order: Order, *, state: Reservation.State, held_until: datetime | None, now: datetime) -> Reservation:
    """Promise the order's EVSE to it. Raises Unavailable `connector-busy` where it is promised to another."""
    old = live_hold(order)
    evse_id = order.connector.evse_id
    lock_evses({evse_id} | ({old.evse_id} if old else set()))
    starts_at, ends_at = wanted_range(order, now)
    if old is not None and old.evse_id == evse_id and _serves(order, old, starts_at=starts_at, ends_at=ends_at):
        old.connector_id, old.state, old.held_until, old.updated_at = order.connector_id, state, held_until, now
        old.save(update_fields=["connector", "state", "held_until", "updated_at"])
        return old
    if old is not None:
        release(order, now=now)
    wish = Reservation(
        order=order,
        connector=order.connector,
        evse_id=evse_id,
        during=DateTimeTZRange(starts_at, ends_at),
        buffer_s=order_rules(order).buffer_s,
        state=state,
        held_until=held_until,
        created_at=now,
        updated_at=now,
    )
    won = _promised(wish)
    if won is None and _free_expired(evse_id, now):
        won = _promised(wish)
    if won is None:
        raise busy(order.connector.item_id, starts_at, ends_at)
    return won


def take(order: Order, *, now: datetime) -> None:
    """Put the order's EVSE in use from now on, widening the promise to what is still needed.

    Raises Unavailable `connector-busy` where an earlier or longer use runs into another's promise.
    """
    current = live_hold(order)
    if current is None:
        hold(order, state=Reservation.State.ACTIVE, held_until=None, now=now)
        return
    lock_evses({current.evse_id})
    until = max(current.during.upper, wanted_range(order, now)[1])
    current.state, current.held_until, current.updated_at = Reservation.State.ACTIVE, None, now
    current.during = DateTimeTZRange(min(current.during.lower, now), until)
    if not _widen(current, now):
        raise busy(order.connector.item_id, now, until)
    _allow_grace(order, current, now)


def prolong(current: Reservation, *, until: datetime, now: datetime) -> bool:
    """Extend a promise in use; False where the time after it is promised to another."""
    lock_evses({current.evse_id})
    current.during = DateTimeTZRange(current.during.lower, until)
    current.updated_at = now
    return _widen(current, now)


def release(order: Order, *, now: datetime) -> None:
    """Give the order's promise back, if it has one."""
    Reservation.objects.filter(order=order, state__in=Reservation.LIVE).update(
        state=Reservation.State.RELEASED, held_until=None, updated_at=now
    )


def lock_evses(evse_ids: Iterable[int]) -> None:
    """Queue up for these EVSEs until the transaction ends; in ascending order, so that no two wait for each other."""
    with connection.cursor() as cursor:
        for evse_id in sorted(evse_ids):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"evse:{evse_id}"])


def busy(item_id: str, starts_at: datetime, ends_at: datetime) -> Unavailable:
    """The refusal of a connector that is promised to another."""
    return Unavailable(
        "connector-busy",
        f"{item_id} is taken at some time between {starts_at:%Y-%m-%d %H:%M} and {ends_at:%Y-%m-%d %H:%M} UTC; "
        "choose another connector or time",
        path="order.items[0].id",
    )


def _serves(order: Order, old: Reservation, *, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether a promise already made is what the order needs; charging now only needs the end to be far enough."""
    if order.starts_at is None:
        length = ends_at - starts_at
        return bool(old.during.lower <= starts_at and old.during.upper - old.during.lower == length)
    return bool(old.during.lower <= starts_at and old.during.upper == ends_at)


def _allow_grace(order: Order, current: Reservation, now: datetime) -> None:
    """A driver who is late, but within the grace, keeps the whole booked time where the time after it is free."""
    if order.starts_at is None or order.ends_at is None:
        return
    late = now - order.starts_at
    if not timedelta(0) < late <= timedelta(seconds=order_rules(order).grace_s):
        return
    if prolong(current, until=order.ends_at + late, now=now):
        order.ends_at += late
        order.save(update_fields=["ends_at"])


def _promised(wish: Reservation) -> Reservation | None:
    """The reservation made of a wish, or None where another's promise is in its way."""
    Reservation.objects.bulk_create([wish], ignore_conflicts=True)
    return live_hold(wish.order)


def _free_expired(evse_id: int, now: datetime) -> bool:
    """Release holds that ran out, which may be in the way; those another transaction is at work on are left to it."""
    over = (
        Reservation.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(evse_id=evse_id, state=Reservation.State.HELD, held_until__lte=now)
        .values_list("pk", flat=True)
    )
    freed = Reservation.objects.filter(pk__in=list(over)).update(
        state=Reservation.State.RELEASED, held_until=None, updated_at=now
    )
    return freed > 0


def _widen(current: Reservation, now: datetime) -> bool:
    """Save a promise with its new time; False where the promise of another, not run out, is in its way."""
    return _saved(current) or (_free_expired(current.evse_id, now) and _saved(current))


def _saved(current: Reservation) -> bool:
    try:
        with transaction.atomic():
            current.save(update_fields=["during", "state", "held_until", "updated_at"])
    except IntegrityError as err:
        if "reservation_no_overlap" not in str(err):
            raise
        return False
    return True
