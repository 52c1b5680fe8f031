"""Who answers a search? The web process that accepted it: from memory, already rendered, over kept connections."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, close_old_connections
from psycopg import AsyncConnection

from bpp import dialects, keys, layer2, letters, outbox, shelf, signing, strict
from bpp.arrays import Blobs, Integers, Moments, Texts
from bpp.delivery import back_off_s, is_refusal, judge, storable
from bpp.kept import settings
from bpp.messages import Caller, Note, Search, WireFault
from bpp.packing import pack
from bpp.replies import ErrorReply
from bpp.storing import CannotStore, Writer
from core.errors import DeliveryError, OutsideError
from core.http import Pool

log = logging.getLogger(__name__)

REFRESH_S = 1.0
SWEEP_EVERY_S = 2.0
AT_ONCE = 64
BATCH = 128
GATHER_S = 0.05
AWAY_S = 0.2
TOTAL_S = 6.0
# Another process may still be posting what looks left over.
SWEEP_AFTER_S = letters.SEARCH_GRACE_S
URL_KEPT_S = 60


@dataclass(slots=True)
class Part:
    """One on_search that was posted, or could not be; `ended_at` is when that was known."""

    body: bytes
    ready_at: datetime
    ended_at: datetime
    url: str = ""
    outcome: str = "fault"
    status: int | None = None
    detail: str = ""
    response: str = ""
    wait_ms: int = 0
    key_id: str = ""


@dataclass(slots=True)
class Answered:
    """A search and what became of it: no parts where nothing matched; `notes` say what was spelt oddly, as JSON."""

    inbox_id: int
    parts: list[Part]
    notes: str = "[]"


class Storefront:
    """Answers searches of one web process; `start` loads the shelf, `answer` follows the commit of each search."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.shelf = shelf.Shelf()
        self.pool = Pool(allow_private=settings.BECKN_ALLOW_PRIVATE_CALLBACKS, per_host=16, total=AT_ONCE)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._finished: deque[Answered] = deque()
        self._any = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._answers: set[asyncio.Task[None]] = set()
        self._under_way: set[int] = set()
        self._urls: dict[tuple[str, str], tuple[str, float]] = {}

    async def start(self) -> None:
        try:
            await asyncio.to_thread(self._refresh)
        except DatabaseError:
            log.exception("the shelf is still empty: the database is away")
        self._loops = [
            asyncio.create_task(loop()) for loop in (self._keep_fresh, self._keep_writing, self._keep_sweeping)
        ]

    async def stop(self) -> None:
        """Finish the answers under way, write their outcome, and let go of the connections."""
        if self._answers:
            await asyncio.wait(self._answers, timeout=TOTAL_S)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        try:
            while self._finished:
                await self._write_batch()
        except CannotStore:
            log.error("the database is away", extra={"unrecorded": len(self._finished)})
        await self.pool.close()

    def answer(self, inbox_id: int, document: dict[str, Any]) -> None:
        """Answer a stored search in the background, once until its outcome is written.

        Before the shelf is stocked it is left to the sweep.
        """
        if not self.shelf.stocked or inbox_id in self._under_way:
            return
        self._under_way.add(inbox_id)
        task = asyncio.create_task(self._answer(inbox_id, document))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, inbox_id: int, document: dict[str, Any]) -> None:
        try:
            answered = await self._answered(inbox_id, document)
        except BaseException:
            self._under_way.discard(inbox_id)
            raise
        self._finished.append(answered)
        self._any.set()

    async def _answered(self, inbox_id: int, document: dict[str, Any]) -> Answered:
        dialect = dialects.choose(document["context"])
        caller = dialect.caller(document)
        notes: tuple[Note, ...] = ()
        async with self._gate:
            try:
                request, notes = dialect.parse("search", document)
                assert isinstance(request, Search)
                bodies = self._bodies(request, caller)
            except WireFault as err:
                bodies = [self._refusal(err, caller)]
            ready_at = datetime.now(UTC)
            parts = [await self._post(Part(body, ready_at, ready_at), caller) for body in bodies]
        return Answered(inbox_id, parts, letters.verdicts_of(notes))

    def _bodies(self, request: Search, caller: Caller) -> list[bytes]:
        return self.shelf.answer(request, caller.context, message_id=caller.message_id, now=datetime.now(UTC))

    def _refusal(self, err: WireFault, caller: Caller) -> bytes:
        dialect = dialects.choose(caller.context)
        document = dialect.build(
            "on_search",
            ErrorReply(err.code, err.text, err.paths),
            context=caller.context,
            message_id=caller.message_id,
            now=datetime.now(UTC),
            bpp_id=settings.BECKN_SUBSCRIBER_ID,
            bpp_uri=settings.BECKN_SUBSCRIBER_URL,
        )
        return dialect.dumps(document)

    async def _post(self, part: Part, caller: Caller) -> Part:
        started = time.monotonic()
        try:
            part.url = await self._url(caller)
        except OutsideError as err:
            # The outbox holds this address against the registry before it posts there.
            part.url = f"{caller.bap_uri.rstrip('/')}/on_search"
            part.detail, part.ended_at = err.text, datetime.now(UTC)
            return part
        key, created = keys.current(), int(time.time())
        part.key_id = key.key_id
        header = signing.sign(
            part.body,
            subscriber_id=settings.BECKN_SUBSCRIBER_ID,
            key_id=key.key_id,
            seed=key.seed,
            created=created,
            expires=created + settings.BECKN_SIGNATURE_WINDOW_S,
        )
        try:
            answer = await self.pool.post(
                part.url, part.body, {"Content-Type": "application/json", "Authorization": header}, timeout_s=TOTAL_S
            )
            part.status = answer.status
            part.outcome, part.detail = judge(answer)
            part.detail = storable(part.detail)
            part.response = storable(answer.body[:2048].decode("utf-8", "replace"))
        except DeliveryError as err:
            part.detail = err.text
        part.wait_ms, part.ended_at = round((time.monotonic() - started) * 1000), datetime.now(UTC)
        return part

    async def _url(self, caller: Caller) -> str:
        """Where on_search goes; remembered for a while, so that the hot path asks no database."""
        kept = self._urls.get((caller.bap_id, caller.bap_uri))
        if kept is None or kept[1] < time.monotonic():
            url = await asyncio.to_thread(_asked_url, caller)
            kept = self._urls[caller.bap_id, caller.bap_uri] = (url, time.monotonic() + URL_KEPT_S)
        return kept[0]

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await asyncio.to_thread(self._refresh)
            except Exception:
                log.exception("the shelf could not be refreshed; searches are answered from the last state")

    async def _keep_writing(self) -> None:
        while True:
            await self._any.wait()
            await asyncio.sleep(GATHER_S)
            self._any.clear()
            try:
                await self._write_batch()
            except CannotStore:
                await asyncio.sleep(AWAY_S)
            if self._finished:
                self._any.set()

    async def _keep_sweeping(self) -> None:
        """Answer searches that a process accepted and did not finish, within their time to live."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            if not self.shelf.stocked:
                continue
            try:
                for inbox_id, raw in await self.writer.run(_left_over):
                    self.answer(inbox_id, strict.load(bytes(raw)))
            except Exception:
                log.exception("the sweep for unanswered searches failed; it runs again")

    async def _write_batch(self) -> None:
        batch = [self._finished.popleft() for _ in range(min(BATCH, len(self._finished)))]
        try:
            if batch:
                await self.writer.run(lambda connection: _write(connection, batch))
        except CannotStore:
            # The database is away. What is forgotten here would be answered a second time.
            self._finished.extendleft(reversed(batch))
            raise
        except Exception:
            log.exception("outcomes of searches not written; the sweep answers those again")
        self._under_way.difference_update(done.inbox_id for done in batch)

    def _refresh(self) -> None:
        close_old_connections()
        try:
            self.shelf.refresh(datetime.now(UTC))
            layer2.reread()
        finally:
            close_old_connections()


def _asked_url(caller: Caller) -> str:
    close_old_connections()
    try:
        return outbox.callback_url(caller, "on_search")
    finally:
        close_old_connections()


LEFT_OVER = """
UPDATE bpp_inboxmessage SET next_at = now() + interval '15 seconds', attempts = attempts + 1
WHERE id IN (
    SELECT id FROM bpp_inboxmessage
    WHERE state = 'new' AND action = 'search' AND next_at <= now()
      AND received_at < now() - %(after)s * interval '1 second'
    ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED)
