"""Does the signature code hold BECKN-006's vectors, and refuse everything beside its grammar?"""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpp import keytext, signing
from bpp.signing import SignatureFault, SignatureHeader

# The sample of BECKN-006, byte for byte.
BODY = (
    b'{"context":{"domain":"nic2004:60212","country":"IND","city":"Kochi","action":"search","core_version":"0.9.1",'
    b'"bap_id":"bap.stayhalo.in","bap_uri":"https://8f9f-49-207-209-131.ngrok.io/protocol/",'
    b'"transaction_id":"e6d9f908-1d26-4ff3-a6d1-3af3d3721054","message_id":"a2fe6d52-9fe4-4d1a-9d0b-dccb8b48522d",'
    b'"timestamp":"2022-01-04T09:17:55.971Z","ttl":"P1M"},"message":{"intent":{"fulfillment":{"start":{"location":'
    b'{"gps":"10.108768, 76.347517"}},"end":{"location":{"gps":"10.102997, 76.353480"}}}}}}'
)
DIGEST = "b6lf6lRgOweajukcvcLsagQ2T60+85kRh/Rd2bdS+TG/5ALebOEgDJfyCrre/1+BMu5nA94o4DT3pTFXuUg7sw=="
SECRET = "lP3sHA+9gileOkXYJXh4Jg8tK0gEEMbf9yCPnFpbldhrAY+NErqL9WD+Vav7TE5tyVXGXBle9ONZi2W7o144eQ=="
PUBLIC = "awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk="
SIGNATURE = "cjbhP0PFyrlSCNszJM1F/YmHDVAWsZqJUPzojnE/7TJU3fJ/rmIlgaUHEr5E0/2PIyf0tpSnWtT6cyNNlpmoAQ=="
CREATED, EXPIRES = 1641287875, 1641291475
GATEWAY_PUBLIC = "7YRZXVeIJ0/Va56vYgzT1Uirg6mnq3FY0MBZY9DJft0="
FOX = b"The quick brown fox jumps over the lazy dog"
FOX_DIGEST = (
    "a8add4bdddfd93e4877d2746e62817b116364a1fa7bc148d95090bc7333b3673"
    "f82401cf7aa2e4cb1ecd90296e3f14cb5413f8ed77be73045b13914cdcd6a918"
)
HEADER = signing.sign(
    BODY, subscriber_id="bap.example.org", key_id="k1", seed=bytes(32), created=CREATED, expires=EXPIRES
)
TEXT = HEADER.partition("signature=")[2]


def header(signature: str = SIGNATURE, *, created: int = CREATED, expires: int = EXPIRES) -> SignatureHeader:
    return SignatureHeader("bap.example.org", "k1", "ed25519", created, expires, base64.b64decode(signature))


def refused(value: str) -> str:
    with pytest.raises(SignatureFault) as caught:
        signing.parse_header(value)
    return caught.value.code


def test_digest_is_the_published_one() -> None:
    assert signing.digest(FOX).hex() == FOX_DIGEST
    assert base64.b64encode(signing.digest(BODY)).decode() == DIGEST


def test_sign_gives_the_published_signature() -> None:
    seed = keytext.read_seed(SECRET, "ed25519")
    value = signing.sign(BODY, subscriber_id="a.b", key_id="k", seed=seed, created=CREATED, expires=EXPIRES)
    assert f'signature="{SIGNATURE}"' in value
    assert signing.public_half(seed) == base64.b64decode(PUBLIC)


@pytest.mark.parametrize(
    ("public", "created", "expires", "signature"),
    [
        (PUBLIC, CREATED, EXPIRES, SIGNATURE),
        (
            GATEWAY_PUBLIC,
            1641287885,
            1641291485,
            "kUgvyU+bdXXkNuYKygbv0gkjArHKyF9Eg4pdCyxb+J1bMyQ6n4G1RVSM97qqKmgw04mgOkbhyz5chnD3PP1lDQ==",
        ),
        (
            GATEWAY_PUBLIC,
            1641287885,
            1641287885,
            "22/DlCDoK20M2dP8ca97Qws7uqRdwzxxrmJ9SmKFe7VYuu5tS18d9aB/XWAPlmQ4U0SybclUIclbF9yDIE1FCA==",
        ),
    ],
)
def test_verify_holds_for_known_signatures(public: str, created: int, expires: int, signature: str) -> None:
    found = signing.verify(header(signature, created=created, expires=expires), BODY, base64.b64decode(public))
    assert found == signing.digest(BODY)


