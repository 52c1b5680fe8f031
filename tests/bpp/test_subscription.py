"""Do we answer the registry's challenge, and nobody else's?"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bpp import keys, subscription
from bpp.models import OwnKey, Subscription
from bpp.subscription import ChallengeRefused, decrypted
from sandbox import challenge
from sandbox.signing import Identity
from tests.bpp.conftest import Counter, apart
from tests.bpp.network import PROVIDER, Network, signed, wire

REGISTRY_SEED, OUR_SEED = bytes(range(32)), bytes(range(32, 64))
REGISTRY_PUBLIC = "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8="
OUR_PUBLIC = "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="
PLAIN = "12345678901234567890123456789012"
CHALLENGE = "qA+rUzBBNdsz9lPvQ//cxsAl+ol5/whgit4mgjmy7T5PwVp6uVrYU1JfMc+sAjmE"


@pytest.fixture
def ours(network: Network, settings: Any, tables: None) -> None:
    settings.BECKN_ENCRYPTION_PRIVATE_KEY = base64.b64encode(OUR_SEED).decode()
    settings.BECKN_SIGNING_PRIVATE_KEY = base64.b64encode(OUR_SEED).decode()
    settings.BECKN_REGISTRY_ENCRYPTION_KEYS = [REGISTRY_PUBLIC]
    keys.forget()


def ask(registry_seed: bytes = REGISTRY_SEED, plain: str = PLAIN) -> bytes:
    text = challenge.encrypt(plain, our_seed=registry_seed, their_public_key=OUR_PUBLIC)
    return wire({"subscriber_id": PROVIDER, "pub_key_id": "k1", "challenge": text})


def open_one() -> Subscription:
    now = timezone.now()
    return Subscription.objects.create(
        key_id="k1", registry_url="", asked_at=now, open_until=now + timedelta(minutes=1)
    )


def test_decrypted_holds_the_known_vector() -> None:
    public = base64.b64decode(REGISTRY_PUBLIC)
    assert decrypted(CHALLENGE, private_key=OUR_SEED, public_key=public) == PLAIN


@pytest.mark.parametrize("text", ["", "AAAA", "not base64", CHALLENGE[:-4], base64.b64encode(bytes(48)).decode()])
def test_decrypted_gives_nothing_for_other_texts(text: str) -> None:
    assert decrypted(text, private_key=OUR_SEED, public_key=base64.b64decode(REGISTRY_PUBLIC)) is None


async def test_challenge_is_answered_while_we_have_asked(counter: Counter, ours: None) -> None:
    await apart(open_one)
    reply = await counter.post("on_subscribe", ask(), {})
    assert (reply.status, reply.body) == (200, b'{"answer":"%s"}' % PLAIN.encode())
    assert await apart(lambda: Subscription.objects.get().answered_at) is not None


async def test_challenge_out_of_the_blue_is_refused(counter: Counter, ours: None) -> None:
    replies = [await counter.post("on_subscribe", ask(), {}) for _ in range(10)]
    assert {(reply.status, reply.verdict) for reply in replies} == {(409, "NO_OPEN_SUBSCRIPTION")}


async def test_only_five_a_minute(counter: Counter, ours: None) -> None:
    await apart(open_one)
    replies = [await counter.post("on_subscribe", ask(bytes(32)), {}) for _ in range(7)]
    assert [reply.status for reply in replies] == [400] * 5 + [429] * 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"challenge":1}', b'{"challenge":""}'])
async def test_body_without_a_challenge_is_refused(counter: Counter, ours: None, body: bytes) -> None:
    await apart(open_one)
    assert (await counter.post("on_subscribe", body, {})).status == 400


async def test_challenge_of_an_outsider_is_not_decrypted(counter: Counter, ours: None) -> None:
    """An outsider holds our public key, but not the registry's private one: no text of his reaches us."""
    await apart(open_one)
    reply = await counter.post("on_subscribe", ask(bytes(range(1, 33))), {})
    assert (reply.status, reply.verdict) == (400, "CANNOT_DECRYPT")


async def test_signature_of_a_listed_sender_must_be_a_registrys(counter: Counter, network: Network, ours: None) -> None:
    await apart(open_one)
    registry, buyer = network.join("registry.example.org", "BREG"), network.join("bap.example.org")
    body = ask()
    assert (await counter.post("on_subscribe", body, signed(buyer, body))).verdict == "WRONG_ROLE"
    assert (await counter.post("on_subscribe", body, signed(registry, b"other"))).verdict == "SIGNATURE_MISMATCH"
    assert (
        await counter.post("on_subscribe", body, signed(registry, body, created=int(time.time()) - 999))
    ).status == 401
    assert (await counter.post("on_subscribe", body, signed(registry, body))).status == 200


async def test_get_is_not_allowed(counter: Counter, ours: None) -> None:
    assert (await counter.post("on_subscribe", b"", {}, method="GET")).status == 405


def test_subscribe_sends_our_public_halves_only(network: Network, ours: None) -> None:
    opened = subscription.subscribe(now=timezone.now())
    row = network.registry.find({"subscriber_id": PROVIDER})[0]
    assert (row.encr_public_key, row.type, row.status) == (OUR_PUBLIC, "BPP", "UNDER_SUBSCRIPTION")
    assert "UNDER_SUBSCRIPTION" in opened.outcome
    assert opened.open_until > timezone.now()


def test_key_does_not_sign_before_the_registry_lists_it(network: Network, ours: None) -> None:
    call_command("generate_keys", "--key-id", "k2", stdout=StringIO())
    row = OwnKey.objects.get(key_id="k2")
    with pytest.raises(CommandError, match="on_subscribe"):
        call_command("subscribe", "--wait", "0", stdout=StringIO())
    assert keys.current().key_id != "k2"
    assert network.registry.find({"subscriber_id": PROVIDER, "key_id": "k2"})[0].signing_public_key == (
        row.signing_public_key
    )
    assert not subscription.is_listed("k2", now=timezone.now())
    network.registry.set_status(PROVIDER, "SUBSCRIBED", key_id="k2")
    assert subscription.is_listed("k2", now=timezone.now())


def test_refusal_names_what_is_wrong(ours: None) -> None:
    open_one()
    refuse: Callable[..., str] = subscription.answer_challenge
    with pytest.raises(ChallengeRefused, match="not encrypted by the registry"):
        refuse(ask(bytes(32)), "", timezone.now())


def test_registry_key_is_looked_up_where_it_is_not_set(network: Network, ours: None, settings: Any) -> None:
    settings.BECKN_REGISTRY_ENCRYPTION_KEYS = []
    registry: Identity = network.join("registry.example.org", "BREG")
    open_one()
    text = challenge.encrypt(PLAIN, our_seed=registry.encryption_seed, their_public_key=OUR_PUBLIC)
    assert subscription.answer_challenge(wire({"challenge": text}), "", timezone.now()) == PLAIN
