"""Which requests must the door refuse, and which must it accept all the same? Every case with the outcome it must have.

The tables follow the threats S1–S11 and T1–T2; each of a table's cases is sent once, the random ones fill up.
"""

from __future__ import annotations

import base64
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.signing import Identity
from tests.verify.odd_headers import odd_headers
from tests.verify.senders import (
    ACTIONS,
    Headers,
    Peers,
    authorized,
    context,
    document,
    message,
    parameters,
    written,
)

ACK, UNAUTHORIZED, REFUSED = "ack", "401", "refused"


@dataclass(frozen=True, slots=True)
class Case:
    """One request: bytes, headers, and what must come of it; `key` is the inbox key where it is to be accepted."""

    family: str
    action: str
    body: bytes
    headers: Headers
    expect: str
    key: tuple[str, str, str] = ("", "", "")
    chunked: bool = False


class Cast:
    """Who plays in the proof: two buyer apps in good standing, and everybody who may not ask."""

    def __init__(self, peers: Peers, dice: random.Random) -> None:
        self.peers, self.dice = peers, dice
        self.alice, self.bob = peers.join("alice"), peers.join("bob")
        self.gateway = peers.join("gateway", "BG")
        self.wrong = {
            "a provider": peers.join("provider", "BPP"),
            "a gateway": self.gateway,
            "a buyer app of another domain": peers.join("elsewhere", domain="mobility:uei"),
            "one only initiated": peers.join("initiated", status="INITIATED"),
            "one unsubscribed": peers.join("left", status="UNSUBSCRIBED"),
            "one whose key ran out": peers.join("late", valid_until="2024-01-01T00:00:00.000Z"),
            "one whose key is not yet valid": peers.join("early", valid_from="2099-01-01T00:00:00.000Z"),
            "a stranger": Identity.fresh("stranger.verify.localhost"),
        }

    def letter(self, action: str = "", who: Identity | None = None, **changes: Any) -> tuple[str, bytes, str]:
        """A sound request: action, body, message_id."""
        chosen, sender = action or self.dice.choice(ACTIONS), who or self.alice
        head = context(sender, self.peers.uri(sender), chosen, **changes)
        return chosen, document(head, message(chosen)), str(head.get("message_id", ""))


