"""How does a network participant sign a message, and is a signature it received right?

BECKN-006: BLAKE2b-512 over the exact body bytes, Ed25519 over a three-line signing string. Pure functions; the clock is
handed in.
"""

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

SIGNED_HEADERS = "(created) (expires) digest"
CLOCK_SKEW_S = 10
LONGEST_WINDOW_S = 3600
_PARAMETER = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"\\]*)"|([0-9]+))\s*(,|$)')
_RAW_KEY_BYTES = 32


class SignatureError(ValueError):
    """A signature header or key cannot be used; the text says why."""


@dataclass(frozen=True)
class Verdict:
    """What checking one signature found; `temporary` says that it could not be checked at all right now."""

    ok: bool
    reason: str
    subscriber_id: str = ""
    key_id: str = ""
    temporary: bool = False


@dataclass(frozen=True)
class SignatureHeader:
    """The parameters of one `Authorization: Signature …` value."""

    subscriber_id: str
    key_id: str
    created: int
    expires: int
    signature: bytes


@dataclass(frozen=True)
class Identity:
    """Who signs: a subscriber, the id of its key, and the 32-byte seeds of its Ed25519 and X25519 keys."""

    subscriber_id: str
    key_id: str
    signing_seed: bytes
    encryption_seed: bytes

    @classmethod
    def fresh(cls, subscriber_id: str, key_id: str = "k1") -> "Identity":
        """A participant with newly drawn keys."""
        return cls(subscriber_id, key_id, secrets.token_bytes(32), secrets.token_bytes(32))

    @property
    def signing_public_key(self) -> str:
        """Base64 of the raw 32-byte Ed25519 public key."""
        key = Ed25519PrivateKey.from_private_bytes(self.signing_seed).public_key()
        return _base64(key.public_bytes_raw())

    @property
    def encryption_public_key(self) -> str:
        """Base64 of the raw 32-byte X25519 public key."""
        key = X25519PrivateKey.from_private_bytes(self.encryption_seed).public_key()
        return _base64(key.public_bytes_raw())


def digest(body: bytes) -> str:
    """Base64 of BLAKE2b-512 over the bytes on the wire."""
    return _base64(hashlib.blake2b(body, digest_size=64).digest())


def signing_string(created: int, expires: int, *, body_digest: str) -> bytes:
    """The three lines that are signed; seconds since 1970, the digest as base64. Source: BECKN-006."""
    return f"(created): {created}\n(expires): {expires}\ndigest: BLAKE-512={body_digest}".encode()


def authorization(identity: Identity, body: bytes, *, created: int, ttl_s: int = 300) -> str:
    """The value of the Authorization header for these bytes, valid from `created` for `ttl_s` seconds."""
    expires = created + ttl_s
    key = Ed25519PrivateKey.from_private_bytes(identity.signing_seed)
    signature = _base64(key.sign(signing_string(created, expires, body_digest=digest(body))))
    return (
        f'Signature keyId="{identity.subscriber_id}|{identity.key_id}|ed25519",algorithm="ed25519",'
        f'created="{created}",expires="{expires}",headers="{SIGNED_HEADERS}",signature="{signature}"'
    )


def parse(value: str) -> SignatureHeader:
    """Read a header value, in any parameter order.

    Raises SignatureError naming the parameter that is missing, doubled or not understood.
    """
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and text[1:].lower().startswith("signature"):
        text = text[1:-1]
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "signature":
        raise SignatureError(f"the scheme is {scheme[:20]!r}; it must be Signature")
    parameters = _parameters(rest)
    for name in ("keyId", "algorithm", "created", "expires", "headers", "signature"):
        if name not in parameters:
            raise SignatureError(f"the parameter {name} is missing")
    return _read(parameters)


def verify(value: str, body: bytes, *, public_key: str, now_s: float) -> Verdict:
    """Check one header value against the body bytes and the sender's base64 public key (raw or DER)."""
    try:
        header = parse(value)
    except SignatureError as err:
        return Verdict(ok=False, reason=str(err))

    def judged(reason: str, *, ok: bool = False) -> Verdict:
        return Verdict(ok, reason, subscriber_id=header.subscriber_id, key_id=header.key_id)

    if fault := _window_fault(header, now_s=now_s):
        return judged(fault)
    try:
        key = read_public_key(public_key)
        key.verify(header.signature, signing_string(header.created, header.expires, body_digest=digest(body)))
    except SignatureError as err:
        return judged(str(err))
    except InvalidSignature:
        return judged("the signature does not fit the body, the window or the key")
    return judged("signature verified", ok=True)


