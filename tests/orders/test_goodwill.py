"""Is a gift to a customer given once, within what was paid, and the operator's again where it is declined?"""

from __future__ import annotations

import pytest

from orders.balances import Purse, purse
from orders.models import (
    MoneyRules,
)
from orders.services import (
    approve_refund,
    ask_refund,
    books,
    correct_bill,
    decline_refund,
    settle_due,
)
from tests.factories.orders import active_order
from tests.orders.refunding import ENDED, LATER, STAFF, billed, sound
from tests.orders.refusals import refusal

pytestmark = pytest.mark.django_db


def test_goodwill_is_given_once_for_each_cause_and_no_more_than_was_earned() -> None:
    order = billed()
    first = ask_refund(order.pk, 1_000, cause="ticket 7", **STAFF)
    assert ask_refund(order.pk, 1_000, cause="ticket 7", **STAFF) == first
    assert purse(order) == Purse(paid=23_600, captured=18_352, refunded=5_248)
    assert refusal(ask_refund, order.pk, 18_353, cause="ticket 8", **STAFF) == "refund-amount"
    assert refusal(ask_refund, order.pk, 0, cause="ticket 8", **STAFF) == "refund-amount"
    assert refusal(ask_refund, active_order().pk, 1, cause="ticket 9", **STAFF) == "not-in-this-state"
    assert sound()


def test_goodwill_that_is_declined_stays_with_the_operator() -> None:
    order = billed()
    MoneyRules.objects.create(operator=order.operator, approve_above_paise=0)
    refund = ask_refund(order.pk, 1_000, cause="ticket 7", **STAFF)
    assert refusal(decline_refund, refund.pk, text=" ", **STAFF) == "reason-unknown"
    decline_refund(refund.pk, text="charged as agreed", **STAFF)
    assert purse(order) == Purse(paid=23_600, captured=19_352, refunded=4_248)
    assert refusal(approve_refund, 0, **STAFF) == "refund-unknown"
    assert sound()


@pytest.mark.parametrize("first", [0, 1])
def test_goodwill_out_of_two_payments_may_be_declined_part_by_part(first: int) -> None:
    order = billed(10_000)
    correct_bill(order.pk, energy_wh=12_000, reason="late meter", **ENDED)
    books.captured(order, 4_248, reference="pay_2", now=LATER, actor="provider")
    settle_due(now=LATER)
    MoneyRules.objects.create(operator=order.operator, approve_above_paise=0)
    ask_refund(order.pk, 10_000, cause="ticket 7", **STAFF)
    parts = list(order.refunds.order_by("number"))
    assert [(part.cause, part.paise) for part in parts] == [("ticket 7", 4_248), ("ticket 7 (2)", 5_752)]
    kept = parts.pop(1 - first)
    decline_refund(parts[0].pk, text="charged as agreed", **STAFF)
    assert purse(order) == Purse(paid=27_848, captured=27_848 - kept.paise, refunded=kept.paise)
    decline_refund(kept.pk, text="charged as agreed", **STAFF)
    assert purse(order) == Purse(paid=27_848, captured=27_848)
    assert sound()


def test_meter_corrected_after_goodwill_returns_no_more_than_was_paid() -> None:
    order = billed(10_000)
    ask_refund(order.pk, 20_000, cause="ticket 7", **STAFF)
    correct_bill(order.pk, energy_wh=1_000, reason="late meter", **ENDED)
    # 1 kWh costs 44.84; 200.00 of 236.00 went back as goodwill, so that 36.00 remain to be returned
    assert purse(order) == Purse(paid=23_600, refunded=23_600)
    assert sound()