def controls(cast: Cast, count: int) -> Iterator[Case]:
    """Sound requests: every accepted way to write the header in turn, over all actions."""
    ways = list(_accepted_ways(cast))
    for number in range(count):
        name, write = ways[number % len(ways)]
        action = ACTIONS[number // len(ways) % len(ACTIONS)] if number >= len(ways) else ACTIONS[number % len(ACTIONS)]
        who = cast.alice if number % 2 else cast.bob
        action, body, message_id = cast.letter(action, who)
        key = (who.subscriber_id, action, message_id)
        headers = write(who, body)
        yield Case(f"control: {name}", action, body, headers, ACK, key, chunked=name == "chunked")
    for name, who, gate in (
        ("gateway", cast.alice, b"X-Gateway-Authorization"),
        ("proxy", cast.bob, b"proxy-authorization"),
    ):
        _, body, message_id = cast.letter("search", who, bpp_id=None)
        through = (gate, written(parameters(cast.gateway, body)).encode())
        headers = authorized(written(parameters(who, body)), through)
        yield Case(f"control: {name}", "search", body, headers, ACK, (who.subscriber_id, "search", message_id))


def _accepted_ways(cast: Cast) -> Iterator[tuple[str, Callable[[Identity, bytes], Headers]]]:
    def way(change: Callable[[dict[str, str]], str]) -> Callable[[Identity, bytes], Headers]:
        return lambda who, body: authorized(change(parameters(who, body)))

    def timed(created_s: int, lasting_s: int) -> Callable[[Identity, bytes], Headers]:
        def write(who: Identity, body: bytes) -> Headers:
            return authorized(written(parameters(who, body, created=int(time.time()) + created_s, lasting_s=lasting_s)))

        return write

    def named(name: bytes) -> Callable[[Identity, bytes], Headers]:
        return lambda who, body: ((name, written(parameters(who, body)).encode()),)

    yield "as published", way(written)
    yield "chunked", way(written)
    yield "reversed", way(lambda found: written(list(reversed(found.items()))))
    yield "shuffled", way(lambda found: written(cast.dice.sample(list(found.items()), len(found))))
    yield "a space after commas", way(lambda found: written(found, comma=", "))
    yield "spaces after commas", way(lambda found: written(found, comma=",   "))
    yield "signature in lower case", way(lambda found: written(found, scheme="signature "))
    yield "SIGNATURE in upper case", way(lambda found: written(found, scheme="SIGNATURE "))
    yield "two spaces after the scheme", way(lambda found: written(found, scheme="Signature  "))
    yield "times without quotes", way(lambda found: re.sub(r'(created|expires)="(\d+)"', r"\1=\2", written(found)))
    yield "the whole in quotes", way(lambda found: f'"{written(found)}"')
    yield "an unknown parameter first", way(lambda found: written({"nonce": "1"} | found))
    yield "an unknown parameter last", way(lambda found: written(found | {"request-id": "a b"}))
    yield "an unknown parameter without quotes", way(lambda found: f"{written(found)},version=1.0")
    yield "the header's name in upper case", named(b"AUTHORIZATION")
    yield "the header's name in lower case", named(b"authorization")
    yield "a window of an hour", timed(-5, 3600)
    yield "a clock 8 s ahead", timed(8, 300)
    yield "half an hour old", timed(-1800, 3000)
    yield (
        "a wrong Digest header beside it",
        lambda who, body: authorized(written(parameters(who, body)), (b"Digest", b"BLAKE-512=AAAA")),
    )


def tables(cast: Cast) -> Iterator[Case]:
    """Every named forgery once."""
    yield from _missing(cast)
    yield from _times(cast)
    yield from _headers(cast)
    yield from _identities(cast)
    yield from _gateways(cast)
    yield from _rewritten(cast)
    yield from _astray(cast)
    yield from _challenges(cast)


def _missing(cast: Cast) -> Iterator[Case]:
    for action in ACTIONS:
        _, body, _ = cast.letter(action)
        through = (b"X-Gateway-Authorization", written(parameters(cast.gateway, body)).encode())
        for name, headers in (
            ("nothing", ()),
            ("only a gateway's", (through,)),
            ("an empty header", authorized("")),
            ("the scheme alone", authorized("Signature ")),
        ):
            yield Case(f"S1 {name}", action, body, headers, UNAUTHORIZED)


def _times(cast: Cast) -> Iterator[Case]:
    now = int(time.time())
    for created, expires in (
        *((now - 600, now - 300), (now - 3700, now - 100), (now - 60, now - 1), (now + 60, now + 300)),
        *((now + 600, now + 900), (now + 3600, now + 7200), (now, now - 1), (now, now - 3000), (now - 5, now + 3596)),
        *((now - 100, now + 315_360_000), (now - 3700, now + 60), (now + 200, now + 100), (1_000_000_000, now + 60)),
        *((now, 9_999_999_999), (0, now + 60), (now, 0), (now * 1000, now * 1000 + 300), (-now, now)),
    ):
        action, body, _ = cast.letter()
        found = parameters(cast.alice, body, created=created, expires=expires)
        yield Case(f"S3 {created - now:+} to {expires - now:+}", action, body, authorized(written(found)), UNAUTHORIZED)
    arabic = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    for name in ("created", "expires"):
        action, body, _ = cast.letter()
        found = parameters(cast.alice, body)
        plain = found[name]
        for odd in (
            *(f"+{plain}", f" {plain}", f"{plain} ", f"{plain[0]}_{plain[1:]}", plain.translate(arabic), f"0{plain}"),
            *(f"{plain}.0", f"{plain}e0", f"{int(plain):#x}", plain[:-1], "", "now", f"-{plain}", f"{plain}\t"),
        ):
            value = written(found | {name: odd})
            yield Case(f"S3 {name} is {odd!a}", action, body, authorized(value), UNAUTHORIZED)


def _headers(cast: Cast) -> Iterator[Case]:
    for name, write in odd_headers(cast.bob.subscriber_id):
        for _ in range(3):
            action, body, _ = cast.letter()
            value = write(parameters(cast.alice, body))
            headers = authorized(value) if isinstance(value, str) else value
            yield Case(name, action, body, headers, UNAUTHORIZED if _is_plain(headers) else REFUSED)


def _is_plain(headers: Headers) -> bool:
    """Whether the server in front of the door has no reason to refuse these headers itself."""
    return all(not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value) for _, value in headers)