RETURNING id, raw
"""
EXPIRED = """
UPDATE bpp_inboxmessage SET state = 'expired', done_at = now(),
    reason = 'its time to live ran out before it was answered'
WHERE state = 'new' AND action = 'search' AND deadline_at <= now()
"""
# One statement, so that an answer, its first attempt and the end of its search stand or fall together; told again, it
# changes nothing.
KEEP = """
WITH done AS (
    UPDATE bpp_inboxmessage SET state = 'done', done_at = now(),
        reason = CASE WHEN id = ANY(%(silent)b::bigint[]) THEN 'nothing matched; no callback by setting' ELSE '' END,
        verdicts = verdicts
            || coalesce((%(notes)b::text[])[array_position(%(noted)b::bigint[], id)]::jsonb, '[]'::jsonb)
    WHERE id = ANY(%(ids)b::bigint[]) AND state <> 'done'
    RETURNING id, bap_id, transaction_id, message_id, deadline_at),
kept AS (
    INSERT INTO bpp_outboxmessage
        (bap_id, transaction_id, message_id, action, url, body, answers_id, part, progress, verdicts,
         state, reason, attempts, token, created_at, next_at, deadline_at, sent_at)
    SELECT bap_id, transaction_id, message_id, 'on_search', url, body, inbox_id, part, false, '[]',
           state, detail, 1, 0, ready_at, ended_at + wait_ms * interval '1 millisecond',
           greatest(deadline_at, ready_at), CASE WHEN state = 'sent' THEN ended_at END
    FROM unnest(%(inbox_id)b::bigint[], %(part)b::bigint[], %(url)b::text[], %(body)b::bytea[], %(state)b::text[],
                %(detail)b::text[], %(back_off_ms)b::bigint[], %(ready_at)b::timestamptz[],
                %(ended_at)b::timestamptz[])
        AS p(inbox_id, part, url, body, state, detail, wait_ms, ready_at, ended_at)
    JOIN done ON done.id = p.inbox_id
    ON CONFLICT DO NOTHING
    RETURNING id, answers_id, part)
