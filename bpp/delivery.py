"""How does a callback get there? Claim, sign, post, and record: delivered, refused, backed off or dead."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from bpp import keys, registry, signing
from bpp.models import OutboxMessage
from bpp.packing import unpack
from core.errors import DeliveryError
from core.http import Answer, Pool

log = logging.getLogger(__name__)

BACK_OFF_S = (1, 3, 8, 18, 40, 90, 200, 450, 900)
LEASE_S = 20
TOTAL_S = 6.0
PER_BUYER = 4
IN_FLIGHT = 32
LONGEST_S = 20.0
AWAY_S = 0.2
KEPT_CHARS = 2048

# Only the head of a mailbox (one buyer app's transaction) is tried, and few mailboxes of one buyer app at a time. What
# is pushed to a URL that the app named has a mailbox beside it, so that a dead one holds up no answer.
CLAIM = """
WITH heads AS (
    SELECT o.id, row_number() OVER (PARTITION BY o.bap_id ORDER BY o.next_at, o.id) AS place
    FROM bpp_outboxmessage o
    WHERE o.state = 'pending' AND o.next_at <= now() AND (o.lease_until IS NULL OR o.lease_until < now())
      AND o.bap_id <> ALL(%(full)s)
      AND NOT EXISTS (
        SELECT 1 FROM bpp_outboxmessage e
        WHERE e.state = 'pending' AND e.bap_id = o.bap_id AND e.transaction_id = o.transaction_id
          AND e.pushed = o.pushed AND e.id < o.id)
), taken AS (
    SELECT o.id FROM bpp_outboxmessage o JOIN heads h ON h.id = o.id
    WHERE h.place <= %(each)s AND o.state = 'pending' AND (o.lease_until IS NULL OR o.lease_until < now())
    ORDER BY o.next_at LIMIT %(limit)s FOR NO KEY UPDATE OF o SKIP LOCKED
)
UPDATE bpp_outboxmessage o
SET lease_until = now() + %(lease)s * interval '1 second', token = o.token + 1, attempts = o.attempts + 1
FROM taken WHERE o.id = taken.id
RETURNING o.id, o.bap_id, o.url, o.body, o.token, o.attempts, o.deadline_at
"""

# Writes nothing of a row whose lease went to another worker. Progress that has to wait is dropped where something newer
# of its mailbox waits too. One round trip: until it is over, a kill sends out again
# what was answered already.
RECORD = """
WITH brought AS (
    SELECT * FROM unnest(
        %(id)s::bigint[], %(token)s::bigint[], %(state)s::text[], %(reason)s::text[], %(next_at)s::timestamptz[],
        %(at)s::timestamptz[], %(wait_ms)s::integer[], %(status)s::integer[], %(outcome)s::text[], %(detail)s::text[],
        %(response)s::text[], %(key_id)s::text[]
    ) AS b (id, token, state, reason, next_at, at, wait_ms, status, outcome, detail, response, key_id)
), mine AS (
    UPDATE bpp_outboxmessage o
    SET lease_until = NULL, reason = b.reason,
        state = CASE WHEN b.state = 'pending' AND o.progress AND EXISTS (
            SELECT 1 FROM bpp_outboxmessage n
            WHERE n.state = 'pending' AND n.bap_id = o.bap_id AND n.transaction_id = o.transaction_id
              AND n.pushed = o.pushed AND n.id > o.id
        ) THEN 'coalesced' ELSE b.state END,
        next_at = coalesce(b.next_at, o.next_at),
        sent_at = CASE WHEN b.state = 'sent' THEN b.at END
    FROM brought b
    WHERE o.id = b.id AND o.token = b.token AND o.state = 'pending'
    RETURNING o.id
)
INSERT INTO bpp_deliveryattempt (message_id, at, wait_ms, status, outcome, detail, response, key_id)
SELECT b.id, b.at, b.wait_ms, b.status, b.outcome, b.detail, b.response, b.key_id
FROM brought b JOIN mine ON mine.id = b.id
RETURNING message_id
"""
TRIED = ("wait_ms", "status", "outcome", "detail", "response", "key_id")


@dataclass(frozen=True, slots=True)
class Claimed:
    id: int
    bap_id: str
    url: str
    body: bytes
    token: int
    attempts: int
    deadline_at: datetime


@dataclass(frozen=True, slots=True)
class Try:
    """What one attempt brought: outcome `ack`, `nack`, `status`, `fault` or `expired`."""

    outcome: str
    wait_ms: int = 0
    status: int | None = None
    detail: str = ""
    response: str = ""
    key_id: str = ""
    permanent: bool = False


Brought = tuple[Claimed, Try, datetime]


def deliver() -> int:
    """Deliver what is due until nothing is, many at a time; returns how many attempts were made.

    Network calls run on a background event loop with kept-alive connections; claims and results are written from here.
    """
    flying: dict[Future[Try], Claimed] = {}
    brought: list[Brought] = []
    count, until = 0, time.monotonic() + LONGEST_S
    while True:
        try:
            record_all(brought)
            brought.clear()
            if time.monotonic() < until:
                for row in claim(_full(flying), limit=IN_FLIGHT - len(flying)):
                    flying[_post_later(row)] = row
                    count += 1
        except (OperationalError, InterfaceError):
            # What is forgotten here goes out twice: outcomes wait for the database until their lease is over.
            if time.monotonic() > until + LEASE_S:
                raise
            log.warning("the database is away", extra={"flying": len(flying), "unrecorded": len(brought)})
            connection.close()
            time.sleep(AWAY_S)
        if not flying and not brought:
            return count
        done, _ = wait(flying, timeout=0.2, return_when=FIRST_COMPLETED)
        brought.extend((flying.pop(future), future.result(), timezone.now()) for future in done)


def claim(full: list[str], *, limit: int) -> list[Claimed]:
    """Lease up to `limit` due callbacks, none for the buyer apps in `full`; the lease is in database time."""
    if limit <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"full": full, "each": PER_BUYER, "limit": limit, "lease": LEASE_S})
        rows = cursor.fetchall()
    return [Claimed(row[0], row[1], row[2], unpack(bytes(row[3])), row[4], row[5], row[6]) for row in rows]


def record_all(brought: Sequence[Brought]) -> None:
    """Write what attempts brought; a worker that lost its lease in between writes nothing.

    One statement, and so one commit, for all of them: until then those answers are known to nobody, and a kill sends
    them out again.
    """
    if not brought:
        return
    verdicts = [_verdict(row, tried, at) for row, tried, at in brought]
    columns: dict[str, list[Any]] = {
        "id": [row.id for row, _, _ in brought],
        "token": [row.token for row, _, _ in brought],
        "state": [state for state, _, _ in verdicts],
        "reason": [reason for _, reason, _ in verdicts],
        "next_at": [next_at for _, _, next_at in verdicts],
        "at": [at for _, _, at in brought],
        **{name: [getattr(tried, name) for _, tried, _ in brought] for name in TRIED},
    }
    with connection.cursor() as cursor:
        cursor.execute(RECORD, columns)
        written = {message_id for (message_id,) in cursor.fetchall()}
    for (row, tried, _), (state, _, _) in zip(brought, verdicts, strict=True):
        if row.id in written and state != OutboxMessage.State.SENT:
            log.warning(
                "callback not delivered", extra={"outbox": row.id, "outcome": tried.outcome, "status": tried.status}
            )


def judge(answer: Answer) -> tuple[str, str]:
    """Outcome and detail of a counterpart's answer: any 2xx without a NACK is an ACK."""
    text = answer.body[:KEPT_CHARS].decode("utf-8", "replace")
    if not 200 <= answer.status < 300:
        return "status", f"HTTP {answer.status}"
    try:
        document = json.loads(answer.body or b"{}")
    except (ValueError, RecursionError):
        return "ack", "the answer is not JSON; taken as delivered"
    message = document.get("message") if isinstance(document, dict) else None
    ack = message.get("ack") if isinstance(message, dict) else None
    status = ack.get("status") if isinstance(ack, dict) else None
    if str(status).upper() == "NACK":
        return "nack", _error_text(document, message, ack) or text
    return "ack", "" if status else "the answer carries no ack; taken as delivered"


