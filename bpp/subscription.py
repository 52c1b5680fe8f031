"""How do we get listed in the registry, and prove to it that our encryption key is ours?

The proof is a challenge the registry encrypts to us: X25519, its 32 bytes as the AES-256 key, ECB, PKCS#7. Nothing
chosen by the sender is ever signed. Source: Beckn registry, `/subscribe` and `/on_subscribe`.
"""

from __future__ import annotations

import base64
import binascii
import logging
import threading
import time
import uuid
from collections import deque
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7
from django.conf import settings
from nacl.bindings import crypto_scalarmult

from bpp import keys, keytext, registry, signing, strict
from bpp.models import Subscription
from core import http
from core.errors import DeliveryError

log = logging.getLogger(__name__)

OPEN_S: Final = 600
MOST_A_MINUTE: Final = 5
_LONGEST_CHALLENGE: Final = 1024


class ChallengeRefused(Exception):
    """A challenge we do not answer: HTTP `status`, verdict `code` and `text`."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def subscribe(*, now: datetime, key_id: str = "") -> Subscription:
    """Ask the registry to list us with this key (by default the newest), and open the door for its challenge.

    Raises NoKey, RegistryUnavailable.
    """
    pair = keys.public_pair(key_id, now=now)
    opened = Subscription.objects.create(
        key_id=pair.key_id,
        registry_url=settings.BECKN_REGISTRY_URL,
        asked_at=now,
        open_until=now + timedelta(seconds=OPEN_S),
    )
    answers = [_ask(pair, domain, now) for domain in settings.BECKN_DOMAINS]
    opened.outcome = "; ".join(answers)[:500]
    opened.save(update_fields=["outcome"])
    log.info("asked the registry to list us", extra={"key_id": pair.key_id, "outcome": opened.outcome})
    return opened


def is_listed(key_id: str, *, now: datetime) -> bool:
    """True where the registry's look-up shows this key of ours as SUBSCRIBED. Raises RegistryUnavailable."""
    rows = registry.look_up({"subscriber_id": settings.BECKN_SUBSCRIBER_ID}, now=now)
    return any(row.key_id == key_id and row.standing(now) is None for row in rows)


def answer_challenge(body: bytes, authorization: str, now: datetime) -> str:
    """The plain text of the challenge in an `on_subscribe` body (raw bytes).

    Only while a request of ours is open, five a minute, and only where the registry's key made the challenge: what an
    outsider sends does not decrypt to a printable text. Raises ChallengeRefused.
    """
    opened = Subscription.objects.filter(open_until__gte=now).order_by("-asked_at").first()
    if opened is None:
        raise ChallengeRefused(
            409, "NO_OPEN_SUBSCRIPTION", "we have not asked to be listed; there is nothing to answer"
        )
    if not _may_try():
        raise ChallengeRefused(429, "TOO_MANY_CHALLENGES", f"more than {MOST_A_MINUTE} challenges a minute")
    if authorization:
        _check_signature(body, authorization, now)
    text = _challenge(body)
    for theirs in _registry_keys(now):
        for ours in keys.encryption_keys(now=now):
            plain = decrypted(text, private_key=ours, public_key=theirs)
            if plain is not None:
                opened.answered_at = now
                opened.save(update_fields=["answered_at"])
                return plain
    raise ChallengeRefused(400, "CANNOT_DECRYPT", "the challenge was not encrypted by the registry to a key of ours")


def decrypted(challenge: str, *, private_key: bytes, public_key: bytes) -> str | None:
    """The text in a base64 challenge, or None where it was not made for these X25519 keys (32 bytes each)."""
    try:
        sealed = base64.b64decode(challenge, validate=True)
        secret = crypto_scalarmult(private_key, public_key)
        opener = Cipher(AES(secret), ECB()).decryptor()  # noqa: S305 - the network's protocol, one block chain per key
        unpadder = PKCS7(128).unpadder()
        padded = opener.update(sealed) + opener.finalize()
        plain = (unpadder.update(padded) + unpadder.finalize()).decode("ascii")
    except (binascii.Error, ValueError, RuntimeError):
        return None
    return plain if plain and plain.isprintable() else None


