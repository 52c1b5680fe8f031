"""Does a webhook move money once, on the provider's word only, whoever sends it, when and how often?"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from core.errors import Invalid, NotAllowed
from orders.balances import Purse
from orders.models import Collection, Journal, Order, PaymentNews, WebhookRefusal
from orders.payments.base import Received, State
from orders.payments_admin import COLLECTION_DEEDS
from orders.services import confirm_order, expire_due, forget_news, refunds_due, settle_due
from orders.services.cashier import book_what_came
from orders.services.receiving import look_again, put_aside, receive, take_unfitting
from tests.factories.orders import NOW, a_confirm
from tests.orders.payments import (
    ASKED,
    ToyGateway,
    again,
    asked,
    changed,
    charged_order,
    journals,
    money,
    paid,
    post_news,
)

pytestmark = pytest.mark.django_db

S = Collection.State
HOUR = timedelta(hours=1)


def test_duplicate_news_moves_money_once(gateway: ToyGateway) -> None:
    order, _ = paid(gateway)
    before = journals(order)
    for _ in range(3):
        gateway.post_all()
        gateway.work()
    told = PaymentNews.objects.get()
    assert (journals(order), told.deliveries, told.state) == (before, 4, "done")


@pytest.mark.parametrize("forged", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_forged_news_is_refused_counted_and_moves_nothing(gateway: ToyGateway, forged: int) -> None:
    order, row = asked(gateway)
    gateway.pay(row)
    calls = len(gateway.routes())
    for number in range(forged):
        told = gateway.told()[0]
        assert gateway.post(told, secret=f"forged-{number}", event_id=f"evt-{number}") == 401
    gateway.work()
    assert (PaymentNews.objects.count(), journals(order)) == (0, 0)
    assert WebhookRefusal.objects.get().count == forged
    assert len(gateway.routes()) == calls


@pytest.mark.parametrize("signature", ["", "00", "é", "a" * 64])
def test_news_with_an_odd_signature_is_refused(gateway: ToyGateway, client: Any, signature: str) -> None:
    answer = client.post(
        "/payments/razorpay/webhook", b"{}", content_type="application/json", HTTP_X_RAZORPAY_SIGNATURE=signature
    )
    assert answer.status_code == 401


def test_news_is_taken_under_either_secret_while_they_change(gateway: ToyGateway) -> None:
    _, row = asked(gateway)
    gateway.pay(row)
    assert gateway.post(gateway.told()[0], secret="the-next-secret") == 200


def test_news_too_large_or_for_nobody_is_refused(gateway: ToyGateway, client: Any) -> None:
    large = client.post("/payments/razorpay/webhook", b"x" * 131_073, content_type="application/json")
    nobody = client.post("/payments/paypal/webhook", b"{}", content_type="application/json")
    read = client.get("/payments/razorpay/webhook")
    assert (large.status_code, nobody.status_code, read.status_code) == (413, 404, 405)


def test_captured_before_authorised_comes_to_the_same(whole: ToyGateway) -> None:
    order, row = asked(whole)
    whole.pay(row)
    for told in reversed(whole.told()):
        assert whole.post(told) == 200
        whole.work()
    row.refresh_from_db()
    assert (row.state, money(order).paid, money(order).authorised) == (S.CAPTURED, ASKED, 0)


@pytest.mark.no_cover  # hundreds of times what other tests measure
@pytest.mark.parametrize("orders", [5, pytest.param(25, marks=pytest.mark.slow)])
def test_events_ten_times_over_in_any_order_post_once(whole: ToyGateway, orders: int) -> None:
    rows = [asked(whole)[1] for _ in range(orders)]
    for row in rows:
        whole.pay(row)
    told = whole.told() * 10
    assert len(told) == 4 * orders * 10
    random.Random(3).shuffle(told)
    for one in told:
        assert whole.post(one) == 200
    while whole.work():
        pass
    assert PaymentNews.objects.count() == 4 * orders
    assert Journal.objects.filter(kind=Journal.Kind.CHARGE).count() == orders
    assert sum(money(row.order).paid for row in rows) == orders * ASKED


def test_news_after_the_end_asks_for_no_more_looks(whole: ToyGateway) -> None:
    _, row = paid(whole)
    assert (row.state, PaymentNews.objects.count() > 1) == (S.CAPTURED, True)
    assert row.next_at is None
    look_again(row.pk, now=whole.at)
    whole.work()
    row.refresh_from_db()
    assert (row.state, row.next_at) == (S.CAPTURED, None)


def test_news_about_a_released_hold_asks_for_no_more_looks(gateway: ToyGateway) -> None:
    _, row = paid(gateway)
    expire_due(gateway.after(minutes=16))
    gateway.work()
    again(gateway)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, row.next_at) == (S.RELEASED, None)


def test_news_replayed_a_day_later_has_no_effect(gateway: ToyGateway) -> None:
    order, _ = charged_order(gateway, 8_000)
    gateway.after(minutes=20)
    gateway.work()
    before, told = journals(order), gateway.told()[0]
    gateway.after(days=1, minutes=10)
    assert gateway.post(told) == 200
    assert gateway.post(told, event_id="another-id") == 200
    again(gateway)
    gateway.work()
    assert journals(order) == before
    assert PaymentNews.objects.get(event_id="a-third-id").state == "ignored"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"amount": 100}, "100 paise came, 25960 were asked for"),
        ({"amount": ASKED + 1}, "25961 paise came, 25960 were asked for"),
        ({"currency": "USD"}, "paid in USD, asked for INR"),
    ],
)
def test_another_amount_or_currency_waits_for_a_person(gateway: ToyGateway, how: dict[str, Any], why: str) -> None:
    order, row = asked(gateway)
    gateway.pay(row, **how)
    gateway.post_all()
    gateway.work()
    row.refresh_from_db()
    news = PaymentNews.objects.get()
    assert (row.state, row.problem, news.state, journals(order)) == (S.ALARM, why, "alarm", 0)
    with pytest.raises(Invalid):
        confirm_order(**a_confirm(order))


def test_news_of_another_merchant_or_order_is_kept_and_moves_nothing(gateway: ToyGateway) -> None:
    order, row = asked(gateway)
    gateway.api.gateway.pay(gateway.api.gateway.new_link({"amount": ASKED, "reference_id": "not-ours"})["id"])
    foreign, ours = gateway.told()[0], gateway.account.webhook_secret
    assert gateway.post(foreign) == 200
    body = changed(foreign, "account_id", "acc_somebodyelse")
    assert post_news(body, secret=ours, event_id="evt-foreign") == 200
    gateway.work()
    outcomes = dict(PaymentNews.objects.values_list("state", "outcome").order_by("pk"))
    assert set(outcomes) == {"alarm"}
    assert (journals(order), row.state) == (0, S.OPEN)


def test_lie_about_the_amount_in_signed_news_moves_what_the_provider_says(gateway: ToyGateway) -> None:
    order, row = asked(gateway)
    gateway.pay(row)
    body = changed(gateway.told()[0], "payload.payment.entity.amount", 99_999_999)
    assert post_news(body, secret=gateway.account.webhook_secret, event_id="evt-lie") == 200
    gateway.work()
    assert money(order).paid == ASKED


def test_lost_news_is_made_up_for_by_asking(gateway: ToyGateway) -> None:
    order, row = asked(gateway)
    gateway.pay(row)
    gateway.after(seconds=15)
    gateway.work()
    assert (PaymentNews.objects.count(), money(order).paid) == (0, ASKED)


def test_refund_that_takes_long_is_done_when_the_news_come(whole: ToyGateway) -> None:
    whole.account.refunds_take_long = True
    order, _ = charged_order(whole, 8_000)
    refunds_due(now=whole.after(minutes=20))
    assert money(order).returned == 0
    whole.api.gateway.finish_refund(next(iter(whole.api.gateway.refunds)))
    assert whole.post(whole.told()[-1]) == 200
    whole.work()
    refunds_due(now=whole.at)
    assert money(order).returned == ASKED - 19_352


def test_alarm_is_looked_at_again_on_request(gateway: ToyGateway) -> None:
    order, row = asked(gateway)
    payment = gateway.pay(row, amount=100)
    gateway.post_all()
    gateway.work()
    look_again(row.pk, now=NOW)
    gateway.work()
    row.refresh_from_db()
    assert row.state == S.ALARM
    payment["amount"] = ASKED
    look_again(row.pk, now=NOW)
    gateway.work()
    row.refresh_from_db()
    assert (row.state, money(order).paid) == (S.AUTHORISED, ASKED)


def test_body_of_news_is_emptied_once_it_was_dealt_with_for_long_and_a_repetition_stays_known(
    gateway: ToyGateway,
) -> None:
    paid(gateway)
    gateway.post_all()
    gateway.work()
    news = PaymentNews.objects.exclude(done_at=None)
    count, told = news.count(), gateway.told()[0]
    PaymentNews.objects.filter(done_at=None).delete()
    assert forget_news(now=gateway.at + timedelta(days=29)) == 0
    assert forget_news(now=gateway.at + timedelta(days=31)) == count > 0
    assert forget_news(now=gateway.at + timedelta(days=31)) == 0
    assert gateway.post(told) == 200
    assert {bool(row.raw) for row in PaymentNews.objects.all()} == {False}
    assert PaymentNews.objects.get(event_id=told.event_id).deliveries > 1


def alarmed(gateway: ToyGateway, *, amount: int) -> tuple[Order, Collection]:
    order, row = asked(gateway)
    gateway.pay(row, amount=amount)
    gateway.post_all()
    gateway.work()
    row.refresh_from_db()
    assert row.state == S.ALARM
    return order, row


@pytest.mark.parametrize("amount", [100, ASKED + 100])
def test_payment_of_another_amount_is_booked_by_a_person_and_goes_back(gateway: ToyGateway, amount: int) -> None:
    order, row = alarmed(gateway, amount=amount)
    (payment_ref,) = gateway.api.gateway.payments
    with pytest.raises(NotAllowed, match="only a taken payment"):
        book_what_came(row.pk, actor="staff:asha", now=NOW)
    gateway.api.gateway.capture(payment_ref, {"amount": amount, "currency": "INR"})
    row = book_what_came(row.pk, actor="staff:asha", now=NOW)
    assert (row.state, row.closing, money(order).paid) == (S.CAPTURED, True, amount)
    with pytest.raises(Invalid, match="not reached us"):
        confirm_order(**a_confirm(order))
    expire_due(NOW + HOUR)
    assert settle_due(now=NOW + HOUR) == 1
    assert refunds_due(now=NOW + HOUR) == 1
    assert money(order) == Purse(paid=amount, refunded=amount, returned=amount)


def test_second_payment_is_booked_beside_the_first(gateway: ToyGateway) -> None:
    order, row = paid(gateway)
    seen = Received(State.CAPTURED, "pay_2", "", ASKED, "INR", captured_paise=ASKED)
    receive(row.pk, seen, now=NOW)
    take_unfitting(row.pk, seen, actor="staff:asha", now=NOW)
    assert money(order).paid == 2 * ASKED


def test_payment_put_aside_moves_no_money_and_is_closed(gateway: ToyGateway) -> None:
    order, row = alarmed(gateway, amount=100)
    with pytest.raises(Invalid, match="say why"):
        put_aside(row.pk, text=" ", actor="staff:asha", now=NOW)
    row = put_aside(row.pk, text="paid back by hand", actor="staff:asha", now=NOW)
    assert (row.state, row.closing, row.problem, journals(order)) == (S.EXPIRED, True, "paid back by hand", 0)
    with pytest.raises(NotAllowed):
        put_aside(row.pk, text="again", actor="staff:asha", now=NOW)


def test_deeds_follow_what_a_provider_can_be_asked(gateway: ToyGateway) -> None:
    _, row = alarmed(gateway, amount=100)
    assert [deed.name for deed in COLLECTION_DEEDS if deed.when(row)] == ["look", "book", "aside"]
    row.provider, row.state = "upi", S.OPEN
    assert [deed.name for deed in COLLECTION_DEEDS if deed.when(row)] == ["arrived"]
