"""Does the explorer judge what was kept, and not only repeat what was said at the door?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from bpp import signing
from bpp.models import InboxMessage
from bpp.timeline import conversation, pretty, signature_of
from catalog.tenancy import Reach
from tests.admin.tenants import Tenant

SEED, GATEWAY_SEED = b"\1" * 32, b"\2" * 32
BODY = b'{"context": {"action": "search"}}'


def row(seed: bytes, name: str) -> dict[str, Any]:
    return {"subscriber_id": name, "key_id": "k1", "type": "BAP", "public_key": signing.public_half(seed).hex()}


def header(seed: bytes, name: str) -> str:
    return signing.sign(BODY, subscriber_id=name, key_id="k1", seed=seed, created=1_770_000_000, expires=1_770_000_300)


def message(**changes: Any) -> InboxMessage:
    kept = {"raw": BODY, "authorization": header(SEED, "bap"), "signer": row(SEED, "bap"), "bap_id": "bap"}
    return InboxMessage(**(kept | changes))


def test_kept_bytes_verify_with_the_key_that_was_used() -> None:
    verdict = signature_of(message())
    assert (verdict.tone, verdict.title) == ("good", "Signed by bap (BAP), key k1")


def test_changed_bytes_are_told_apart() -> None:
    verdict = signature_of(message(raw=BODY.replace(b"search", b"select")))
    assert verdict.tone == "bad"
    assert verdict.title.startswith("The kept bytes do not verify")


def test_gateway_beside_the_buyer_is_checked_too() -> None:
    signer = row(SEED, "bap") | {"gateway": row(GATEWAY_SEED, "gw")}
    good = signature_of(message(signer=signer, gateway_authorization=header(GATEWAY_SEED, "gw")))
    assert "the gateway gw" in good.text
    assert signature_of(message(signer=signer, gateway_authorization=header(SEED, "gw"))).tone == "bad"


@pytest.mark.parametrize("signer", [{}, [], {"public_key": "zz"}, {"public_key": "00"}, {"public_key": None}])
def test_record_without_a_key_is_no_fault(signer: Any) -> None:
    assert signature_of(message(signer=signer)).tone == "calm"


@pytest.mark.parametrize(("raw", "text"), [(b'{"a":1}', '{\n  "a": 1\n}'), (b"\xff{", "\ufffd{"), (b"", "")])
def test_body_is_shown_whatever_it_is(raw: bytes, text: str) -> None:
    assert pretty(raw) == text


@pytest.mark.django_db
def test_conversation_says_gaps_answers_and_deadlines(ours: Tenant, now: datetime) -> None:
    found = conversation(Reach(everything=True), ours.order.transaction_id, now=now)
    assert found is not None
    asked, answered = found.entries
    assert (asked.direction, answered.direction) == ("in", "out")
    assert (answered.gap, answered.answers) == ("0 ms", "answers confirm after 0 ms")
    assert answered.may_revive
    assert not answered.may_resend
    assert found.order == ours.order


@pytest.mark.django_db
def test_conversation_without_our_messages_is_none(theirs: Tenant, now: datetime) -> None:
    assert conversation(Reach(roles={0: "owner"}), theirs.order.transaction_id, now=now) is None


@pytest.mark.django_db
def test_two_buyer_apps_with_one_transaction_id_are_told_apart(ours: Tenant, theirs: Tenant, now: datetime) -> None:
    InboxMessage.objects.filter(pk=theirs.inbox.pk).update(transaction_id=ours.order.transaction_id)
    found = conversation(Reach(everything=True), ours.order.transaction_id, now=now, bap_id=ours.order.bap_id)
    assert found is not None
    assert found.baps == [ours.order.bap_id]
