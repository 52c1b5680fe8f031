"""Does an operator get from no key to being listed, and learn what is wrong where that fails?"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bpp import keys, registry, signing
from bpp.management.commands import subscribe as command
from bpp.models import OwnKey, Subscription
from sandbox.registry import Row
from tests.bpp.conftest import apart
from tests.bpp.network import PROVIDER, Network
from tests.bpp.shop import Shop, open_shop


def said(name: str, *words: str) -> list[str]:
    """The lines a command prints."""
    out = StringIO()
    call_command(name, *words, stdout=out, stderr=out)
    return out.getvalue().splitlines()


@pytest.fixture
def no_key(settings: Any) -> None:
    settings.BECKN_SIGNING_PRIVATE_KEY = settings.BECKN_ENCRYPTION_PRIVATE_KEY = ""
    keys.forget()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "POLL_S", 0.01)
    monkeypatch.setattr(registry, "REST_S", 0.0)


@pytest.fixture
async def shop(network: Network, settings: Any, tables: None) -> AsyncIterator[Shop]:
    """A running web process with no key but those it will make; the registry lists itself and not us."""
    async with open_shop(network, settings) as found:
        settings.BECKN_SIGNING_PRIVATE_KEY = settings.BECKN_ENCRYPTION_PRIVATE_KEY = ""
        keys.forget()
        network.registry.rows = [row for row in network.registry.rows if row.subscriber_id != PROVIDER]
        own = network.registry.identity
        halves = own.signing_public_key, own.encryption_public_key
        network.registry.add(Row(own.subscriber_id, network.url, "BREG", *halves, key_id=own.key_id))
        yield found


@pytest.mark.django_db
def test_generated_key_waits_until_it_is_listed(no_key: None) -> None:
    lines = said("generate_keys", "--key-id", "k7", "--days", "30")
    row = OwnKey.objects.get()
    assert (row.key_id, row.state) == ("k7", OwnKey.State.PENDING)
    assert row.valid_until - row.valid_from == timedelta(days=30)
    assert row.signing_public_key in lines[1]
    assert row.encryption_public_key in lines[2]
    assert lines[-1] == "next: ./vb manage subscribe --key-id k7"
    with pytest.raises(keys.NoKey):
        keys.current()


@pytest.mark.django_db
def test_activated_key_signs_at_once(no_key: None) -> None:
    assert said("generate_keys", "--activate")[-1] == "active"
    assert keys.current().key_id == OwnKey.objects.get().key_id
    assert keys.current().key_id.startswith(f"k-{timezone.now():%Y}")


@pytest.mark.django_db
def test_printed_key_is_whole_and_stored_nowhere(no_key: None) -> None:
    lines = said("generate_keys", "--env", "--key-id", "k8")
    printed = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    seed = base64.b64decode(printed["BECKN_SIGNING_PRIVATE_KEY"])
    assert base64.b64encode(signing.public_half(seed)).decode() in lines[-2]
    assert len(base64.b64decode(printed["BECKN_ENCRYPTION_PRIVATE_KEY"])) == 32
    assert printed["BECKN_KEY_ID"] == "k8"
    assert not OwnKey.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("words", "text"), [(["--days", "0"], "--days must be"), (["--key-id", "k7"], "k7 already")])
def test_key_that_cannot_be_made_is_refused(words: list[str], text: str) -> None:
    said("generate_keys", "--key-id", "k7")
    with pytest.raises(CommandError, match=text):
        said("generate_keys", *words)
    assert OwnKey.objects.count() == 1


@pytest.mark.django_db
def test_nobody_is_asked_without_a_registry_or_a_key(settings: Any, network: Network, no_key: None) -> None:
    with pytest.raises(CommandError, match="generate_keys"):
        said("subscribe")
    settings.BECKN_REGISTRY_URL = ""
    with pytest.raises(CommandError, match="BECKN_REGISTRY_URL is not set"):
        said("subscribe")
    assert not Subscription.objects.exists()


async def test_platform_is_listed_by_answering_the_registrys_challenge(
    shop: Shop, network: Network, impatient: None
) -> None:
    await apart(lambda: said("generate_keys", "--key-id", "k7"))
    lines = await asyncio.wait_for(asyncio.to_thread(said, "subscribe", "--wait", "10"), 15)
    assert "with key k7: " in lines[0]
    assert lines[-1] == f"listed as {PROVIDER}; signing with k7 within 15 s"
    [row] = network.registry.find({"subscriber_id": PROVIDER})
    assert (row.status, row.key_id, row.subscriber_url) == ("SUBSCRIBED", "k7", f"{shop.url}/beckn")
    assert await apart(lambda: Subscription.objects.get().answered_at) is not None
    assert await apart(lambda: OwnKey.objects.get().state) == OwnKey.State.ACTIVE


async def test_wait_outlasts_a_registry_that_fails_for_a_while(shop: Shop, network: Network, impatient: None) -> None:
    await apart(lambda: said("generate_keys", "--key-id", "k7"))
    network.registry.faults.fail_next = 2
    lines = await asyncio.wait_for(asyncio.to_thread(said, "subscribe", "--wait", "10"), 15)
    assert any("503" in line for line in lines)
    assert lines[-1].startswith("listed as")


async def test_key_that_is_not_shown_does_not_sign(shop: Shop, network: Network, impatient: None) -> None:
    await apart(lambda: said("generate_keys", "--key-id", "k7"))
    network.registry.faults.fail_next = 100
    with pytest.raises(CommandError, match=r"must reach http\S+/beckn/on_subscribe until"):
        await asyncio.to_thread(said, "subscribe", "--wait", "0")
    assert await apart(lambda: OwnKey.objects.get().state) == OwnKey.State.PENDING