def _identities(cast: Cast) -> Iterator[Case]:
    for action in ACTIONS:
        _, body, _ = cast.letter(action)
        headers = authorized(written(parameters(cast.bob, body)))
        yield Case("S9 signed by another buyer app", action, body, headers, UNAUTHORIZED)
        claimed = parameters(cast.bob, body) | {"keyId": f"{cast.alice.subscriber_id}|k1|ed25519"}
        yield Case("S2 another's key under the name", action, body, authorized(written(claimed)), UNAUTHORIZED)
        for name, who in cast.wrong.items():
            _, body, _ = cast.letter(action, who)
            yield Case(f"S10 {name}", action, body, authorized(written(parameters(who, body))), UNAUTHORIZED)
    odd_ids: tuple[Any, ...] = (
        "ALICE.verify.localhost",
        "alice.verify.localhost.",
        " alice.verify.localhost",
        7,
        ["alice"],
        True,
        {},
    )
    for odd in odd_ids:
        action, body, _ = cast.letter("status", bap_id=odd)
        headers = authorized(written(parameters(cast.alice, body)))
        yield Case(f"S9 bap_id {odd!a}", action, body, headers, UNAUTHORIZED)


def _gateways(cast: Cast) -> Iterator[Case]:
    for action in ACTIONS:
        _, body, _ = cast.letter(action)
        own = written(parameters(cast.alice, body))
        good = written(parameters(cast.gateway, body)).encode()
        _, other, _ = cast.letter(action)
        spoofs = {
            "by a buyer app": written(parameters(cast.bob, body)).encode(),
            "by the sender": own.encode(),
            "of another body": written(parameters(cast.gateway, other)).encode(),
            "that ran out": written(parameters(cast.gateway, body, created=int(time.time()) - 600)).encode(),
            "without sense": b"Signature x",
            "empty": b"",
        }
        for name, value in spoofs.items():
            headers = authorized(own, (b"X-Gateway-Authorization", value))
            yield Case(f"S11 a gateway's signature {name}", action, body, headers, UNAUTHORIZED)
        two = authorized(own, (b"X-Gateway-Authorization", good), (b"Proxy-Authorization", b"Signature x"))
        yield Case("S11 one good and one bad", action, body, two, UNAUTHORIZED)
        if action != "search":
            headers = authorized(own, (b"X-Gateway-Authorization", good))
            yield Case("S11 a gateway on a direct action", action, body, headers, UNAUTHORIZED)
    _, body, _ = cast.letter("search", cast.gateway)
    headers = authorized(
        written(parameters(cast.gateway, body)),
        (b"X-Gateway-Authorization", written(parameters(cast.gateway, body)).encode()),
    )
    yield Case("S11 a gateway as a buyer app", "search", body, headers, UNAUTHORIZED)


def _rewritten(cast: Cast) -> Iterator[Case]:
    for action in ACTIONS:
        _, body, _ = cast.letter(action)
        found = json.loads(body)
        headers = authorized(written(parameters(cast.alice, body)))
        for name, other in {
            "indented": json.dumps(found, indent=1).encode(),
            "with spaces": json.dumps(found).encode(),
            "sorted": json.dumps(found, sort_keys=True, separators=(",", ":")).encode(),
            "with a line end": body + b"\n",
            "with CR LF": body + b"\r\n",
            "with a byte order mark": b"\xef\xbb\xbf" + body,
            "in UTF-16": body.decode().encode("utf-16"),
            "twice": body + body,
            "empty": b"",
        }.items():
            yield Case(f"T1 {name}", action, other, headers, UNAUTHORIZED)


