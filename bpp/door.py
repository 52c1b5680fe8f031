"""Who may hand us a message, and when have we promised to answer it?

A small ASGI application in front of Django. Its steps stand in `Door._take`, in their order: nothing is parsed before
its bytes are verified, and nothing is acknowledged before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from bpp import dialects, guard, letters, signing, subscription
from bpp.guard import Receive, Scope, Send
from bpp.kept import settings
from bpp.keydesk import KeyDesk
from bpp.letters import Letter
from bpp.messages import Checked, WireFault
from bpp.refusals import (
    JSON_TYPE,
    Refused,
    Unauthorized,
    answer,
    count,
    later,
    nack,
    proxy_unauthorized,
    respond,
    unauthorized,
)
from bpp.registry import KeyRow
from bpp.signing import SignatureFault, SignatureHeader
from bpp.storing import CannotStore, Stored, Writer

ACTIONS: Final = frozenset(
    {
        *("search", "select", "init", "confirm", "status", "track", "update", "cancel", "rating", "support"),
        *("get_cancellation_reasons", "get_rating_categories"),
    }
)
CHALLENGE: Final = "on_subscribe"
GATEWAY_HEADERS: Final = (b"x-gateway-authorization", b"proxy-authorization")
_ACK: Final = b'{"message":{"ack":{"status":"ACK"}}}'
_ACK_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [JSON_TYPE, (b"content-length", b"%d" % len(_ACK))],
}
_ACK_BODY: Final = {"type": "http.response.body", "body": _ACK}

Check = Callable[[str, dict[str, Any]], Checked]


@dataclass(slots=True)
class Accepted:
    """A message that is stored and about to be acknowledged."""

    inbox_id: int
    action: str
    document: dict[str, Any]


def nothing_more(_: Any) -> None:
    """For a door behind which nobody waits."""


class Door:
    """Takes signed requests under one path; `on_stored` and `on_repeat` are told after the commit and must not wait."""

    def __init__(
        self,
        writer: Writer,
        *,
        on_stored: Callable[[Accepted], None] = nothing_more,
        on_repeat: Callable[[Accepted], None] = nothing_more,
        also_check: Check | None = None,
    ) -> None:
        self._writer = writer
        self._on_stored, self._on_repeat, self._also_check = on_stored, on_repeat, also_check
        self._peers = guard.Rate(settings.BECKN_IP_RATE_PER_S, settings.BECKN_IP_BURST)
        self._subscribers = guard.Rate(settings.BECKN_SUBSCRIBER_RATE_PER_S, 2 * settings.BECKN_SUBSCRIBER_RATE_PER_S)
        self._keys = KeyDesk()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, action: str) -> None:
        """Answer one HTTP request for `action`, the part of the path below ours."""
        if action not in ACTIONS and action != CHALLENGE:
            await answer(send, Refused(404, "UNKNOWN_PATH", f"POST one of {', '.join(sorted(ACTIONS))} here"))
            return
        if scope["method"] != "POST":
            await answer(send, Refused(405, "WRONG_METHOD", "send a POST", headers=((b"allow", b"POST"),)))
            return
        try:
            if action == CHALLENGE:
                await self._answer_challenge(scope, receive, send)
                return
            await self._take(scope, receive, action)
        except guard.ClientLeft:
            count(action, "CLIENT_LEFT")
        except Refused as refusal:
            count(action, refusal.verdict)
            await answer(send, refusal)
        else:
            count(action, "ACK")
            await send(_ACK_START)
            await send(_ACK_BODY)

    def close(self) -> None:
        """Let go of the threads that ask the registry."""
        self._keys.close()

    async def _take(self, scope: Scope, receive: Receive, action: str) -> None:
        letter = Letter(action, guard.headers_of(scope), datetime.now(UTC))
        await self._admit(letter, scope, receive)
        letter.authorization = letters.one_line(letter, b"authorization")
        header = letters.read_header(letter.authorization, letter.received_at)
        signer, letter.digest = await self._verified(letter, header, unauthorized)
        letters.parse(letter)
        letters.check_addressing(letter, signer)
        letters.check_role(letter, signer)
        self._check_schema(letter)
        letters.check_time_to_live(letter)
        await self._verify_gateway(letter)
        self._check_rate(signer)
        self._announce(letter, await self._store(letter, signer))

    async def _admit(self, letter: Letter, scope: Scope, receive: Receive) -> None:
        peer = guard.peer_of(scope, letter.headers, behind_proxy=settings.BEHIND_PROXY)
        wait_s = self._peers.wait_s(peer) if peer else 0.0
        if wait_s:
            raise later("TOO_MANY_REQUESTS", f"more than {settings.BECKN_IP_RATE_PER_S} requests a second", wait_s)
        try:
            letter.raw = await guard.read_body(
                receive,
                letter.headers,
                limit_bytes=settings.BECKN_BODY_LIMIT_BYTES,
                deadline_s=settings.BECKN_BODY_DEADLINE_S,
            )
        except guard.Turned as err:
            raise Refused(err.status, err.code, err.text, headers=((b"connection", b"close"),)) from err

    async def _verified(self, letter: Letter, header: SignatureHeader, refused: Unauthorized) -> tuple[KeyRow, bytes]:
        """The key row and the digest where the header's key, in good standing, signed the body."""
        row = await self._keys.find(header, letter.received_at, refused)
        claimed = letters.text_of(letter.headers.get(b"digest", [b""])[0])
        try:
            return row, signing.verify(header, letter.raw, row.public_key, claimed_digest=claimed)
        except SignatureFault as err:
            fresh = await self._keys.find(header, letter.received_at, refused, force=True)
            if fresh.public_key != row.public_key:
                try:
                    return fresh, signing.verify(header, letter.raw, fresh.public_key, claimed_digest=claimed)
                except SignatureFault as second:
                    raise refused(second.code, second.text) from second
            raise refused(err.code, err.text) from err

    def _check_schema(self, letter: Letter) -> None:
        """A search is only held against the schema: who answers it reads it, once, and tells what it misses."""
        try:
            dialect = dialects.choose(letter.context)
            if letter.action == "search":
                checked = Checked(dialect.faults(letter.action, letter.document))
            else:
                checked = dialect.check(letter.action, letter.document)
        except WireFault as err:
            raise nack("UNREADABLE", err.text, paths=err.paths, code=err.code) from err
        faults, warnings = checked.faults, checked.warnings
        if not faults and self._also_check is not None:
            also = self._also_check(letter.action, letter.document)
            faults, warnings = also.faults, (*warnings, *also.warnings)
        if faults:
            first, more = faults[0], len(faults) - 1
            text = first.text + (f" ({more} more faults)" if more else "")
            raise nack("SCHEMA", text, paths="; ".join(fault.path for fault in faults[:10]))
        letter.warnings = warnings

    async def _verify_gateway(self, letter: Letter) -> None:
        """A gateway's signature stands beside the buyer's, on a search only; where there is one it must hold."""
        texts = {
            name: letters.one_line(letter, name, proxy_unauthorized)
            for name in GATEWAY_HEADERS
            if name in letter.headers
        }
        if not texts:
            if settings.BECKN_REQUIRE_GATEWAY and letter.action == "search":
                raise proxy_unauthorized(
                    "GATEWAY_REQUIRED", "this network takes searches only with X-Gateway-Authorization of a gateway"
                )
            return
        if letter.action != "search":
            raise proxy_unauthorized(
                "GATEWAY_NOT_EXPECTED", f"only a search travels through a gateway; send {letter.action} directly"
            )
        for text in dict.fromkeys(texts.values()):
            header = letters.read_header(text, letter.received_at, proxy_unauthorized)
            row, _ = await self._verified(letter, header, proxy_unauthorized)
            if row.type != "BG":
                raise proxy_unauthorized(
                    "GATEWAY_IS_NOT_BG", f"{row.subscriber_id} is a {row.type or 'subscriber without type'}, not a BG"
                )
            letter.gateway = letter.gateway or row
            letter.gateway_authorization = letter.gateway_authorization or text

    def _check_rate(self, signer: KeyRow) -> None:
        wait_s = self._subscribers.wait_s(signer.subscriber_id)
        if wait_s:
            allowed = settings.BECKN_SUBSCRIBER_RATE_PER_S
            raise later("TOO_MANY_REQUESTS", f"more than {allowed} requests a second from this subscriber", wait_s)

    async def _store(self, letter: Letter, signer: KeyRow) -> Stored:
        try:
            stored = await self._writer.put(letters.row_of(letter, signer))
        except CannotStore as err:
            raise later("CANNOT_STORE", f"the message could not be stored ({err}); send it again") from err
        if not stored.new and not stored.same_digest:
            raise nack(
                "MESSAGE_ID_REUSED",
                f"{letter.action} with message_id {letter.context['message_id'][:64]} came before with another body; "
                "use a new message_id for each request",
                paths="$.context.message_id",
            )
        return stored

    def _announce(self, letter: Letter, stored: Stored) -> None:
        accepted = Accepted(stored.id, letter.action, letter.document)
        if stored.new:
            self._on_stored(accepted)
        else:
            self._on_repeat(accepted)

    async def _answer_challenge(self, scope: Scope, receive: Receive, send: Send) -> None:
        letter = Letter(CHALLENGE, guard.headers_of(scope), datetime.now(UTC))
        await self._admit(letter, scope, receive)
        if b"authorization" in letter.headers:
            letter.authorization = letters.one_line(letter, b"authorization")
        try:
            answer = await self._keys.ask(
                subscription.answer_challenge, letter.raw, letter.authorization, letter.received_at
            )
        except subscription.ChallengeRefused as err:
            raise Refused(err.status, err.code, err.text) from err
        count(letter.action, "ANSWERED")
        await respond(send, 200, orjson.dumps({"answer": answer}))
