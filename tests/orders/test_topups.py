"""Is a bill that grew or shrank after the payment asked for, or given back, exactly?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from orders.models import Collection, Order
from orders.services import (
    correct_bill,
    settle_due,
)
from sandbox.faults import RouteFault
from tests.factories.orders import NOW
from tests.orders.payments import (
    ASKED,
    ToyGateway,
    charged_order,
    money,
    the_collection,
)

pytestmark = pytest.mark.django_db

S = Collection.State


def corrected(order: Order, energy_wh: int, now: datetime) -> Order:
    """The order's bill after the meter told something else."""
    return correct_bill(
        order.pk,
        energy_wh=energy_wh,
        started_at=NOW,
        ended_at=NOW + timedelta(minutes=20),
        now=now,
        actor="station",
        reason="late meter",
    )


def test_late_meter_above_the_buffer_is_asked_for_on_a_link(gateway: ToyGateway) -> None:
    order, first = charged_order(gateway, 10_000)
    later = gateway.after(minutes=20)
    corrected(order, 13_000, later)
    gateway.work()
    first.refresh_from_db()
    row = the_collection(order)
    assert (first.captured_paise, row.number, row.state, row.amount_paise) == (ASKED, 2, S.OPEN, 29_972 - ASKED)
    gateway.pay(row)
    gateway.after(seconds=15)
    gateway.work()
    settle_due(now=gateway.at)
    stand = money(order)
    assert (stand.paid, stand.captured, stand.due, stand.held) == (29_972, 29_972, 0, 0)


def test_rest_that_is_paid_before_the_hold_is_taken_leaves_all_of_it_to_take(gateway: ToyGateway) -> None:
    gateway.api.fail_next("capture", RouteFault(n=100, status=503))
    order, first = charged_order(gateway, 10_000)
    corrected(order, 13_000, gateway.after(minutes=20))
    gateway.work()
    gateway.pay(the_collection(order))
    gateway.after(seconds=15)
    gateway.work()
    assert money(order).authorised == ASKED
    gateway.api.faults.clear()
    gateway.after(hours=2)
    gateway.work()
    settle_due(now=gateway.at)
    first.refresh_from_db()
    stand = money(order)
    assert (first.captured_paise, stand.paid, stand.captured, stand.due, stand.held) == (ASKED, 29_972, 29_972, 0, 0)


def test_less_than_a_rupee_is_not_asked_for(gateway: ToyGateway) -> None:
    order, first = charged_order(gateway, 10_000)
    corrected(order, 11_133, gateway.after(minutes=20))
    gateway.work()
    first.refresh_from_db()
    assert (first.captured_paise, the_collection(order), money(order).due) == (ASKED, first, 47)


def test_meter_corrected_back_withdraws_what_was_asked_for(gateway: ToyGateway) -> None:
    order, _ = charged_order(gateway, 10_000)
    later = gateway.after(minutes=20)
    corrected(order, 13_000, later)
    gateway.work()
    corrected(order, 10_000, gateway.after(minutes=1))
    gateway.work()
    row = the_collection(order)
    assert (row.state, row.closing, gateway.api.gateway.links[row.link_ref]["status"]) == (S.EXPIRED, True, "cancelled")
