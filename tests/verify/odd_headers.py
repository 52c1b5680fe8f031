"""In how many wrong ways can a signature header be written? Each changes the parameters of a sound one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from tests.verify.senders import Headers, authorized, written

Odd = Callable[[dict[str, str]], str | Headers]
Pairs = list[tuple[str, str]]
NAMES = ("keyId", "algorithm", "created", "expires", "headers", "signature")
ALICE = "alice.verify.localhost"


def odd_headers(other_id: str) -> Iterator[tuple[str, Odd]]:
    """Name and way of every header that must be refused; `other_id` is another subscriber in good standing."""
    for name in NAMES:
        yield f"S5 without {name}", _listed(lambda pairs, at: pairs[:at] + pairs[at + 1 :], name)
        yield f"S5 {name} twice", _listed(lambda pairs, at: [*pairs, pairs[at]], name)
        yield (
            f"S5 {name} in other case",
            _listed(lambda pairs, at: [*pairs[:at], _upper(pairs[at]), *pairs[at + 1 :]], name),
        )
        yield f"S5 {name} twice, in two cases", _listed(lambda pairs, at: [_upper(pairs[at]), *pairs], name)
    evil = ("keyId", f"{other_id}|k1|ed25519")
    yield "S5 another's keyId first", lambda found: written([evil, *found.items()])
    yield "S5 another's keyId last", lambda found: written([*found.items(), evil])
    yield "S5 two lines", lambda found: authorized(written(found), (b"Authorization", written(found).encode()))
    yield "S5 two lines, one empty", lambda found: authorized(written(found), (b"authorization", b""))
    yield "S5 escapes", _replaced('keyId="a', 'keyId="\\a')
    for old, new in (
        *((",", ", ,"), (",", ";"), (",", ",\t"), (",", " ,"), ("=", " ="), ("=", "= "), ('"', "'"), ('"', "")),
        *(
            ("Signature ", "Signature"),
            ("Signature ", "Bearer "),
            ("Signature ", "Signature\t"),
            ("Signature ", "Sig "),
        ),
        *(("Signature ", "Signature ,"), ("Signature ", "Signature: "), ("Signature ", "Signature Signature ")),
        *(('"', '""'), ("keyId=", "keyId=\x00"), ("keyId=", "keyId=\xff"), ("ed25519", "ed25519\x7f")),
        (",", ",\r\n "),
    ):
        yield f"S5 {old!a} as {new!a}", _replaced(old, new)
    yield "S5 a comma at the end", lambda found: written(found) + ","
    yield "S5 an open quote", lambda found: written(found)[:-1]
    yield "S5 a quote at the start", lambda found: '"' + written(found)
    yield "S5 too long", lambda found: written({"x": "y" * 3000} | found)
    yield from _wrong_words()
    for name, spoil in _odd_signatures():
        yield f"S2 {name}", _spoilt(spoil)


def _wrong_words() -> Iterator[tuple[str, Odd]]:
    for algorithm in ("rsa-sha256", "hs2019", "none", "ED25519", "Ed25519", "ed25519 ", "", "hmac-sha256", "ed448"):
        yield f"S6 algorithm {algorithm!r}", _set("algorithm", algorithm)
        yield f"S6 keyId says {algorithm!r}", _set("keyId", f"{ALICE}|k1|{algorithm}")
    for covered in (
        *("(created)", "(expires)", "digest", "(created) (expires)", "(created) digest", "(expires) (created) digest"),
        *("", "(created)  (expires) digest", "(created) (expires) digest host", "(created) (expires) Digest"),
    ):
        yield f"S7 covers {covered!r}", _set("headers", covered)
    for key_id in (
        *("../../x?|k1|ed25519", "a|b|c|d", f"{ALICE}||ed25519", "|k1|ed25519", "||", "", "alice"),
        *(f"ALICE{ALICE[5:]}|k1|ed25519", f"\u0430{ALICE[1:]}|k1|ed25519", f"{'a' * 1500}|k1|ed25519"),
        *(f"{ALICE}|k1\r\nX-A: b|ed25519", f"{ALICE}|k 1|ed25519", "a b|k1|ed25519", f"{ALICE}|k1|ed25519|"),
        *(f"{ALICE}.|k1|ed25519", f"{ALICE}|K1|ed25519", f"{ALICE}|k9|ed25519", f"{ALICE}|{'k' * 129}|ed25519"),
        *(f"{ALICE}/x|k1|ed25519", f"http://{ALICE}|k1|ed25519", "alice%2e|k1|ed25519"),
    ):
        yield f"S8 keyId {key_id[:40]!a}", _set("keyId", key_id)


def _odd_signatures() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield "S + L", _malleable
    yield "other trailing bits", lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "=="
    yield "no padding", lambda text: text.rstrip("=")
    yield "more padding", lambda text: text + "="
    yield "a space inside", lambda text: text[:40] + " " + text[40:]
    yield "junk inside", lambda text: text[:40] + "!" + text[40:]
    yield "url alphabet", lambda text: base64.urlsafe_b64encode(b"\xff" + base64.b64decode(text)[1:]).decode()
    yield "hexadecimal", lambda text: base64.b64decode(text).hex()
    yield "63 bytes", lambda text: base64.b64encode(base64.b64decode(text)[:63]).decode()
    yield "65 bytes", lambda text: base64.b64encode(base64.b64decode(text) + b"\0").decode()
    yield "all zero", lambda text: base64.b64encode(bytes(64)).decode()
    yield "empty", lambda text: ""


def _malleable(text: str) -> str:
    """The same signature with the group's order added to its scalar, which careless code takes for another one."""
    order = 2**252 + 27742317777372353535851937790883648493
    raw = base64.b64decode(text)
    scalar = int.from_bytes(raw[32:], "little") + order
    return base64.b64encode(raw[:32] + scalar.to_bytes(32, "little")).decode()


def _set(name: str, value: str) -> Odd:
    return lambda found: written(found | {name: value})


def _replaced(old: str, new: str) -> Odd:
    return lambda found: written(found).replace(old, new)


def _spoilt(spoil: Callable[[str], str]) -> Odd:
    return lambda found: written(found | {"signature": spoil(found["signature"])})


def _listed(change: Callable[[Pairs, int], Pairs], name: str) -> Odd:
    return lambda found: written(change(list(found.items()), NAMES.index(name)))


def _upper(pair: tuple[str, str]) -> tuple[str, str]:
    return pair[0].upper(), pair[1]
