"""Does the buyer app get its finder fee once, of the bill as it stands in the end?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from orders.balances import balance, purse
from orders.models import Account, Journal, Posting
from orders.services import (
    cancel_order,
    collected_late,
    correct_bill,
    settle_with,
)
from tests.factories.orders import BAP, active_order
from tests.orders.bookkeeping import ENDED, LATER, accounts, billed, sound

pytestmark = pytest.mark.django_db


def test_finder_fee_is_kept_from_the_settlement() -> None:
    order = billed(finder_fee=("percent", Decimal("2.5")))
    # 2.5 % of the bill of 193.52, half to even
    assert accounts(order)["finder-fee"] == 484
    assert accounts(order)["settlement-payable"] == -484
    until = LATER + timedelta(days=1)
    settle_with(order.operator, BAP, paise=18_868, reference="UTR2", until=until, now=until, actor="staff:x")
    assert balance(order.operator_id, BAP, Account.BAP) == 0
    assert balance(order.operator_id, BAP, Account.SETTLEMENT) == 0
    assert sound(order)


def test_finder_fee_follows_a_corrected_bill_by_adjusting_entries() -> None:
    order = billed(finder_fee=("percent", Decimal("2.5")))
    for _ in range(2):
        correct_bill(order.pk, energy_wh=6_000, reason="late meter", **ENDED)
    # 6 kWh: 128.00 + 23.04 of tax
    assert accounts(order)["finder-fee"] == 378
    correct_bill(order.pk, energy_wh=0, reason="late meter", **ENDED)
    correct_bill(order.pk, energy_wh=8_000, reason="late meter", **ENDED)
    # What was refunded meanwhile is owed again.
    assert "finder-fee" not in accounts(order)
    collected_late(order.pk, reference="UPI9", now=LATER, actor="staff:x")
    fees = Journal.objects.filter(order=order, postings__account=Account.FINDER_FEE).order_by("pk")
    paise = Posting.objects.filter(journal__in=fees, account=Account.FINDER_FEE).order_by("journal_id")
    assert list(fees.values_list("kind", flat=True)) == ["fee", "adjustment", "adjustment", "adjustment"]
    assert list(paise.values_list("paise", flat=True)) == [484, -106, -378, 484]
    assert sound(order)


def test_finder_fee_waits_until_the_bill_is_paid() -> None:
    order = billed(10_100, finder_fee=("percent", Decimal(10)))
    assert "finder-fee" not in accounts(order)
    collected_late(order.pk, reference="UPI9", now=LATER, actor="staff:x")
    # of 201.80 + 36.32
    assert accounts(order)["finder-fee"] == 2_381
    assert sound(order)


def test_finder_fee_of_an_amount_is_never_above_the_bill() -> None:
    order = billed(100, finder_fee=("amount", Decimal("23.60")))
    # 0.1 kWh: 21.80 + 3.92
    assert accounts(order)["finder-fee"] == 2_360
    correct_bill(order.pk, energy_wh=0, reason="late meter", **ENDED)
    assert "finder-fee" not in accounts(order)
    assert sound(order)


def test_cancellation_earns_the_finder_nothing() -> None:
    order = active_order(finder_fee=("percent", Decimal(5)))
    cancel_order(order_id=order.pk, by="CONSUMER", reason_id="5", now=LATER, actor=BAP)
    assert purse(order).captured > 0
    assert "finder-fee" not in accounts(order)
    assert sound(order)