INSERT INTO bpp_deliveryattempt (message_id, at, wait_ms, status, outcome, detail, response, key_id)
SELECT kept.id, ended_at, wait_ms, nullif(status, 0), outcome, t.detail, response, key_id
FROM unnest(%(inbox_id)b::bigint[], %(part)b::bigint[], %(wait_ms)b::bigint[], %(status)b::bigint[],
            %(outcome)b::text[], %(detail)b::text[], %(response)b::text[], %(key_id)b::text[],
            %(ended_at)b::timestamptz[])
    AS t(inbox_id, part, wait_ms, status, outcome, detail, response, key_id, ended_at)
JOIN kept ON kept.answers_id = t.inbox_id AND kept.part = t.part
"""


async def _left_over(connection: AsyncConnection[Any]) -> list[tuple[int, bytes]]:
    await connection.execute(EXPIRED)
    found = await connection.execute(LEFT_OVER, {"after": SWEEP_AFTER_S})
    return await found.fetchall()


async def _write(connection: AsyncConnection[Any], batch: list[Answered]) -> None:
    """The outcome of a batch of searches: what was sent is kept as sent, what failed goes the outbox's way."""
    sent = [(done.inbox_id, number, part) for done in batch for number, part in enumerate(done.parts)]
    parts = [part for _, _, part in sent]
    noted = [done for done in batch if done.notes != "[]"]
    details = Texts.of(part.detail[:500] for part in parts)
    columns = {
        "ids": Integers.of(done.inbox_id for done in batch),
        "silent": Integers.of(done.inbox_id for done in batch if not done.parts),
        "noted": Integers.of(done.inbox_id for done in noted),
        "notes": Texts.of(done.notes for done in noted),
        "inbox_id": Integers.of(inbox_id for inbox_id, _, _ in sent),
        "part": Integers.of(number for _, number, _ in sent),
        "url": Texts.of(part.url for part in parts),
        "body": Blobs.of(pack(part.body) for part in parts),
        "state": Texts.of(_state(part) for part in parts),
        "detail": details,
        "back_off_ms": Integers.of(round(back_off_s(1) * 1000) for _ in parts),
        "ready_at": Moments.of(part.ready_at for part in parts),
        "ended_at": Moments.of(part.ended_at for part in parts),
        "wait_ms": Integers.of(part.wait_ms for part in parts),
        "status": Integers.of(part.status or 0 for part in parts),
        "outcome": Texts.of(part.outcome for part in parts),
        "response": Texts.of(part.response for part in parts),
        "key_id": Texts.of(part.key_id for part in parts),
    }
    await connection.execute(KEEP, columns)


def _state(part: Part) -> str:
    if part.outcome == "ack":
        return "sent"
    return "refused" if is_refusal(part.outcome, part.status) else "pending"
