"""Does a callback get there, in order, and is every other outcome told apart?"""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from bpp import delivery, inbox, outbox
from bpp.delivery import Claimed, Try
from bpp.models import DeliveryAttempt, OutboxMessage, Subscriber
from bpp.storing import conninfo
from sandbox.signing import Identity, verify
from tests.bpp.pipeline import Answer, BuyerApp, Talk, listed
from tests.factories.orders import BAP

pytestmark = pytest.mark.django_db

State = OutboxMessage.State
AGO = timedelta(minutes=5)


def owe(
    url: str, *, transaction_id: str = "t-1", bap_id: str = BAP, body: bytes = b"{}", **fields: Any
) -> OutboxMessage:
    """A callback due for some minutes, with an hour to go."""
    now = timezone.now()
    defaults: dict[str, Any] = {"created_at": now - AGO, "next_at": now - AGO, "deadline_at": now + timedelta(hours=1)}
    return OutboxMessage.objects.create(
        bap_id=bap_id,
        transaction_id=transaction_id,
        message_id=f"m-{OutboxMessage.objects.count()}",
        action="on_status",
        url=url,
        body=body,
        **defaults | fields,
    )


def owe_to(app: BuyerApp, **fields: Any) -> OutboxMessage:
    return owe(f"{app.url}/beckn/on_status", **fields)


def after(row: OutboxMessage) -> OutboxMessage:
    row.refresh_from_db()
    return row


def last_try(row: OutboxMessage) -> DeliveryAttempt:
    return row.tries.latest("id")


def claimed(row: OutboxMessage) -> Claimed:
    [found] = delivery.claim([], limit=1)
    assert found.id == row.pk
    return found


def terminate(pid: int) -> None:
    """End one connection as a restart of the database does."""
    with psycopg.connect(conninfo()) as link:
        link.execute("SELECT pg_terminate_backend(%s)", [pid])


# -- there ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_what_a_buyer_app_took_while_the_database_was_away_goes_out_once(buyer_app: BuyerApp, us: Identity) -> None:
    row = owe_to(buyer_app)
    pid = connection.connection.info.backend_pid
    buyer_app.script.append(Answer(first=lambda: terminate(pid)))
    assert delivery.deliver() == 1
    assert (after(row).state, len(buyer_app.taken)) == (State.SENT, 1)


def test_nothing_owed_is_nothing_done(db: None) -> None:
    assert delivery.deliver() == 0


def test_bytes_sent_are_the_bytes_signed(buyer_app: BuyerApp, us: Identity) -> None:
    body = '{"context":{"a":"ü"}}'.encode()
    row = owe_to(buyer_app, body=body)
    assert delivery.deliver() == 1
    [taken] = buyer_app.taken
    assert (taken.path, taken.body) == ("/beckn/on_status", body)
    verdict = verify(taken.authorization, taken.body, public_key=us.signing_public_key, now_s=time.time())
    assert (verdict.ok, verdict.subscriber_id, verdict.key_id) == (True, us.subscriber_id, "ours")
    assert (after(row).state, row.attempts, row.lease_until) == (State.SENT, 1, None)
    tried = last_try(row)
    assert (tried.outcome, tried.status, tried.key_id) == ("ack", 200, "ours")


def test_whole_answer_of_a_conversation_is_delivered(buyer_app: BuyerApp) -> None:
    asked_at = timezone.now() - AGO
    row = Talk().put("select", now=asked_at, bap_uri=f"{buyer_app.url}/there")
    inbox.process_next(now=asked_at)
    assert delivery.deliver() == 1
    assert buyer_app.taken[0].path == "/there/on_select"
    assert OutboxMessage.objects.get(answers=row).state == State.SENT


def test_mailbox_is_emptied_in_order(buyer_app: BuyerApp) -> None:
    # The later ones have been due for longer.
    for number in range(4):
        owe_to(buyer_app, body=b"%d" % number, next_at=timezone.now() - AGO * (number + 1))
    assert delivery.deliver() == 4
    assert [taken.body for taken in buyer_app.taken] == [b"0", b"1", b"2", b"3"]


