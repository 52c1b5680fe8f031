"""Did the holder of this key sign these bytes, and in words: what is wrong where not?

Ed25519 over BLAKE2b-512, as BECKN-006 says. Pure: keys, bytes and the time are handed in.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from bpp import strict

ALGORITHM: Final = "ed25519"
COVERED: Final = "(created) (expires) digest"

NO_HEADER = "NO_HEADER"
MALFORMED_HEADER = "MALFORMED_HEADER"
WRONG_ALGORITHM = "WRONG_ALGORITHM"
WRONG_COVERAGE = "WRONG_COVERAGE"
CREATED_IN_FUTURE = "CREATED_IN_FUTURE"
EXPIRED = "EXPIRED"
EXPIRES_BEFORE_CREATED = "EXPIRES_BEFORE_CREATED"
WINDOW_TOO_LONG = "WINDOW_TOO_LONG"
UNKNOWN_SUBSCRIBER = "UNKNOWN_SUBSCRIBER"
UNKNOWN_KEY = "UNKNOWN_KEY"
NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
KEY_EXPIRED = "KEY_EXPIRED"
KEY_NOT_YET_VALID = "KEY_NOT_YET_VALID"
SIGNATURE_MISMATCH = "SIGNATURE_MISMATCH"
BODY_REENCODED = "BODY_REENCODED"
DIGEST_MISMATCH = "DIGEST_MISMATCH"
SIGNER_IS_NOT_BAP = "SIGNER_IS_NOT_BAP"
WRONG_ROLE = "WRONG_ROLE"
WRONG_DOMAIN = "WRONG_DOMAIN"

_LONGEST_HEADER = 2048
_DIAGNOSED_BODY = 65_536
_PARAMETER = re.compile(r'([A-Za-z][A-Za-z0-9_-]{0,31})=(?:"([ !#-\[\]-~]*)"|([A-Za-z0-9._-]+))', re.ASCII)
_SEPARATOR = re.compile(r", *", re.ASCII)
_SUBSCRIBER = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252})", re.ASCII)
_SUBSCRIBER_WITH_PATH = re.compile(
    r"[a-z0-9](?:[a-z0-9.-]{0,200})(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}){0,4}", re.ASCII
)
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{10}", re.ASCII)
_QUOTED_OR_NOT = frozenset({"created", "expires"})
_NEEDED = ("keyId", "algorithm", "created", "expires", "headers", "signature")


class SignatureFault(Exception):
    """Why a request is not taken for its sender's: a stable `code` and a `text` for the sender's engineer."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """A signature header read once; `created` and `expires` in Unix seconds, `signature` 64 bytes."""

    subscriber_id: str
    key_id: str
    algorithm: str
    created: int
    expires: int
    signature: bytes


def digest(body: bytes) -> bytes:
    """The 64 bytes of BLAKE2b-512 over the body as it travels."""
    return blake2b(body, digest_size=64).digest()


def signing_string(created: int, expires: int, body_digest: bytes) -> bytes:
    """The three lines that are signed, LF between them and none at the end. Source: BECKN-006."""
    text = base64.b64encode(body_digest)
    return b"(created): %d\n(expires): %d\ndigest: BLAKE-512=%s" % (created, expires, text)


def sign(body: bytes, *, subscriber_id: str, key_id: str, seed: bytes, created: int, expires: int) -> str:
    """The Authorization value for `body`; `seed` is the 32-byte private seed, the times are Unix seconds."""
    message = signing_string(created, expires, digest(body))
    signature = base64.b64encode(crypto_sign(message, _secret(seed))[:64]).decode()
    return (
        f'Signature keyId="{subscriber_id}|{key_id}|{ALGORITHM}",algorithm="{ALGORITHM}",created="{created}",'
        f'expires="{expires}",headers="{COVERED}",signature="{signature}"'
    )


def public_half(seed: bytes) -> bytes:
    """The 32-byte Ed25519 public key that belongs to a 32-byte private seed."""
    return _secret(seed)[32:]


def parse_header(value: str, *, accept_hs2019: bool = False, accept_paths: bool = False) -> SignatureHeader:
    """The one reading of a signature header.

    Any order of parameters, spaces after commas, any case of the scheme word, unquoted times and stray quotes around
    the whole are accepted; unknown parameters are ignored. `accept_hs2019` takes that word for `algorithm`;
    `accept_paths` takes subscriber ids with a path. Raises SignatureFault for everything else. Source: BECKN-006.
    """
    found = _parameters(value)
    for name in _NEEDED:
        if name not in found:
            raise SignatureFault(MALFORMED_HEADER, f"the signature header lacks {name}; it needs {', '.join(_NEEDED)}")
    if found["headers"] != COVERED:
        raise SignatureFault(
            WRONG_COVERAGE, f'headers is "{_shown(found["headers"])}"; sign exactly "{COVERED}" and say so'
        )
    subscriber_id, key_id = _key_id(found["keyId"], accept_paths=accept_paths)
    _check_algorithm(found["algorithm"], accept_hs2019=accept_hs2019)
    return SignatureHeader(
        subscriber_id=subscriber_id,
        key_id=key_id,
        algorithm=found["algorithm"],
        created=_unix_seconds("created", found["created"]),
        expires=_unix_seconds("expires", found["expires"]),
        signature=_signature(found["signature"]),
    )


def check_window(header: SignatureHeader, now: float, *, skew_s: int, max_window_s: int) -> None:
    """Nothing where `now` (Unix seconds) lies in the header's window.

    `created` may lie `skew_s` ahead of our clock, `expires` has no tolerance, both are at most `max_window_s` apart.
    Raises SignatureFault with the difference in seconds.
    """
    second = int(now)
    ahead_s = header.created - second
    if ahead_s > skew_s:
        raise SignatureFault(
            CREATED_IN_FUTURE,
            f"created {header.created} is {ahead_s} s ahead of our clock {second}, allowed are {skew_s} s; "
            "set the sender's clock by NTP",
        )
    if header.expires < second:
        raise SignatureFault(
            EXPIRED,
            f"the signature expired {second - header.expires} s ago by our clock {second} (expires {header.expires}); "
            "sign again for each attempt",
        )
    if header.expires < header.created:
        raise SignatureFault(
            EXPIRES_BEFORE_CREATED,
            f"expires {header.expires} lies {header.created - header.expires} s before created {header.created}",
        )
    window_s = header.expires - header.created
    if window_s > max_window_s:
        raise SignatureFault(WINDOW_TOO_LONG, f"expires lies {window_s} s after created, allowed are {max_window_s} s")


def verify(header: SignatureHeader, body: bytes, public_key: bytes, *, claimed_digest: str = "") -> bytes:
    """The body's digest (64 bytes) where `public_key` (32 bytes) signed `body`.

    `claimed_digest` is a Digest header that came along; it only helps to explain a failure. Raises SignatureFault:
    BODY_REENCODED where the signature fits the same document written otherwise, DIGEST_MISMATCH where it fits the
    digest the sender claimed, else SIGNATURE_MISMATCH.
    """
    body_digest = digest(body)
    if _holds(header, body_digest, public_key):
        return body_digest
    raise _explained(header, body, public_key, claimed_digest)


def _holds(header: SignatureHeader, body_digest: bytes, public_key: bytes) -> bool:
    if len(public_key) != 32:
        raise ValueError(f"an Ed25519 public key has 32 bytes, not {len(public_key)}")
    message = signing_string(header.created, header.expires, body_digest)
    try:
        crypto_sign_open(header.signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def _explained(header: SignatureHeader, body: bytes, public_key: bytes, claimed_digest: str) -> SignatureFault:
    whose = f"key {header.key_id} of {header.subscriber_id}"
    seen = base64.b64encode(digest(body)).decode()
    for form, other in _other_writings(body):
        if _holds(header, digest(other), public_key):
            return SignatureFault(
                BODY_REENCODED,
                f"the signature of {whose} fits this document {form}: something rewrote the body after signing; "
                f"send the signed bytes ({len(body)} bytes arrived, BLAKE-512 {seen})",
            )
    claimed = _claimed(claimed_digest)
    if claimed and claimed != digest(body) and _holds(header, claimed, public_key):
        return SignatureFault(
            DIGEST_MISMATCH,
            f"the signature of {whose} fits the digest in the Digest header, but {len(body)} bytes arrived with "
            f"BLAKE-512 {seen}",
        )
    return SignatureFault(
        SIGNATURE_MISMATCH,
        f"{whose} did not sign these {len(body)} bytes (BLAKE-512 {seen}); compare the digest, the two times in the "
        "signing string and the public key in the registry",
    )


def _other_writings(body: bytes) -> Iterator[tuple[str, bytes]]:
    if len(body) > _DIAGNOSED_BODY:
        return
    stripped = body.strip()
    if stripped != body:
        yield "without the white space around it", stripped
    try:
        document = strict.load(body)
        yield "in compact form", json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        yield "with a space after each comma and colon", json.dumps(document, ensure_ascii=False).encode()
    except (strict.StrictFault, TypeError):
        # Not JSON, or with fractions we keep as Decimal: there is no other writing to try.
        return


def _claimed(text: str) -> bytes:
    name, _, value = text.partition("=")
    if name.strip().upper() != "BLAKE-512":
        return b""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""


def _parameters(value: str) -> dict[str, str]:
    if not value or value.isspace():
        raise SignatureFault(NO_HEADER, "the request carries no signature")
    if len(value) > _LONGEST_HEADER:
        raise SignatureFault(MALFORMED_HEADER, f"the header has {len(value)} characters, allowed are {_LONGEST_HEADER}")
    text = value[1:-1] if value[0] == '"' == value[-1] and len(value) > 1 else value
    if text[:10].lower() != "signature ":
        raise SignatureFault(
            MALFORMED_HEADER, f"the header starts with '{_shown(text[:10])}'; it must start with 'Signature '"
        )
    found: dict[str, str] = {}
    folded: set[str] = set()
    place = len(text) - len(text[10:].lstrip(" "))
    while True:
        match = _PARAMETER.match(text, place)
        if match is None:
            raise _unreadable(text, place)
        name, quoted, bare = match.groups()
        if name.lower() in folded:
            raise SignatureFault(MALFORMED_HEADER, f"the header gives {name} twice")
        if quoted is None and name in _NEEDED and name not in _QUOTED_OR_NOT:
            raise SignatureFault(MALFORMED_HEADER, f'the value of {name} must stand in double quotes: {name}="…"')
        folded.add(name.lower())
        found[name] = bare if quoted is None else quoted
        place = match.end()
        if place == len(text):
            return found
        comma = _SEPARATOR.match(text, place)
        if comma is None:
            raise _unreadable(text, place)
        place = comma.end()


def _unreadable(text: str, place: int) -> SignatureFault:
    return SignatureFault(
        MALFORMED_HEADER,
        f"cannot read the header at character {place}: '{_shown(text[place : place + 20])}'; parameters are "
        'name="value" with printable ASCII and no escapes, separated by commas',
    )


def _key_id(text: str, *, accept_paths: bool) -> tuple[str, str]:
    parts = text.split("|")
    if len(parts) != 3:
        raise SignatureFault(
            MALFORMED_HEADER, f"keyId '{_shown(text)}' has {len(parts)} parts; it must be subscriber_id|key_id|ed25519"
        )
    subscriber_id, key_id, algorithm = parts
    grammar = _SUBSCRIBER_WITH_PATH if accept_paths else _SUBSCRIBER
    if not grammar.fullmatch(subscriber_id):
        raise SignatureFault(
            MALFORMED_HEADER,
            f"the subscriber id '{_shown(subscriber_id)}' in keyId is not a lower-case host name (a-z 0-9 . -)",
        )
    if not _KEY_ID.fullmatch(key_id):
        raise SignatureFault(
            MALFORMED_HEADER, f"the key id '{_shown(key_id)}' in keyId must be 1 to 128 of A-Z a-z 0-9 . _ -"
        )
    if algorithm != ALGORITHM:
        raise SignatureFault(WRONG_ALGORITHM, f"keyId ends with '{_shown(algorithm)}'; only {ALGORITHM} is allowed")
    return subscriber_id, key_id


def _check_algorithm(text: str, *, accept_hs2019: bool) -> None:
    if text != ALGORITHM and not (accept_hs2019 and text == "hs2019"):
        raise SignatureFault(WRONG_ALGORITHM, f"algorithm is '{_shown(text)}'; only {ALGORITHM} is allowed")


def _unix_seconds(name: str, text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise SignatureFault(MALFORMED_HEADER, f"{name} is '{_shown(text)}'; it must be Unix seconds in 10 digits")
    return int(text)


def _signature(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raw = b""
    # The decoder forgives stray trailing bits: only the one canonical text of 64 bytes is a signature.
    if len(raw) != 64 or base64.b64encode(raw).decode() != text:
        raise SignatureFault(
            MALFORMED_HEADER, "signature must be 64 bytes in canonical base64 (88 characters, standard alphabet)"
        )
    return raw


def _shown(text: str) -> str:
    """The start of a text from outside, safe to print."""
    return ascii(text[:40])[1:-1] + ("…" if len(text) > 40 else "")


@lru_cache(maxsize=16)
def _secret(seed: bytes) -> bytes:
    return crypto_sign_seed_keypair(seed)[1]