def test_verify_refuses_the_gateway_signature_as_misprinted() -> None:
    """BECKN-006 prints the gateway's 64-byte private key in place of its signature: any 64 other bytes must fail."""
    printed = base64.b64encode(bytes(32) + base64.b64decode(GATEWAY_PUBLIC)).decode()
    with pytest.raises(SignatureFault, match="SIGNATURE_MISMATCH"):
        signing.verify(header(printed, created=1641287885), BODY, base64.b64decode(GATEWAY_PUBLIC))


def test_verify_refuses_a_sha_256_digest() -> None:
    """Steps 6 and 8 of BECKN-006 show a 32-byte digest, which is SHA-256 of another body."""
    lines = (
        f"(created): {CREATED}\n(expires): {EXPIRES}\ndigest: BLAKE-512=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="
    )
    assert signing.signing_string(CREATED, EXPIRES, signing.digest(BODY)) != lines.encode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BODY + b"\n", "BODY_REENCODED"),
        (json.dumps(json.loads(BODY)).encode(), "BODY_REENCODED"),
        (json.dumps(json.loads(BODY), indent=1).encode(), "BODY_REENCODED"),
        (BODY.replace(b"Kochi", b"Cochi"), "SIGNATURE_MISMATCH"),
        (b"\xef\xbb\xbf" + BODY, "SIGNATURE_MISMATCH"),
        (b"", "SIGNATURE_MISMATCH"),
    ],
)
def test_verify_says_why_another_body_fails(body: bytes, code: str) -> None:
    with pytest.raises(SignatureFault) as caught:
        signing.verify(header(), body, base64.b64decode(PUBLIC))
    assert caught.value.code == code


def test_verify_names_a_digest_header_that_was_signed_instead() -> None:
    with pytest.raises(SignatureFault, match="DIGEST_MISMATCH"):
        signing.verify(header(), b"{}", base64.b64decode(PUBLIC), claimed_digest=f"BLAKE-512={DIGEST}")


@pytest.mark.parametrize(
    "lines",
    [
        b"(created): %d\r\n(expires): %d\r\ndigest: BLAKE-512=%s",
        b"(created): %d\n(expires): %d\ndigest: BLAKE-512=%s\n",
        b"(created): %d (expires): %d digest: BLAKE-512=%s",
        b"(created):%d\n(expires):%d\ndigest:BLAKE-512=%s",
    ],
)
def test_signing_string_has_one_form_only(lines: bytes) -> None:
    good = b"(created): %d\n(expires): %d\ndigest: BLAKE-512=%s" % (CREATED, EXPIRES, DIGEST.encode())
    assert signing.signing_string(CREATED, EXPIRES, signing.digest(BODY)) == good
    assert lines % (CREATED, EXPIRES, DIGEST.encode()) != good


@pytest.mark.parametrize("bit", range(0, 512, 7))
def test_verify_refuses_each_flipped_bit_of_the_signature(bit: int) -> None:
    raw = bytearray(base64.b64decode(SIGNATURE))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureFault):
        signing.verify(header(base64.b64encode(raw).decode()), BODY, base64.b64decode(PUBLIC))


def test_verify_refuses_the_malleable_twin() -> None:
    """The same signature with S + L verifies under a careless implementation."""
    order = 2**252 + 27742317777372353535851937790883648493
    raw = base64.b64decode(SIGNATURE)
    twin = raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    with pytest.raises(SignatureFault):
        signing.verify(header(base64.b64encode(twin).decode()), BODY, base64.b64decode(PUBLIC))


