"""What does every proof stand on? A provider of real processes on a database of its own, beside the sandbox."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.registry import Registry, Row

ROOT = Path(__file__).resolve().parents[2]
BPP_ID = "bpp.verify.localhost"
# The environment of a proof that calls the product in its own process.
QUIET = {"DEBUG": "0", "ALLOWED_HOSTS": "testserver,127.0.0.1", "SECURE_SSL_REDIRECT": "0", "LOG_LEVEL": "CRITICAL"}


@dataclass
class Verdict:
    """What a proof found; `show` prints the one JSON line and gives the exit code."""

    name: str
    seed: int
    n: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    skipped: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def fail(self, text: str) -> None:
        self.failures.append(text)

    def show(self) -> int:
        for text in self.failures[:20]:
            print(f"  FAILED {text}", file=sys.stderr)
        line = {
            "name": self.name,
            "seed": self.seed,
            "n": self.n,
            "failures": len(self.failures),
            "seconds": round(self.seconds, 1),
            "skipped": self.skipped,
            **self.figures,
        }
        print(json.dumps(line))
        return 1 if self.failures else 0


def run(name: str, proof: Callable[[Verdict, str], Coroutine[Any, Any, None]]) -> int:
    """Run one proof with SEED and SABOTAGE from the environment and print its line."""
    verdict = Verdict(name, int(os.environ.get("SEED") or secrets.randbelow(10**6)))
    started = time.monotonic()
    asyncio.run(proof(verdict, os.environ.get("SABOTAGE", "")))
    verdict.seconds = time.monotonic() - started
    return verdict.show()


def wanted(usual: int) -> int:
    """How much a proof is to do: N from the environment, else what is usual."""
    return int(os.environ.get("N") or usual)


class Rig:
    """The provider as processes: `web`, `worker`, `ingest`, `beat`; each can be started, killed and started again."""

    def __init__(
        self, registry_url: str, *, supplier_url: str = "", sabotage: str = "", env: dict[str, str] | None = None
    ):
        # A proof may point its own environment at the database made here.
        self.server_url = os.environ["DATABASE_URL"]
        self.port = free_port()
        self.database = f"verify_{os.getpid()}_{secrets.token_hex(3)}"
        self.log = Path(tempfile.mkdtemp(prefix="vb-verify-"))
        self.signing = Ed25519PrivateKey.generate()
        self.encryption = X25519PrivateKey.generate()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ingest_name = "ingest"
        self.env = self._environment(registry_url, supplier_url, sabotage) | (env or {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def beckn(self) -> str:
        return f"{self.url}/beckn"

    def row(self) -> Row:
        """The provider's row for the registry."""
        return Row(
            subscriber_id=BPP_ID,
            subscriber_url=self.beckn,
            type="BPP",
            signing_public_key=_text(self.signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
            encr_public_key=_text(self.encryption.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
            key_id="k1",
        )

    def prepare(self, *, seed_city: bool = True, template: str = "") -> None:
        """Create the database, migrate and, by default, seed the city.

        `template`, or else VERIFY_TEMPLATE, names a database that is migrated already, to be copied instead; nobody
        may be connected to it.
        """
        template = template or os.environ.get("VERIFY_TEMPLATE", "")
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.database}"' + f' TEMPLATE "{template}"' * bool(template))
        if not template:
            self.manage("migrate", "--verbosity", "0")
        if seed_city:
            self.manage("seed_city", "--seed", "7")

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self, *names: str) -> None:
        for name in names:
            log = (self.log / f"{name}.log").open("ab")
            self.processes[name] = subprocess.Popen(
                self._commands()[name], cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str, *, with_signal: int = signal.SIGKILL) -> None:
        """End a process and its children at once, as a power cut would."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, with_signal)
        process.wait(timeout=30)

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the web process answers /readyz with 200. Raises RuntimeError with its log otherwise."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if await asyncio.to_thread(self._answers):
                return
            if "web" in self.processes and self.processes["web"].poll() is not None:
                break
            await asyncio.sleep(0.2)
        raise RuntimeError("web did not become ready:\n" + (self.log / "web.log").read_text()[-3000:])

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.env["DATABASE_URL"], autocommit=True)

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self.processes):
            self.kill(name)
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
        if kind is None:
            shutil.rmtree(self.log, ignore_errors=True)

    def _answers(self) -> bool:
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _commands(self) -> dict[str, list[str]]:
        sabotaged = bool(self.env["SABOTAGE"])
        web = "tests.verify.sabotaged_asgi:application" if sabotaged else "bpp.asgi:application"
        celery = [sys.executable, "-m", "celery", "-A"]
        celery.append("tests.verify.sabotaged_celery:app" if sabotaged else "bpp.celery:app")
        worker = [
            *(*celery, "worker", "--pool", "prefork", "--concurrency", self.env.get("CELERY_CONCURRENCY", "2")),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        ]
        return {
            "web": [
                *(sys.executable, "-m", "uvicorn", web, "--host", "127.0.0.1"),
                *("--port", str(self.port), "--loop", "uvloop", "--http", "bpp.heads:BoundedHttp", "--no-access-log"),
                *("--limit-concurrency", "6000", "--timeout-keep-alive", "75", "--log-level", "warning"),
            ],
            "worker": [*worker, "--hostname", "worker@verify"],
            "worker-1": [*worker, "--hostname", "worker-1@verify"],
            "worker-2": [*worker, "--hostname", "worker-2@verify"],
            "ingest": [sys.executable, "manage.py", "ingest", "--name", self.ingest_name],
            "beat": [*celery, "beat", "--loglevel", "WARNING", "--schedule", str(self.log / "beat"), "--pidfile", ""],
        }

    def _environment(self, registry_url: str, supplier_url: str, sabotage: str) -> dict[str, str]:
        parts = urlsplit(self.server_url)
        seed = self.signing.private_bytes_raw()
        return {
            **os.environ,
            "DATABASE_URL": urlunsplit(parts._replace(path=f"/{self.database}")),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DEBUG": "1",
            "LOG_LEVEL": "WARNING",
            "VB_HOME": str(self.log),
            "BECKN_SUBSCRIBER_ID": BPP_ID,
            "BECKN_SUBSCRIBER_URL": self.beckn,
            "BECKN_KEY_ID": "k1",
            "BECKN_SIGNING_PRIVATE_KEY": _text(seed),
            "BECKN_ENCRYPTION_PRIVATE_KEY": _text(self.encryption.private_bytes_raw()),
            "BECKN_REGISTRY_URL": registry_url,
            "BECKN_ALLOW_PRIVATE_CALLBACKS": "1",
            "EV_POWER_SUPPLIER_URL": supplier_url,
            "EV_POWER_SUPPLIER_TOKEN": "verify-supplier",
            "EVENTS_TOKEN": "verify-events",
            "SABOTAGE": sabotage,
        }


def subscribe(
    registry: Registry, subscriber_id: str, url: str, *, kind: str, public_key: str, key_id: str = "k1"
) -> None:
    """Put a subscriber into the sandbox's registry."""
    registry.add(
        Row(
            subscriber_id=subscriber_id,
            subscriber_url=url,
            type=kind,
            signing_public_key=public_key,
            encr_public_key="",
            key_id=key_id,
        )
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
