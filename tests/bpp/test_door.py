"""Is exactly the right request acknowledged, and every other one refused with its reason?"""

from __future__ import annotations

import asyncio
import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bpp.door import ACTIONS
from sandbox.signing import Identity
from tests.bpp.conftest import Counter
from tests.bpp.network import BUYER, PROVIDER, Network, Rows, message, signed, wire

NOTHING_STORED = "SELECT count(*) FROM bpp_inboxmessage"


@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_ack_of_every_action_once_it_is_stored(
    counter: Counter, buyer: Identity, rows: Rows, action: str
) -> None:
    reply = await counter.send(buyer, action)
    assert (reply.status, reply.body) == (200, b'{"message":{"ack":{"status":"ACK"}}}')
    assert rows("SELECT action, bap_id, state FROM bpp_inboxmessage") == [(action, BUYER, "new")]
    assert [accepted.action for accepted in counter.stored] == [action]


async def test_stored_row_is_evidence_enough(counter: Counter, buyer: Identity, rows: Rows) -> None:
    document = message("select", ttl="PT30S")
    body = wire(document)
    headers = signed(buyer, body)
    await counter.post("select", body, headers)
    [(raw, auth, signer, deadline, received, transaction)] = rows(
        'SELECT raw, "authorization", signer, deadline_at, received_at, transaction_id FROM bpp_inboxmessage'
    )
    assert bytes(raw) == body
    assert auth == headers["authorization"]
    assert signer["public_key"] == base64.b64decode(buyer.signing_public_key).hex()
    assert (signer["subscriber_id"], signer["key_id"], signer["type"]) == (BUYER, "k1", "BAP")
    assert 25 < (deadline - received).total_seconds() <= 30
    assert transaction == document["context"]["transaction_id"]


async def test_harmless_deviation_is_a_warning_on_the_row(counter: Counter, buyer: Identity, rows: Rows) -> None:
    assert (await counter.send(buyer, "select", message_id="select-message-001")).verdict == "ACK"
    [(verdicts,)] = rows("SELECT verdicts FROM bpp_inboxmessage")
    assert [each["path"] for each in verdicts] == ["$.context.message_id"]


@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_no_signature_is_refused(counter: Counter, buyer: Identity, rows: Rows, action: str) -> None:
    body = wire(message(action))
    replies = [
        await counter.post(action, body, {}),
        await counter.post(action, body, {"authorization": ""}),
        await counter.post(action, body, {"x-gateway-authorization": signed(buyer, body)["authorization"]}),
    ]
    assert {(reply.status, reply.ack, reply.verdict) for reply in replies} == {(401, "NACK", "NO_HEADER")}
    assert rows(NOTHING_STORED) == [(0,)]


async def test_refusal_carries_the_challenge_and_the_error(counter: Counter, buyer: Identity) -> None:
    reply = await counter.post("search", b"{}", {})
    expected = f'Signature realm="{PROVIDER}",headers="(created) (expires) digest"'
    assert reply.headers["www-authenticate"] == expected
    assert reply.error["code"] == "30000"
    assert set(reply.error) == {"code", "paths", "message"}


async def test_changed_body_is_refused(counter: Counter, buyer: Identity, rows: Rows) -> None:
    body = wire(message())
    headers = signed(buyer, body)
    for at in range(0, len(body), 17):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        reply = await counter.post("search", changed, headers)
        assert (reply.status, reply.verdict) == (401, "SIGNATURE_MISMATCH")
    assert rows(NOTHING_STORED) == [(0,)]


async def test_rewritten_body_is_refused_and_said_so(counter: Counter, buyer: Identity) -> None:
    body = wire(message())
    reply = await counter.post("search", body.replace(b",", b", ").replace(b":", b": "), signed(buyer, body))
    assert (reply.status, reply.verdict) in {(401, "BODY_REENCODED"), (401, "SIGNATURE_MISMATCH")}
    reply = await counter.post("search", body + b"\r\n", signed(buyer, body))
    assert (reply.status, reply.verdict) == (401, "BODY_REENCODED")


async def test_signature_by_another_key_is_refused(counter: Counter, buyer: Identity) -> None:
    thief = Identity.fresh(BUYER)
    assert (await counter.send(thief)).verdict == "SIGNATURE_MISMATCH"


