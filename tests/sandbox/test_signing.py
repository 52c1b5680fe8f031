"""BECKN-006 against the vectors of the RFC that hold, and against what must be refused."""

import base64
import re

import pytest

from sandbox import challenge
from sandbox.signing import (
    Identity,
    SignatureError,
    authorization,
    digest,
    parse,
    read_public_key,
    read_seed,
    signing_string,
    verify,
)

FOX = b"The quick brown fox jumps over the lazy dog"
FOX_HEX = (
    "a8add4bdddfd93e4877d2746e62817b116364a1fa7bc148d95090bc7333b3673"
    "f82401cf7aa2e4cb1ecd90296e3f14cb5413f8ed77be73045b13914cdcd6a918"
)
RFC_DIGEST = "b6lf6lRgOweajukcvcLsagQ2T60+85kRh/Rd2bdS+TG/5ALebOEgDJfyCrre/1+BMu5nA94o4DT3pTFXuUg7sw=="
BG_PUBLIC = "7YRZXVeIJ0/Va56vYgzT1Uirg6mnq3FY0MBZY9DJft0="
BAP_PUBLIC = "awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk="
NOW = 1_700_000_000


# The second and third stand in for the gateway signatures of the RFC, which are misprinted there.
VECTORS = [
    (
        BAP_PUBLIC,
        1641287875,
        1641291475,
        "cjbhP0PFyrlSCNszJM1F/YmHDVAWsZqJUPzojnE/7TJU3fJ/rmIlgaUHEr5E0/2PIyf0tpSnWtT6cyNNlpmoAQ==",
    ),
    (
        BG_PUBLIC,
        1641287885,
        1641291485,
        "kUgvyU+bdXXkNuYKygbv0gkjArHKyF9Eg4pdCyxb+J1bMyQ6n4G1RVSM97qqKmgw04mgOkbhyz5chnD3PP1lDQ==",
    ),
    (
        BG_PUBLIC,
        1641287885,
        1641287885,
        "22/DlCDoK20M2dP8ca97Qws7uqRdwzxxrmJ9SmKFe7VYuu5tS18d9aB/XWAPlmQ4U0SybclUIclbF9yDIE1FCA==",
    ),
]


@pytest.fixture
def identity() -> Identity:
    return Identity.fresh("bap.test")


def test_digest_is_the_published_one() -> None:
    assert base64.b64decode(digest(FOX)).hex() == FOX_HEX


def test_digest_changes_with_a_trailing_newline() -> None:
    assert digest(FOX + b"\n") != digest(FOX)


@pytest.mark.parametrize(("public_key", "created", "expires", "signature"), VECTORS)
def test_signing_string_is_what_the_published_signatures_cover(
    public_key: str, created: int, expires: int, signature: str
) -> None:
    text = signing_string(created, expires, body_digest=RFC_DIGEST)
    read_public_key(public_key).verify(base64.b64decode(signature), text)


def test_own_signature_verifies(identity: Identity) -> None:
    header = authorization(identity, b"{}", created=NOW)
    verdict = verify(header, b"{}", public_key=identity.signing_public_key, now_s=NOW + 1)
    assert verdict.ok
    assert (verdict.subscriber_id, verdict.key_id) == ("bap.test", "k1")


@pytest.mark.parametrize(
    ("now_s", "reason"), [(NOW - 11, "in the future"), (NOW + 301, "expired"), (NOW + 300, ""), (NOW - 10, "")]
)
def test_window_is_held(identity: Identity, now_s: int, reason: str) -> None:
    header = authorization(identity, b"{}", created=NOW, ttl_s=300)
    verdict = verify(header, b"{}", public_key=identity.signing_public_key, now_s=now_s)
    assert (verdict.ok, reason in verdict.reason) == (not reason, True)


def test_window_longer_than_an_hour_is_refused(identity: Identity) -> None:
    header = authorization(identity, b"{}", created=NOW, ttl_s=3601)
    assert not verify(header, b"{}", public_key=identity.signing_public_key, now_s=NOW).ok


def test_another_body_is_refused(identity: Identity) -> None:
    header = authorization(identity, b'{"a": 1}', created=NOW)
    assert not verify(header, b'{"a":1}', public_key=identity.signing_public_key, now_s=NOW).ok


def test_another_key_is_refused(identity: Identity) -> None:
    header = authorization(identity, b"{}", created=NOW)
    other = Identity.fresh("bap.test").signing_public_key
    assert not verify(header, b"{}", public_key=other, now_s=NOW).ok


def test_parameters_may_stand_in_any_order_and_shape(identity: Identity) -> None:
    header = authorization(identity, b"{}", created=NOW)
    parts = header.removeprefix("Signature ").split(",")
    loose = "signature " + ", ".join(reversed(parts)).replace(f'created="{NOW}"', f"created={NOW}")
    assert parse(loose) == parse(header)
    assert parse(f'"{header}"') == parse(header)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Signature ", "Bearer ", "scheme"),
        ('algorithm="ed25519"', 'algorithm="hs2019"', "algorithm"),
        ("|ed25519", "|rsa", "algorithm"),
        ('headers="(created) (expires) digest"', 'headers="digest"', "headers"),
        (f'expires="{NOW + 300}",', "", "expires is missing"),
        (f'created="{NOW}",', f'created="{NOW}",created="{NOW}",', "twice"),
        (f'created="{NOW}"', 'created="17000000000"', "ten digits"),
        ("bap.test|k1|", "bap.test|", "keyId"),
    ],
)
def test_a_spoilt_header_is_refused_with_its_reason(identity: Identity, old: str, new: str, reason: str) -> None:
    header = authorization(identity, b"{}", created=NOW)
    assert old in header
    verdict = verify(header.replace(old, new), b"{}", public_key=identity.signing_public_key, now_s=NOW)
    assert not verdict.ok
    assert reason in verdict.reason


def test_a_signature_that_is_not_canonical_base64_is_refused(identity: Identity) -> None:
    header = authorization(identity, b"{}", created=NOW)
    spoilt = re.sub(r'signature="(.)', r'signature="-', header)
    assert "base64" in verify(spoilt, b"{}", public_key=identity.signing_public_key, now_s=NOW).reason


def test_der_public_key_is_read() -> None:
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + base64.b64decode(BAP_PUBLIC)).decode()
    assert read_public_key(der) == read_public_key(BAP_PUBLIC)


def test_private_key_of_64_bytes_is_cut_to_its_seed() -> None:
    assert read_seed(base64.b64encode(bytes(range(64))).decode()) == bytes(range(32))
    with pytest.raises(SignatureError, match="33 bytes"):
        read_seed(base64.b64encode(bytes(33)).decode())


def test_challenge_matches_the_worked_example() -> None:
    registry, ours = bytes(range(32)), bytes(range(32, 64))
    registry_public = "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8="
    our_public = "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="
    plain = "12345678901234567890123456789012"
    text = "qA+rUzBBNdsz9lPvQ//cxsAl+ol5/whgit4mgjmy7T5PwVp6uVrYU1JfMc+sAjmE"
    assert challenge.encrypt(plain, our_seed=registry, their_public_key=our_public) == text
    assert challenge.decrypt(text, our_seed=ours, their_public_key=registry_public) == plain
