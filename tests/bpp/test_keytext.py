"""Are keys read in every form they are handed around in?"""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bpp.keytext import Curve, KeyFault, read_public_key, read_seed

SEED = bytes(range(32))
KEYS: dict[Curve, Ed25519PrivateKey | X25519PrivateKey] = {
    "ed25519": Ed25519PrivateKey.from_private_bytes(SEED),
    "x25519": X25519PrivateKey.from_private_bytes(SEED),
}


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("curve", ["ed25519", "x25519"])
def test_read_public_key_takes_raw_der_and_pem(curve: Curve) -> None:
    public = KEYS[curve].public_key()
    raw = public.public_bytes_raw()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert {read_public_key(form, curve) for form in (text(raw), f" {text(raw)}\n", text(der), pem)} == {raw}


@pytest.mark.parametrize("curve", ["ed25519", "x25519"])
def test_read_seed_takes_seed_secret_der_and_pem(curve: Curve) -> None:
    key = KEYS[curve]
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    forms = (text(SEED), text(SEED + key.public_key().public_bytes_raw()), text(der), pem)
    assert {read_seed(form, curve) for form in forms} == {SEED}


def test_read_public_key_refuses_the_other_curve() -> None:
    der = KEYS["x25519"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyFault, match="44"):
        read_public_key(text(der), "ed25519")


@pytest.mark.parametrize("bad", ["", "AAAA", "not base64!", text(bytes(31)), text(bytes(33))])
def test_refuses_other_lengths(bad: str) -> None:
    with pytest.raises(KeyFault):
        read_public_key(bad, "ed25519")
    with pytest.raises(KeyFault):
        read_seed(bad, "ed25519")


def test_read_seed_refuses_halves_that_do_not_belong_together_and_quotes_nothing() -> None:
    secret = text(SEED + bytes(32))
    with pytest.raises(KeyFault, match="second half") as caught:
        read_seed(secret, "ed25519")
    assert secret[:20] not in str(caught.value)
