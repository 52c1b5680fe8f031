"""Do the embedded servers come up, survive a crash, and go with us?"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from launcher import places, postgres, processes, redis_server, throwaway
from launcher.places import Places

SITE_PACKAGES = Path(psycopg.__file__).parent.parent


@pytest.fixture
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    chosen = places.places_for(tmp_path_factory.mktemp("a home with spaces"))
    places.make_home(chosen.home)
    yield chosen
    throwaway.remove(chosen)


def stop(child: processes.Child) -> None:
    child.ask_to_stop()
    assert child.wait(time.monotonic() + 20)


def test_postgresql_recovers_from_kill_with_what_it_committed(where: Places) -> None:
    server = postgres.start(where, SITE_PACKAGES, env=os.environ)
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.killpg(server.child.pid, signal.SIGKILL)
    server.child.process.wait()
    assert (where.pg_data / "postmaster.pid").exists()

    server = postgres.start(where, SITE_PACKAGES, env=os.environ)
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        durable = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
    stop(server.child)
    assert durable == [("on",), ("on",)]


def test_set_up_of_postgresql_cut_short_is_begun_again(where: Places) -> None:
    places.make_private(where.pg_data, owner=where.pg_user)
    half = where.pg_data.with_name("pg.new")
    places.make_private(half, owner=where.pg_user)
    (half / "PG_VERSION").write_text("18\n")
    server = postgres.start(where, SITE_PACKAGES, env=os.environ)
    stop(server.child)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another account")
def test_postgresql_of_root_runs_as_an_unprivileged_account(where: Places) -> None:
    server = postgres.start(where, SITE_PACKAGES, env=os.environ)
    uid = Path("/proc", str(server.child.pid)).stat().st_uid
    mode = where.sockets.stat().st_mode & 0o777
    stop(server.child)
    assert uid != 0
    assert mode == 0o700


def test_redis_asks_for_its_password(where: Places) -> None:
    server = redis_server.start(where, SITE_PACKAGES, python=Path(sys.executable), env=os.environ)
    with (
        redis.Redis.from_url(server.url) as client,
        redis.Redis(port=int(client.connection_pool.connection_kwargs["port"])) as other,
    ):
        assert client.ping()
        with pytest.raises(redis.AuthenticationError):
            other.ping()
    stop(server.child)


@pytest.mark.skipif(redis_server.binary(SITE_PACKAGES) is None, reason="the imitation keeps nothing")
def test_redis_that_is_killed_still_has_what_it_acknowledged(where: Places) -> None:
    server = redis_server.start(where, SITE_PACKAGES, python=Path(sys.executable), env=os.environ)
    with redis.Redis.from_url(server.url) as client:
        client.xadd("values", {"wh": 1})
    os.killpg(server.child.pid, signal.SIGKILL)
    server.child.process.wait()
    server = redis_server.start(where, SITE_PACKAGES, python=Path(sys.executable), env=os.environ)
    with redis.Redis.from_url(server.url) as client:
        length = client.xlen("values")
    stop(server.child)
    assert length == 1


def test_redis_of_the_machine_is_taken_when_no_wheel_brings_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server.binary(tmp_path) == (own, "redis-server of this machine")


def test_redis_is_imitated_when_there_is_none(where: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    env = dict(os.environ) | {"PYTHONPATH": str(places.CLONE)}
    server = redis_server.start(where, tmp_path, python=Path(sys.executable), env=env)
    with redis.Redis.from_url(server.url) as client:
        client.rpush("queue", "nudge")
        assert client.blpop(["queue"], timeout=1) == (b"queue", b"nudge")
    assert "imitation" in server.kind
    stop(server.child)
