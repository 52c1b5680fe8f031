"""What happens to a bill when the meter tells more, or less, after it was made, or the vehicle stood on?

Nothing is edited: a new bill stands beside the old one, and adjusting entries carry the difference. Too much billed
goes back at once; too little is taken from money of the customer that has not left yet, the rest is asked for.
Source: DEG EV-charging guide, sections A and B (power cut, offline continuation).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from core.errors import NotAllowed
from orders.balances import purse
from orders.models import Order, Quote, Refund
from orders.pricing import MeterPoint
from orders.selectors import bill_price, current_quote, offer_quote
from orders.services.charging import check_delivered
from orders.services.ledger import lock_order, record, set_quote
from orders.services.refunds import settle_order


@transaction.atomic
def correct_bill(
    order_id: int,
    *,
    energy_wh: int,
    started_at: datetime,
    ended_at: datetime,
    unplugged_at: datetime | None = None,
    readings: Sequence[MeterPoint] = (),
    now: datetime,
    actor: str,
    reason: str,
) -> Order:
    """Bill a complete order anew, for what the meter says now; the buyer app is told where the price changed.

    `unplugged_at` is until when the vehicle stood, where that is known. Told again of the same it changes nothing.
    Raises NotAllowed `not-in-this-state`, Invalid `update-inconsistent` for a meter or clock that runs backwards.
    """
    order = _billed(order_id)
    check_delivered(energy_wh, started_at=started_at, ended_at=ended_at)
    old = current_quote(order)
    price = bill_price(
        order,
        energy_wh=energy_wh,
        started_at=started_at,
        ended_at=ended_at,
        unplugged_at=unplugged_at,
        readings=readings,
    )
    if price.rows() == old.lines and energy_wh == old.energy_wh:
        return order
    set_quote(order, Quote.Kind.BILL, price=price, tariff=offer_quote(order).tariff, now=now)
    settle_order(order, reason=Refund.Reason.METER, now=now, actor=actor)
    changed = {"before_paise": old.total_paise, "after_paise": price.total.paise, "due_paise": purse(order).due}
    data = {"energy_wh": energy_wh, "reason": reason, **changed}
    record(order, "bill-corrected", now=now, actor=actor, public=True, data=data)
    return order


def _billed(order_id: int) -> Order:
    order = lock_order(order_id)
    if order.state != Order.State.COMPLETE:
        raise NotAllowed(
            "not-in-this-state",
            f"order {order} is {order.state}; only a complete order has a bill",
            path="order.status",
        )
    return order
