"""How is an order locked, moved and given a price, so that every change leaves exactly one event?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.errors import NotAllowed, NotFound
from core.live import announce_on_commit
from orders.models import Order, OrderEvent, Quote
from orders.pricing import Price
from orders.services.overlaying import return_coupons
from orders.states import FULFILLMENT_MOVES, ORDER_MOVES, allowed_text, may_move

# An order that came to nothing gives back the coupons it used.
UNUSED = (Order.State.CANCELLED, Order.State.EXPIRED)
RELATED = ("connector__evse__station",)


def lock_order(order_id: int) -> Order:
    """The order, locked until the transaction ends. Raises NotFound `order-unknown`."""
    order = (
        Order.objects.select_for_update(no_key=True, of=("self",)).select_related(*RELATED).filter(pk=order_id).first()
    )
    if order is None:
        raise NotFound("order-unknown", f"there is no order {order_id}", path="order.id")
    return order


def lock_transaction(bap_id: str, transaction_id: str) -> Order | None:
    """The order of a buyer app's transaction, locked until our transaction ends; None where there is none."""
    return (
        Order.objects.select_for_update(no_key=True, of=("self",))
        .select_related(*RELATED)
        .filter(bap_id=bap_id, transaction_id=transaction_id)
        .first()
    )


def record(
    order: Order,
    kind: str,
    *,
    now: datetime,
    actor: str,
    state: str = "",
    fulfillment: str = "",
    public: bool = False,
    data: Mapping[str, Any] | None = None,
    saved: tuple[str, ...] = (),
) -> OrderEvent:
    """Move a locked order to `state` and `fulfillment` (empty: as it is), save it and append the one event about it.

    `saved` names further fields the caller changed. Raises NotAllowed `not-in-this-state` for a move outside the table.
    """
    before = (order.state, order.fulfillment)
    after = (state or order.state, fulfillment or order.fulfillment)
    _check(order, ORDER_MOVES, before[0], after[0])
    _check(order, FULFILLMENT_MOVES, before[1], after[1])
    order.state, order.fulfillment = after
    order.last_event += 1
    order.updated_at = now
    order.save(update_fields=["state", "fulfillment", "last_event", "updated_at", *saved])
    if order.state in UNUSED and before[0] not in UNUSED:
        return_coupons(order, now=now)
    announce_on_commit([order.pk])
    return OrderEvent.objects.create(
        order=order,
        number=order.last_event,
        kind=kind,
        from_state=before[0],
        to_state=after[0],
        from_fulfillment=before[1],
        to_fulfillment=after[1],
        at=now,
        data=dict(data or {}),
        actor=actor[:150],
        public=public,
    )


def set_quote(
    order: Order,
    kind: Quote.Kind,
    *,
    price: Price,
    tariff: Mapping[str, Any],
    now: datetime,
    valid_until: datetime | None = None,
) -> Quote:
    """Make `price` the order's current quote, with the tariff it was made under; earlier ones stay as history."""
    Quote.objects.filter(order=order, current=True).update(current=False)
    return Quote.objects.create(
        order=order,
        kind=kind,
        currency=price.currency,
        lines=price.rows(),
        total_paise=price.total.paise,
        energy_wh=price.energy_wh,
        tariff=dict(tariff),
        created_at=now,
        valid_until=valid_until,
    )


def _check(order: Order, moves: Mapping[str, frozenset[str]], before: str, after: str) -> None:
    if not may_move(moves, before, after):
        raise NotAllowed(
            "not-in-this-state",
            f"order {order} is {before} and cannot become {after}; from here it may become "
            f"{allowed_text(moves, before)}",
            path="order.status",
        )
