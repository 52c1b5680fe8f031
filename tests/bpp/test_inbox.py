"""Is each acknowledged message decided once, in order, in time, and no other held up by a bad one?"""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import InternalError, connection, transaction
from django.utils import timezone

from bpp import inbox
from bpp.models import InboxMessage, OutboxMessage, Subscriber
from bpp.storing import conninfo
from orders.models import Order, Quote
from tests.bpp import network as toy
from tests.bpp.pipeline import Talk, content, decide, put
from tests.factories.orders import NOW

pytestmark = pytest.mark.django_db

LATE = NOW + timedelta(hours=1)
State = InboxMessage.State


def outcome(row: InboxMessage) -> tuple[str, str]:
    row.refresh_from_db()
    return row.state, row.reason


def broken(talk: Talk) -> InboxMessage:
    """A confirm whose handler fails in a way nobody foresaw: the price its quote was made of is gone."""
    talk.ask("init")
    Quote.objects.filter(order=talk.order).update(tariff={})
    return talk.put("confirm")


def attempts(row: InboxMessage, *, most: int = 5) -> None:
    """Let the clock of the row run out so often."""
    for _ in range(most):
        InboxMessage.objects.filter(pk=row.pk, state=State.NEW).update(next_at=NOW)
        assert inbox.process_next(now=NOW) == 1


def test_nothing_due_is_nothing_done(db: None) -> None:
    assert inbox.process_next(now=NOW) == 0


def test_message_is_decided_and_answered_at_once(talk: Talk) -> None:
    row = talk.put("select")
    assert inbox.process_next(now=NOW) == 1
    row.refresh_from_db()
    assert (row.state, row.done_at, row.order_id, row.operator_id) == (
        State.DONE,
        NOW,
        talk.order.pk,
        talk.order.operator_id,
    )
    [answer] = talk.owed()
    assert (answer.answers_id, answer.action, answer.message_id) == (row.pk, "on_select", row.message_id)
    assert (answer.order_id, answer.deadline_at) == (row.order_id, row.deadline_at)


def test_message_not_yet_due_waits(talk: Talk) -> None:
    row = talk.put("select")
    InboxMessage.objects.update(next_at=timezone.now() + timedelta(hours=1))
    assert inbox.process_next(now=NOW) == 0
    assert outcome(row)[0] == State.NEW


def test_search_is_left_to_the_storefront(talk: Talk) -> None:
    put(toy.message("search"), action="search", transaction_id=talk.transaction_id)
    assert inbox.process_next(now=NOW) == 0
    # Nor does it hold up what follows in its transaction.
    talk.put("select")
    assert decide() == 1


def test_refusal_is_kept_with_its_code(talk: Talk) -> None:
    row = talk.put("status", {"order_id": "VB-NOBODYS"})
    decide()
    state, reason = outcome(row)
    assert state == State.DONE
    assert reason.startswith("order-unknown: ")


def test_request_that_cannot_be_read_is_answered_with_its_fault(talk: Talk) -> None:
    row = talk.put("select", {"order": {"provider": {"id": "cpo-1"}}})
    decide()
    [answer] = talk.owed()
    assert content(answer)["error"]["code"] == "30000"
    assert outcome(row)[0] == State.DONE


def test_deviations_are_noted_once(talk: Talk) -> None:
    message = {"order": talk.wish(providers=[talk.wish()["provider"]], provider={})}
    row = talk.put("select", message)
    told = "read as provider; the first one counts"
    note = {"path": "$.message.order.providers", "seen": "1 in providers", "note": told}
    InboxMessage.objects.update(verdicts=[note])
    decide()
    row.refresh_from_db()
    assert row.verdicts.count(note) == 1


# -- too late ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["select", "init", "status", "track", "support"])
def test_question_past_its_ttl_expires_without_an_answer(talk: Talk, action: str) -> None:
    talk.confirmed()
    other = Talk()
    row = other.put(action, talk.message(action))
    decide(LATE)
    assert outcome(row) == (State.EXPIRED, "its time to live ran out before it was decided")
    assert other.owed() == []
    assert not Order.objects.filter(transaction_id=other.transaction_id).exists()


def test_cancel_past_its_ttl_still_counts(talk: Talk) -> None:
    talk.confirmed()
    row = talk.put("cancel")
    decide(LATE)
    assert outcome(row)[0] == State.DONE
    assert talk.order.state == Order.State.CANCELLED
    assert talk.owed()[-1].deadline_at == LATE + timedelta(days=1)


