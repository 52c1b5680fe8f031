"""How does a confirmed order follow its charging session, up to the bill?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from core.errors import Invalid, NotAllowed
from orders.models import Order, Quote, Refund
from orders.pricing import MeterPoint
from orders.selectors import bill_price, offer_quote
from orders.services.cancel import close_cancelled
from orders.services.holds import release, take
from orders.services.ledger import lock_order, record, set_quote
from orders.services.refunds import settle_order
from orders.terms import CHARGER_ERROR

Data = Mapping[str, Any]
F = Order.Fulfillment


@transaction.atomic
def mark_starting(order_id: int, *, now: datetime, actor: str, data: Data | None = None) -> Order:
    """The start was asked for; the promise of the connector is in use from now on.

    Raises NotAllowed `not-in-this-state`, Unavailable `connector-busy` where another's time is not over or begins.
    """
    order = _active(order_id)
    if order.fulfillment == F.CHARGING_STARTING:
        return order
    _move(order, F.CHARGING_STARTING, now=now, actor=actor, data=data, public=actor != order.bap_id)
    take(order, now=now)
    return order


@transaction.atomic
def mark_started(order_id: int, *, now: datetime, actor: str, data: Data | None = None) -> Order:
    """The station delivers energy. Raises NotAllowed `not-in-this-state`, Unavailable `connector-busy`."""
    order = _active(order_id)
    if order.fulfillment == F.CHARGING_STARTED:
        return order
    unannounced = order.fulfillment == F.PAYMENT_COMPLETED
    _move(order, F.CHARGING_STARTED, now=now, actor=actor, data=data, public=True)
    if unannounced:
        take(order, now=now)
    return order


@transaction.atomic
def mark_paused(order_id: int, *, now: datetime, actor: str, data: Data | None = None) -> Order:
    """The vehicle or the station suspended the charging. Raises NotAllowed `not-in-this-state`."""
    return _step(order_id, F.CHARGING_PAUSED, now=now, actor=actor, data=data)


@transaction.atomic
def mark_resumed(order_id: int, *, now: datetime, actor: str, data: Data | None = None) -> Order:
    """The charging goes on after a pause. Raises NotAllowed `not-in-this-state`."""
    return _step(order_id, F.CHARGING_RESUMED, now=now, actor=actor, data=data)


@transaction.atomic
def mark_ending(order_id: int, *, now: datetime, actor: str, data: Data | None = None) -> Order:
    """The stop was asked for; the buyer app is told unless it asked itself. Raises NotAllowed `not-in-this-state`."""
    return _step(order_id, F.CHARGING_ENDING, now=now, actor=actor, data=data, quiet_for_buyer=True)


@transaction.atomic
def complete_order(
    order_id: int,
    *,
    energy_wh: int,
    started_at: datetime,
    ended_at: datetime,
    now: datetime,
    reason: str,
    actor: str,
    readings: Sequence[MeterPoint] = (),
) -> Order:
    """Close the order with the bill for what the meter says was delivered, under the terms of the offer.

    `energy_wh` is meter stop less meter start, `readings` what the meter showed in between, by which the bill is
    divided among the prices of the tariff. Told again it is the same order.
    Raises NotAllowed `not-in-this-state`, Invalid `update-inconsistent` for a meter or clock that runs backwards.
    """
    order = lock_order(order_id)
    if order.state == Order.State.COMPLETE:
        return order
    _refuse_closed(order)
    _bill(order, energy_wh=energy_wh, started_at=started_at, ended_at=ended_at, now=now, readings=readings)
    _close(order, F.CHARGING_ENDED, energy_wh=energy_wh, now=now, reason=reason, actor=actor)
    return order


@transaction.atomic
def mark_failed(
    order_id: int,
    *,
    now: datetime,
    reason: str,
    actor: str,
    energy_wh: int = 0,
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
    readings: Sequence[MeterPoint] = (),
) -> Order:
    """The station broke down: without energy the order is cancelled by us with a full refund, else billed to the meter.

    Told again of a closed order it changes nothing. Raises NotAllowed `not-in-this-state`, Invalid.
    """
    order = lock_order(order_id)
    if order.state in Order.BILLED:
        return order
    _refuse_closed(order)
    if energy_wh == 0:
        close_cancelled(
            order,
            by="PROVIDER",
            reason_id=CHARGER_ERROR,
            text=reason,
            now=now,
            actor=actor,
            fulfillment=F.CHARGER_ERROR,
        )
        return order
    started_at, ended_at = started_at or now, ended_at or now
    _bill(order, energy_wh=energy_wh, started_at=started_at, ended_at=ended_at, now=now, readings=readings)
    _close(order, F.CHARGER_ERROR, energy_wh=energy_wh, now=now, reason=reason, actor=actor)
    return order


def check_delivered(energy_wh: int, *, started_at: datetime, ended_at: datetime) -> None:
    """Raises Invalid `update-inconsistent` for a meter or clock that runs backwards."""
    if energy_wh < 0 or ended_at < started_at:
        raise Invalid(
            "update-inconsistent",
            f"{energy_wh} Wh from {started_at.isoformat()} to {ended_at.isoformat()}: neither meter nor clock may run "
            "backwards",
            path="order.fulfillments[0]",
        )


def _active(order_id: int) -> Order:
    order = lock_order(order_id)
    _refuse_closed(order)
    return order


def _refuse_closed(order: Order) -> None:
    if order.state != Order.State.ACTIVE:
        raise NotAllowed(
            "not-in-this-state", f"order {order} is {order.state}; only an active order charges", path="order.status"
        )


def _step(
    order_id: int, to: F, *, now: datetime, actor: str, data: Data | None, quiet_for_buyer: bool = False
) -> Order:
    order = _active(order_id)
    if order.fulfillment != to:
        _move(order, to, now=now, actor=actor, data=data, public=not (quiet_for_buyer and actor == order.bap_id))
    return order


def _move(order: Order, to: F, *, now: datetime, actor: str, data: Data | None, public: bool) -> None:
    record(order, to.value, now=now, actor=actor, fulfillment=to, public=public, data=data)


def _bill(
    order: Order,
    *,
    energy_wh: int,
    started_at: datetime,
    ended_at: datetime,
    now: datetime,
    readings: Sequence[MeterPoint],
) -> None:
    check_delivered(energy_wh, started_at=started_at, ended_at=ended_at)
    offer = offer_quote(order)
    price = bill_price(
        order, energy_wh=energy_wh, started_at=started_at, ended_at=ended_at, readings=readings, offer=offer
    )
    set_quote(order, Quote.Kind.BILL, price=price, tariff=offer.tariff, now=now)


def _close(order: Order, to: F, *, energy_wh: int, now: datetime, reason: str, actor: str) -> None:
    release(order, now=now)
    order.closed_at = now
    record(
        order,
        "completed",
        now=now,
        actor=actor,
        state=Order.State.COMPLETE,
        fulfillment=to,
        public=True,
        data={"energy_wh": energy_wh, "reason": reason},
        saved=("closed_at",),
    )
    settle_order(order, reason=Refund.Reason.UNUSED, now=now, actor=actor)
