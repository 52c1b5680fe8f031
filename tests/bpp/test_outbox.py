"""Is what we owe frozen with its decision, sent to the right place, and sent again only when asked?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from bpp import outbox
from bpp.messages import Caller
from bpp.models import OutboxMessage, Subscriber
from bpp.replies import CategoriesReply, ErrorReply
from core.errors import NotAllowed
from tests.bpp import network as toy
from tests.bpp.pipeline import Talk, content
from tests.factories.orders import BAP, NOW

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=1)
State = OutboxMessage.State


def caller(**changes: Any) -> Caller:
    context = toy.message("get_rating_categories", **changes)["context"]
    return Caller(BAP, context["bap_uri"], context["transaction_id"], context["message_id"], context)


def answered(talk: Talk, state: str) -> OutboxMessage:
    """The answer to a select, in this state."""
    talk.ask("select")
    [row] = talk.owed()
    OutboxMessage.objects.filter(pk=row.pk).update(state=state, attempts=3, lease_until=NOW, reason="as it was")
    row.refresh_from_db()
    return row


def test_answer_is_frozen_as_the_bytes_to_sign(talk: Talk) -> None:
    row = outbox.enqueue(CategoriesReply(("Order",)), caller(), outbox.Owed("rating_categories", "m-1"), now=NOW)
    assert (row.state, row.url, row.next_at) == ("pending", f"https://{BAP}/beckn/rating_categories", NOW)
    assert row.deadline_at == NOW + timedelta(days=1)
    context = content(row)["context"]
    assert (context["message_id"], context["bpp_id"], context["bpp_uri"]) == (
        "m-1",
        toy.PROVIDER,
        f"https://{toy.PROVIDER}/beckn",
    )


def test_deadline_is_never_before_the_answer(talk: Talk) -> None:
    owed = outbox.Owed("on_status", "m-1", deadline_at=NOW - timedelta(days=1))
    assert outbox.enqueue(ErrorReply("internal", "late"), caller(), owed, now=NOW).deadline_at == NOW


@pytest.mark.django_db(transaction=True)
def test_answer_outside_a_transaction_is_a_mistake_of_ours(us: object) -> None:
    assert not connection.in_atomic_block
    with pytest.raises(RuntimeError, match="transaction of the decision"):
        outbox.enqueue(ErrorReply("internal", "lost"), caller(), outbox.Owed("on_status", "m-1"), now=NOW)


def test_answer_of_ours_that_deviates_is_sent_and_noted(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    document = content(answered(talk, State.PENDING))
    del document["message"]["order"]["quote"]
    del document["context"]["transaction_id"]
    [note, *_] = outbox.own_faults("on_select", document)
    assert note["path"].startswith("$.")
    assert "our answer deviates from the schema" in caplog.text


# -- where it goes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bap_uri", "url"),
    [
        (f"https://{BAP}/other/path/", f"https://{BAP}/other/path/on_select"),
        (f"https://{BAP}:8443/beckn", f"https://{BAP}/beckn/on_select"),
        (f"http://{BAP}/beckn", f"https://{BAP}/beckn/on_select"),
        ("https://elsewhere.example.org/beckn", f"https://{BAP}/beckn/on_select"),
        ("http://[broken", f"https://{BAP}/beckn/on_select"),
    ],
)
def test_callback_goes_to_the_host_the_registry_names(talk: Talk, bap_uri: str, url: str) -> None:
    assert outbox.callback_url(caller(bap_uri=bap_uri), "on_select") == url


def test_decision_does_not_fail_where_the_registry_gives_no_url(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    Subscriber.objects.all().delete()
    owed = outbox.Owed("rating_categories", "m-1")
    row = outbox.enqueue(CategoriesReply(("Order",)), caller(), owed, now=NOW)
    assert row.url == f"https://{BAP}/beckn/rating_categories"
    assert "no URL from the registry" in caplog.text


# -- once more --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DEAD, State.REFUSED])
def test_revived_callback_has_a_day_to_go(talk: Talk, state: str) -> None:
    row = answered(talk, state)
    assert outbox.revive([row.pk], now=LATER, actor="operator") == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.lease_until, row.next_at) == ("pending", 0, None, LATER)
    assert (row.deadline_at, row.reason) == (LATER + timedelta(days=1), "revived by operator")


@pytest.mark.parametrize("state", [State.SENT, State.PENDING, State.COALESCED])
def test_only_dead_and_refused_callbacks_are_revived(talk: Talk, state: str) -> None:
    row = answered(talk, state)
    assert outbox.revive([row.pk], now=LATER, actor="operator") == 0
    row.refresh_from_db()
    assert (row.state, row.reason) == (state, "as it was")


def test_resent_callback_has_the_same_bytes_and_id(talk: Talk) -> None:
    row = answered(talk, State.SENT)
    again = outbox.resend(row.pk, now=NOW + timedelta(days=2), actor="operator")
    assert (again.pk, again.state, again.attempts, again.reason) == (row.pk, "pending", 0, "sent again by operator")
    assert (bytes(again.body), again.message_id) == (bytes(row.body), row.message_id)
    assert again.deadline_at == NOW + timedelta(days=2, seconds=600)


def test_pending_callback_is_not_resent(talk: Talk) -> None:
    row = answered(talk, State.PENDING)
    with pytest.raises(NotAllowed) as caught:
        outbox.resend(row.pk, now=LATER, actor="operator")
    assert caught.value.code == "not-in-this-state"


@pytest.mark.parametrize("state", [State.SENT, State.REFUSED])
def test_answer_is_sent_again_when_its_request_comes_again(talk: Talk, state: str) -> None:
    row = answered(talk, state)
    assert outbox.repeat_answer(row.answers_id or 0, now=LATER) == 1
    row.refresh_from_db()
    assert (row.state, row.next_at, row.reason) == ("pending", LATER, "the request came again")


@pytest.mark.parametrize(("seconds", "times"), [(0, 0), (9, 0), (10, 1)])
def test_answer_taken_a_moment_ago_is_not_sent_again(talk: Talk, seconds: int, times: int) -> None:
    row = answered(talk, State.SENT)
    OutboxMessage.objects.filter(pk=row.pk).update(sent_at=LATER - timedelta(seconds=seconds))
    assert outbox.repeat_answer(row.answers_id or 0, now=LATER) == times


@pytest.mark.parametrize("state", [State.PENDING, State.DEAD])
def test_answer_on_its_way_or_dead_is_not_repeated(talk: Talk, state: str) -> None:
    assert outbox.repeat_answer(answered(talk, state).answers_id or 0, now=LATER) == 0


def test_answer_past_its_time_is_not_repeated(talk: Talk) -> None:
    row = answered(talk, State.SENT)
    assert outbox.repeat_answer(row.answers_id or 0, now=row.deadline_at) == 0


def test_each_queued_callback_wakes_the_deliverers_after_the_commit(
    talk: Talk, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        talk.ask("select")
        assert timezone.now() > NOW
    assert callbacks
