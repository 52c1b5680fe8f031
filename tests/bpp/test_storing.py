"""Is every row that was acknowledged there, once, whatever happens beside it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from psycopg import AsyncConnection, OperationalError

from bpp.storing import CannotStore, Connection, Row, Writer, conninfo
from tests.bpp.network import Rows
from tests.bpp.shop import until

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
COUNT = "SELECT count(*) FROM bpp_inboxmessage"
END_CONNECTIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE application_name = 'voltbazaar-door' AND datname = current_database()"
)


def row(message_id: str, *, digest: bytes = bytes(64), transaction_id: str = "t", raw: bytes = b"{}") -> Row:
    return Row(
        "bap.example.org",
        "select",
        message_id,
        transaction_id,
        digest,
        raw,
        "auth",
        "",
        '{"a":"ü"}',
        "[]",
        NOW,
        NOW,
        NOW,
    )


@pytest.fixture
async def writer(tables: None) -> AsyncIterator[Writer]:
    found = Writer(conninfo())
    await found.start()
    yield found
    await found.stop()


async def test_put_returns_after_the_commit(writer: Writer, rows: Rows) -> None:
    raw = bytes(range(1, 256)) * 100
    stored = await writer.put(row("m", raw=raw))
    assert (stored.new, stored.state) == (True, "new")
    [(found_id, found, signer, received_at, attempts)] = rows(
        "SELECT id, raw, signer, received_at, attempts FROM bpp_inboxmessage"
    )
    assert (found_id, bytes(found), signer, received_at, attempts) == (stored.id, raw, {"a": "ü"}, NOW, 0)


async def test_many_puts_share_commits(writer: Writer, rows: Rows) -> None:
    before = rows("SELECT pg_current_xact_id()::text::bigint")[0][0]
    stored = await asyncio.gather(*(writer.put(row(str(number))) for number in range(700)))
    spent = rows("SELECT pg_current_xact_id()::text::bigint")[0][0] - before
    assert len({each.id for each in stored}) == 700
    assert rows(COUNT) == [(700,)]
    assert spent < 100


async def test_repeats_learn_what_stands_there(writer: Writer) -> None:
    first = await writer.put(row("m"))
    same, other = await asyncio.gather(writer.put(row("m")), writer.put(row("m", digest=b"x" * 64)))
    assert (same.id, same.new, same.same_digest) == (first.id, False, True)
    assert (other.id, other.new, other.same_digest) == (first.id, False, False)


async def test_copies_within_one_commit(writer: Writer, rows: Rows) -> None:
    bodies = [row("m", digest=bytes([number % 2]) * 64) for number in range(50)]
    stored = await asyncio.gather(*(writer.put(each) for each in bodies))
    assert [each.new for each in stored].count(True) == 1
    assert [each.same_digest for each in stored].count(True) == 25
    assert len({each.id for each in stored}) == 1
    assert rows(COUNT) == [(1,)]


async def test_two_processes_store_one_row(writer: Writer, rows: Rows) -> None:
    other = Writer(conninfo())
    await other.start()
    puts = [each.put(row(str(number))) for number in range(200) for each in (writer, other)]
    stored = await asyncio.gather(*puts)
    await other.stop()
    assert [each.new for each in stored].count(True) == 200
    assert rows(COUNT) == [(200,)]


async def test_row_the_database_refuses_does_not_spoil_the_others(writer: Writer, rows: Rows) -> None:
    bad = row("bad", transaction_id="x" * 300)
    results = await asyncio.gather(*(writer.put(each) for each in (row("a"), bad, row("b"))), return_exceptions=True)
    assert [isinstance(result, CannotStore) for result in results] == [False, True, False]
    assert rows(COUNT) == [(2,)]


async def test_run_shares_the_commit_and_gives_its_result(writer: Writer, rows: Rows) -> None:
    async def work(connection: Connection) -> int:
        cursor = await connection.execute("UPDATE bpp_inboxmessage SET reason = 'done' RETURNING id")
        return len(await cursor.fetchall())

    await writer.put(row("a"))
    stored, count = await asyncio.gather(writer.put(row("b")), writer.run(work))
    assert stored.new
    assert count in {1, 2}
    assert ("done",) in rows("SELECT reason FROM bpp_inboxmessage")


async def test_work_that_fails_does_not_spoil_the_rows(writer: Writer, rows: Rows) -> None:
    async def divide(connection: Connection) -> None:
        await connection.execute("SELECT 1 / 0")

    async def fail(connection: Connection) -> None:
        raise LookupError("own fault")

    async def good(connection: Connection) -> str:
        return "good"

    results = await asyncio.gather(
        writer.put(row("a")), writer.run(divide), writer.run(fail), writer.run(good), return_exceptions=True
    )
    assert getattr(results[0], "new", None) is True
    assert type(results[1]).__name__ == "DivisionByZero"
    assert isinstance(results[2], LookupError)
    assert results[3] == "good"
    assert rows(COUNT) == [(1,)]


async def test_lost_connection_fails_at_once_and_heals(writer: Writer, rows: Rows) -> None:
    await writer.put(row("a"))
    rows(END_CONNECTIONS)
    with pytest.raises(CannotStore):
        await writer.put(row("b"))
    await until(lambda: writer.connected)
    assert (await writer.put(row("b"))).new
    assert rows(COUNT) == [(2,)]


async def test_hanging_commit_is_given_up(writer: Writer, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpp.storing.COMMIT_S", 0.2)

    async def hang(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(30)")

    with pytest.raises(CannotStore):
        await writer.run(hang)
    with pytest.raises(CannotStore):
        await writer.put(row("a"))
    await until(lambda: writer.connected)
    assert (await writer.put(row("a"))).new


async def test_database_away_at_the_start(tables: None) -> None:
    found = Writer("host=/nowhere dbname=x")
    await found.start()
    assert not found.connected
    with pytest.raises(CannotStore):
        await found.put(row("a"))
    await found.stop()


class Refusing(AsyncConnection[tuple[Any, ...]]):
    """A connection that is made and then cut at its first statement."""

    made: ClassVar[list[Refusing]] = []

    async def execute(self, *_: Any, **__: Any) -> Any:
        self.made.append(self)
        raise OperationalError("cut")


async def test_connection_that_cannot_be_set_up_is_closed(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpp.storing.AsyncConnection", Refusing)
    found = Writer(conninfo())
    await found.start()
    assert not found.connected
    await found.stop()
    assert Refusing.made
    assert all(connection.closed for connection in Refusing.made)


async def test_stop_writes_what_has_gathered(tables: None, rows: Rows) -> None:
    found = Writer(conninfo())
    await found.start()
    puts = [asyncio.create_task(found.put(row(str(number)))) for number in range(300)]
    await asyncio.sleep(0)
    await found.stop()
    assert all(stored.new for stored in await asyncio.gather(*puts))
    assert rows(COUNT) == [(300,)]


async def test_caller_who_left_harms_nobody(writer: Writer, rows: Rows) -> None:
    gone = asyncio.create_task(writer.put(row("gone")))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await writer.put(row("a"))).new
    assert rows(COUNT) == [(2,)]
