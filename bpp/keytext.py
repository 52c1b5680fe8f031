"""Which 32 bytes does this text of a key mean?

Keys come as bare base64, DER in base64, or PEM; private ones as a 32-byte seed or 64 bytes of seed and public half.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final, Literal

from bpp.signing import public_half

Curve = Literal["ed25519", "x25519"]
_PUBLIC_DER: Final = {
    "ed25519": bytes.fromhex("302a300506032b6570032100"),
    "x25519": bytes.fromhex("302a300506032b656e032100"),
}
_PRIVATE_DER: Final = {
    "ed25519": bytes.fromhex("302e020100300506032b657004220420"),
    "x25519": bytes.fromhex("302e020100300506032b656e04220420"),
}


class KeyFault(ValueError):
    """A text that is no key of the kind wanted; it never quotes the text."""


def read_public_key(text: str, curve: Curve) -> bytes:
    """The 32 bytes of a public key: base64 of 32 raw bytes or of 44 bytes DER, perhaps in PEM armour.

    Raises KeyFault.
    """
    raw = _decoded(text, "public key")
    prefix = _PUBLIC_DER[curve]
    if len(raw) == 44 and raw.startswith(prefix):
        return raw[12:]
    if len(raw) != 32:
        raise KeyFault(f"a public {curve} key has 32 bytes, or 44 in DER; this one has {len(raw)}")
    return raw


def read_seed(text: str, curve: Curve) -> bytes:
    """The 32 private bytes: base64 of a seed, of seed and public half (64 bytes) or of PKCS#8 DER, perhaps in PEM.

    Raises KeyFault, also where the public half of an Ed25519 secret is not the seed's.
    """
    raw = _decoded(text, "private key")
    prefix = _PRIVATE_DER[curve]
    if len(raw) == 48 and raw.startswith(prefix):
        return raw[16:]
    if len(raw) == 64:
        if curve == "ed25519" and public_half(raw[:32]) != raw[32:]:
            raise KeyFault("the second half of this 64-byte private key is not the public key of its first half")
        return raw[:32]
    if len(raw) != 32:
        raise KeyFault(f"a private {curve} key has 32 or 64 bytes, or 48 in DER; this one has {len(raw)}")
    return raw


def _decoded(text: str, what: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip() and not line.startswith("-----")]
    try:
        return base64.b64decode("".join(lines), validate=True)
    except binascii.Error as err:
        raise KeyFault(f"the {what} is not base64") from err
