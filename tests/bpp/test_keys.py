"""Are our own keys sealed at rest, and is the right one used?"""

from __future__ import annotations

import base64
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from nacl.bindings import crypto_scalarmult_base

from bpp import keys, signing
from bpp.keys import NoKey
from bpp.models import OwnKey

pytestmark = pytest.mark.django_db
SEED = bytes(range(32))


@pytest.fixture(autouse=True)
def configured(settings: Any) -> None:
    settings.BECKN_SIGNING_PRIVATE_KEY = base64.b64encode(SEED).decode()
    settings.BECKN_ENCRYPTION_PRIVATE_KEY = base64.b64encode(SEED).decode()
    settings.BECKN_KEY_ID = "from-settings"
    keys.forget()


def test_settings_key_serves_until_another_is_active() -> None:
    assert (keys.current().key_id, keys.current().seed) == ("from-settings", SEED)
    keys.generate("new", now=timezone.now(), days=10)
    keys.forget()
    assert keys.current().key_id == "from-settings"
    keys.activate("new")
    assert keys.current().key_id == "new"
    keys.retire("new")
    assert keys.current().key_id == "from-settings"


def test_generated_pair_belongs_together() -> None:
    row = keys.generate("new", now=timezone.now(), days=10)
    keys.activate("new")
    key = keys.current()
    assert base64.b64encode(signing.public_half(key.seed)).decode() == row.signing_public_key
    newest = keys.encryption_keys()[0]
    assert base64.b64encode(crypto_scalarmult_base(newest)).decode() == row.encryption_public_key


def test_newest_active_key_within_its_validity_signs() -> None:
    now = timezone.now()
    for key_id, age_days in (("old", 2), ("new", 1), ("future", -1)):
        keys.generate(key_id, now=now - timedelta(days=age_days), days=10)
        keys.activate(key_id)
    assert keys.current(now=now).key_id == "new"
    keys.forget()
    assert keys.current(now=now + timedelta(days=9, hours=1)).key_id == "future"


def test_private_halves_are_sealed_and_never_printed(settings: Any) -> None:
    row = keys.generate("new", now=timezone.now(), days=10)
    keys.activate("new")
    key = keys.current()
    assert key.seed not in bytes(row.signing_private_sealed)
    assert key.seed.hex() not in repr(key)
    assert str(key.seed) not in repr(key)


def test_other_master_key_cannot_open_them(settings: Any) -> None:
    keys.generate("new", now=timezone.now(), days=10)
    keys.activate("new")
    settings.BECKN_MASTER_KEY = "another"
    with pytest.raises(NoKey, match="BECKN_MASTER_KEY"):
        keys.current()


def test_sealed_key_cannot_stand_in_for_another() -> None:
    now = timezone.now()
    one, other = (keys.generate(key_id, now=now, days=10) for key_id in ("a", "b"))
    OwnKey.objects.filter(key_id="b").update(signing_private_sealed=one.signing_private_sealed)
    keys.activate(other.key_id)
    with pytest.raises(NoKey):
        keys.current()


def test_without_any_key_the_text_says_how_to_get_one(settings: Any) -> None:
    settings.BECKN_SIGNING_PRIVATE_KEY = ""
    with pytest.raises(NoKey, match="generate_keys"):
        keys.current()
    settings.BECKN_SIGNING_PRIVATE_KEY = "AAAA"
    with pytest.raises(NoKey, match="BECKN_SIGNING_PRIVATE_KEY cannot be read"):
        keys.current()


def test_public_pair_of_the_settings() -> None:
    pair = keys.public_pair(now=timezone.now())
    assert (pair.key_id, base64.b64decode(pair.signing)) == ("from-settings", signing.public_half(SEED))
    with pytest.raises(NoKey):
        keys.public_pair("unknown", now=timezone.now())


@pytest.mark.asyncio
async def test_current_works_inside_an_event_loop() -> None:
    assert keys.current().key_id == "from-settings"
    keys._held.until = 0.0
    assert keys.current().key_id == "from-settings"


def test_command_makes_a_pending_key_once() -> None:
    out = StringIO()
    call_command("generate_keys", "--key-id", "k7", stdout=out)
    row = OwnKey.objects.get(key_id="k7")
    assert row.state == "pending"
    assert row.signing_public_key in out.getvalue()
    with pytest.raises(CommandError, match="already"):
        call_command("generate_keys", "--key-id", "k7")


def test_command_prints_lines_for_the_environment(settings: Any) -> None:
    out = StringIO()
    call_command("generate_keys", "--env", "--key-id", "k8", stdout=out)
    lines = dict(line.split("=", 1) for line in out.getvalue().splitlines() if not line.startswith("#"))
    settings.BECKN_SIGNING_PRIVATE_KEY = lines["BECKN_SIGNING_PRIVATE_KEY"]
    keys._held.until = 0.0
    public = base64.b64encode(signing.public_half(keys.current().seed)).decode()
    assert public in out.getvalue()
    assert not OwnKey.objects.exists()
