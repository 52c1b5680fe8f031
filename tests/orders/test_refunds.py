"""Does money come back once, in time, never more than was paid, and does somebody hear of it where it does not?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from core.errors import DomainError, PaymentError
from orders.balances import Purse, purse
from orders.models import Journal, MoneyRules, Payment, Quote, Refund
from orders.payments.base import Refunded
from orders.services import (
    approve_refund,
    ask_refund,
    books,
    check_books,
    complete_order,
    correct_bill,
    decline_refund,
    expire_due,
    finish_refund,
    mark_starting,
    refunds_due,
    retry_refund,
    settle_due,
)
from orders.services.returning import MOST_ATTEMPTS
from orders.states import REFUND_MOVES
from tests.factories.orders import BAP, NOW, active_order, initiated_order
from tests.orders.refunding import ENDED, LATER, STAFF, Bank, billed, only, send, sound
from tests.orders.refusals import refusal

pytestmark = pytest.mark.django_db


def test_unused_prepayment_is_a_debt_the_buyer_app_was_told_of() -> None:
    refund = only(billed())
    assert (refund.state, refund.way, refund.reason, refund.paise) == ("sent", "BAP", "unused", 4_248)
    assert refund.deadline_at == LATER + timedelta(days=5)
    assert refund.key == f"refund:{refund.order_id}:1"


def test_buyer_app_that_says_nothing_until_the_deadline_leaves_it_to_a_person(caplog: Any) -> None:
    refund = only(billed())
    assert refunds_due(now=refund.deadline_at - timedelta(seconds=1)) == 0
    refunds_due(now=refund.deadline_at)
    refund.refresh_from_db()
    assert refund.state == "person"
    assert "refund needs a person" in caplog.text
    finish_refund(refund.pk, reference="UTR9", **STAFF)
    assert purse(refund.order).returned == 4_248
    assert sound()


def test_refund_by_our_provider_is_sent_once_and_done() -> None:
    order, bank = billed(ours=True), Bank()
    assert send(bank) == 1
    assert send(bank) == 0
    assert bank.asked == [("pay_1", 4_248, f"refund:{order.pk}:1")]
    refund = only(order)
    assert (refund.state, refund.reference, refund.closed_at) == ("done", "rfnd_1", LATER)
    assert order.events.filter(kind="refund-done", public=True).count() == 1
    assert purse(order) == Purse(paid=23_600, captured=19_352, refunded=4_248, returned=4_248)
    assert sound()


def test_provider_that_is_away_is_asked_again_under_the_same_key() -> None:
    order = billed(ours=True)
    bank = Bank(PaymentError("away", permanent=False, unknown=True), Refunded("rfnd_1", 4_248, done=True))
    send(bank)
    refund = only(order)
    assert (refund.state, refund.problem, refund.attempts) == ("failed", "away", 1)
    assert refund.next_at is not None
    assert refund.next_at > LATER
    assert send(bank, refund.next_at) == 1
    assert only(order).state == "done"
    assert len({key for _, _, key in bank.asked}) == 1


def test_provider_that_stays_away_leaves_it_to_a_person_who_may_try_again() -> None:
    order, bank = billed(ours=True), Bank(PaymentError("away", permanent=False))
    now = LATER
    for _ in range(MOST_ATTEMPTS):
        send(bank, now)
        now = only(order).next_at or now
    assert (only(order).state, len(bank.asked)) == ("person", MOST_ATTEMPTS)
    retry_refund(only(order).pk, **STAFF)
    assert only(order).state == "approved"
    send(Bank())
    assert only(order).state == "done"


@pytest.mark.parametrize(
    "answer",
    [
        PaymentError("no such payment", permanent=True),
        Refunded("rfnd_1", 4_248, done=False, failed=True),
        Refunded("rfnd_1", 4_247, done=True),
    ],
)
def test_answer_that_no_repetition_mends_leaves_it_to_a_person(answer: Refunded | PaymentError) -> None:
    order = billed(ours=True)
    send(Bank(answer))
    assert only(order).state == "person"
    assert purse(order).returned == 0


def test_refund_the_provider_is_still_at_is_asked_about_later() -> None:
    order = billed(ours=True)
    bank = Bank(Refunded("rfnd_1", 4_248, done=False), Refunded("rfnd_1", 4_248, done=True))
    send(bank)
    refund = only(order)
    assert (refund.state, refund.reference) == ("sent", "rfnd_1")
    send(bank, refund.next_at or LATER)
    assert only(order).state == "done"


def test_payment_that_no_provider_of_ours_collected_is_left_to_a_person() -> None:
    order = billed(ours=True)
    refunds_due(now=LATER)
    assert only(order).state == "person"
    assert "by hand" in only(order).problem


def test_refund_above_the_operators_limit_waits_for_approval() -> None:
    order = active_order()
    MoneyRules.objects.create(operator=order.operator, approve_above_paise=1_000)
    mark_starting(order.pk, now=NOW, actor=BAP)
    complete_order(order.pk, energy_wh=8_000, reason="full", **ENDED)
    refund = only(order)
    assert (refund.state, refund.next_at) == ("requested", None)
    assert refusal(decline_refund, refund.pk, text="no", **STAFF) == "refund-owed"
    approve_refund(refund.pk, **STAFF)
    approve_refund(refund.pk, **STAFF)
    refund.refresh_from_db()
    assert (refund.state, refund.approved_by) == ("sent", "staff:x")
    assert sound()


def test_late_meter_takes_back_a_refund_that_nobody_has_sent() -> None:
    order = billed(ours=True)
    correct_bill(order.pk, energy_wh=9_000, reason="late meter", **ENDED)
    assert [(refund.state, refund.paise) for refund in order.refunds.order_by("number")] == [
        ("withdrawn", 4_248),
        ("approved", 2_124),
    ]
    assert purse(order) == Purse(paid=23_600, captured=21_476, refunded=2_124)
    assert sound()


def test_late_meter_does_not_touch_a_refund_that_is_on_its_way() -> None:
    order = billed(ours=True)
    send(Bank())
    correct_bill(order.pk, energy_wh=9_000, reason="late meter", **ENDED)
    assert purse(order) == Purse(paid=23_600, captured=19_352, refunded=4_248, due=2_124, returned=4_248)
    assert sound()


def test_money_for_an_order_nobody_confirmed_goes_back() -> None:
    order = initiated_order(collected_by="BPP")
    books.captured(order, 23_600, reference="pay_1", now=NOW, actor="provider")
    assert settle_due(now=NOW + timedelta(minutes=16)) == 0
    later = NOW + timedelta(minutes=31)
    assert settle_due(now=later) == 1
    assert settle_due(now=later) == 0
    expire_due(later)
    assert purse(order) == Purse(paid=23_600, refunded=23_600)
    assert only(order).reason == "unconfirmed"


def test_money_that_comes_late_for_a_closed_order_goes_back() -> None:
    order = billed()
    books.captured(order, 500, reference="pay_9", now=LATER, actor="provider")
    assert settle_due(now=LATER) == 1
    assert order.refunds.get(payment_ref="pay_9").reason == "overpaid"
    assert sound()


def test_orders_that_only_authorised_money_hold_up_nobody() -> None:
    for number in range(2):
        books.authorised(initiated_order(collected_by="BPP"), 9, reference=f"pay_{number}", now=NOW, actor="provider")
    order = initiated_order(collected_by="BPP")
    books.captured(order, 23_600, reference="pay_9", now=NOW, actor="provider")
    expire_due(NOW + timedelta(hours=1))
    assert settle_due(now=NOW + timedelta(hours=1), limit=1) == 1
    assert only(order).paise == 23_600


def test_one_order_that_cannot_be_settled_holds_up_no_other() -> None:
    broken, sound_one = billed(), billed()
    for number, order in enumerate((broken, sound_one)):
        books.captured(order, 500, reference=f"pay_{number}", now=LATER, actor="provider")
    Quote.objects.filter(order=broken, current=True).update(lines=[{"paise": 19_352}])
    assert settle_due(now=LATER, limit=1) == 1
    assert sound_one.refunds.filter(payment_ref="pay_1").exists()
    assert not broken.refunds.filter(payment_ref="pay_0").exists()


def test_money_that_was_missed_is_returned_however_long_ago_it_came() -> None:
    order = initiated_order(collected_by="BPP")
    books.captured(order, 23_600, reference="pay_1", now=NOW, actor="provider")
    expire_due(NOW + timedelta(hours=1))
    late = NOW + timedelta(days=9)
    found = check_books(now=late)
    assert found is not None
    assert [finding["rule"] for finding in found.findings] == ["held"]
    assert settle_due(now=late) == 0
    assert settle_due(now=late, whole=True) == 1
    assert purse(order) == Purse(paid=23_600, refunded=23_600)
    assert sound()


def test_refunds_never_exceed_what_was_paid_whoever_writes_them() -> None:
    order = billed()
    row = only(order)
    row.pk, row.number, row.cause, row.key, row.paise = None, 2, "more", "more", 20_000
    with pytest.raises(IntegrityError, match="refunds of order"), transaction.atomic():
        row.save(force_insert=True)


def test_refund_is_kept_and_moves_by_the_table() -> None:
    refund = only(billed())
    changes: list[dict[str, Any]] = [{"paise": 1}, {"key": "other"}, {"state": "requested"}, {"state": "approved"}]
    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            Refund.objects.filter(pk=refund.pk).update(**change)
    with pytest.raises(IntegrityError, match="kept for good"), transaction.atomic():
        refund.delete()


def test_database_and_code_allow_the_same_moves() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for before in Refund.State.values:
            for after in Refund.State.values:
                cursor.execute("SELECT refund_may_move(%s, %s)", [before, after])
                assert cursor.fetchone() == (before == after or after in REFUND_MOVES[before],), (before, after)


@pytest.fixture
def closed_connections() -> Iterator[None]:
    yield
    connections.close_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same", [True, False])
def test_fifty_asks_at_once_never_return_more_than_was_paid(same: bool, closed_connections: None) -> None:
    order = billed(10_000)
    start = threading.Barrier(10)

    def ask(number: int) -> str:
        if number < 10:
            start.wait()
        try:
            ask_refund(order.pk, 1_000, cause="ticket" if same else f"ticket {number}", **STAFF)
        except DomainError as err:
            return err.code
        finally:
            connections["default"].close()
        return "given"

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(ask, range(50)))
    stand = purse(order)
    expected = 1_000 if same else 23_000
    assert (stand.refunded, stand.captured, stand.paid) == (expected, 23_600 - expected, 23_600)
    assert outcomes.count("given") == (50 if same else 23)
    assert Refund.objects.filter(order=order).count() == (1 if same else 23)


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_a_refund_once(closed_connections: None) -> None:
    order, bank = billed(ours=True), Bank()

    def work(_: int) -> None:
        refunds_due(now=LATER, limit=1, find=lambda refund: bank)
        connections["default"].close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(bank.asked) == 1
    assert purse(order).returned == 4_248
    assert Journal.objects.filter(order=order, kind="payout").count() == 1


def test_money_authorised_for_an_expired_order_is_the_providers_to_release() -> None:
    order = initiated_order(collected_by="BPP")
    books.authorised(order, 23_600, reference="pay_1", now=NOW, actor="provider")
    expire_due(NOW + timedelta(hours=1))
    assert settle_due(now=NOW + timedelta(hours=1)) == 0
    assert Payment.objects.filter(order=order).exists()
    assert not Refund.objects.filter(order=order).exists()
    assert books.released(order, 23_600, reference="pay_1", now=NOW, actor="provider") is not None
    assert purse(order) == Purse()