def _error_text(*places: object) -> str:
    """Code and sentence of an error, which peers put at the top, in message or in ack."""
    for place in places:
        error = place.get("error") if isinstance(place, dict) else None
        if isinstance(error, dict):
            return f"{error.get('code', '')} {error.get('message', '')}".strip()
    return ""


def is_refusal(outcome: str, status: int | None) -> bool:
    """Whether asking again cannot help: a NACK, or a 4xx other than time-out, too early and too many."""
    return outcome == "nack" or (
        outcome == "status" and status is not None and 400 <= status < 500 and status not in {408, 425, 429}
    )


def storable(text: str) -> str:
    """What a counterpart said, without the NUL and lone surrogates that PostgreSQL's text cannot hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def back_off_s(attempts: int) -> float:
    """Seconds until the next attempt after `attempts` of them, with full jitter above half the step."""
    step = BACK_OFF_S[min(attempts, len(BACK_OFF_S)) - 1]
    return step * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _verdict(row: Claimed, tried: Try, now: datetime) -> tuple[str, str, datetime | None]:
    """The state a callback is in after this attempt, why, and when it is tried again."""
    state = OutboxMessage.State
    if tried.outcome == "ack":
        return state.SENT, tried.detail, None
    if tried.outcome == "expired":
        return state.DEAD, "its time to live ran out before it could be delivered", None
    if tried.permanent:
        return state.REFUSED, f"{tried.outcome}: {tried.detail}"[:500], None
    next_at = now + timedelta(seconds=back_off_s(row.attempts))
    if next_at > row.deadline_at:
        return state.DEAD, f"gave up after {row.attempts} attempts: {tried.detail}"[:500], None
    return state.PENDING, tried.detail[:500], next_at


def _full(flying: dict[Future[Try], Claimed]) -> list[str]:
    return [bap for bap, count in Counter(row.bap_id for row in flying.values()).items() if count >= PER_BUYER]


def _post_later(row: Claimed) -> Future[Try]:
    now = timezone.now()
    if now > row.deadline_at:
        return _done(Try("expired"))
    try:
        if not registry.permits(row.bap_id, row.url):
            text = f"{row.url} is not under the registry's URL of {row.bap_id}"
            return _done(Try("fault", detail=text, permanent=True))
    except registry.RegistryUnavailable as err:
        return _done(Try("fault", detail=err.text))
    key, created = keys.current(), int(now.timestamp())
    header = signing.sign(
        row.body,
        subscriber_id=settings.BECKN_SUBSCRIBER_ID,
        key_id=key.key_id,
        seed=key.seed,
        created=created,
        expires=created + settings.BECKN_SIGNATURE_WINDOW_S,
    )
    return asyncio.run_coroutine_threadsafe(_post(row, header, key.key_id), _wire().loop)


async def _post(row: Claimed, header: str, key_id: str) -> Try:
    started = time.monotonic()
    headers = {"Content-Type": "application/json", "Authorization": header}
    try:
        answer = await _wire().pool.post(row.url, row.body, headers, timeout_s=TOTAL_S)
    except DeliveryError as err:
        return Try("fault", _ms(started), detail=err.text, key_id=key_id, permanent=err.permanent)
    outcome, detail = judge(answer)
    text = storable(answer.body[:KEPT_CHARS].decode("utf-8", "replace"))
    return Try(outcome, _ms(started), answer.status, storable(detail), text, key_id, is_refusal(outcome, answer.status))


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _done(tried: Try) -> Future[Try]:
    future: Future[Try] = Future()
    future.set_result(tried)
    return future


@dataclass(frozen=True, slots=True)
class Wire:
    loop: asyncio.AbstractEventLoop
    pool: Pool


@cache
def _wire() -> Wire:
    """This process's event loop, in a thread of its own, and its connections; made at first use, after any fork."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="deliveries", daemon=True).start()

    async def make() -> Pool:
        return Pool(allow_private=settings.BECKN_ALLOW_PRIVATE_CALLBACKS, per_host=PER_BUYER * 8, total=IN_FLIGHT)

    return Wire(loop, asyncio.run_coroutine_threadsafe(make(), loop).result(timeout=10))
