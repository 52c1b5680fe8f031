"""Who paid and got no energy: is the money back without anyone asking, and once?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from orders.balances import Purse, purse
from orders.models import (
    CancellationRule,
    Deadline,
    MoneyRules,
    Quote,
    ReservationRules,
)
from orders.services import (
    cancel_order,
    confirm_order,
    deadlines_due,
    energy_due,
)
from tests.factories.orders import BAP, NOW, a_confirm, active_order, connector_on_sale, initiated_order
from tests.orders.refunding import only, sound

pytestmark = pytest.mark.django_db


def test_paid_order_without_energy_is_refunded_without_anyone_asking() -> None:
    order = active_order()
    assert energy_due(now=NOW + timedelta(minutes=59)) == 0
    assert energy_due(now=NOW + timedelta(minutes=61)) == 1
    order.refresh_from_db()
    assert (order.state, order.cancellation["reason_id"], only(order).reason) == ("cancelled", "no-energy", "no-energy")
    assert purse(order) == Purse(paid=23_600, refunded=23_600)
    assert sound()


def test_operator_may_give_up_on_energy_sooner() -> None:
    order = active_order()
    MoneyRules.objects.create(operator=order.operator, energy_within_s=60)
    active_order()
    assert energy_due(now=NOW + timedelta(minutes=2)) == 1


def test_one_order_that_cannot_be_cancelled_holds_up_no_other() -> None:
    broken, sound_one = active_order(), active_order()
    Quote.objects.filter(order=broken).update(lines=[{"paise": 23_600}])
    assert energy_due(now=NOW + timedelta(minutes=61), limit=1) == 1
    sound_one.refresh_from_db()
    assert sound_one.state == "cancelled"


def test_booked_time_is_left_to_the_no_show() -> None:
    begins = NOW + timedelta(hours=3)
    order = active_order(starts_at=begins, ends_at=begins + timedelta(hours=1))
    assert energy_due(now=begins + timedelta(hours=9)) == 0
    Deadline.objects.filter(order=order).update(done_at=begins)
    assert energy_due(now=begins + timedelta(minutes=90)) == 0
    assert energy_due(now=begins + timedelta(minutes=121)) == 1


@pytest.mark.parametrize("sweeps", [(energy_due, deadlines_due), (deadlines_due, energy_due)])
@pytest.mark.parametrize(("no_show_after_s", "reason"), [(3_600, "no-energy"), (3_599, "no-show")])
def test_paid_order_without_energy_ends_the_same_whichever_sweep_comes_first(
    sweeps: tuple[Callable[..., int], ...], no_show_after_s: int, reason: str
) -> None:
    connector = connector_on_sale()
    ReservationRules.objects.create(operator=connector.evse.station.operator, no_show_after_s=no_show_after_s)
    order = active_order(connector)
    for sweep in sweeps:
        sweep(now=NOW + timedelta(hours=2))
    order.refresh_from_db()
    assert order.cancellation["reason_id"] == reason
    assert purse(order).refunded == (23_600 if reason == "no-energy" else 16_520)


@pytest.mark.parametrize(("state", "days"), [("payment-completed", 2), ("charging-started", 5)])
def test_refund_of_a_cancelled_order_comes_as_soon_as_its_terms_say(state: str, days: int) -> None:
    connector = connector_on_sale()
    CancellationRule.objects.create(
        operator=connector.evse.station.operator, state=state, fee_percent=10, refund_within_s=2 * 86_400
    )
    order = active_order(connector)
    cancel_order(order_id=order.pk, by="CONSUMER", now=NOW, actor=BAP)
    assert only(order).deadline_at == NOW + timedelta(days=days)


def test_driver_who_has_not_paid_is_a_no_show() -> None:
    order = confirm_order(**a_confirm(initiated_order(payment_type="ON-FULFILLMENT"), payment_status="NOT-PAID"))
    assert energy_due(now=NOW + timedelta(hours=2)) == 0
    assert deadlines_due(now=NOW + timedelta(hours=2)) == 1
    order.refresh_from_db()
    assert order.fulfillment == "no-show"