def read_public_key(text: str) -> Ed25519PublicKey:
    """An Ed25519 public key from base64 of 32 raw bytes or of DER SubjectPublicKeyInfo."""
    raw = read_base64(text, what="public key")
    if len(raw) == _RAW_KEY_BYTES:
        return Ed25519PublicKey.from_public_bytes(raw)
    try:
        key = load_der_public_key(raw)
    except ValueError as err:
        raise SignatureError(f"the public key has {len(raw)} bytes; 32 raw or 44 of DER are allowed") from err
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError("the public key is not an Ed25519 key")
    return key


def read_encryption_key(text: str) -> X25519PublicKey:
    """An X25519 public key from base64 of 32 raw bytes or of DER SubjectPublicKeyInfo."""
    raw = read_base64(text, what="encryption public key")
    if len(raw) == _RAW_KEY_BYTES:
        return X25519PublicKey.from_public_bytes(raw)
    try:
        key = load_der_public_key(raw)
    except ValueError as err:
        raise SignatureError(f"the encryption key has {len(raw)} bytes; 32 raw or 44 of DER are allowed") from err
    if not isinstance(key, X25519PublicKey):
        raise SignatureError("the encryption key is not an X25519 key")
    return key


def read_seed(text: str) -> bytes:
    """A 32-byte private seed from base64 of the seed or of 64 bytes seed‖public."""
    raw = read_base64(text, what="private key")
    if len(raw) not in (32, 64):
        raise SignatureError(f"the private key has {len(raw)} bytes; 32 or 64 are allowed")
    return raw[:32]


def read_base64(text: str, *, what: str) -> bytes:
    """Bytes of canonical standard base64. Raises SignatureError naming `what`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise SignatureError(f"the {what} is not standard base64") from err
    if _base64(raw) != text:
        raise SignatureError(f"the {what} is not canonical base64")
    return raw


def _parameters(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            raise SignatureError(f"not understood from {rest[position : position + 20]!r} on")
        name, quoted, number, _ = match.groups()
        if name in found:
            raise SignatureError(f"the parameter {name} stands twice")
        found[name] = quoted if quoted is not None else number
        position = match.end()
    return found


def _read(parameters: dict[str, str]) -> SignatureHeader:
    parts = parameters["keyId"].split("|")
    if len(parts) != 3 or not all(parts):
        raise SignatureError(f"keyId is {parameters['keyId']!r}; it must be subscriber_id|key_id|ed25519")
    if parts[2] != "ed25519" or parameters["algorithm"] != "ed25519":
        raise SignatureError("the algorithm must be ed25519, in keyId too")
    if parameters["headers"] != SIGNED_HEADERS:
        raise SignatureError(f"headers is {parameters['headers']!r}; it must be {SIGNED_HEADERS!r}")
    signature = read_base64(parameters["signature"], what="signature")
    created, expires = (_seconds(parameters, name) for name in ("created", "expires"))
    return SignatureHeader(parts[0], parts[1], created=created, expires=expires, signature=signature)


def _seconds(parameters: dict[str, str], name: str) -> int:
    if not re.fullmatch(r"[0-9]{10}", parameters[name]):
        raise SignatureError(f"{name} is {parameters[name]!r}; it must be ten digits of unix seconds")
    return int(parameters[name])


def _window_fault(header: SignatureHeader, *, now_s: float) -> str:
    if header.created > now_s + CLOCK_SKEW_S:
        return f"created lies {header.created - now_s:.0f} s in the future"
    if header.expires < now_s:
        return f"expired {now_s - header.expires:.0f} s ago"
    if header.expires - header.created > LONGEST_WINDOW_S:
        return f"the window is {header.expires - header.created} s; {LONGEST_WINDOW_S} s are allowed"
    return ""


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