def _ask(pair: keys.PublicPair, domain: str, now: datetime) -> str:
    body = orjson.dumps(_request(pair, domain, now))
    created = int(now.timestamp())
    headers = {"Content-Type": "application/json"}
    try:
        key = keys.current(now=now)
        headers["Authorization"] = signing.sign(
            body,
            subscriber_id=settings.BECKN_SUBSCRIBER_ID,
            key_id=key.key_id,
            seed=key.seed,
            created=created,
            expires=created + settings.BECKN_SIGNATURE_WINDOW_S,
        )
    except keys.NoKey:
        log.info("no key of ours is active yet; the first subscription goes unsigned")
    url = f"{settings.BECKN_REGISTRY_URL}/subscribe"
    try:
        answer = http.call("POST", url, data=body, headers=headers, allow_private=True)
    except DeliveryError as err:
        raise registry.RegistryUnavailable(f"the registry could not be asked: {err.text}") from err
    return f"{domain}: {answer.status} {answer.body[:200].decode('utf-8', 'replace')}"


def _request(pair: keys.PublicPair, domain: str, now: datetime) -> dict[str, Any]:
    """Every name registries use for the same fact, since each reads its own."""
    return {
        "subscriber_id": settings.BECKN_SUBSCRIBER_ID,
        "subscriber_url": settings.BECKN_SUBSCRIBER_URL,
        "url": settings.BECKN_SUBSCRIBER_URL,
        "type": "BPP",
        "domain": domain,
        "country": settings.BECKN_COUNTRY,
        "city": settings.BECKN_CITY,
        "key_id": pair.key_id,
        "unique_key_id": pair.key_id,
        "pub_key_id": pair.key_id,
        "signing_public_key": pair.signing,
        "encr_public_key": pair.encryption,
        "valid_from": _wire_time(pair.valid_from),
        "valid_until": _wire_time(pair.valid_until),
        "created": _wire_time(now),
        "nonce": str(uuid.uuid4()),
    }


def _wire_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _challenge(body: bytes) -> str:
    try:
        text = strict.load(body).get("challenge")
    except strict.StrictFault as err:
        raise ChallengeRefused(400, "UNREADABLE", err.text) from err
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_CHALLENGE:
        raise ChallengeRefused(
            400, "NO_CHALLENGE", f"the body has no `challenge` of 1 to {_LONGEST_CHALLENGE} characters"
        )
    return text


def _check_signature(body: bytes, authorization: str, now: datetime) -> None:
    """Where the sender signed and the registry lists it, it must be a registry and its signature must hold."""
    try:
        header = signing.parse_header(authorization)
        signing.check_window(
            header,
            now.timestamp(),
            skew_s=settings.BECKN_CLOCK_SKEW_S,
            max_window_s=settings.BECKN_MAX_WINDOW_S,
        )
        row = registry.resolve(header.subscriber_id, header.key_id, now=now)
        if row.type != "BREG":
            raise ChallengeRefused(401, signing.WRONG_ROLE, f"{row.subscriber_id} is {row.type}, not a registry (BREG)")
        signing.verify(header, body, row.public_key)
    except signing.SignatureFault as err:
        raise ChallengeRefused(401, err.code, err.text) from err
    except (registry.UnknownSubscriber, registry.RegistryUnavailable):
        # Many registries do not list themselves: the challenge alone then proves who made it.
        log.info("the sender of a challenge is not listed", extra={"subscriber": header.subscriber_id})


def _registry_keys(now: datetime) -> list[bytes]:
    texts = list(settings.BECKN_REGISTRY_ENCRYPTION_KEYS)
    if not texts:
        try:
            texts = [row.encryption_public_key for row in registry.look_up({"type": "BREG"}, now=now)]
        except registry.RegistryUnavailable as err:
            raise ChallengeRefused(503, "REGISTRY_UNAVAILABLE", "the registry's encryption key is not known") from err
    return [keytext.read_public_key(text, "x25519") for text in texts if text]


def forget_tries() -> None:
    """Begin a new minute."""
    _minute.tries.clear()


class _Minute:
    def __init__(self) -> None:
        self.tries: deque[float] = deque()
        self.lock = threading.Lock()


_minute = _Minute()


def _may_try() -> bool:
    with _minute.lock:
        now = time.monotonic()
        while _minute.tries and now - _minute.tries[0] > 60:
            _minute.tries.popleft()
        if len(_minute.tries) >= MOST_A_MINUTE:
            return False
        _minute.tries.append(now)
        return True
