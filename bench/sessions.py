"""Does every meter value arrive, and how soon, while many sessions charge at once and everything else runs?

N sessions (2,000) tell a value each every 5 s for SECONDS (180), each value a request of its own to /events of `./vb
serve`; their buyer app takes its progress messages. The lag is from the sending of a value to when another connection
sees it stored, looked at ten times a second. CPU is given as shares of one processor, by process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psycopg
from aiohttp import web

from bench import door

from django.conf import settings  # isort: skip
from django.utils import timezone  # isort: skip

from bench.streaming import (  # isort: skip
    BUYER,
    Meter,
    backends,
    family,
    meters,
    own_database,
    ready,
    redis_pid,
)
from bpp.models import Subscriber  # isort: skip
from bpp.storing import conninfo  # isort: skip
from fulfillment.models import Reading  # isort: skip

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "bench-events"
EVERY_S = 5.0
STEP_WH = 60
AT_ONCE = 64
LOOK_S = 0.1
DRAIN_S = 20.0
READY_S = 120.0
MOST_LAG_S = 2.0
ACK = b'{"message":{"ack":{"status":"ACK"}}}'


@dataclass
class Load:
    """What was sent, what was refused, and how late each value was seen."""

    meters: list[Meter]
    url: str
    sent: int = 0
    refused: int = 0
    late_s: list[float] = field(default_factory=list)
    told: int = 0
    # How far the sender itself was behind its plan, at worst.
    behind_s: float = 0.0

    async def send(self, seconds: float) -> None:
        """Each meter in its turn, every 5 s."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/cloudevents+json"}
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        began, count = time.monotonic(), len(self.meters)
        flying: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(headers=headers, connector=connector) as client:
            for number in range(int(seconds / EVERY_S * count)):
                due = began + number * EVERY_S / count
                if (wait_s := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait_s)
                self.behind_s = max(self.behind_s, -wait_s)
                event = self.meters[number % count].tell(datetime.now(UTC), STEP_WH, f"load-{number}")
                task = asyncio.create_task(self._post(client, event))
                flying.add(task)
                task.add_done_callback(flying.discard)
            await asyncio.gather(*flying)

    async def _post(self, client: aiohttp.ClientSession, event: dict[str, Any]) -> None:
        async with client.post(f"{self.url}/events", data=orjson.dumps(event)) as answer:
            await answer.read()
            self.sent += answer.status == 202
            self.refused += answer.status != 202

    async def watch(self) -> None:
        """Note how old each newest value is when it is first seen in the table."""
        seen: dict[int, datetime] = {}
        async with await psycopg.AsyncConnection.connect(conninfo(), autocommit=True) as link:
            while True:
                began = time.monotonic()
                found = await link.execute("SELECT id, read_at FROM fulfillment_session WHERE read_at IS NOT NULL")
                now = datetime.now(UTC)
                for session_id, read_at in await found.fetchall():
                    if seen.get(session_id) != read_at:
                        seen[session_id] = read_at
                        self.late_s.append((now - read_at).total_seconds())
                await asyncio.sleep(max(0.0, began + LOOK_S - time.monotonic()))

    async def hear(self, request: web.Request) -> web.Response:
        """The buyer app's answer to whatever it is told."""
        await request.read()
        self.told += 1
        return web.Response(body=ACK, content_type="application/json")


@contextmanager
def provider(port: int, home: Path) -> Iterator[int]:
    """`./vb serve` on the servers and the database of this process; gives its process id once it is ready."""
    env = os.environ | {
        "VB_HOME": str(home),
        "PORT": str(port),
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": "bench-only-" * 5,
        "DEBUG": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "EVENTS_TOKEN": TOKEN,
        "BECKN_SIGNING_PRIVATE_KEY": b64encode(door.SEED).decode(),
        "BECKN_ENCRYPTION_PRIVATE_KEY": b64encode(door.SEED[::-1]).decode(),
        "BECKN_SUBSCRIBER_URL": f"http://127.0.0.1:{port}/beckn",
        "BECKN_REGISTRY_URL": "http://127.0.0.1:9",
        "BECKN_ALLOW_PRIVATE_CALLBACKS": "1",
        "LOG_LEVEL": "ERROR",
    }
    said = (home / "serve.err").open("w")
    command = [sys.executable, str(ROOT / "vb"), "serve"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=said, text=True)
    try:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(READY_S) or not process.stdout.readline().startswith("ready "):
                raise SystemExit(f"serve is not ready:\n{(home / 'serve.err').read_text()}")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def processes(serve_pid: int) -> dict[str, list[int]]:
    """All that takes part, by name."""
    found: dict[str, list[int]] = {"sender, buyer app": [os.getpid()], "redis": [redis_pid()]}
    for pid in family(serve_pid):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        names = ("uvicorn ", "web"), ("manage.py ingest", "ingest"), (" beat ", "beat"), (" worker ", "worker")
        name = next((name for word, name in names if word in line), "serve")
        found.setdefault(name, []).append(pid)
    postmaster = int(Path(f"/proc/{backends()[0]}/stat").read_text().rpartition(")")[2].split()[1])
    found["postgres"] = family(postmaster)
    return found