@pytest.mark.parametrize(
    ("created_s", "ttl_s", "verdict"),
    [
        (0, 300, "ACK"),
        (-60, 3600, "ACK"),
        (8, 60, "ACK"),
        (30, 60, "CREATED_IN_FUTURE"),
        (-600, 300, "EXPIRED"),
        (-300, 298, "EXPIRED"),
        (0, 3700, "WINDOW_TOO_LONG"),
        (0, 315_360_000, "WINDOW_TOO_LONG"),
        (5, -3, "EXPIRES_BEFORE_CREATED"),
    ],
)
async def test_window(counter: Counter, buyer: Identity, created_s: int, ttl_s: int, verdict: str) -> None:
    body = wire(message())
    headers = signed(buyer, body, created=int(time.time()) + created_s, ttl_s=ttl_s)
    reply = await counter.post("search", body, headers)
    assert reply.verdict == verdict
    assert reply.status == (200 if verdict == "ACK" else 401)


async def test_unknown_subscriber_and_unknown_key_are_refused(counter: Counter, buyer: Identity) -> None:
    assert (await counter.send(Identity.fresh("nobody.example.org"))).verdict == "UNKNOWN_SUBSCRIBER"
    assert (await counter.send(Identity.fresh(BUYER, "k2"))).verdict == "UNKNOWN_KEY"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"status": "UNDER_SUBSCRIPTION"}, "NOT_SUBSCRIBED"),
        ({"status": "UNSUBSCRIBED"}, "NOT_SUBSCRIBED"),
        ({"status": ""}, "NOT_SUBSCRIBED"),
        ({"valid_until": "2020-01-01T00:00:00Z"}, "KEY_EXPIRED"),
        ({"valid_from": "2200-01-01T00:00:00Z"}, "KEY_NOT_YET_VALID"),
        ({"domain": "retail"}, "WRONG_DOMAIN"),
        ({"type": "BPP"}, "WRONG_ROLE"),
        ({"type": "BG"}, "WRONG_ROLE"),
        ({"type": "BREG"}, "WRONG_ROLE"),
        ({"type": ""}, "WRONG_ROLE"),
        ({"signing_public_key": "AAAAAAA="}, "UNKNOWN_SUBSCRIBER"),
    ],
)
async def test_standing_in_the_registry(
    counter: Counter, network: Network, changes: dict[str, str], verdict: str
) -> None:
    reply = await counter.send(network.join("bap2.example.org", **changes))
    assert (reply.status, reply.verdict) == (401, verdict)


@pytest.mark.parametrize("action", sorted(ACTIONS))
async def test_signer_must_be_the_bap_it_claims(
    counter: Counter, network: Network, buyer: Identity, rows: Rows, action: str
) -> None:
    other = network.join("rival.example.org")
    reply = await counter.send(other, action, bap_id=BUYER)
    assert (reply.status, reply.verdict, reply.error["paths"]) == (401, "SIGNER_IS_NOT_BAP", "$.context.bap_id")
    assert rows(NOTHING_STORED) == [(0,)]


@pytest.mark.parametrize(
    ("changes", "status", "verdict", "path"),
    [
        ({"action": "confirm"}, 200, "WRONG_ACTION", "$.context.action"),
        ({"bap_id": None}, 401, "SIGNER_IS_NOT_BAP", "$.context.bap_id"),
        ({"bap_id": [BUYER]}, 401, "SIGNER_IS_NOT_BAP", "$.context.bap_id"),
        ({"bpp_id": "other.example.org"}, 200, "NOT_FOR_US", "$.context.bpp_id"),
        ({"bpp_id": {"id": PROVIDER}}, 200, "NOT_FOR_US", "$.context.bpp_id"),
        ({"domain": "retail"}, 200, "UNKNOWN_DOMAIN", "$.context.domain"),
        ({"domain": None}, 200, "UNKNOWN_DOMAIN", "$.context.domain"),
        ({"version": "2.0.0"}, 200, "UNREADABLE", "$.context.version"),
        ({"message_id": None}, 200, "BAD_ID", "$.context.message_id"),
        ({"message_id": 7}, 200, "BAD_ID", "$.context.message_id"),
        ({"message_id": "x" * 256}, 200, "BAD_ID", "$.context.message_id"),
        ({"message_id": "a\r\nb"}, 200, "BAD_ID", "$.context.message_id"),
        ({"transaction_id": ""}, 200, "BAD_ID", "$.context.transaction_id"),
        ({"timestamp": "2020-01-01T00:00:00Z"}, 200, "STALE", "$.context.timestamp"),
    ],
)
async def test_context(
    counter: Counter, buyer: Identity, rows: Rows, changes: dict[str, Any], status: int, verdict: str, path: str
) -> None:
    document = message("select")
    document["context"].update(changes)
    body = wire(document)
    reply = await counter.post("select", body, signed(buyer, body))
    assert (reply.status, reply.ack, reply.verdict) == (status, "NACK", verdict)
    assert reply.error["paths"].startswith(path)
    assert rows(NOTHING_STORED) == [(0,)]


