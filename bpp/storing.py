"""How do many messages become durable with one commit?

Each web process has one writer with one connection. What has gathered while the last commit ran goes into the next: at
most 256 rows with one INSERT. A `put` returns only after its row is committed, with synchronous commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from django.db import connections
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from bpp import arrays

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_ROWS: Final = 256
MOST_WAITING: Final = 4096
COMMIT_S: Final = 5.0
RECONNECT_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)

_COLUMNS: Final = (
    *("bap_id", "action", "message_id", "transaction_id", "authorization", "gateway_authorization"),
    *("signer", "verdicts"),
)
_INSERT = """
INSERT INTO bpp_inboxmessage (bap_id, action, message_id, transaction_id, "authorization", gateway_authorization,
    signer, verdicts, digest, raw, received_at, deadline_at, next_at)
SELECT bap_id, action, message_id, transaction_id, auth, gateway, signer::jsonb, verdicts::jsonb, digest, raw,
    received_at, deadline_at, next_at
FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
    %b::bytea[], %b::bytea[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[])
    AS given (bap_id, action, message_id, transaction_id, auth, gateway, signer, verdicts, digest, raw,
        received_at, deadline_at, next_at)
ON CONFLICT (bap_id, action, message_id) DO NOTHING
RETURNING id, bap_id, action, message_id
"""
_FIND = """
SELECT bap_id, action, message_id, id, digest, state FROM bpp_inboxmessage
WHERE (bap_id, action, message_id) IN (SELECT * FROM unnest(%b::text[], %b::text[], %b::text[]))
"""

Key = tuple[str, str, str]
Connection = AsyncConnection[tuple[Any, ...]]
Work = Callable[[Connection], Awaitable[Any]]


class CannotStore(Exception):
    """The message could not be made durable now; asking again can help. It may nevertheless have been stored."""


@dataclass(slots=True)
class Row:
    """One message to store; `signer` and `verdicts` are JSON texts, `next_at` is when a sweep may take it."""

    bap_id: str
    action: str
    message_id: str
    transaction_id: str
    digest: bytes
    raw: bytes
    authorization: str
    gateway_authorization: str
    signer: str
    verdicts: str
    received_at: datetime
    deadline_at: datetime
    next_at: datetime

    @property
    def key(self) -> Key:
        return self.bap_id, self.action, self.message_id


@dataclass(slots=True)
class Stored:
    """What stands in the table: `new` where this put made it, else whether its digest is the same, and its state."""

    id: int
    new: bool
    same_digest: bool
    state: str


@dataclass(slots=True)
class _Waiting:
    row: Row
    done: asyncio.Future[Stored]


@dataclass(slots=True)
class _Task:
    work: Work
    done: asyncio.Future[Any]

    async def perform(self, connection: Connection) -> Any:
        try:
            return await self.work(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as err:
            # The work's own fault is its caller's to handle; the rows beside it must still be stored.
            raise _WorkFailed(self, err) from err


class _WorkFailed(Exception):
    def __init__(self, task: _Task, fault: Exception) -> None:
        super().__init__(str(fault))
        self.task = task
        self.fault = fault


def conninfo() -> str:
    """The libpq connection string of Django's default database, tests included."""
    chosen = connections["default"].settings_dict
    options: dict[str, Any] = {
        name: value for name, value in chosen["OPTIONS"].items() if isinstance(value, (str, int))
    }
    return make_conninfo(
        dbname=chosen["NAME"],
        user=chosen["USER"] or None,
        password=chosen["PASSWORD"] or None,
        host=chosen["HOST"] or None,
        port=chosen["PORT"] or None,
        **options,
    )