def used_s(serve_pid: int) -> dict[tuple[str, int], float]:
    """CPU seconds of each process by name and id; those that have just ended are left out."""
    found: dict[tuple[str, int], float] = {}
    for name, pids in processes(serve_pid).items():
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found[name, pid] = door.cpu_s([pid])
    return found


async def run(load: Load, port: int, home: Path, seconds: float) -> dict[str, Any]:
    """Send, watch, wait for the last value; the figures."""
    with provider(port, home) as serve_pid:
        await asyncio.to_thread(ready)
        watching = asyncio.create_task(load.watch())
        before, began = await asyncio.to_thread(used_s, serve_pid), time.monotonic()
        await load.send(seconds)
        after, took_s = await asyncio.to_thread(used_s, serve_pid), time.monotonic() - began
        cpu: dict[str, float] = {}
        for (name, pid), seconds_used in after.items():
            cpu[name] = cpu.get(name, 0.0) + (seconds_used - before.get((name, pid), 0.0)) / took_s
        until = time.monotonic() + DRAIN_S
        while (stored := await Reading.objects.filter(accepted=True).acount()) < load.sent:
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        watching.cancel()
    return figures(load, stored, cpu, took_s)


def figures(load: Load, stored: int, cpu: dict[str, float], took_s: float) -> dict[str, Any]:
    cuts = statistics.quantiles(load.late_s, n=100) if len(load.late_s) > 1 else [float("inf")] * 99
    return {
        "sessions": len(load.meters),
        "sent": load.sent,
        "refused": load.refused,
        "stored": stored,
        "per_s": round(load.sent / took_s, 1),
        "lag_p50_s": round(cuts[49], 3),
        "lag_p99_s": round(cuts[98], 3),
        "lag_max_s": round(max(load.late_s, default=0.0), 3),
        "sender_behind_s": round(load.behind_s, 3),
        "progress_told": load.told,
        "cpu": {name: round(share, 3) for name, share in sorted(cpu.items())},
        "cpu_all": round(sum(cpu.values()), 3),
    }


async def measure(count: int, seconds: float) -> dict[str, Any]:
    """Make the sessions, then load the platform with them."""
    load = Load([], "")
    app = web.Application()
    app.router.add_post("/beckn/{action}", load.hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (host, sink_port), *_ = runner.addresses
    buyer_url = f"http://{host}:{sink_port}/beckn"
    await asyncio.to_thread(_buyer, buyer_url)
    began = time.monotonic()
    load.meters = await asyncio.to_thread(meters, count, bap_uri=buyer_url)
    print(f"{count} sessions made in {time.monotonic() - began:.0f} s", file=sys.stderr)
    port = _free_port()
    load.url = f"http://127.0.0.1:{port}"
    try:
        with tempfile.TemporaryDirectory(prefix="vb-bench-") as home:
            return await run(load, port, Path(home), seconds)
    finally:
        await runner.cleanup()


def _buyer(url: str) -> None:
    """The buyer app's row as a registry would give it, fresh for long enough."""
    Subscriber.objects.create(
        subscriber_id=BUYER,
        key_id="k1",
        type="BAP",
        domain="ev-charging:uei",
        url=url,
        signing_public_key=b64encode(bytes(32)).decode(),
        status="SUBSCRIBED",
        fetched_at=timezone.now(),
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def main() -> int:
    count, seconds = int(os.environ.get("N") or 2_000), float(os.environ.get("SECONDS") or 180)
    started = time.monotonic()
    with own_database():
        found = asyncio.run(measure(count, seconds))
    for name, share in found["cpu"].items():
        print(f"{name:<20} {share * 100:5.1f} % of a processor")
    print(
        f"{found['sent']} values sent, {found['stored']} stored, {found['per_s']} a second; "
        f"lag p50 {found['lag_p50_s']} s, p99 {found['lag_p99_s']} s, most {found['lag_max_s']} s"
    )
    whole = found["stored"] == found["sent"] and not found["refused"]
    holds = {"nothing_lost": whole, "lag": found["lag_p99_s"] <= MOST_LAG_S}
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"name": "sessions", **found, "holds": holds, "seconds": seconds, "skipped": []}))
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    sys.exit(main())
