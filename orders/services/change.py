"""How does a confirmed order change: another time, a longer or shorter stay, another connector, another payer?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from core.errors import Invalid, Unavailable
from orders.changes import FLOWING, What, Who, check
from orders.models import Order, Reservation
from orders.pricing import energy_in_time, terms_from, time_for_energy
from orders.selectors import offer_quote
from orders.services.amount import QUANTITY_PATH
from orders.services.approve import plan_ahead
from orders.services.holds import BUFFER_S, busy, hold, live_hold, prolong, session_power_w
from orders.services.ledger import lock_order, record
from orders.services.repricing import reprice
from orders.services.rules import WINDOW_PATH, check_bookable, check_tax_state, order_rules

CHANGED = "changed"


@transaction.atomic
def change_window(
    order_id: int,
    *,
    who: Who,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    now: datetime,
    actor: str,
) -> Order:
    """Move a booked time, or only its end; while energy flows the end alone. What is left out stays as it is.

    A moved start takes the end along. The price follows the terms of the offer at the new time; an order by time that
    takes its whole stay takes the new one. Asked again it changes nothing.
    Raises NotAllowed (`update-forbidden`, `booking-limit`, `not-in-this-state`), Unavailable (`connector-busy`,
    `station-closed`, `quantity-unavailable`), Invalid `update-inconsistent`.
    """
    order = lock_order(order_id)
    moved = starts_at is not None and starts_at != order.starts_at
    check(who, What.WINDOW if moved else What.END, state=order.state, fulfillment=order.fulfillment)
    before = (order.starts_at, order.ends_at)
    after = (starts_at if moved else order.starts_at, ends_at or _shifted_end(order, starts_at if moved else None))
    if after == before:
        return order
    flowing = order.fulfillment in FLOWING
    if moved and starts_at is not None and starts_at <= now:
        raise Invalid(
            "update-inconsistent",
            f"the new start {starts_at.isoformat()} is past; choose a later one, or start charging now",
            path=WINDOW_PATH,
        )
    order.starts_at, order.ends_at = after
    check_bookable(order.connector, order_rules(order), starts_at=after[0], ends_at=after[1], now=now)
    _reprice(order, before, now=now, flowing=flowing)
    _rebook(order, now=now, flowing=flowing)
    _note(order, now=now, actor=actor, who=who, data={"window": [_text(before), _text(after)]})
    if not flowing:
        plan_ahead(order, now=now)
    return order


@transaction.atomic
def change_billing(order_id: int, *, who: Who, billing: dict[str, Any], now: datetime, actor: str) -> Order:
    """Replace the payer's details. Raises NotAllowed `update-forbidden`, `not-in-this-state`.

    The state of the GSTIN stays, since the tax in the price goes by it.
    """
    order = lock_order(order_id)
    check(who, What.BILLING, state=order.state, fulfillment=order.fulfillment)
    changed = {**order.billing, **billing}
    if changed == order.billing:
        return order
    check_tax_state(order, changed, path="order.billing.tax_id")
    order.billing = changed
    record(order, CHANGED, now=now, actor=actor, saved=("billing",), data={"billing": sorted(billing)})
    return order


def _shifted_end(order: Order, starts_at: datetime | None) -> datetime | None:
    if starts_at is None or order.ends_at is None or order.starts_at is None:
        return order.ends_at
    return order.ends_at + (starts_at - order.starts_at)


def _reprice(order: Order, before: tuple[datetime | None, datetime | None], *, now: datetime, flowing: bool) -> None:
    """Price the order at its new time under the terms that were promised; a new quote only where the price moves."""
    power_w = session_power_w(order)
    stay_s = _length_s(order.starts_at or now, order.ends_at)
    if order.quantity_kind == Order.Quantity.TIME and order.quantity == _length_s(before[0], before[1]) and stay_s:
        order.quantity = stay_s
        order.energy_wh = energy_in_time(stay_s, power_w)
    elif not flowing and stay_s and time_for_energy(order.energy_wh, power_w) > stay_s:
        raise Unavailable(
            "quantity-unavailable",
            f"{order.energy_wh} Wh need {time_for_energy(order.energy_wh, power_w) // 60} minutes at "
            f"{order.connector.item_id}, the new time has {stay_s // 60}; choose a longer one",
            path=QUANTITY_PATH,
        )
    begins_at = max(order.starts_at or now, now) if not flowing else order.starts_at or order.confirmed_at or now
    offer = offer_quote(order)
    reserved = bool(offer.tariff.get("reserved")) or (not flowing and begins_at > now)
    reprice(order, terms_from(offer.tariff), starts_at=begins_at, now=now, reserved=reserved)


def _rebook(order: Order, *, now: datetime, flowing: bool) -> None:
    """Promise the EVSE for the new time; the old promise stays where the new one is not to be had."""
    if not flowing:
        hold(order, state=Reservation.State.CONFIRMED, held_until=None, now=now)
        return
    current = live_hold(order)
    needed_s = time_for_energy(order.energy_wh, session_power_w(order)) + BUFFER_S
    until = order.ends_at or now + timedelta(seconds=needed_s)
    if current is not None and not prolong(current, until=until, now=now):
        raise busy(order.connector.item_id, now, until)


def _note(order: Order, *, now: datetime, actor: str, who: Who, data: dict[str, Any]) -> None:
    """One event; whoever asked by a request is answered by it, everyone else's change is told."""
    saved = ("starts_at", "ends_at", "quantity", "energy_wh")
    record(order, CHANGED, now=now, actor=actor, public=who is not Who.BUYER, data=data, saved=saved)


def _length_s(starts_at: datetime | None, ends_at: datetime | None) -> int:
    return int((ends_at - starts_at).total_seconds()) if starts_at is not None and ends_at is not None else 0


def _text(window: tuple[datetime | None, datetime | None]) -> list[str | None]:
    return [moment.isoformat() if moment else None for moment in window]