@pytest.mark.parametrize(
    "value",
    [
        HEADER,
        HEADER.replace(",", ", "),
        HEADER.replace("Signature ", "sIGNATURE  "),
        f'"{HEADER}"',
        HEADER.replace(f'"{CREATED}"', str(CREATED)).replace(f'"{EXPIRES}"', str(EXPIRES)),
        "Signature " + ",".join(reversed(HEADER.removeprefix("Signature ").split(","))),
        HEADER + ',nonce="a b"',
    ],
)
def test_parse_header_accepts(value: str) -> None:
    found = signing.parse_header(value)
    assert (found.subscriber_id, found.key_id, found.created, found.expires) == (
        "bap.example.org",
        "k1",
        CREATED,
        EXPIRES,
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "NO_HEADER"),
        ("   ", "NO_HEADER"),
        ("Signature", "MALFORMED_HEADER"),
        ("Signature ", "MALFORMED_HEADER"),
        ("Basic abc", "MALFORMED_HEADER"),
        ("Bearer " + HEADER, "MALFORMED_HEADER"),
        (HEADER.removeprefix("Signature "), "MALFORMED_HEADER"),
        (HEADER + ",", "MALFORMED_HEADER"),
        (HEADER.replace(",", ";"), "MALFORMED_HEADER"),
        (HEADER.replace(",", " , "), "MALFORMED_HEADER"),
        (HEADER.replace('keyId="', 'keyId="evil|k|ed25519",keyId="'), "MALFORMED_HEADER"),
        (HEADER.replace('keyId="', 'KEYID="evil|k|ed25519",keyId="'), "MALFORMED_HEADER"),
        (HEADER + f", {HEADER}", "MALFORMED_HEADER"),
        (HEADER + ',a="1",a="2"', "MALFORMED_HEADER"),
        (HEADER.replace("keyId=", "keyid="), "MALFORMED_HEADER"),
        (HEADER.replace(f'created="{CREATED}",', ""), "MALFORMED_HEADER"),
        (HEADER.replace(f'expires="{EXPIRES}",', ""), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "bap\\.example.org"), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "Bap.example.org"), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "../../x?"), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "bap.exämple.org"), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "bap.ex\u0430mple.org"), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "bap\r\nx"), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "a" * 254), "MALFORMED_HEADER"),
        (HEADER.replace("bap.example.org", "a" * 10_000), "MALFORMED_HEADER"),
        (HEADER.replace("|k1|", "|"), "MALFORMED_HEADER"),
        (HEADER.replace("|k1|", "|k1|k2|"), "MALFORMED_HEADER"),
        (HEADER.replace("|k1|", "||"), "MALFORMED_HEADER"),
        (HEADER.replace("k1|ed25519", "k1|hs2019"), "WRONG_ALGORITHM"),
        (HEADER.replace('algorithm="ed25519"', 'algorithm="hs2019"'), "WRONG_ALGORITHM"),
        (HEADER.replace('algorithm="ed25519"', 'algorithm="ED25519"'), "WRONG_ALGORITHM"),
        (HEADER.replace('algorithm="ed25519"', 'algorithm="none"'), "WRONG_ALGORITHM"),
        (HEADER.replace('algorithm="ed25519"', "algorithm=ed25519"), "MALFORMED_HEADER"),
        (HEADER.replace("(created) (expires) digest", "(created)"), "WRONG_COVERAGE"),
        (HEADER.replace("(created) (expires) digest", "(created) (expires)"), "WRONG_COVERAGE"),
        (HEADER.replace("(created) (expires) digest", "digest (created) (expires)"), "WRONG_COVERAGE"),
        (HEADER.replace("(created) (expires) digest", ""), "WRONG_COVERAGE"),
        (HEADER.replace(str(CREATED), f"+{CREATED}"), "MALFORMED_HEADER"),
        (HEADER.replace(str(CREATED), f" {CREATED}"), "MALFORMED_HEADER"),
        (HEADER.replace(str(CREATED), "1_641_287_875"), "MALFORMED_HEADER"),
        (HEADER.replace(str(CREATED), "١٦٤١٢٨٧٨٧٥"), "MALFORMED_HEADER"),
        (HEADER.replace(str(CREATED), "1641287875000"), "MALFORMED_HEADER"),
        (HEADER.replace(str(CREATED), "1641287875.0"), "MALFORMED_HEADER"),
        (HEADER.replace("==", "="), "MALFORMED_HEADER"),
        (HEADER.replace("==", ""), "MALFORMED_HEADER"),
        (HEADER.replace(TEXT, '"' + TEXT.strip('"')[:-3] + "B" + '=="'), "MALFORMED_HEADER"),
        (HEADER.replace(TEXT, '"' + TEXT.strip('"').replace("/", "_").replace("+", "-") + '"'), "MALFORMED_HEADER"),
        (HEADER.replace(TEXT, '"*' + TEXT.strip('"') + '"'), "MALFORMED_HEADER"),
        (HEADER.replace(TEXT, '""'), "MALFORMED_HEADER"),
    ],
)
def test_parse_header_refuses(value: str, code: str) -> None:
    assert refused(value) == code


