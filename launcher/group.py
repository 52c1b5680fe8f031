"""How do several servers live and die as one: started in order, watched, stopped in the reverse order?"""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from launcher import environ, postgres, processes, redis_server
from launcher.places import CLONE, Places
from launcher.problems import OTHER, USAGE, ProblemError, StopRequestedError
from launcher.processes import Child
from launcher.telling import Teller
from launcher.venv import Venv

DRAIN_S = 22.0
SERVER_STOP_S = 30.0
READY_S = 90.0
REFUSING_S = 15.0  # a server that answers but stays unready lacks a setting, not time
WATCH_S = 0.2


class Group:
    """Children in two ranks: `servers` (PostgreSQL, Redis) outlive `apps` (web, workers, ingest, beat, sandbox).

    Use as a context manager: whatever happens inside, all of them are gone at its end.
    """

    def __init__(self, where: Places, venv: Venv, env: dict[str, str], *, teller: Teller) -> None:
        self.where = where
        self.venv = venv
        self.env = env
        self.teller = teller
        self.servers: list[Child] = []
        self.apps: list[Child] = []

    def __enter__(self) -> Group:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start_servers(self) -> str:
        """Start what DATABASE_URL and REDIS_URL do not name, check what they do; the answer says what runs."""
        said = [self._start_postgres(), self._start_redis()]
        self.ask_inside("check-database", env={"DATABASE_URL": environ.value_of(self.env, "DATABASE_URL")})
        return " · ".join(said)

    def _start_postgres(self) -> str:
        if environ.value_of(self.env, "DATABASE_URL"):
            return "PostgreSQL of DATABASE_URL"
        server = postgres.start(self.where, self.venv.site_packages, env=self.env)
        self.servers.append(server.child)
        self.env["DATABASE_URL"] = server.url
        return f"PostgreSQL {server.version} (embedded)"

    def _start_redis(self) -> str:
        if environ.value_of(self.env, "REDIS_URL"):
            return "Redis of REDIS_URL"
        server = redis_server.start(self.where, self.venv.site_packages, python=self.venv.python, env=self.env)
        self.servers.append(server.child)
        self.env["REDIS_URL"] = server.url
        return f"Redis ({server.kind})"

    def ask_inside(self, question: str, *, env: dict[str, str] | None = None) -> str:
        """Run `launcher.inside` and return what it prints. Raises: ProblemError with its words when it refuses."""
        done = subprocess.run(
            [str(self.venv.python), "-m", "launcher.inside", question],
            env=self.env | (env or {}),
            cwd=CLONE,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stdout.strip() or done.stderr.strip()
            raise ProblemError(said, fix="correct the setting or the server it names", exit_code=USAGE)
        return done.stdout

    def manage(self, *arguments: str) -> None:
        """Run a management command with its output in the log. Raises: ProblemError when it fails."""
        processes.run_logged(
            f"manage.py {arguments[0]}",
            [self.venv.python, "manage.py", *arguments],
            env=self.env,
            log=self.where.log / "manage.log",
            cwd=CLONE,
        )

    def start_manage(self, name: str, *arguments: str) -> Child:
        """Start a management command that ends by itself; whoever starts it waits for it."""
        command: list[str | Path] = [self.venv.python, "manage.py", *arguments]
        return processes.start(name, command, env=self.env, log=self.where.log / f"{name}.log", cwd=CLONE)

    def start_app(self, name: str, command: Sequence[str | Path], *, env: dict[str, str] | None = None) -> Child:
        """Start one app whose end ends the group."""
        log = self.where.log / f"{name}.log"
        child = processes.start(name, command, env=self.env | (env or {}), log=log, cwd=CLONE)
        self.apps.append(child)
        return child

    def check_alive(self) -> None:
        """Raises: ProblemError naming the child that ended, its exit code and its last lines."""
        for child in [*self.servers, *self.apps]:
            code = child.exit_code()
            if code is not None:
                raise ProblemError(
                    f"{child.name} ended with {_code(code)}; the rest is stopped with it\n{child.tail()}",
                    fix=f"read {child.log}, then start again",
                    exit_code=OTHER,
                )

    def wait_until_ready(self, url: str) -> None:
        """Until /readyz answers 200. Raises: ProblemError with its words when it says no for long, or nothing."""
        started = time.monotonic()
        deadline = started + READY_S
        refused = False
        while True:
            processes.STOP.check()
            self.check_alive()
            answer = probe(f"{url}/readyz", host=_host_header(self.env, url))
            if answer.status == 200:
                return
            if answer.status and not refused:
                refused, deadline = True, min(deadline, time.monotonic() + REFUSING_S)
            if time.monotonic() >= deadline:
                break
            time.sleep(WATCH_S)
        waited_s = time.monotonic() - started
        raise ProblemError(
            f"{url}/readyz is not green after {waited_s:.0f} s: {answer.text}", fix=f"read {self.where.log}"
        )

    def watch(self) -> None:
        """Until a stop is asked for (returns) or a child ends (Raises: ProblemError)."""
        try:
            while True:
                processes.STOP.check()
                self.check_alive()
                time.sleep(WATCH_S)
        except StopRequestedError:
            return

    def stop(self) -> None:
        """Drain the apps together, then the servers, last started first; a second Ctrl-C shortens the wait."""
        processes.STOP.deaf = True
        already = processes.STOP.count
        try:
            _stop_rank(self.apps, DRAIN_S, already)
            for child in reversed(self.servers):
                _stop_rank([child], SERVER_STOP_S, already)
        finally:
            processes.STOP.deaf = False
        self.apps.clear()
        self.servers.clear()


def _stop_rank(children: list[Child], wait_s: float, already: int) -> None:
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline and processes.STOP.count - already < 2:
        if all(child.exit_code() is not None for child in children):
            break
        time.sleep(processes.POLL_S)
    for child in children:
        child.kill_group()


def _code(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _host_header(env: dict[str, str], url: str) -> str:
    """A name the platform answers to: a production ALLOWED_HOSTS need not hold the loopback address."""
    names = [name.strip() for name in env.get("ALLOWED_HOSTS", "").split(",") if name.strip()]
    own = urlsplit(url).hostname or ""
    if not names or own in names or "*" in names:
        return urlsplit(url).netloc
    return names[0].lstrip(".")


@dataclass(frozen=True)
class Answer:
    """What an address said: `status` is 0 when nobody answered."""

    status: int
    text: str


def probe(url: str, *, host: str, timeout_s: float = 3.0) -> Answer:
    """Ask a loopback address, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Host": host})  # noqa: S310 - an address we built
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            return Answer(answer.status, "")
    except urllib.error.HTTPError as err:
        return Answer(err.code, f"{err.code} {_failures(err.read(8192))}")
    except (OSError, http.client.HTTPException) as err:
        return Answer(0, str(err))


def _failures(body: bytes) -> str:
    """The failed parts of a readiness answer in its own words, or the start of whatever else was said."""
    try:
        parts = json.loads(body)["parts"]
        failed = [f"{name}: {part['text']}" for name, part in parts.items() if part["status"] == "failed"]
    except (ValueError, KeyError, TypeError, AttributeError):
        failed = []
    return "; ".join(failed) or " ".join(body.decode(errors="replace").split())[:200]