def test_what_follows_waits_for_the_head_of_its_mailbox(buyer_app: BuyerApp) -> None:
    buyer_app.script.append(Answer(status=503))
    head, behind = owe_to(buyer_app), owe_to(buyer_app)
    assert delivery.deliver() == 1
    assert (after(head).state, after(behind).attempts) == (State.PENDING, 0)
    elsewhere = owe_to(buyer_app, transaction_id="t-2")
    assert delivery.deliver() == 1
    assert after(elsewhere).state == State.SENT


def test_dead_head_lets_the_next_one_go(buyer_app: BuyerApp) -> None:
    owe_to(buyer_app, deadline_at=timezone.now() - timedelta(seconds=1))
    behind = owe_to(buyer_app)
    delivery.deliver()
    assert after(behind).state == State.SENT


def test_buyer_app_is_called_few_times_at_once(buyer_app: BuyerApp) -> None:
    buyer_app.together = delivery.PER_BUYER
    for number in range(9):
        owe_to(buyer_app, transaction_id=f"t-{number}")
    assert delivery.deliver() == 9
    assert buyer_app.most_open == delivery.PER_BUYER


def test_claims_leave_out_buyer_apps_that_are_full(db: None) -> None:
    for number in range(6):
        owe("https://one.example.org/on_status", bap_id="one", transaction_id=f"t-{number}")
    other = owe("https://two.example.org/on_status", bap_id="two")
    assert [row.id for row in delivery.claim(["one"], limit=32)] == [other.pk]
    assert len(delivery.claim([], limit=32)) == delivery.PER_BUYER
    assert delivery.claim([], limit=0) == []


def test_deliverer_gives_way_after_its_time(buyer_app: BuyerApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_S", 0.0)
    row = owe_to(buyer_app)
    assert delivery.deliver() == 0
    assert after(row).attempts == 0


# -- judged -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"message":{"ack":{"status":"ACK"}}}', ""),
        (b"", "the answer carries no ack; taken as delivered"),
        (b"[]", "the answer carries no ack; taken as delivered"),
        (b'{"message":[]}', "the answer carries no ack; taken as delivered"),
        (b'{"message":{"ack":"yes"}}', "the answer carries no ack; taken as delivered"),
        (b"<html>", "the answer is not JSON; taken as delivered"),
        (b"\xff\x00", "the answer is not JSON; taken as delivered"),
        (b"[" * 50_000, "the answer is not JSON; taken as delivered"),
    ],
    ids=["ack", "empty", "list", "odd-message", "odd-ack", "html", "bytes", "deep"],
)
def test_answer_without_a_nack_is_delivered(buyer_app: BuyerApp, body: bytes, detail: str) -> None:
    buyer_app.script.append(Answer(body=body))
    row = owe_to(buyer_app)
    delivery.deliver()
    assert (after(row).state, row.reason) == (State.SENT, detail)


NACK = b'{"message":{"ack":{"status":"nack"%s}%s}%s}'
ERROR = b',"error":{"code":"30000","message":"no such order"}'


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (NACK % (b"", b"", ERROR), "30000 no such order"),
        (NACK % (b"", ERROR, b""), "30000 no such order"),
        (NACK % (ERROR, b"", b""), "30000 no such order"),
        (NACK % (b"", b"", b""), '{"message":{"ack":{"status":"nack"}}}'),
        (NACK % (b"", b"", b',"error":{"message":"a\\u0000b\\ud800c"}'), "ab?c"),
    ],
    ids=["top", "message", "ack", "no-reason", "unstorable"],
)
def test_nack_is_a_refusal_with_its_reason(buyer_app: BuyerApp, body: bytes, detail: str) -> None:
    buyer_app.script.append(Answer(body=body))
    row = owe_to(buyer_app)
    delivery.deliver()
    assert (after(row).state, row.reason) == (State.REFUSED, f"nack: {detail}")


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_answer_that_asking_again_cannot_help_is_a_refusal(buyer_app: BuyerApp, status: int) -> None:
    buyer_app.script.append(Answer(status=status))
    row = owe_to(buyer_app)
    delivery.deliver()
    assert (after(row).state, row.reason) == (State.REFUSED, f"status: HTTP {status}")


