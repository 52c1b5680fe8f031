"""Does a notice reach the driver once, whatever the mail server does, and is nobody woken or pestered?"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from core.errors import NotAllowed, NotFound
from fulfillment import services as fulfillment
from fulfillment.notices.mail_file import EmailBackend
from fulfillment.services.notifying import LEASE, _claim, _failed
from fulfillment.services.unsubscribing import off_token, switch
from fulfillment.services.writing import language_of
from orders.models import Order
from orders.services import finish_refund
from tests.factories.fulfillment import later
from tests.factories.orders import NOW
from tests.factories.terms import published_terms
from tests.fulfillment.mailroom import MailServer
from tests.fulfillment.notified import DRIVER, look, read, send, switch_on, the_one
from tests.fulfillment.supplier import FakeSupplier
from tests.fulfillment.test_notices import charging, end

pytestmark = pytest.mark.django_db


def test_start_is_told_by_mail_with_its_link(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    assert send() == 1
    (taken,) = post.taken
    notice = the_one(order, "started")
    message = taken.message
    assert (taken.sender, taken.receivers) == ("notices@bpp.example.org", [DRIVER])
    assert message["From"] == f"{order.operator.name} <notices@bpp.example.org>"
    assert message["Reply-To"] == order.operator.support_email
    assert message["Message-ID"] == f"<notice-{notice.pk}@bpp.example.org>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "https://bpp.example.org/notices/" in message["List-Unsubscribe"]
    assert f"https://bpp.example.org/track/{fulfillment.open_link(order.pk, NOW, rights=False)}?lang=en" in taken.text
    assert order.code is not None
    assert order.code in taken.html
    assert (notice.state, notice.sent_to) == ("sent", "d•••@example.org")
    assert send(later(3600)) == 0


def test_whole_story_is_told_in_order(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging(language="hi")
    send()
    read(session, 8_100, later(900))
    look(later(900))
    send(later(900))
    end(session, energy_wh=9_000, now=later(1000))
    send(later(1000))
    finish_refund(order.refunds.get().pk, reference="r", now=later(2000), actor="test")
    look(later(2001))
    send(later(2001))
    subjects = [str(taken.message["Subject"]) for taken in post.taken]
    assert len(subjects) == 6
    assert subjects[0].endswith("पर चार्जिंग शुरू हो गई है")
    assert "80 %" in subjects[1]
    assert subjects[2].endswith("पर चार्जिंग समाप्त हुई")
    assert "वापस" in subjects[3]
    assert "/papers/1.pdf?lang=hi" in post.taken[4].text
    assert "लौटा" in subjects[5]
    assert {str(taken.message["Content-Language"]) for taken in post.taken} == {"hi"}


def test_link_that_was_closed_is_not_opened_again(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    fulfillment.open_link(order.pk, NOW)
    fulfillment.revoke_links(order.pk, NOW)
    send()
    assert "/track/" not in post.taken[0].text


def test_link_is_left_out_where_the_operator_wants_none(supplier: FakeSupplier, post: MailServer) -> None:
    charging(links=[])
    send()
    assert "/track/" not in post.taken[0].text


def test_away_server_is_tried_again_with_patience(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    post.faults.drops = {"DATA"}
    assert send() == 0
    notice = the_one(order, "started")
    assert (notice.state, notice.attempts, notice.next_at) == ("due", 1, later(10))
    assert notice.reason.startswith("the mail server")
    post.faults.drops = set()
    assert (send(later(9)), send(later(10)), len(post.taken)) == (0, 1, 1)


def test_mute_server_keeps_nobody_longer_than_once_a_round(
    supplier: FakeSupplier, post: MailServer, settings: Settings
) -> None:
    settings.EMAIL_TIMEOUT = 0.3
    charging()
    charging()
    post.faults.mute = True
    assert send() == 0
    assert post.calls == 1


def test_refused_address_is_given_up_and_can_be_revived(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    post.faults.answers = {"RCPT": ["550 5.1.1 <driver@example.org> unknown"]}
    send()
    notice = the_one(order, "started")
    assert (notice.state, notice.next_at) == ("dead", None)
    assert notice.reason == "the mail server refused the message or its address with 550"
    fulfillment.revive_notice(notice.pk, now=later(60))
    send(later(60))
    assert len(post.taken) == 1
    with pytest.raises(NotAllowed, match="only one that was given up"):
        fulfillment.revive_notice(notice.pk, now=later(61))
    with pytest.raises(NotFound):
        fulfillment.revive_notice(0, now=NOW)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"RCPT": ["451 later"]}, "refused the message or its address with 451"),
        ({"DATA": ["452 full"]}, "refused the message or its address with 452"),
        ({"MAIL": ["550 not you"]}, "answered 550 before the message"),
    ],
)
def test_refusal_for_now_is_tried_again(
    supplier: FakeSupplier, post: MailServer, answers: dict[str, list[str]], reason: str
) -> None:
    order, _ = charging()
    post.faults.answers = answers
    send()
    notice = the_one(order, "started")
    assert notice.state == "due"
    assert notice.reason.endswith(reason)


def test_notice_that_never_gets_through_is_given_up_after_a_day(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging()
    end(session)
    post.faults.drops = {"EHLO", "HELO"}
    for hours in (0, 12, 25, 26, 27, 28):
        send(NOW + timedelta(hours=hours))
    assert the_one(order, "done").state == "dead"
    assert the_one(order, "started").state == "dropped"


def test_platform_without_a_mail_server_says_so(supplier: FakeSupplier, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    order, _ = charging()
    send()
    assert the_one(order, "started").reason == "no mail server is named: set EMAIL_HOST"


@pytest.mark.parametrize("address", ["no-address", "a@example.org, b@example.org", "a@example.org\nBcc: b@example.org"])
def test_text_that_is_no_address_is_given_up(supplier: FakeSupplier, post: MailServer, address: str) -> None:
    order, _ = charging(billing={"email": address})
    send()
    notice = the_one(order, "started")
    assert (notice.state, post.taken) == ("dead", [])
    assert "@" not in notice.reason


def test_logs_hold_neither_address_nor_token(
    supplier: FakeSupplier, post: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order, _ = charging()
    post.faults.answers = {"RCPT": ["550 <driver@example.org>"]}
    send()
    fulfillment.revive_notice(the_one(order, "started").pk, now=NOW)
    send()
    said = " ".join(str(record.__dict__) for record in caplog.records if record.name.startswith("fulfillment"))
    assert "notice sent" in said
    assert "notice given up" in said
    for secret in (DRIVER, fulfillment.open_link(order.pk, NOW), off_token(order.operator_id, DRIVER)):
        assert secret not in said


def test_fault_of_ours_leaves_the_others_to_go_out(
    supplier: FakeSupplier, post: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    broken, _ = charging()
    whole, _ = charging()
    broken.quotes.all().delete()
    send()
    assert (the_one(broken, "started").state, the_one(whole, "started").state) == ("due", "sent")
    assert "could not be written" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_notice_once(supplier: FakeSupplier, post: MailServer) -> None:
    for _ in range(6):
        charging()
    begun = threading.Barrier(2)

    def work() -> None:
        try:
            begun.wait(5)
            send()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    names = [str(taken.message["Message-ID"]) for taken in post.taken]
    assert (len(names), len(set(names))) == (6, 6)


def test_worker_that_lost_its_lease_writes_nothing(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    lost = _claim(NOW, set())
    assert lost is not None
    assert send(later(1)) == 0
    assert send(NOW + LEASE) == 1
    _failed(lost, "too late", NOW + LEASE, permanent=True)
    notice = the_one(order, "started")
    assert (notice.state, notice.attempts, notice.reason) == ("sent", 2, "")


def test_reader_who_switched_off_still_gets_receipts_and_refunds(supplier: FakeSupplier, post: MailServer) -> None:
    order, session = charging()
    switch(off_token(order.operator_id, "Driver@Example.org"), off=True, now=NOW)
    end(session)
    send()
    told = {kind: the_one(order, kind).state for kind in ("started", "done", "receipt", "refund")}
    assert told == {"started": "dropped", "done": "dropped", "receipt": "sent", "refund": "sent"}
    assert the_one(order, "done").reason == "switched off by its reader"
    assert all("/notices/" not in taken.text for taken in post.taken)


def test_operator_who_switched_off_meanwhile_is_heeded(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    switch_on(order.operator, switches=[])
    send()
    assert (the_one(order, "started").reason, post.taken) == ("switched off by the operator", [])


def test_address_that_was_taken_away_is_told_nothing(supplier: FakeSupplier, post: MailServer) -> None:
    order, _ = charging()
    Order.objects.filter(pk=order.pk).update(billing={})
    send()
    assert the_one(order, "started").reason == "there is no address for it any more"


def test_language_is_the_orders_then_the_consents_then_the_operators(supplier: FakeSupplier) -> None:
    order, _ = charging(language="kn")
    told = order.operator.notice_settings
    assert language_of(order, told) == "kn"
    terms = published_terms(order.operator, now=NOW)
    order.consents.create(terms=terms, sha256=terms.sha256, at=NOW, channel="form", bap_id="b", language="hi")
    assert language_of(order, told) == "hi"
    order.billing = {"lang": "en-IN"}
    assert language_of(order, told) == "en"
    order.billing = {"lang": "ta"}
    assert language_of(order, told) == "hi"


def test_file_takes_every_mail(supplier: FakeSupplier, settings: Settings, tmp_path: Any) -> None:
    settings.EMAIL_BACKEND = f"{EmailBackend.__module__}.EmailBackend"
    settings.EMAIL_FILE = str(tmp_path / "home" / "notices.mail")
    _, session = charging()
    send()
    end(session)
    send()
    text = (tmp_path / "home" / "notices.mail").read_text()
    assert text.count("Subject: ") == 4
    assert text.count(f"To: {DRIVER}") == 4
