"""Does the door for payment news let in anything that the provider did not sign? (S17)

Sound webhooks and forged ones, posted to the URL in any order. Whatever is let in is a hint only; that it moves no
money by itself is held by tests/orders and by the proofs of money.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from tests.verify.rig import Rig, Verdict
from tests.verify.senders import Headers, Line, request

PATH = "/payments/razorpay/webhook"
SECRETS = ("verify-webhook-old", "verify-webhook-new")
KEY_ID, KEY_SECRET = "rzp_verify", "verify-api-secret"
ACCOUNT = "acc_verify"
ENV = {
    "PAYMENT_PROVIDER": "razorpay",
    "PAYMENT_RAZORPAY_KEY_ID": KEY_ID,
    "PAYMENT_RAZORPAY_KEY_SECRET": KEY_SECRET,
    "PAYMENT_RAZORPAY_ACCOUNT": ACCOUNT,
    "PAYMENT_RAZORPAY_WEBHOOK_SECRETS": ",".join(SECRETS),
}
LINES = 16
SOUND, REPEATS = 40, 5
LARGEST_BYTES = 131_072


@dataclass(frozen=True, slots=True)
class Post:
    """One request to the webhook's URL and the status it must get."""

    family: str
    body: bytes
    headers: Headers
    status: int = 401
    path: str = PATH
    method: bytes = b"POST"


async def forge_news(rig: Rig, verdict: Verdict, dice: random.Random, count: int) -> None:
    """Post `count` random forgeries among every named one and sound news, and count what was kept in the end."""
    sound = [_news(number) for number in range(SOUND)]
    posts = [*_controls(sound), *_named(sound[0]), *_at_random(sound, dice, count)]
    dice.shuffle(posts)
    lines = [Line(rig.port) for _ in range(LINES)]
    try:
        seen = await _send(lines, posts, verdict)
    finally:
        for line in lines:
            await line.close()
    verdict.n += len(posts)
    verdict.figures["news"] = dict(sorted(seen.items()))
    _count_rows(rig, verdict, sound, refused=sum(post.status == 401 for post in posts))


async def _send(lines: Sequence[Line], posts: Sequence[Post], verdict: Verdict) -> Counter[str]:
    waiting, seen = iter(posts), Counter[str]()

    async def work(line: Line) -> None:
        for post in waiting:
            answer = await line.ask(request(post.path, post.body, post.headers, method=post.method))
            seen[f"HTTP {answer.status}"] += 1
            if answer.status != post.status:
                verdict.fail(f"S17 {post.family}: HTTP {answer.status}, not {post.status}: {answer.body[:160]!r}")

    await asyncio.gather(*(work(line) for line in lines))
    return seen


def _controls(sound: Sequence[bytes]) -> Iterator[Post]:
    """Each of the news several times at once, under either secret."""
    for number, body in enumerate(sound):
        for secret in (SECRETS[number % 2],) * REPEATS:
            yield Post("control", body, _signed(body, signature(secret, body), event_id=f"evt_{number}"), 200)


def _named(body: bytes) -> Iterator[Post]:
    right = signature(SECRETS[0], body)
    other = body.replace(b"25960", b"2596")
    odd = {
        "empty": "",
        "shortened": right[:-1],
        "lengthened": right + "0",
        "given twice in one line": f"{right},{right}",
        "in capitals": right.upper(),
        "with a scheme": f"sha256={right}",
        "in base64": base64.b64encode(bytes.fromhex(right)).decode(),
        "of SHA-512": hmac.new(SECRETS[0].encode(), body, hashlib.sha512).hexdigest(),
        "a digest without a key": hashlib.sha256(body).hexdigest(),
        "with an empty secret": signature("", body),
        "with the API's secret": signature(KEY_SECRET, body),
        "with the API's key id": signature(KEY_ID, body),
        "with both secrets in one": signature(",".join(SECRETS), body),
        "of another body": signature(SECRETS[0], other),
        "no text": "\xff" * 64,
    }
    for name, value in odd.items():
        yield Post(f"signature {name}", body, _signed(body, value))
    yield Post("no signature", body, ())
    yield Post("signature in Authorization", body, ((b"Authorization", right.encode()),))
    yield Post("amount changed", other, _signed(other, right))
    yield Post("body set otherwise", body + b"\n", _signed(body, right))
    for content in (b"", b"[]", b"{}", b'{"payload":[]}', b"\xff\xfe", b'{"payload":'):
        yield Post("signed, but no event", content, _signed(content, signature(SECRETS[0], content)))
    yield Post("a provider that is not set up", body, _signed(body, right), 404, "/payments/upi/webhook")
    yield Post("no provider of ours", body, _signed(body, right), 404, "/payments/paypal/webhook")
    yield Post("read", b"", _signed(b"", right), 405, method=b"GET")
    large = body + b" " * LARGEST_BYTES
    yield Post("too large", large, _signed(large, signature(SECRETS[0], large)), 413)