@pytest.mark.parametrize("status", [302, 307, 408, 425, 429, 500, 503])
def test_answer_that_may_change_is_backed_off(buyer_app: BuyerApp, status: int) -> None:
    buyer_app.script.append(Answer(status=status, headers={"Location": f"{buyer_app.url}/elsewhere"}))
    row = owe_to(buyer_app)
    assert delivery.deliver() == 1
    assert (after(row).state, row.attempts, row.reason) == (State.PENDING, 1, f"HTTP {status}")
    assert row.next_at > timezone.now() - timedelta(seconds=1)
    assert len(buyer_app.taken) == 1


def test_silent_buyer_app_is_backed_off(buyer_app: BuyerApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TOTAL_S", 0.3)
    buyer_app.script.append(Answer(never=True))
    row = owe_to(buyer_app)
    delivery.deliver()
    assert after(row).state == State.PENDING
    assert "did not answer within 0.3 s" in row.reason
    assert last_try(row).outcome == "fault"


def test_huge_answer_is_a_fault(buyer_app: BuyerApp) -> None:
    buyer_app.script.append(Answer(body=b" " * 100_000))
    row = owe_to(buyer_app)
    delivery.deliver()
    assert after(row).reason == "the answer is larger than 65536 bytes"
    assert row.state == State.PENDING


def test_long_answer_is_kept_shortened(buyer_app: BuyerApp) -> None:
    buyer_app.script.append(Answer(body=b"<\0" + b"x" * 5000))
    row = owe_to(buyer_app)
    delivery.deliver()
    assert last_try(row).response == "<" + "x" * 2046


def test_address_nobody_listens_at_is_backed_off(buyer_app: BuyerApp) -> None:
    Subscriber.objects.update(url="http://127.0.0.1:9/beckn")
    row = owe("http://127.0.0.1:9/beckn/on_status")
    delivery.deliver()
    assert (after(row).state, last_try(row).outcome) == (State.PENDING, "fault")


# -- where it may go --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example.org/on_status", "http://[broken/on_status", "/on_status", ""]
)
def test_url_the_registry_does_not_name_is_refused_unsent(buyer_app: BuyerApp, url: str) -> None:
    row = owe(url)
    delivery.deliver()
    assert (after(row).state, last_try(row).key_id) == (State.REFUSED, "")
    assert f"{url} is not under the registry's URL of {BAP}" in row.reason
    assert buyer_app.taken == []


def test_private_address_is_refused_where_we_do_not_allow_them(buyer_app: BuyerApp, settings: Any) -> None:
    settings.BECKN_ALLOW_PRIVATE_CALLBACKS = False
    row = owe_to(buyer_app)
    delivery.deliver()
    assert after(row).state == State.REFUSED
    assert buyer_app.taken == []


def test_registry_that_is_away_is_waited_for(buyer_app: BuyerApp) -> None:
    row = owe("https://unknown.example.org/on_status", bap_id="unknown.example.org")
    delivery.deliver()
    assert (after(row).state, row.attempts) == (State.PENDING, 1)
    assert row.reason.startswith("no registry is set")


# -- giving up --------------------------------------------------------------------------------------------------------


def test_callback_past_its_time_is_dead_unsent(buyer_app: BuyerApp) -> None:
    row = owe_to(buyer_app, deadline_at=timezone.now() - timedelta(seconds=1))
    delivery.deliver()
    assert (after(row).state, last_try(row).outcome) == (State.DEAD, "expired")
    assert buyer_app.taken == []


def test_next_attempt_past_its_time_is_death(buyer_app: BuyerApp) -> None:
    buyer_app.script.append(Answer(status=503))
    row = owe_to(buyer_app, attempts=8, deadline_at=timezone.now() + timedelta(seconds=60))
    delivery.deliver()
    assert (after(row).state, row.reason) == (State.DEAD, "gave up after 9 attempts: HTTP 503")


