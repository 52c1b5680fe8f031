"""Does every money event leave books that add up, and does the database refuse those that do not?"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from core.errors import DomainError
from orders.balances import Purse, balance, income, purse
from orders.models import Account, BooksCheck, Journal, Order, Payment, Posting, Quote, Refund
from orders.services import (
    books,
    cancel_order,
    check_books,
    collected_late,
    complete_order,
    confirm_order,
    correct_bill,
    mark_starting,
    settle_with,
)
from orders.services.refunds import settle_order
from tests.factories.orders import BAP, NOW, a_confirm, active_order, initiated_order
from tests.orders.bookkeeping import ACTOR, ENDED, LATER, accounts, at_once, billed, sound

pytestmark = pytest.mark.django_db


@transaction.atomic
def post_at_once(order: Order, key: str, parts: Iterable[tuple[Account, int]]) -> None:
    books.post(order, Journal.Kind.CHARGE, key, parts, **ACTOR)
    at_once()


def legs(journal: Journal, parts: Iterable[tuple[Account, int]]) -> list[Posting]:
    same = {"journal": journal, "operator_id": journal.operator_id, "order": journal.order, "bap_id": journal.bap_id}
    return [Posting(account=account, paise=paise, **same) for account, paise in parts]


def test_payment_collected_by_the_buyer_app_is_its_debt_and_never_cash() -> None:
    order = active_order()
    assert accounts(order) == {"bap-receivable": 23_600, "held": -23_600}
    assert purse(order) == Purse(paid=23_600, held=23_600)
    assert sound(order)


def test_bill_takes_from_the_prepayment_and_returns_the_rest_at_once() -> None:
    order = billed()
    # 8 kWh at 18.00 and 20.00 for the session, 18 % GST: 164.00 + 29.52
    assert accounts(order) == {
        "bap-receivable": 23_600,
        "revenue": -16_400,
        "cgst": -1_476,
        "sgst": -1_476,
        "refunds-due": -4_248,
    }
    assert purse(order) == Purse(paid=23_600, captured=19_352, refunded=4_248)
    assert sound(order)


def test_bill_above_the_prepayment_is_owed_by_the_customer() -> None:
    order = billed(10_100)
    assert purse(order) == Purse(paid=23_600, captured=23_600, due=212)
    assert accounts(order)["customer-receivable"] == 212
    assert sound(order)


def test_top_up_pays_what_is_owed_and_returns_what_is_too_much() -> None:
    order = billed(10_100)
    books.captured(order, 300, reference="pay_2", **ACTOR)
    settle_order(order, reason=Refund.Reason.OVERPAID, **ACTOR)
    assert purse(order) == Purse(paid=23_900, captured=23_812, refunded=88)
    assert [refund.way for refund in order.refunds.all()] == ["provider"]
    assert sound(order)


def test_cancellation_earns_its_fee_with_the_tax_in_it() -> None:
    order = active_order()
    cancel_order(order_id=order.pk, by="CONSUMER", reason_id="5", now=NOW, actor=BAP)
    fee = Quote.objects.get(order=order, current=True).total_paise
    earned = income(order)
    assert sum(earned.values()) == fee
    assert earned.get("cgst", 0) == earned.get("sgst", 0)
    assert purse(order) == Purse(paid=23_600, captured=fee, refunded=23_600 - fee)
    assert sound(order)


def test_bill_after_the_fulfilment_is_owed_until_it_is_paid() -> None:
    order = initiated_order(payment_type="POST-FULFILLMENT")
    order = confirm_order(**a_confirm(order, payment_status="NOT-PAID"))
    assert accounts(order) == {}
    mark_starting(order.pk, now=NOW, actor=BAP)
    order = complete_order(order.pk, energy_wh=10_000, reason="full", **ENDED)
    assert purse(order) == Purse(due=23_600)
    books.charged(order, 23_600, by=Payment.CollectedBy.BAP, reference="late", **ACTOR)
    settle_order(order, reason=Refund.Reason.OVERPAID, **ACTOR)
    assert purse(order) == Purse(paid=23_600, captured=23_600)
    assert sound(order)


def test_too_much_billed_goes_back_by_adjusting_entries() -> None:
    order = billed()
    correct_bill(order.pk, energy_wh=6_000, reason="late meter", **ENDED)
    assert purse(order) == Purse(paid=23_600, captured=15_104, refunded=8_496)
    assert Journal.objects.filter(order=order, kind="adjustment").count() == 1
    assert [refund.paise for refund in order.refunds.order_by("number")] == [4_248, 4_248]
    assert Quote.objects.filter(order=order, kind="bill").count() == 2
    assert order.events.filter(kind="bill-corrected", public=True).count() == 1
    assert sound(order)


def test_too_little_billed_beyond_what_is_left_is_asked_for() -> None:
    order = billed(10_000)
    correct_bill(order.pk, energy_wh=10_500, reason="late meter", **ENDED)
    assert purse(order) == Purse(paid=23_600, captured=23_600, due=1_062)
    assert order.events.get(kind="bill-corrected").data["due_paise"] == 1_062
    assert sound(order)


def test_same_meter_again_changes_nothing() -> None:
    order = billed()
    before = Journal.objects.count()
    correct_bill(order.pk, energy_wh=8_000, reason="again", **ENDED)
    assert Journal.objects.count() == before


def test_bill_is_not_corrected_before_there_is_one() -> None:
    with pytest.raises(DomainError) as caught:
        correct_bill(active_order().pk, energy_wh=1, reason="early", **ENDED)
    assert caught.value.code == "not-in-this-state"
    with pytest.raises(DomainError) as caught:
        correct_bill(billed().pk, energy_wh=-1, reason="backwards", **ENDED)
    assert caught.value.code == "update-inconsistent"


def test_authorised_money_is_taken_for_the_bill_and_the_rest_let_go() -> None:
    order = initiated_order()
    books.authorised(order, 26_000, reference="pay_1", **ACTOR)
    assert purse(order) == Purse(paid=26_000, held=26_000, authorised=26_000)
    books.captured(order, 23_600, reference="pay_1", **ACTOR)
    books.released(order, 2_400, reference="pay_1", **ACTOR)
    assert purse(order) == Purse(paid=23_600, held=23_600)
    assert accounts(order) == {"cash": 23_600, "held": -23_600}


def test_capture_told_before_the_authorisation_counts_once() -> None:
    order = initiated_order()
    books.captured(order, 23_600, reference="pay_1", **ACTOR)
    assert books.authorised(order, 23_600, reference="pay_1", **ACTOR) is None
    books.captured(order, 23_600, reference="pay_1", **ACTOR)
    assert accounts(order) == {"cash": 23_600, "held": -23_600}


def test_hold_lost_after_the_bill_is_owed_by_the_customer() -> None:
    order = initiated_order()
    books.authorised(order, 30_000, reference="pay_1", **ACTOR)
    with transaction.atomic():
        quote = Quote.objects.get(order=order, current=True)
        books.earned(order, quote, **ACTOR)
    books.released(order, 30_000, reference="pay_1", **ACTOR)
    assert purse(order) == Purse(due=23_600)
    at_once()


@pytest.mark.parametrize("paise", [0, -1])
def test_payment_of_nothing_is_refused(paise: int) -> None:
    with pytest.raises(DomainError) as caught:
        books.charged(initiated_order(), paise, by=Payment.CollectedBy.BAP, reference="x", **ACTOR)
    assert caught.value.code == "payment-proof"


def test_settlement_of_a_buyer_app_pays_its_debt_and_its_refunds() -> None:
    order = billed()
    until = LATER + timedelta(days=1)
    terms: dict[str, Any] = {"reference": "UTR1", "until": until, "now": until, "actor": "staff:x"}
    with pytest.raises(DomainError) as caught:
        settle_with(order.operator, BAP, paise=99_999, **terms)
    assert caught.value.code == "settlement-amount"
    journal = settle_with(order.operator, BAP, paise=19_352, **terms)
    assert settle_with(order.operator, BAP, paise=19_352, **terms) == journal
    assert balance(order.operator_id, BAP, Account.BAP) == 0
    assert balance(order.operator_id, BAP, Account.BANK) == 19_352
    assert order.refunds.get().state == "done"
    assert sound(order)


@pytest.mark.django_db(transaction=True)
def test_two_settlements_at_once_pay_no_more_than_is_owed() -> None:
    operator = billed(10_000).operator
    terms: dict[str, Any] = {"paise": 20_000, "until": LATER, "now": LATER, "actor": "staff:x"}

    def another() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
                settle_with(operator, BAP, reference="UTR2", **terms)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        settle_with(operator, BAP, reference="UTR1", **terms)
        with pytest.raises(OperationalError, match="lock timeout"):
            pool.submit(another).result()
    with pytest.raises(DomainError) as caught:
        settle_with(operator, BAP, reference="UTR2", **terms)
    assert caught.value.code == "settlement-amount"
    assert balance(operator.pk, BAP, Account.BAP) == 3_600


def test_buyer_app_that_collects_late_owes_it_instead_of_the_customer() -> None:
    order = billed(10_100)
    for _ in range(2):
        collected_late(order.pk, reference="UPI9", now=LATER, actor="staff:x")
    assert purse(order) == Purse(paid=23_812, captured=23_812)
    assert balance(order.operator_id, BAP, Account.BAP) == 23_812
    assert order.events.filter(kind="payment-collected", public=True).count() == 1
    with pytest.raises(DomainError) as caught:
        collected_late(initiated_order().pk, reference="UPI9", now=LATER, actor="staff:x")
    assert caught.value.code == "payment-kind"
    assert sound(order)


def test_journal_that_does_not_balance_is_refused() -> None:
    order = active_order()
    with pytest.raises(IntegrityError, match="off by 1 paise"):
        post_at_once(order, "odd", [(Account.BAP, 2), (Account.HELD, -1)])
    with pytest.raises(IntegrityError, match="moves nothing"):
        post_at_once(order, "empty", [])


def test_posting_for_another_order_than_its_journal_is_refused() -> None:
    one, other = active_order(), active_order()
    journal = books.post(one, Journal.Kind.CHARGE, "mixed", [(Account.CASH, 5), (Account.BANK, -5)], **ACTOR)
    rows = legs(journal, [(Account.BAP, 5), (Account.HELD, -5)])
    rows[1].order = other
    Posting.objects.bulk_create(rows)
    with pytest.raises(IntegrityError, match="names another order"):
        at_once()


def test_books_are_never_rewritten() -> None:
    active_order()
    for rows in (Posting.objects.all(), Journal.objects.all()):
        with pytest.raises(IntegrityError, match="kept for good"), transaction.atomic():
            rows.update(operator_id=1)
        with pytest.raises(IntegrityError, match="kept for good"), transaction.atomic():
            rows._raw_delete(rows.db)


@pytest.mark.parametrize("account", [Account.HELD, Account.REFUNDS])
def test_purse_never_falls_below_zero(account: Account) -> None:
    order = active_order()
    with pytest.raises(IntegrityError, match="would fall to"), transaction.atomic():
        books.post(order, Journal.Kind.REFUND, "over", [(account, 23_601), (Account.CASH, -23_601)], **ACTOR)


def test_reversal_takes_a_journal_back_once() -> None:
    order = active_order()
    charge = Journal.objects.get(order=order)
    first = books.reverse(charge, **ACTOR)
    assert books.reverse(charge, **ACTOR) == first
    assert purse(order) == Purse()


def test_check_finds_a_payment_that_the_books_never_saw(caplog: pytest.LogCaptureFixture) -> None:
    order = active_order()
    Payment.objects.filter(order=order).update(status="PAID")
    books.reverse(Journal.objects.get(order=order), **ACTOR)
    books.post(order, Journal.Kind.RELEASE, "touch", [(Account.CASH, 1), (Account.BANK, -1)], **ACTOR)
    check = check_books(now=LATER, whole=True)
    assert check is not None
    assert check.breaks >= 1
    assert "the books do not add up" in caplog.text


def test_check_finds_money_that_a_closed_order_still_holds() -> None:
    order = billed()
    books.captured(order, 300, reference="late", **ACTOR)
    found = check_books(now=LATER + timedelta(hours=1), whole=True)
    assert found is not None
    assert [finding["rule"] for finding in found.findings] == ["held"]


def test_check_rests_between_two_times() -> None:
    order = billed()
    assert check_books(now=LATER) is not None
    assert check_books(now=LATER + timedelta(seconds=5), every=timedelta(minutes=10)) is None
    assert BooksCheck.objects.count() == 1
    assert order.pk


def test_command_books_a_settlement_and_names_what_is_wrong() -> None:
    order = billed()
    named = ["--operator", order.operator.code, "--bap", BAP, "--reference", "UTR3", "--until", "2026-03-01"]
    out = StringIO()
    call_command("book_settlement", *named, "--rupees", "193.52", stdout=out)
    assert "still owes ₹0.00" in out.getvalue()
    for wrong, said in ((["--operator", "nobody"], "no operator"), (["--reference", " "], "reference")):
        with pytest.raises(CommandError, match=said):
            call_command("book_settlement", *named, "--rupees", "1.00", *wrong)
    with pytest.raises(CommandError, match="whole number of paise"):
        call_command("book_settlement", *named, "--rupees", "1.005")


def test_journal_and_its_legs_are_written_once_and_in_one_statement(django_assert_num_queries: Any) -> None:
    order = active_order()
    parts = [(Account.CASH, 5), (Account.AUTHORISED, 0), (Account.HELD, -5)]
    with django_assert_num_queries(1):
        first = books.post(order, Journal.Kind.CHARGE, "once", parts, **ACTOR)
    assert books.post(order, Journal.Kind.CHARGE, "once", parts, **ACTOR) == first
    written = Journal.objects.get(key="once")
    assert (written, written.at, written.actor, written.order) == (first, NOW, "test", order)
    assert [(leg.account, leg.paise, leg.currency) for leg in written.postings.order_by("pk")] == [
        ("cash", 5, "INR"),
        ("held", -5, "INR"),
    ]
    assert sound(order)
