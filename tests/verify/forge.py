"""Does the door let in anything that its sender did not sign? Mutated requests over HTTP beside sound ones.

N sets the number of requests (10,000, one tenth of them sound). SABOTAGE is accept_any, last_wins,
no_identity or any_news.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import django

from bpp import signing
from tests.verify import forged_news
from tests.verify.forgeries import ACK, UNAUTHORIZED, Case, Cast, at_random, controls, tables
from tests.verify.rig import Rig, Verdict, run, wanted
from tests.verify.senders import Answer, Line, Peers, authorized, parameters, request, written

LINES = 32
COPIES = 50
REPEATS = 5
VECTOR_PUBLIC = "awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk="
VECTOR_SIGNATURE = "cjbhP0PFyrlSCNszJM1F/YmHDVAWsZqJUPzojnE/7TJU3fJ/rmIlgaUHEr5E0/2PIyf0tpSnWtT6cyNNlpmoAQ=="
VECTOR_TIMES = (1641287875, 1641291475)
# The sample of BECKN-006, byte for byte.
VECTOR_BODY = (
    b'{"context":{"domain":"nic2004:60212","country":"IND","city":"Kochi","action":"search","core_version":"0.9.1",'
    b'"bap_id":"bap.stayhalo.in","bap_uri":"https://8f9f-49-207-209-131.ngrok.io/protocol/",'
    b'"transaction_id":"e6d9f908-1d26-4ff3-a6d1-3af3d3721054","message_id":"a2fe6d52-9fe4-4d1a-9d0b-dccb8b48522d",'
    b'"timestamp":"2022-01-04T09:17:55.971Z","ttl":"P1M"},"message":{"intent":{"fulfillment":{"start":{"location":'
    b'{"gps":"10.108768, 76.347517"}},"end":{"location":{"gps":"10.102997, 76.353480"}}}}}}'
)


@dataclass
class Tally:
    """What was sent and what came of it; `kept` are the inbox keys that must be there in the end, and no others."""

    verdict: Verdict
    kept: set[tuple[str, str, str]] = field(default_factory=set)
    sent: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    server_errors: int = 0

    def judge(self, case: Case, answer: Answer) -> None:
        """Hold one answer against what must have come."""
        self.sent[case.family.partition(" ")[0].rstrip(":")] += 1
        self.verdicts["ACK" if answer.acked else answer.verdict] += 1
        seen = f"{case.family} on {case.action}: {answer.status} {answer.body[:160]!r}"
        self.server_errors += answer.status >= 500
        if case.expect == ACK:
            self.kept.add(case.key)
            if not answer.acked:
                self.verdict.fail(f"refused though sound: {seen}")
            return
        self.accepted += answer.acked
        challenge = "www-authenticate" in answer.headers or "proxy-authenticate" in answer.headers
        right = answer.status == 401 and answer.nacked and challenge
        if answer.acked or answer.status >= 500 or (case.expect == UNAUTHORIZED and not right):
            self.verdict.fail(f"{'ACCEPTED' if answer.acked else 'wrongly refused'}: {seen}")


async def proof(verdict: Verdict, sabotage: str) -> None:
    dice = random.Random(verdict.seed)
    verdict.skipped += ["S12–S15 (registry faults)", "S18–S20 (not this door)"]
    _vector(verdict)
    async with Peers() as peers:
        # Behind a proxy the address is the proxy's word, so that one part can be limited and the rest not.
        env = {"BEHIND_PROXY": "1", "BECKN_IP_RATE_PER_S": "20", "BECKN_IP_BURST": "50", **forged_news.ENV}
        with Rig(peers.url, sabotage=sabotage, env=env) as rig:
            cast = Cast(peers, dice)
            peers.registry.add(rig.row())
            rig.prepare(seed_city=False)
            rig.start("web")
            await rig.ready()
            tally = Tally(verdict)
            await _forge(rig, cast, tally, wanted(10_000))
            _count_rows(rig, tally)
            await forged_news.forge_news(rig, verdict, dice, wanted(10_000) // 20)
            if sabotage:
                return
            rig.kill("web")
            os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
            django.setup()
            from tests.verify import tampering

            await asyncio.to_thread(tampering.tamper, verdict, cast.alice.subscriber_id, wanted(10_000) // 5)


async def _forge(rig: Rig, cast: Cast, tally: Tally, count: int) -> None:
    lines = [Line(rig.port) for _ in range(LINES)]
    try:
        stale = await _sign_shortly(cast, lines[0], tally)
        sound = list(controls(cast, max(count // 10, 40)))
        named = list(tables(cast))
        cases = [*sound, *named, *at_random(cast, max(count - len(sound) - len(named), 200))]
        cast.dice.shuffle(cases)
        await _send(lines, cases, tally)
        await _replay(lines, cast.dice.sample(sound, min(len(sound), count // 10)), tally)
        await _reuse(lines, cast, tally, rounds=max(1, min(20, count // 500)))
        await _limited(lines, cast, tally)
        await _after_its_window(lines[0], stale, tally)
    finally:
        for line in lines:
            await line.close()
    tally.verdict.n = sum(tally.sent.values())
    tally.verdict.figures |= {
        "accepted_forgeries": tally.accepted,
        "server_errors": tally.server_errors,
        "sent": dict(sorted(tally.sent.items())),
        "verdicts": dict(tally.verdicts.most_common()),
    }


async def _send(lines: Sequence[Line], cases: Sequence[Case], tally: Tally) -> None:
    waiting = iter(cases)

    async def work(line: Line) -> None:
        for case in waiting:
            tally.judge(case, await line.ask(_bytes(case)))

    await asyncio.gather(*(work(line) for line in lines))


def _bytes(case: Case) -> bytes:
    return request(f"/beckn/{case.action}", case.body, case.headers, chunked=case.chunked)


async def _replay(lines: Sequence[Line], cases: Sequence[Case], tally: Tally) -> None:
    """S4: the identical request again and again gets the same bytes; the inbox is counted at the end."""
    for case in cases:
        answers = await asyncio.gather(*(line.ask(_bytes(case)) for line in lines[:REPEATS]))
        tally.sent["replay"] += REPEATS
        for answer in answers:
            tally.server_errors += answer.status >= 500
            if not answer.acked or answer.body != answers[0].body:
                tally.verdict.fail(f"S4 replay of {case.action}: {answer.status} {answer.body[:160]!r}")


async def _reuse(lines: Sequence[Line], cast: Cast, tally: Tally, *, rounds: int) -> None:
    """T4: copies with one message_id and two bodies at once; one body is stored, the other refused every time."""
    for _ in range(rounds):
        action, body, message_id = cast.letter("status")
        other = body.replace(b"VB-NONE", b"VB-ELSE")
        raws = [
            request(f"/beckn/{action}", text, authorized(written(parameters(cast.alice, text))))
            for text in (body, other)
        ]
        picks = [number % 2 for number in range(COPIES)]
        answers = await asyncio.gather(
            *(
                _one_after_another(line, [raws[pick] for pick in picks[place::LINES]])
                for place, line in enumerate(lines)
            )
        )
        flat: dict[int, list[Answer]] = {0: [], 1: []}
        for place, group in enumerate(answers):
            for pick, answer in zip(picks[place::LINES], group, strict=True):
                flat[pick].append(answer)
        tally.sent["T4"] += COPIES
        tally.kept.add((cast.alice.subscriber_id, action, message_id))
        outcomes = sorted({tuple(sorted({answer.verdict for answer in found})) for found in flat.values()})
        if outcomes != [("HTTP 200",), ("MESSAGE_ID_REUSED",)]:
            tally.verdict.fail(f"T4 two bodies under one message_id: {outcomes}")


async def _one_after_another(line: Line, raws: Sequence[bytes]) -> list[Answer]:
    return [await line.ask(raw) for raw in raws]


async def _limited(lines: Sequence[Line], cast: Cast, tally: Tally) -> None:
    """One address that floods is told to wait, another one at the same time is not."""
    action, body, _ = cast.letter("status")
    flood = request(f"/beckn/{action}", body, ((b"X-Forwarded-For", b"203.0.113.7"),))
    groups = await asyncio.gather(*(_one_after_another(line, [flood] * 20) for line in lines))
    answers = [answer for group in groups for answer in group]
    told = [answer for answer in answers if answer.verdict == "TOO_MANY_REQUESTS" and "retry-after" in answer.headers]
    action, body, message_id = cast.letter("status")
    headers = authorized(written(parameters(cast.alice, body)), (b"X-Forwarded-For", b"203.0.113.8"))
    other = await lines[0].ask(request(f"/beckn/{action}", body, headers))
    tally.sent["limit"] += len(answers) + 1
    tally.kept.add((cast.alice.subscriber_id, action, message_id))
    tally.verdict.figures["limited"] = len(told)
    if not told:
        tally.verdict.fail(f"{len(answers)} requests of one address at once, and none was told to wait")
    if not other.acked:
        tally.verdict.fail(f"another address suffered from the flood: {other.status} {other.body[:160]!r}")


async def _sign_shortly(cast: Cast, line: Line, tally: Tally) -> Case:
    """A request whose signature is about to run out; sent in time it is sound."""
    action, body, message_id = cast.letter("status")
    headers = authorized(written(parameters(cast.alice, body, lasting_s=3)))
    key = (cast.alice.subscriber_id, action, message_id)
    case = Case("control: about to run out", action, body, headers, ACK, key)
    tally.judge(case, await line.ask(_bytes(case)))
    return case


async def _after_its_window(line: Line, case: Case, tally: Tally) -> None:
    """S4: what was accepted once is refused when its window is over."""
    expires = int(dict(case.headers)[b"Authorization"].partition(b'expires="')[2][:10])
    await asyncio.sleep(max(0.0, expires + 1.1 - time.time()))
    late = Case("S4 after its window", case.action, case.body, case.headers, UNAUTHORIZED)
    tally.judge(late, await line.ask(_bytes(late)))


def _count_rows(rig: Rig, tally: Tally) -> None:
    with rig.connect() as connection:
        rows = set(connection.execute("SELECT bap_id, action, message_id FROM bpp_inboxmessage").fetchall())
    tally.verdict.figures |= {"rows": len(rows), "rows_of_refused": len(rows - tally.kept)}
    for row in sorted(rows - tally.kept)[:5]:
        tally.verdict.fail(f"a row was stored for a refused request: {row}")
    for row in sorted(tally.kept - rows)[:5]:
        tally.verdict.fail(f"acknowledged, but no row: {row}")


def _vector(verdict: Verdict) -> None:
    """BECKN-006's published signature holds, and not with one bit changed."""
    public, raw = base64.b64decode(VECTOR_PUBLIC), base64.b64decode(VECTOR_SIGNATURE)
    for spoilt in (False, True):
        signature = bytes([raw[0] ^ spoilt]) + raw[1:]
        header = signing.SignatureHeader("bap.example.org", "k1", "ed25519", *VECTOR_TIMES, signature)
        try:
            signing.verify(header, VECTOR_BODY, public)
            held = True
        except signing.SignatureFault:
            held = False
        if held == spoilt:
            verdict.fail(
                f"the vector of BECKN-006 {'with a bit changed ' * spoilt}was {'taken' if held else 'refused'}"
            )


if __name__ == "__main__":
    sys.exit(run("forge", proof))