def _astray(cast: Cast) -> Iterator[Case]:
    """Rightly signed, but not for this address, not for us, not in time, or not readable in one way."""
    for action in ACTIONS:
        other = ACTIONS[ACTIONS.index(action) - 1]
        _, body, _ = cast.letter(action)
        yield Case("S4 to another address", other, body, authorized(written(parameters(cast.alice, body))), REFUSED)
    heads: dict[str, dict[str, Any]] = {
        "another provider": {"bpp_id": "bpp.other.localhost"},
        "another domain": {"domain": "mobility:uei"},
        "no domain": {"domain": None},
        "an old message": {"timestamp": "2024-01-01T00:00:00.000Z"},
        "a version not spoken": {"version": "2.0.0"},
        "no message_id": {"message_id": None},
        "a long message_id": {"message_id": "m" * 256},
        "a control character": {"message_id": "a\u0007b"},
        "a transaction_id that is a number": {"transaction_id": 7},
    }
    for name, changes in heads.items():
        action, body, _ = cast.letter("", None, **changes)
        yield Case(f"S4 {name}", action, body, authorized(written(parameters(cast.alice, body))), REFUSED)
    _, body, _ = cast.letter("status")
    for name, old, new in (
        ("a name twice", b'{"context":{', b'{"context":{"bap_id":"victim",'),
        ("two contexts", b'{"context":', b'{"context":{},"context":'),
        ("NaN", b'"VB-NONE"', b"NaN"),
        ("a lone surrogate", b'"VB-NONE"', b'"\\ud800"'),
        ("a NUL", b'"VB-NONE"', b'"\\u0000"'),
    ):
        changed = body.replace(old, new, 1)
        yield Case(f"T2 {name}", "status", changed, authorized(written(parameters(cast.alice, changed))), REFUSED)


def _challenges(cast: Cast) -> Iterator[Case]:
    for number in range(20):
        challenge = base64.b64encode(cast.dice.randbytes(64)).decode()
        body = json.dumps({"subscriber_id": "bpp.verify.localhost", "challenge": challenge}).encode()
        headers = authorized(written(parameters(cast.alice, body))) if number % 2 else ()
        yield Case("S16 a challenge nobody waits for", "on_subscribe", body, headers, REFUSED)


def at_random(cast: Cast, count: int) -> Iterator[Case]:
    """Bits, bytes and characters changed at random in what was rightly signed."""
    flips = list(range(512))
    cast.dice.shuffle(flips)
    for number in range(count):
        action, body, _ = cast.letter()
        found = parameters(cast.alice, body)
        if number % 4 == 0:
            raw = bytearray(base64.b64decode(found["signature"]))
            bit = flips[number // 4 % 512]
            raw[bit // 8] ^= 1 << bit % 8
            value = written(found | {"signature": base64.b64encode(raw).decode()})
            yield Case("S2 a bit of the signature", action, body, authorized(value), UNAUTHORIZED)
        elif number % 4 == 1:
            value = _changed(written(found), cast.dice)
            expect = UNAUTHORIZED if _is_plain(authorized(value)) else REFUSED
            yield Case("S5 a character of the header", action, body, authorized(value), expect)
        else:
            yield Case(
                "S2 a byte of the body", action, _spoilt(body, cast.dice), authorized(written(found)), UNAUTHORIZED
            )


def _spoilt(body: bytes, dice: random.Random) -> bytes:
    place, kind = dice.randrange(len(body)), dice.randrange(3)
    if kind == 0:
        return body[:place] + bytes([body[place] ^ dice.randrange(1, 256)]) + body[place + 1 :]
    return body[:place] + (bytes([dice.randrange(256)]) if kind == 1 else b"") + body[place + (kind == 2) :]


def _changed(value: str, dice: random.Random) -> str:
    """A header with one character changed that does not say the same in an accepted way."""
    letters = [chr(code) for code in range(32, 127)]
    while True:
        place, kind = dice.randrange(len(value)), dice.randrange(3)
        other = value[:place] + ("" if kind == 0 else dice.choice(letters)) + value[place + (kind != 1) :]
        if _plain(other) != _plain(value):
            return other


def _plain(value: str) -> str:
    """The header without what the grammar leaves free."""
    text = re.sub(r"^signature +", "", value.strip(), flags=re.IGNORECASE)
    return re.sub(r'(created|expires)="?([0-9]+)"?(?=,|$)', r"\1=\2", re.sub(", +", ",", text))