def _at_random(sound: Sequence[bytes], dice: random.Random, count: int) -> Iterator[Post]:
    """A sound one with one bit of its body or one digit of its signature changed, or under a secret of nobody."""
    for _ in range(count):
        body = dice.choice(sound)
        right = signature(dice.choice(SECRETS), body)
        kind = dice.choice(("body", "signature", "secret"))
        if kind == "body":
            at = dice.randrange(len(body))
            body = body[:at] + bytes([body[at] ^ 1 << dice.randrange(8)]) + body[at + 1 :]
        elif kind == "signature":
            at = dice.randrange(len(right))
            right = (
                right[:at]
                + dice.choice([digit for digit in "0123456789abcdef" if digit != right[at]])
                + right[at + 1 :]
            )
        else:
            right = signature(f"forged-{dice.random()}", body)
        yield Post(f"random {kind}", body, _signed(body, right, event_id=f"evt_{dice.randrange(10**9)}"))


def signature(secret: str, body: bytes) -> str:
    """The provider's signature over the raw body: HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _signed(body: bytes, value: str, *, event_id: str = "evt_forged") -> Headers:
    return ((b"X-Razorpay-Signature", value.encode("latin-1")), (b"X-Razorpay-Event-Id", event_id.encode()))


def _news(number: int) -> bytes:
    """An event of a payment that was captured, as the provider writes it."""
    payment = {
        "id": f"pay_verify{number:04}",
        "order_id": f"order_verify{number:04}",
        "amount": 25960,
        "currency": "INR",
        "status": "captured",
    }
    return orjson.dumps(
        {
            "entity": "event",
            "account_id": ACCOUNT,
            "event": "payment.captured",
            "contains": ["payment"],
            "payload": {"payment": {"entity": payment}},
            "created_at": int(time.time()),
        }
    )


def _count_rows(rig: Rig, verdict: Verdict, sound: Sequence[bytes], *, refused: int) -> None:
    with rig.connect() as connection:
        kept = connection.execute("SELECT digest, deliveries FROM orders_paymentnews").fetchall()
        counted, moved = connection.execute(
            "SELECT (SELECT coalesce(sum(count), 0) FROM orders_webhookrefusal), (SELECT count(*) FROM orders_journal)"
        ).fetchone() or (0, 0)
    wanted = Counter({hashlib.sha256(body).hexdigest(): REPEATS for body in sound})
    found = Counter(dict(kept))
    verdict.figures |= {"news_kept": len(kept), "news_refused": int(counted)}
    for digest in sorted(found.keys() - wanted.keys())[:5]:
        verdict.fail(f"S17: news were kept that nobody signed: body {digest}")
    if len(kept) == len(wanted) and found != wanted:
        verdict.fail(f"S17: deliveries were counted wrongly: {sorted(found.values())[:5]}, wanted {REPEATS} of each")
    if wanted.keys() - found.keys():
        verdict.fail(f"S17: {len(wanted.keys() - found.keys())} sound news were not kept")
    if counted != refused:
        verdict.fail(f"S17: {counted} refusals were counted, {refused} requests were refused")
    if moved:
        verdict.fail(f"S17: {moved} journals were posted on the word of webhooks alone")