def test_dead_callback_is_delivered_once_revived(buyer_app: BuyerApp) -> None:
    row = owe_to(buyer_app, state=State.DEAD)
    assert delivery.deliver() == 0
    outbox.revive([row.pk], now=timezone.now() - AGO, actor="operator")
    assert delivery.deliver() == 1
    assert after(row).state == State.SENT


@pytest.mark.parametrize(("attempts", "step"), [(1, 1), (2, 3), (5, 40), (9, 900), (50, 900)])
def test_waits_grow_with_jitter_above_half_the_step(attempts: int, step: int) -> None:
    random.seed(7)
    waits = [delivery.back_off_s(attempts) for _ in range(200)]
    assert step * 0.5 <= min(waits) < step * 0.55
    assert step * 0.95 < max(waits) <= step


# -- leases -----------------------------------------------------------------------------------------------------------


def test_leased_callback_is_left_alone(buyer_app: BuyerApp) -> None:
    row = owe_to(buyer_app, lease_until=timezone.now() + timedelta(seconds=20))
    assert delivery.deliver() == 0
    OutboxMessage.objects.update(lease_until=timezone.now() - AGO)
    assert delivery.deliver() == 1
    assert after(row).state == State.SENT


def test_worker_that_lost_its_lease_writes_nothing(db: None) -> None:
    listed()
    row = owe(f"https://{BAP}/beckn/on_status")
    first = claimed(row)
    OutboxMessage.objects.update(lease_until=timezone.now() - AGO)
    second = claimed(row)
    assert second.token == first.token + 1
    delivery.record_all([(first, Try("nack", detail="late", permanent=True), timezone.now())])
    assert (after(row).state, row.tries.count()) == (State.PENDING, 0)
    delivery.record_all([(second, Try("ack", 3, 200), timezone.now())])
    assert (after(row).state, row.tries.count()) == (State.SENT, 1)


def test_worker_whose_row_was_closed_meanwhile_writes_nothing(db: None) -> None:
    row = owe(f"https://{BAP}/beckn/on_status")
    mine = claimed(row)
    OutboxMessage.objects.update(state=State.COALESCED)
    delivery.record_all([(mine, Try("ack", 3, 200), datetime.now(tz=timezone.get_default_timezone()))])
    assert (after(row).state, row.tries.count()) == (State.COALESCED, 0)


# -- progress ---------------------------------------------------------------------------------------------------------


def test_progress_that_failed_is_dropped_where_something_newer_waits(buyer_app: BuyerApp) -> None:
    old = owe_to(buyer_app, progress=True, order_id=1)
    mine = claimed(old)
    newer = owe_to(buyer_app, order_id=1)
    delivery.record_all([(mine, Try("fault", detail="no answer"), timezone.now())])
    assert (after(old).state, old.tries.count()) == (State.COALESCED, 1)
    assert delivery.deliver() == 1
    assert after(newer).state == State.SENT


def test_progress_that_failed_is_tried_again_where_nothing_newer_waits(buyer_app: BuyerApp) -> None:
    row = owe_to(buyer_app, progress=True, order_id=1)
    owe_to(buyer_app, order_id=2, transaction_id="t-2")
    owe_to(buyer_app, order_id=1, pushed=True, progress=True)
    delivery.record_all([(claimed(row), Try("fault", detail="no answer"), timezone.now())])
    assert (after(row).state, row.lease_until) == (State.PENDING, None)


def test_one_undelivered_progress_of_an_order_is_all_there_can_be(buyer_app: BuyerApp) -> None:
    owe_to(buyer_app, progress=True, order_id=1)
    owe_to(buyer_app, progress=True, order_id=1, pushed=True)
    with pytest.raises(IntegrityError, match="outbox_one_progress"), transaction.atomic():
        owe_to(buyer_app, progress=True, order_id=1)


def test_url_that_the_app_named_holds_up_no_answer(buyer_app: BuyerApp) -> None:
    pushed = owe_to(buyer_app, pushed=True, progress=True, order_id=1)
    row = owe_to(buyer_app, order_id=1)
    OutboxMessage.objects.filter(pk=pushed.pk).update(next_at=timezone.now() + AGO)
    assert delivery.deliver() == 1
    assert (after(pushed).state, after(row).state) == (State.PENDING, State.SENT)