async def test_stale_message_names_both_clocks(counter: Counter, buyer: Identity) -> None:
    sent_at = (datetime.now(UTC) - timedelta(seconds=100)).isoformat(timespec="seconds")
    reply = await counter.send(buyer, "select", timestamp=sent_at, ttl="PT30S")
    assert reply.verdict == "STALE"
    assert "PT30S" in reply.error["message"]


async def test_schema_fault_names_its_path(counter: Counter, buyer: Identity) -> None:
    document = message("status")
    document["message"] = {}
    body = wire(document)
    reply = await counter.post("status", body, signed(buyer, body))
    assert (reply.status, reply.ack, reply.error["code"]) == (200, "NACK", "30000")
    assert "order_id" in reply.error["paths"] + reply.error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"context":[]}',
        b'{"context":{},"context":{}}',
        b'{"context":{"a":NaN}}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"context":{"message_id":"\\u0000"}}',
    ],
)
async def test_unreadable_body_is_refused_though_signed(counter: Counter, buyer: Identity, body: bytes) -> None:
    reply = await counter.post("search", body, signed(buyer, body))
    assert (reply.status, reply.ack, reply.error["code"]) == (400, "NACK", "30000")


async def test_second_authorization_line_is_refused(counter: Counter, buyer: Identity) -> None:
    body = wire(message())
    line = ("authorization", signed(buyer, body)["authorization"])
    assert (await counter.post("search", body, [line, line])).verdict == "MALFORMED_HEADER"
    assert (await counter.post("search", body, [line, ("authorization", "x")])).verdict == "MALFORMED_HEADER"


async def test_repeat_gets_the_same_ack_and_no_second_row(counter: Counter, buyer: Identity, rows: Rows) -> None:
    body = wire(message("confirm"))
    headers = signed(buyer, body)
    first = await counter.post("confirm", body, headers)
    again = [await counter.post("confirm", body, headers) for _ in range(5)]
    assert {(reply.status, reply.body) for reply in again} == {(first.status, first.body)}
    assert rows(NOTHING_STORED) == [(1,)]
    assert len(counter.stored) == 1
    assert {accepted.inbox_id for accepted in counter.repeated} == {counter.stored[0].inbox_id}


async def test_message_id_with_another_body_is_refused(counter: Counter, buyer: Identity, rows: Rows) -> None:
    assert (await counter.send(buyer, "select", message_id="m-1")).verdict == "ACK"
    reply = await counter.send(buyer, "select", message_id="m-1")
    assert (reply.status, reply.verdict) == (200, "MESSAGE_ID_REUSED")
    assert (await counter.send(buyer, "status", message_id="m-1")).verdict == "ACK"
    assert rows(NOTHING_STORED) == [(2,)]


async def test_copies_at_once_make_one_row(counter: Counter, buyer: Identity, rows: Rows) -> None:
    bodies = [wire(message("confirm", message_id="m-1", transaction_id=f"t-{number % 2}")) for number in range(2)]
    posts = [counter.post("confirm", body, signed(buyer, body)) for body in bodies * 25]
    verdicts = [reply.verdict for reply in await asyncio.gather(*posts)]
    assert sorted(set(verdicts)) == ["ACK", "MESSAGE_ID_REUSED"]
    assert verdicts.count("ACK") == 25
    assert rows(NOTHING_STORED) == [(1,)]
    assert len(counter.stored) == 1


async def test_request_signed_for_one_action_is_refused_at_another(counter: Counter, buyer: Identity) -> None:
    body = wire(message("cancel"))
    assert (await counter.post("confirm", body, signed(buyer, body))).verdict == "WRONG_ACTION"