def test_parse_header_accepts_hs2019_where_the_network_says_so() -> None:
    value = HEADER.replace('algorithm="ed25519"', 'algorithm="hs2019"')
    assert signing.parse_header(value, accept_hs2019=True).algorithm == "hs2019"


def test_parse_header_accepts_ids_with_a_path_where_the_network_says_so() -> None:
    value = HEADER.replace("bap.example.org", "bap.example.org/v1")
    assert refused(value) == "MALFORMED_HEADER"
    assert signing.parse_header(value, accept_paths=True).subscriber_id == "bap.example.org/v1"


@given(st.text(max_size=300))
def test_parse_header_never_fails_otherwise(text: str) -> None:
    for value in (text, f"Signature {text}", HEADER + text):
        try:
            signing.parse_header(value)
        except SignatureFault as fault:
            fault.text.encode("utf-8")


@pytest.mark.parametrize(
    ("created", "expires", "code"),
    [
        (0, 300, None),
        (-3600, 0, None),
        (10, 300, None),
        (11, 300, "CREATED_IN_FUTURE"),
        (-300, -1, "EXPIRED"),
        (5, 3, "EXPIRES_BEFORE_CREATED"),
        (0, 0, None),
        (0, 3600, None),
        (0, 3601, "WINDOW_TOO_LONG"),
        (-3600, 1, "WINDOW_TOO_LONG"),
        (0, 315_360_000, "WINDOW_TOO_LONG"),
    ],
)
def test_check_window(created: int, expires: int, code: str | None) -> None:
    now = 1_700_000_000
    found = header(created=now + created, expires=now + expires)
    if code is None:
        signing.check_window(found, now + 0.9, skew_s=10, max_window_s=3600)
        return
    with pytest.raises(SignatureFault) as caught:
        signing.check_window(found, now, skew_s=10, max_window_s=3600)
    assert caught.value.code == code


def test_check_window_names_the_difference_in_seconds() -> None:
    with pytest.raises(SignatureFault, match="expired 42 s ago"):
        signing.check_window(header(created=CREATED, expires=EXPIRES), EXPIRES + 42, skew_s=10, max_window_s=3600)
    with pytest.raises(SignatureFault, match="600 s ahead of our clock"):
        signing.check_window(header(), CREATED - 600, skew_s=10, max_window_s=3600)


def test_verify_wants_a_key_of_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        signing.verify(header(), BODY, b"short")


def test_large_body_is_refused_without_looking_for_other_writings() -> None:
    with pytest.raises(SignatureFault, match="SIGNATURE_MISMATCH"):
        signing.verify(header(), b" " * 300_000, base64.b64decode(PUBLIC))


def test_claimed_digest_that_is_no_base64_explains_nothing() -> None:
    with pytest.raises(SignatureFault, match="SIGNATURE_MISMATCH"):
        signing.verify(header(), b"{}", base64.b64decode(PUBLIC), claimed_digest="BLAKE-512=***")
