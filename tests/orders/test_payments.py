"""Is money collected by us held, taken and given back exactly, whatever the gateway does?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from core.errors import Invalid, NotAllowed
from orders.models import Collection, Journal, OrderEvent, Payment, PaymentReference, Refund
from orders.payments.base import Repays
from orders.selectors import current_quote
from orders.services import (
    cancel_order,
    cashier,
    complete_order,
    confirm_order,
    expire_due,
    init_order,
    mark_started,
    refunds_due,
    retry_refund,
    settle_due,
)
from orders.services.cashier import undecided
from orders.services.receiving import locked, look_again
from orders.services.returning import provider_for
from tests.factories.orders import BAP, NOW, a_confirm, an_init, initiated_order
from tests.orders.payments import (
    ASKED,
    PRICE,
    ToyGateway,
    again,
    asked,
    charged_order,
    money,
    paid,
    the_collection,
)

pytestmark = pytest.mark.django_db

S = Collection.State


def test_link_is_made_for_the_price_and_the_buffer(gateway: ToyGateway) -> None:
    _, row = asked(gateway)
    link = gateway.api.gateway.links[row.link_ref]
    assert (row.state, row.price_paise, row.amount_paise, link["amount"]) == (S.OPEN, PRICE, ASKED, ASKED)
    assert (link["reference_id"], row.hold) == (row.reference, True)
    assert row.link_url == f"{gateway.url}/pay/{row.link_ref}"


def test_payment_is_held_and_the_order_may_be_confirmed(gateway: ToyGateway) -> None:
    order, row = paid(gateway)
    assert (row.state, row.authorised_paise, row.captured_paise) == (S.AUTHORISED, ASKED, 0)
    assert (money(order).held, money(order).authorised) == (ASKED, ASKED)
    order = confirm_order(**a_confirm(order))
    payment = Payment.objects.get(order=order)
    assert (order.state, payment.status, payment.reference) == ("active", "PAID", row.payment_ref)
    assert money(order).paid == ASKED


def test_confirm_before_the_money_is_refused_with_the_reason(gateway: ToyGateway) -> None:
    order, _ = asked(gateway)
    with pytest.raises(Invalid, match=r"236\.00 INR have not reached us yet") as refused:
        confirm_order(**a_confirm(order))
    assert refused.value.code == "payment-proof"


def test_confirm_with_another_payments_id_is_refused(gateway: ToyGateway) -> None:
    order, _ = paid(gateway)
    with pytest.raises(Invalid, match="not the payment we received"):
        confirm_order(**a_confirm(order, reference="pay_0000000000"))


@pytest.mark.parametrize(("minutes", "links"), [(0, 1), (10, 2)])
def test_link_lasts_as_long_as_the_offer(gateway: ToyGateway, minutes: int, links: int) -> None:
    order, first = asked(gateway)
    now = gateway.after(minutes=minutes)
    again = an_init(order.connector, transaction_id=order.transaction_id, collected_by="BPP", now=now)
    init_order(**again)
    gateway.work()
    row = the_collection(order)
    link = gateway.api.gateway.links[row.link_ref]
    assert link["expire_by"] >= (current_quote(order).valid_until or now).timestamp()
    assert (order.collections.count(), row.pk == first.pk) == (links, links == 1)
    gateway.pay(row)
    gateway.work()
    gateway.after(minutes=1)
    gateway.work()
    assert (money(order).paid, money(order).authorised) == (ASKED, ASKED)


def test_bill_is_captured_and_the_rest_of_the_hold_given_free(gateway: ToyGateway) -> None:
    order, row = charged_order(gateway, 8_000)
    gateway.after(minutes=20)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, row.captured_paise) == (S.CAPTURED, 19_352)
    stand = money(order)
    assert (stand.paid, stand.captured, stand.held, stand.authorised, stand.due) == (19_352, 19_352, 0, 0, 0)
    assert gateway.api.gateway.payments[row.payment_ref]["amount_captured"] == 19_352


def test_news_does_not_put_off_a_capture_that_is_due(gateway: ToyGateway) -> None:
    _, row = charged_order(gateway, 8_000)
    gateway.fail_next("capture", status=503)
    gateway.after(minutes=20)
    gateway.work()
    again(gateway)
    gateway.work()
    row.refresh_from_db()
    assert row.state == S.AUTHORISED
    gateway.after(minutes=1)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, row.captured_paise) == (S.CAPTURED, 19_352)


def test_bill_above_the_price_is_taken_from_the_buffer(gateway: ToyGateway) -> None:
    order, row = charged_order(gateway, 10_500)
    gateway.after(minutes=20)
    gateway.work()
    row.refresh_from_db()
    assert (row.captured_paise, money(order).due) == (24_662, 0)


def test_without_partial_capture_the_whole_is_taken_and_the_rest_refunded(whole: ToyGateway) -> None:
    order, row = charged_order(whole, 8_000)
    assert (row.hold, row.state, row.captured_paise) == (False, S.CAPTURED, ASKED)
    refunds_due(now=whole.after(minutes=20))
    stand = money(order)
    assert (stand.paid, stand.captured, stand.refunded, stand.returned, stand.held) == (
        ASKED,
        19_352,
        ASKED - 19_352,
        ASKED - 19_352,
        0,
    )
    assert whole.api.gateway.payments[row.payment_ref]["amount_refunded"] == ASKED - 19_352


def test_refund_the_gateway_gave_up_is_sent_anew_once_a_person_says_so(whole: ToyGateway) -> None:
    whole.account.refunds_take_long = True
    order, _ = charged_order(whole, 8_000)
    refunds_due(now=whole.after(minutes=20))
    for _ in range(2):
        whole.api.gateway.finish_refund(list(whole.api.gateway.refunds)[-1], fails=True)
        made = len(whole.api.gateway.refunds)
        for _ in range(2):
            refunds_due(now=whole.after(minutes=20))
        refund = order.refunds.get()
        assert (refund.state, len(whole.api.gateway.refunds)) == ("person", made)
        retry_refund(refund.pk, now=whole.at, actor="staff:asha")
        refunds_due(now=whole.at)
        assert len(whole.api.gateway.refunds) == made + 1
    whole.api.gateway.finish_refund(list(whole.api.gateway.refunds)[-1])
    refunds_due(now=whole.after(minutes=20))
    assert money(order).returned == ASKED - 19_352


def test_gateway_that_is_down_is_asked_again_later(gateway: ToyGateway) -> None:
    gateway.fail_next("*", n=2, status=503)
    _, row = asked(gateway)
    assert (row.state, row.link_ref) == (S.ASKED, "")
    assert "503" in row.problem
    for _ in range(4):
        gateway.after(seconds=60)
        gateway.work()
    row.refresh_from_db()
    assert (row.state, row.problem) == (S.OPEN, "")


def test_link_whose_making_was_not_answered_is_found_not_made_twice(gateway: ToyGateway) -> None:
    gateway.fail_next("link", reset="after-commit")
    _, row = asked(gateway)
    assert row.link_ref == ""
    gateway.after(seconds=60)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, len(gateway.api.gateway.links)) == (S.OPEN, 1)


def test_capture_without_an_answer_is_asked_about_and_booked_once(gateway: ToyGateway) -> None:
    order, row = charged_order(gateway, 8_000)
    gateway.fail_next("capture", reset="after-commit")
    gateway.after(minutes=20)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, money(order).authorised) == (S.AUTHORISED, ASKED - 0)
    gateway.after(minutes=2)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, row.captured_paise, gateway.routes().count("capture")) == (S.CAPTURED, 19_352, 1)


def test_refund_without_an_answer_is_not_paid_twice(whole: ToyGateway) -> None:
    order, _ = charged_order(whole, 8_000)
    whole.fail_next("refund", reset="after-commit")
    refunds_due(now=whole.after(minutes=20))
    assert money(order).returned == 0
    refunds_due(now=whole.after(hours=1))
    assert (money(order).returned, len(whole.api.gateway.refunds)) == (ASKED - 19_352, 1)


def test_fault_in_one_refund_holds_up_no_other(whole: ToyGateway, caplog: pytest.LogCaptureFixture) -> None:
    first, second = (charged_order(whole, 8_000)[0] for _ in range(2))

    def find(refund: Refund) -> Repays | None:
        if refund.order_id == first.pk:
            raise NotAllowed("not-in-this-state", "a person was faster")
        return provider_for(refund)

    refunds_due(now=whole.after(minutes=20), find=find)
    assert (money(first).returned, money(second).returned) == (0, ASKED - 19_352)
    assert "refund not worked on" in caplog.text
    refunds_due(now=whole.after(minutes=3))
    assert money(first).returned == ASKED - 19_352


def test_slow_gateway_is_given_up_within_its_time(gateway: ToyGateway, settings: Any) -> None:
    settings.PAYMENT_TIMEOUT_S = 0.2
    gateway.fail_next("links", latency_s=1.0)
    _, row = asked(gateway)
    assert (row.state, row.problem != "") == (S.ASKED, True)


def test_order_that_runs_out_gives_its_hold_free(gateway: ToyGateway) -> None:
    order, row = paid(gateway)
    later = gateway.after(minutes=16)
    expire_due(later)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, money(order).held, money(order).paid) == (S.RELEASED, 0, 0)


def test_order_that_runs_out_after_payment_is_refunded_whole(whole: ToyGateway) -> None:
    order, row = paid(whole)
    later = whole.after(minutes=16)
    expire_due(later)
    whole.work()
    settle_due(now=later)
    refunds_due(now=later)
    stand = money(order)
    assert (stand.paid, stand.returned, stand.held) == (ASKED, ASKED, 0)
    assert whole.api.gateway.payments[row.payment_ref]["status"] == "refunded"


def test_cancelling_captures_the_fee_only(gateway: ToyGateway) -> None:
    order, row = paid(gateway)
    confirm_order(**a_confirm(order))
    cancel_order(order_id=order.pk, by="CONSUMER", reason_id="5", now=gateway.after(hours=1), actor=BAP)
    gateway.work()
    row.refresh_from_db()
    stand = money(order)
    assert (row.state, row.captured_paise, stand.captured, stand.held) == (S.CAPTURED, 7_080, 7_080, 0)


def test_link_of_a_changed_wish_is_closed_and_another_made(gateway: ToyGateway) -> None:
    order, first = asked(gateway)
    init_order(**an_init(order.connector, transaction_id=order.transaction_id, quantity=5_000, collected_by="BPP"))
    gateway.work()
    second = the_collection(order)
    first.refresh_from_db()
    links = gateway.api.gateway.links
    assert (links[first.link_ref]["status"], links[second.link_ref]["amount"]) == ("cancelled", second.amount_paise)
    assert (first.state, second.number) == (S.EXPIRED, 2)


def test_payment_after_the_session_is_asked_for_by_its_bill(gateway: ToyGateway) -> None:
    order = initiated_order(collected_by="BPP", payment_type="POST-FULFILLMENT")
    gateway.work()
    assert (the_collection(order).state, gateway.routes()) == (S.WAITING, [])
    confirm_order(**a_confirm(order, payment_status="NOT-PAID"))
    mark_started(order.pk, now=NOW, actor="station")
    ended = gateway.after(minutes=20)
    complete_order(order.pk, energy_wh=8_000, started_at=NOW, ended_at=ended, now=ended, reason="full", actor="s")
    gateway.work()
    row = the_collection(order)
    assert (row.state, row.amount_paise) == (S.OPEN, 19_352)
    gateway.pay(row)
    gateway.after(seconds=15)
    gateway.work()
    settle_due(now=gateway.at)
    assert (money(order).due, Payment.objects.get(order=order).status) == (0, "PAID")


def test_link_that_was_asked_for_meanwhile_is_not_withdrawn(gateway: ToyGateway) -> None:
    order = initiated_order(collected_by="BPP", payment_type="POST-FULFILLMENT")
    confirm_order(**a_confirm(order, payment_status="NOT-PAID"))
    mark_started(order.pk, now=NOW, actor="station")
    ended = gateway.after(minutes=20)
    complete_order(order.pk, energy_wh=8_000, started_at=NOW, ended_at=ended, now=ended, reason="full", actor="s")
    row = the_collection(order)
    assert row.state == S.ASKED
    # As where it was picked while it waited for the bill, and another worker asked for the rest before the lock.
    cashier._decide_closed(*locked(row.pk), ended)
    row.refresh_from_db()
    assert (row.state, row.closing) == (S.ASKED, False)


def test_change_of_payment_is_told_to_the_buyer_app_once_the_order_has_an_id(gateway: ToyGateway) -> None:
    order, _ = charged_order(gateway, 8_000)
    gateway.after(minutes=20)
    gateway.work()
    told = OrderEvent.objects.filter(order=order, kind__startswith="payment-").order_by("number")
    assert list(told.values_list("kind", "public")) == [("payment-authorised", False), ("payment-captured", True)]


def test_lapsed_hold_is_known_and_owed_by_the_customer(gateway: ToyGateway) -> None:
    order, row = charged_order(gateway, 8_000)
    gateway.api.gateway.lapse(row.payment_ref)
    gateway.after(minutes=20)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, money(order).authorised, money(order).due) == (S.RELEASED, 0, 19_352)


def test_session_in_a_week_is_collected_not_held(gateway: ToyGateway) -> None:
    starts = NOW + timedelta(days=7)
    _, row = asked(gateway, starts_at=starts, ends_at=starts + timedelta(hours=1))
    assert row.hold is False


def test_payment_without_a_link_cannot_be_looked_at(gateway: ToyGateway) -> None:
    order = initiated_order(collected_by="BPP")
    with pytest.raises(NotAllowed, match="has no link yet"):
        look_again(the_collection(order).pk, now=NOW)


def test_payers_reference_pays_for_one_order() -> None:
    first, second = initiated_order(), initiated_order()
    confirm_order(**a_confirm(first, reference="UTR 4711"))
    with pytest.raises(Invalid, match="paid for another order already"):
        confirm_order(**a_confirm(second, reference="UTR 4711"))
    assert PaymentReference.objects.get().order_id == first.pk


@pytest.mark.parametrize("reference", ["x", "-4711", "a\nb", "१२३४", "z" * 101])
def test_odd_reference_is_refused(reference: str) -> None:
    order = initiated_order()
    with pytest.raises(Invalid, match="is no transaction id"):
        confirm_order(**a_confirm(order, reference=reference))


def test_journals_of_a_provider_carry_its_name(gateway: ToyGateway) -> None:
    order, row = paid(gateway)
    journal = Journal.objects.get(order=order)
    assert (journal.provider, journal.reference, journal.actor) == ("razorpay", row.payment_ref, "provider:razorpay")


def test_what_was_taken_for_a_confirmed_order_is_not_looked_through_again(gateway: ToyGateway) -> None:
    _, row = charged_order(gateway, 8_000)
    gateway.after(minutes=20)
    gateway.work()
    gateway.work()
    row.refresh_from_db()
    assert (row.state, row.done) == (S.CAPTURED, True)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = undecided().filter(order__state="expired").order_by("pk")[:1].explain()
    assert "collection_undecided" in plan


def test_money_taken_before_its_offer_ran_out_is_still_found(whole: ToyGateway) -> None:
    order, row = paid(whole)
    whole.work()
    row.refresh_from_db()
    assert (row.state, row.done, row.closing) == (S.CAPTURED, False, False)
    expire_due(whole.after(hours=1))
    whole.work()
    row.refresh_from_db()
    assert (order.code, row.closing) == (None, True)
