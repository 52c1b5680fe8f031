"""How does a registry prove that a subscriber holds its encryption key?

X25519 shared secret, raw, as the key of AES-256-ECB with PKCS#7 padding over a 32-digit number.
"""

import base64
import secrets

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from sandbox.signing import read_base64, read_encryption_key


def fresh_answer() -> str:
    """A number of 32 digits that only the holder of the encryption key can read."""
    return "".join(secrets.choice("0123456789") for _ in range(32))


def encrypt(plain: str, *, our_seed: bytes, their_public_key: str) -> str:
    """The base64 challenge for this plain text."""
    padder = PKCS7(128).padder()
    padded = padder.update(plain.encode()) + padder.finalize()
    encryptor = _cipher(our_seed, their_public_key).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")


def decrypt(challenge: str, *, our_seed: bytes, their_public_key: str) -> str:
    """The plain text of a base64 challenge."""
    decryptor = _cipher(our_seed, their_public_key).decryptor()
    padded = decryptor.update(read_base64(challenge, what="challenge")) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


def _cipher(our_seed: bytes, their_public_key: str) -> Cipher[modes.ECB]:
    shared = X25519PrivateKey.from_private_bytes(our_seed).exchange(read_encryption_key(their_public_key))
    # ECB without a key derivation is what the network's registries speak; it is not our choice.
    return Cipher(algorithms.AES(shared), modes.ECB())  # noqa: S305
