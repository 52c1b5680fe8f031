"""Which keys are ours: to sign with now, to show the registry, to open its challenges?"""

from __future__ import annotations

import base64
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import Error, connection
from django.utils import timezone
from nacl.bindings import crypto_scalarmult_base

from bpp import signing
from bpp.keytext import KeyFault, read_seed
from bpp.models import OwnKey
from core.loops import in_event_loop

HELD_S = 15.0
_NONCE_BYTES = 12


class NoKey(Exception):
    """There is no key of ours to use; the text says how to get one."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A key of ours to sign with; `seed` is 32 private bytes and never printed."""

    key_id: str
    seed: bytes


@dataclass(frozen=True, slots=True)
class PublicPair:
    """The public halves of one of our keys, base64 of 32 bytes each, as the registry lists them."""

    key_id: str
    signing: str
    encryption: str
    valid_from: datetime
    valid_until: datetime


def current(*, now: datetime | None = None) -> SigningKey:
    """The newest ACTIVE key within its validity, else the key of the settings. Raises NoKey.

    Held for 15 s in a process, so that a switch of keys is followed without asking the database for every message.
    """
    held = _held.key
    if held is not None and time.monotonic() < _held.until:
        return held
    if not in_event_loop():
        return _load(now or timezone.now())
    # The database cannot be asked from an event loop: the key held serves until a thread has looked.
    _held.until = time.monotonic() + HELD_S
    looking = _LOOKER.submit(_load_alone)
    return held or looking.result(timeout=5)


def encryption_keys(*, now: datetime | None = None) -> list[bytes]:
    """Every X25519 private key (32 bytes) a challenge could be meant for, newest first."""
    now = now or timezone.now()
    rows = OwnKey.objects.filter(valid_until__gte=now).order_by("-valid_from", "-id")
    found = [_open(bytes(row.encryption_private_sealed), f"{row.key_id}/encryption") for row in rows]
    if settings.BECKN_ENCRYPTION_PRIVATE_KEY:
        found.append(_setting("BECKN_ENCRYPTION_PRIVATE_KEY", settings.BECKN_ENCRYPTION_PRIVATE_KEY, "x25519"))
    return found


def generate(key_id: str, *, now: datetime, days: int) -> OwnKey:
    """Make and store a new key pair, PENDING until the registry lists it; the private halves are sealed."""
    seed, encryption = os.urandom(32), os.urandom(32)
    return OwnKey.objects.create(
        key_id=key_id,
        signing_public_key=_text(signing.public_half(seed)),
        encryption_public_key=_text(crypto_scalarmult_base(encryption)),
        signing_private_sealed=_seal(seed, f"{key_id}/signing"),
        encryption_private_sealed=_seal(encryption, f"{key_id}/encryption"),
        valid_from=now,
        valid_until=now + timedelta(days=days),
    )


def activate(key_id: str) -> None:
    """Sign with this key from now on; older ones stay listed, so that what they signed can still be verified."""
    OwnKey.objects.filter(key_id=key_id, state=OwnKey.State.PENDING).update(state=OwnKey.State.ACTIVE)
    forget()


def retire(key_id: str) -> None:
    """Never sign with this key again."""
    OwnKey.objects.filter(key_id=key_id).update(state=OwnKey.State.RETIRED)
    forget()


def forget() -> None:
    """Drop what this process holds; other processes follow within 15 s."""
    _held.key = None


def public_pair(key_id: str = "", *, now: datetime) -> PublicPair:
    """The public halves of the key named, or of the newest that is pending or active, or of the settings' key.

    Raises NoKey.
    """
    rows = OwnKey.objects.exclude(state=OwnKey.State.RETIRED).filter(valid_until__gt=now).order_by("-valid_from", "-id")
    row = (rows.filter(key_id=key_id) if key_id else rows).first()
    if row is not None:
        return PublicPair(
            row.key_id, row.signing_public_key, row.encryption_public_key, row.valid_from, row.valid_until
        )
    if key_id not in {"", settings.BECKN_KEY_ID}:
        raise NoKey(f"no key {key_id} of ours; `./vb manage generate_keys` makes one")
    encryption = _setting("BECKN_ENCRYPTION_PRIVATE_KEY", settings.BECKN_ENCRYPTION_PRIVATE_KEY, "x25519")
    return PublicPair(
        key_id=settings.BECKN_KEY_ID,
        signing=_text(signing.public_half(_from_settings().seed)),
        encryption=_text(crypto_scalarmult_base(encryption)),
        valid_from=now,
        valid_until=now + timedelta(days=365),
    )


class _Held:
    key: SigningKey | None = None
    until = 0.0


_held = _Held()
_LOOKER = ThreadPoolExecutor(1, thread_name_prefix="own-keys")


def _load(now: datetime) -> SigningKey:
    key = _newest_active(now) or _from_settings()
    _held.key, _held.until = key, time.monotonic() + HELD_S
    return key


def _load_alone() -> SigningKey:
    try:
        return _load(timezone.now())
    except Error as err:
        if _held.key is None:
            raise NoKey("our keys cannot be read: the database is away") from err
        return _held.key
    finally:
        connection.close()


def _newest_active(now: datetime) -> SigningKey | None:
    rows = OwnKey.objects.filter(state=OwnKey.State.ACTIVE, valid_from__lte=now, valid_until__gt=now)
    row = rows.order_by("-valid_from", "-id").first()
    if row is None:
        return None
    return SigningKey(row.key_id, _open(bytes(row.signing_private_sealed), f"{row.key_id}/signing"))


def _from_settings() -> SigningKey:
    text = settings.BECKN_SIGNING_PRIVATE_KEY
    return SigningKey(settings.BECKN_KEY_ID, _setting("BECKN_SIGNING_PRIVATE_KEY", text, "ed25519"))


def _setting(name: str, text: str, curve: str) -> bytes:
    if not text:
        raise NoKey(f"{name} is not set and there is no active key; `./vb manage generate_keys` makes one")
    try:
        return read_seed(text, "ed25519" if curve == "ed25519" else "x25519")
    except KeyFault as err:
        raise NoKey(f"{name} cannot be read: {err}") from err


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _sealer() -> AESGCM:
    secret = (settings.BECKN_MASTER_KEY or settings.SECRET_KEY).encode()
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"voltbazaar own keys").derive(secret))


def _seal(secret: bytes, name: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _sealer().encrypt(nonce, secret, name.encode())


def _open(sealed: bytes, name: str) -> bytes:
    try:
        return _sealer().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
    except InvalidTag as err:
        raise NoKey(
            f"the key {name} cannot be opened: BECKN_MASTER_KEY (or SECRET_KEY) is not the one it was sealed with"
        ) from err