def test_confirm_past_its_ttl_counts_while_its_quote_stands(talk: Talk) -> None:
    talk.ask("init")
    talk.put("confirm", ttl_s=1)
    decide(NOW + timedelta(seconds=60))
    assert talk.order.state == Order.State.ACTIVE


def test_confirm_past_its_quote_is_refused_and_told(talk: Talk) -> None:
    talk.ask("init")
    talk.put("confirm", ttl_s=1)
    decide(NOW + timedelta(days=1))
    assert content(talk.owed()[-1])["error"]["code"] == "40003"


# -- order ------------------------------------------------------------------------------------------------------------


def test_messages_of_a_transaction_are_decided_in_order(talk: Talk) -> None:
    first, second, third = (talk.put(action) for action in ("select", "init", "confirm"))
    # The later ones are due before the first.
    InboxMessage.objects.filter(pk__in=[second.pk, third.pk]).update(next_at=NOW - timedelta(hours=1))
    assert decide() == 3
    assert [row.action for row in talk.owed()] == ["on_select", "on_init", "on_confirm"]
    assert talk.order.state == Order.State.ACTIVE
    assert outcome(first)[0] == State.DONE


def test_other_transactions_do_not_wait(talk: Talk) -> None:
    stuck = talk.put("select")
    InboxMessage.objects.update(next_at=timezone.now() + timedelta(hours=1))
    behind, other = talk.put("init"), Talk().put("select")
    assert decide() == 1
    assert [outcome(row)[0] for row in (stuck, behind, other)] == [State.NEW, State.NEW, State.DONE]


@pytest.mark.django_db(transaction=True)
def test_message_in_other_hands_is_left_alone(talk: Talk) -> None:
    row = talk.put("select")
    with psycopg.connect(conninfo()) as other:
        other.execute("SELECT 1 FROM bpp_inboxmessage WHERE id = %s FOR NO KEY UPDATE", [row.pk])
        assert inbox.process_next(now=NOW) == 0
    assert inbox.process_next(now=NOW) == 1


# -- faults nobody foresaw --------------------------------------------------------------------------------------------


def test_unforeseen_fault_is_tried_again_later(talk: Talk) -> None:
    row = broken(talk)
    assert inbox.process_next(now=NOW) == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.next_at) == (State.NEW, 1, NOW + timedelta(seconds=2))
    assert row.reason == "KeyError: attempt 1 failed"
    assert talk.order.state == Order.State.INITIATED


def test_message_that_keeps_failing_is_failed_and_told(talk: Talk) -> None:
    row = broken(talk)
    neighbour = Talk().put("select")
    attempts(row)
    decide()
    assert outcome(row)[0] == State.FAILED
    assert content(talk.owed()[-1])["error"]["code"] == "40000"
    assert talk.owed()[-1].answers_id == row.pk
    assert outcome(neighbour)[0] == State.DONE


@pytest.mark.parametrize("raw", [b"not json", b"{}", b'{"context":{}}', b'{"context":[]}'])
def test_row_that_cannot_even_be_told_is_failed_and_holds_up_nobody(talk: Talk, raw: bytes) -> None:
    row = put(raw, action="select", transaction_id="t-raw")
    attempts(row)
    state, reason = outcome(row)
    assert state == State.FAILED
    assert "attempt 5 failed" in reason
    row.refresh_from_db()
    assert row.done_at == NOW
    assert not OutboxMessage.objects.exists()
    assert talk.ask("select")["context"]["action"] == "on_select"


def test_message_of_a_version_we_do_not_speak_is_failed(talk: Talk) -> None:
    row = talk.put("select", version="2.0.0")
    attempts(row)
    assert outcome(row)[0] == State.FAILED


def test_message_of_a_buyer_app_no_longer_listed_is_decided(talk: Talk) -> None:
    Subscriber.objects.all().delete()
    row = talk.put("select")
    decide()
    assert outcome(row)[0] == State.DONE
    [answer] = talk.owed()
    assert answer.url == "https://bap.example.org/beckn/on_select"


def test_callback_address_that_is_no_url_holds_up_nobody(talk: Talk) -> None:
    row = talk.put("select", bap_uri="http://[broken")
    decide()
    assert outcome(row)[0] == State.DONE
    assert talk.owed()[0].url == "https://bap.example.org/beckn/on_select"


def test_fault_of_the_database_is_not_swallowed(talk: Talk) -> None:
    talk.put("select")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on")
        with pytest.raises(InternalError):
            inbox.process_next(now=NOW)
        transaction.set_rollback(True)