class Writer:
    """Stores messages by group commit over one connection of its own; made and used within one event loop."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = make_conninfo(conninfo, connect_timeout=3)
        self._connection: Connection | None = None
        self._rows: list[_Waiting] = []
        self._tasks: list[_Task] = []
        self._wake = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def connected(self) -> bool:
        """False while the database is away: a put would fail at once."""
        return self._connection is not None

    @property
    def waiting(self) -> int:
        """How many rows wait for their commit."""
        return len(self._rows)

    async def start(self) -> None:
        """Connect, if the database is there, and begin to write; where it is away, go on trying."""
        await self._connect()
        self._loop_task = asyncio.create_task(self._write_on(), name="inbox-writer")

    async def stop(self) -> None:
        """Write what has gathered, then close the connection."""
        self._stopping = True
        self._wake.set()
        if self._loop_task is not None:
            await self._loop_task
        await self._drop()

    async def put(self, row: Row) -> Stored:
        """Store this message once; returns after the commit. Raises CannotStore at once while the database is away."""
        if self._connection is None:
            raise CannotStore("the database is away")
        if len(self._rows) >= MOST_WAITING:
            raise CannotStore(f"{MOST_WAITING} messages are waiting already")
        done: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._rows.append(_Waiting(row, done))
        self._wake.set()
        return await done

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` with the connection inside the next commit, and return its result after that commit.

        The rows of that commit do not depend on it: where it fails, they are committed without it. It may be run a
        second time after a failed commit. Raises CannotStore while the database is away, and whatever `work` raises.
        """
        if self._connection is None:
            raise CannotStore("the database is away")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tasks.append(_Task(work, done))
        self._wake.set()
        return await done

    async def _write_on(self) -> None:
        while not (self._stopping and not self._rows and not self._tasks):
            if self._connection is None:
                self._fail_all("the database is away")
                if self._stopping:
                    return
                await self._reconnect()
                continue
            await self._wake.wait()
            self._wake.clear()
            while self._connection is not None and (self._rows or self._tasks):
                rows, self._rows = self._rows[:MOST_ROWS], self._rows[MOST_ROWS:]
                tasks, self._tasks = self._tasks, []
                await self._write(self._connection, rows, tasks)

    async def _write(self, connection: Connection, rows: list[_Waiting], tasks: list[_Task]) -> None:
        overdue = asyncio.get_running_loop().call_later(COMMIT_S, self._give_up, rows, tasks)
        try:
            async with asyncio.timeout(COMMIT_S):
                await self._commit(connection, rows, tasks)
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as err:
            log.error("messages could not be stored", extra={"rows": len(rows), "fault": str(err)[:200]})
            _fail(rows, tasks, CannotStore(f"the database failed: {type(err).__name__}"))
            self._connection = None
            await connection.close()
        except _WorkFailed as err:
            _fail([], [err.task], err.fault)
            await self._write(connection, rows, [task for task in tasks if task is not err.task])
        except psycopg.Error as err:
            await self._one_by_one(connection, rows, tasks, err)
        finally:
            overdue.cancel()

    def _give_up(self, rows: list[_Waiting], tasks: list[_Task]) -> None:
        """A commit hangs: let its callers answer now, since ending the statement itself may take seconds more."""
        self._connection = None
        _fail(rows, tasks, CannotStore(f"the database did not commit within {COMMIT_S} s"))

    async def _commit(self, connection: Connection, rows: list[_Waiting], tasks: list[_Task]) -> None:
        stored: dict[Key, int] = {}
        if not tasks:
            # One statement is one transaction: a single round trip makes the whole batch durable.
            stored = await _insert(connection, rows) if rows else {}
        else:
            async with connection.transaction():
                stored = await _insert(connection, rows) if rows else {}
                results = [await task.perform(connection) for task in tasks]
            for task, result in zip(tasks, results, strict=True):
                _settle(task.done, result)
        await _tell(connection, rows, stored)

    async def _one_by_one(
        self, connection: Connection, rows: list[_Waiting], tasks: list[_Task], err: psycopg.Error
    ) -> None:
        """Find the row that spoilt the batch; the others are stored without it."""
        if len(rows) == 1 and not tasks:
            log.error("the database refused a message", extra={"fault": str(err)[:200]})
            _fail(rows, [], CannotStore(f"the database refused the message: {type(err).__name__}"))
            return
        for row in rows:
            await self._write(connection, [row], [])
        if tasks:
            await self._write(connection, [], tasks)

    async def _connect(self) -> None:
        connection: Connection | None = None
        try:
            connection = await AsyncConnection.connect(
                self._conninfo, autocommit=True, prepare_threshold=1, application_name="voltbazaar-door"
            )
            arrays.register(connection)
            # Statements are planned once: one planned while the tables were small would read them whole for ever.
            await connection.execute("SET synchronous_commit = on; SET enable_seqscan = off")
            self._connection = connection
        except (psycopg.Error, OSError) as err:
            log.error("the database is away", extra={"fault": str(err)[:200]})
            if connection is not None:
                await connection.close()

    async def _reconnect(self) -> None:
        for wait_s in (*RECONNECT_S, RECONNECT_S[-1]):
            await self._connect()
            if self._connection is not None or self._stopping:
                return
            self._wake.clear()
            await asyncio.sleep(wait_s)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _fail_all(self, text: str) -> None:
        rows, self._rows = self._rows, []
        tasks, self._tasks = self._tasks, []
        _fail(rows, tasks, CannotStore(text))


async def _insert(connection: Connection, waiting: Sequence[_Waiting]) -> dict[Key, int]:
    """Ids of the rows that are new, by key; of two with one key in a batch the first counts."""
    first: dict[Key, Row] = {}
    for each in waiting:
        first.setdefault(each.row.key, each.row)
    rows = list(first.values())
    columns = (
        *(arrays.Texts.of([getattr(row, name) for row in rows]) for name in _COLUMNS),
        *(arrays.Blobs.of([getattr(row, name) for row in rows]) for name in ("digest", "raw")),
        *(
            arrays.Moments.of([getattr(row, name) for row in rows])
            for name in ("received_at", "deadline_at", "next_at")
        ),
    )
    cursor = await connection.execute(_INSERT, columns)
    return {(bap_id, action, message_id): row_id for row_id, bap_id, action, message_id in await cursor.fetchall()}


async def _tell(connection: Connection, waiting: Sequence[_Waiting], stored: dict[Key, int]) -> None:
    """Settle every put; those that met a row stored before (or earlier in the batch) learn what stands there."""
    others: list[_Waiting] = []
    for each in waiting:
        row_id = stored.pop(each.row.key, None)
        if row_id is None:
            others.append(each)
        else:
            _settle(each.done, Stored(row_id, new=True, same_digest=True, state="new"))
    if not others:
        return
    keys = [list(part) for part in zip(*(each.row.key for each in others), strict=True)]
    cursor = await connection.execute(_FIND, keys)
    found = {(bap, action, message): rest for bap, action, message, *rest in await cursor.fetchall()}
    for each in others:
        if each.row.key not in found:
            _fail([each], [], CannotStore("the message stored before has just been deleted"))
            continue
        row_id, digest, state = found[each.row.key]
        _settle(each.done, Stored(row_id, new=False, same_digest=bytes(digest) == each.row.digest, state=state))


def _settle(done: asyncio.Future[Any], result: Any) -> None:
    # A caller that gave up (its client went away) leaves a cancelled future behind.
    if not done.done():
        done.set_result(result)


def _fail(rows: Sequence[_Waiting], tasks: Sequence[_Task], fault: Exception) -> None:
    for done in (*(each.done for each in rows), *(each.done for each in tasks)):
        if not done.done():
            done.set_exception(fault)
