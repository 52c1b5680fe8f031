"""Which servers can be killed at random, and brought back as they were? PostgreSQL and Redis of the proof's own."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from launcher import places, postgres, redis_server
from tests.verify.rig import Rig, free_port

# Two workers stand beside each other, as in any deployment that means to survive one.
KILLED = ("web", "worker-1", "worker-2", "beat")


@dataclass
class Servers:
    """An embedded PostgreSQL and Redis; `kill` ends one as a power cut would, `start` recovers it."""

    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="vb-chaos-", dir="/var/tmp")))
    redis_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.user = places.unprivileged_account() if os.geteuid() == 0 else None
        self.home.chmod(0o755)
        self.site_packages = Path(sysconfig.get_path("purelib"))
        for name in ("pg", "run"):
            places.make_private(self.home / name, owner=self.user)

    @property
    def database_url(self) -> str:
        return f"postgresql://voltbazaar@/postgres?host={self.home / 'run'}"

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def create(self) -> None:
        """Make the cluster and start both servers."""
        initdb = postgres.binaries(self.site_packages) / "initdb"
        subprocess.run(
            [initdb, "-D", self.home / "pg", "-U", "voltbazaar", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            user=self._uid(),
            cwd="/",
        )
        self.start("postgres")
        self.start("redis")

    def start(self, name: str) -> None:
        """Start a server and wait until it takes connections; one that ends at once is started again."""
        until = time.monotonic() + 60
        self._spawn(name)
        while not self._answers(name):
            if self.processes[name].poll() is not None:
                self._spawn(name)
            if time.monotonic() > until:
                raise RuntimeError(f"{name} does not come back: {(self.home / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """kill -9 the server and every process it started (PostgreSQL's backends lead groups of their own)."""
        process = self.processes.pop(name)
        for pid in (process.pid, *_children(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(timeout=30)

    def _spawn(self, name: str) -> None:
        log = (self.home / f"{name}.log").open("ab")
        command = self._postgres() if name == "postgres" else self._redis()
        user = self._uid() if name == "postgres" else None
        self.processes[name] = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, user=user, cwd="/"
        )

    def remove(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        shutil.rmtree(self.home, ignore_errors=True)

    def _uid(self) -> int | None:
        return pwd.getpwnam(self.user).pw_uid if self.user else None

    def _postgres(self) -> list[str]:
        settings = {
            **postgres.SETTINGS,
            "unix_socket_directories": str(self.home / "run"),
            "max_connections": "100",
            "restart_after_crash": "on",
        }
        command = [str(postgres.binaries(self.site_packages) / "postgres"), "-D", str(self.home / "pg")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _redis(self) -> list[str]:
        found = redis_server.binary(self.site_packages)
        if found is None:
            raise RuntimeError("no redis-server: neither the bundled one nor one on PATH")
        return [
            str(found[0]),
            "--port",
            str(self.redis_port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]

    def _answers(self, name: str) -> bool:
        try:
            if name == "redis":
                socket.create_connection(("127.0.0.1", self.redis_port), timeout=1).close()
            else:
                psycopg.connect(self.database_url, connect_timeout=2).close()
        except (OSError, psycopg.OperationalError):
            return False
        return True


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


@dataclass
class Killer:
    """Kills web, one of the workers, beat or Redis at random, and PostgreSQL more rarely; each comes back at once."""

    rig: Rig
    servers: Servers
    dice: random.Random
    kills: dict[str, int] = field(default_factory=dict)

    def strike(self) -> None:
        """kill -9 one process (with its children) and start it again."""
        name = self.dice.choice([*KILLED, "hand", "redis"])
        self.kills[name] = self.kills.get(name, 0) + 1
        if name == "redis":
            self.servers.kill("redis")
            self.servers.start("redis")
        elif name == "hand":
            self._strike_hand()
        else:
            self.rig.kill(name)
            self.rig.start(name)

    def _strike_hand(self) -> None:
        """kill -9 one pool process of a worker; the worker itself lives on and makes another."""
        worker = self.rig.processes.get(self.dice.choice(["worker-1", "worker-2"]))
        hands = _children(worker.pid) if worker else []
        if hands:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.dice.choice(hands), signal.SIGKILL)

    def strike_database(self) -> None:
        self.kills["postgres"] = self.kills.get("postgres", 0) + 1
        self.servers.kill("postgres")
        self.servers.start("postgres")

    def revive(self) -> None:
        """Start whatever died by itself, as a supervisor would."""
        for name in KILLED:
            process = self.rig.processes.get(name)
            if process is None or process.poll() is not None:
                self.rig.kill(name)
                self.rig.start(name)
