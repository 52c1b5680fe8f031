"""What does it cost us to be sent the worst of bytes? Bombs rightly signed, floods and slow clients at once.

N sets how many of the bombs are sent for each action (all). SABOTAGE is stock_json or no_guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bpp.heads import HEAD_S
from sandbox.signing import Identity
from tests.verify.bombs import bombs
from tests.verify.rig import Rig, Verdict, run, wanted
from tests.verify.senders import (
    ACTIONS,
    Answer,
    Line,
    Peers,
    authorized,
    context,
    document,
    message,
    parameters,
    read_answer,
    request,
    written,
)

CPU_MS, GROWTH_MB, SPOOL_MB, HEALTHY_MS = 100.0, 50.0, 1.0, 200.0
FLOOD_BYTES = 80_000_000 if os.environ.get("N") else 300_000_000
HEADER_FLOOD_BYTES = 64_000_000
SLOW_CLIENTS = 200
DEADLINE_S = 2
# Beyond the time that bpp.heads allows; a run made small does not wait for that.
LONGEST_S = 5.0 if os.environ.get("N") else 14.0
DRAIN_S = 60.0
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass
class Gauge:
    """What the web process uses: CPU in ms, memory and spooled files in MB; the peaks since the start."""

    pid: int
    spool: Path
    memory_mb: float = 0.0
    peak_mb: float = 0.0
    spooled_mb: float = 0.0
    healthy_ms: list[float] = field(default_factory=list)

    def cpu_ms(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_MS

    def look(self) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text()
        now_mb = int(status.partition("VmRSS:")[2].split()[0]) / 1024
        self.memory_mb = self.memory_mb or now_mb
        self.peak_mb = max(self.peak_mb, now_mb)
        self.spooled_mb = max(self.spooled_mb, self._spooled())

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.05)

    def _spooled(self) -> float:
        """Files in the process's temporary folder, and those it holds open though they have no name any more."""
        size = sum(path.stat().st_size for path in self.spool.rglob("*") if path.is_file())
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(self.spool) in os.readlink(link):
                    size += link.stat().st_size
        return size / 1_000_000


async def proof(verdict: Verdict, sabotage: str) -> None:
    spool = Path(tempfile.mkdtemp(prefix="vb-verify-spool-"))
    env = {
        "DEBUG": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
        "BECKN_BODY_DEADLINE_S": str(DEADLINE_S),
        "TMPDIR": str(spool),
    }
    async with Peers() as peers:
        with Rig(peers.url, sabotage=sabotage, env=env) as rig:
            alice = peers.join("alice")
            peers.registry.add(rig.row())
            rig.prepare(seed_city=False)
            rig.start("web", "worker", "beat")
            await rig.ready()
            gauge = Gauge(rig.processes["web"].pid, spool)
            await _warm_up(rig, peers, alice)
            gauge.look()
            watching = asyncio.create_task(gauge.watch())
            await _drop_bombs(rig, peers, alice, gauge, verdict)
            await _besiege(rig, peers, alice, gauge, verdict)
            watching.cancel()
            await _settle(rig, verdict)
            _judge(gauge, verdict)


async def _warm_up(rig: Rig, peers: Peers, alice: Identity) -> None:
    line = Line(rig.port)
    for number in range(120):
        action = ACTIONS[number % len(ACTIONS)]
        await _healthy(line, peers, alice, action)
    await line.close()


async def _healthy(line: Line, peers: Peers, alice: Identity, action: str) -> Answer:
    body = document(context(alice, peers.uri(alice), action), message(action))
    return await line.ask(request(f"/beckn/{action}", body, authorized(written(parameters(alice, body)))))


async def _drop_bombs(rig: Rig, peers: Peers, alice: Identity, gauge: Gauge, verdict: Verdict) -> None:
    """One bomb at a time, so that the CPU it took is its own."""
    line, worst = Line(rig.port), (0.0, "")
    chosen = list(bombs())[: wanted(10_000)]
    for action in ACTIONS[:10]:
        for name, build, unreadable in chosen:
            took_ms, answer = CPU_MS + 1, Answer(0, {}, b"")
            for _ in range(2):
                # Work of the process's own may fall into a measurement, but hardly into two.
                if took_ms <= CPU_MS:
                    break
                body = build(context(alice, peers.uri(alice), action), message(action) or {})
                raw = request(f"/beckn/{action}", body, authorized(written(parameters(alice, body))))
                before = gauge.cpu_ms()
                answer = await line.ask(raw)
                took_ms = gauge.cpu_ms() - before
            verdict.n += 1
            worst = max(worst, (took_ms, f"{name} on {action}"))
            seen = f"{name} on {action}: {answer.status} {answer.body[:160]!r}"
            if answer.status == 0 or answer.status >= 500 or (unreadable and answer.acked):
                verdict.fail(seen)
            if took_ms > CPU_MS:
                verdict.fail(f"{took_ms:.0f} ms of CPU, allowed are {CPU_MS:.0f}: {seen}")
    await line.close()
    verdict.figures |= {"bombs": len(chosen), "worst_cpu_ms": worst[0], "worst_bomb": worst[1]}


async def _besiege(rig: Rig, peers: Peers, alice: Identity, gauge: Gauge, verdict: Verdict) -> None:
    """Everything at once, while a healthy client goes on asking."""
    stop = asyncio.Event()
    healthy = asyncio.create_task(_keep_asking(rig, peers, alice, gauge, verdict, stop))
    floods: dict[str, Coroutine[Any, Any, tuple[int, int]]] = {
        "a large body": _flood(rig.port, b"Content-Length: %d\r\n\r\n" % FLOOD_BYTES, b"a" * 65536, FLOOD_BYTES),
        "a large body in chunks": _flood(
            rig.port,
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"10000\r\n" + b"a" * 65536 + b"\r\n",
            FLOOD_BYTES,
        ),
        "10,000 header lines": _flood(rig.port, b"", b"X-Flood: a\r\n" * 10_000, 120_000, end=b"\r\n"),
        "header lines without end": _flood(rig.port, b"", b"X-Flood: " + b"a" * 90 + b"\r\n", HEADER_FLOOD_BYTES),
        "a header without end": _flood(rig.port, b"X-Flood: ", b"a" * 65536, HEADER_FLOOD_BYTES),
    }
    slow = [asyncio.create_task(_slow(rig.port, in_body=number % 2 == 1)) for number in range(SLOW_CLIENTS)]
    outcomes = dict(zip(floods, await asyncio.gather(*floods.values()), strict=True))
    closed = await asyncio.gather(*slow)
    stop.set()
    await healthy
    verdict.n += len(outcomes) + len(slow)
    verdict.figures["floods"] = {name: {"status": status, "sent": sent} for name, (status, sent) in outcomes.items()}
    for name, (status, sent) in outcomes.items():
        if status >= 500 or (sent >= FLOOD_BYTES and "body" in name):
            verdict.fail(f"{name}: {status} after {sent} bytes")
    left = {"bodies": closed[1::2].count(-1), "heads": closed[::2].count(-1) if LONGEST_S > HEAD_S else 0}
    verdict.figures["slow_left"] = left
    if any(left.values()):
        verdict.fail(f"of {len(slow)} slow clients these were still served after {LONGEST_S:.0f} s: {left}")


async def _keep_asking(
    rig: Rig, peers: Peers, alice: Identity, gauge: Gauge, verdict: Verdict, stop: asyncio.Event
) -> None:
    line = Line(rig.port)
    while not stop.is_set():
        started = time.perf_counter()
        answer = await _healthy(line, peers, alice, "status")
        gauge.healthy_ms.append((time.perf_counter() - started) * 1000)
        if not answer.acked:
            verdict.fail(f"a healthy request was not acknowledged: {answer.status} {answer.body[:160]!r}")
        await asyncio.sleep(0.02)
    await line.close()


async def _flood(port: int, head: bytes, part: bytes, most: int, *, end: bytes = b"") -> tuple[int, int]:
    """Send `part` again and again until cut off or `most` bytes are out; the answer's status (0: none), bytes sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent, status = 0, 0
    try:
        writer.write(b"POST /beckn/status HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head)
        while sent < most and not reader.at_eof():
            writer.write(part)
            sent += len(part)
            await writer.drain()
        writer.write(end)
        async with asyncio.timeout(2):
            status = (await read_answer(reader)).status
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        # Cut off: what the other side said before may be lost with the connection.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(1):
                status = (await read_answer(reader)).status
    finally:
        writer.close()
    return status, sent


async def _slow(port: int, *, in_body: bool) -> int:
    """A byte now and then; the status it was sent away with, 0 for a closed connection, -1 where neither came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /beckn/status HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    writer.write(head + (b"Content-Length: 5000\r\n\r\n" if in_body else b"X-Slow: "))
    answering = asyncio.create_task(read_answer(reader))
    try:
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until and not answering.done():
            writer.write(b"a")
            await asyncio.wait([answering], timeout=0.5)
        return answering.result().status if answering.done() else -1
    except (OSError, asyncio.IncompleteReadError):
        return 0
    finally:
        answering.cancel()
        writer.close()


async def _settle(rig: Rig, verdict: Verdict) -> None:
    """What was let in is decided without a fault: a bomb may not go off behind the door either."""
    until = time.monotonic() + DRAIN_S
    with rig.connect() as connection:
        while time.monotonic() < until:
            row = connection.execute("SELECT count(*) FROM bpp_inboxmessage WHERE state = 'new'").fetchone()
            if not row or not row[0]:
                break
            await asyncio.sleep(0.5)
        else:
            verdict.fail(f"{row[0] if row else '?'} messages were not decided within {DRAIN_S:.0f} s")
        faults = connection.execute(
            "SELECT action, reason, count(*), min(convert_from(substr(raw, 1, 3000), 'UTF8')) FROM bpp_inboxmessage"
            " WHERE state = 'failed' OR attempts > 0 GROUP BY action, reason ORDER BY 3 DESC"
        ).fetchall()
    verdict.figures["faults_behind_the_door"] = sum(row[2] for row in faults)
    for action, reason, count, raw in faults[:5]:
        verdict.fail(f"{count} {action} went off behind the door: {reason}; one is {raw[-300:]}")


def _judge(gauge: Gauge, verdict: Verdict) -> None:
    p95 = statistics.quantiles(gauge.healthy_ms, n=20)[18]
    grown = gauge.peak_mb - gauge.memory_mb
    verdict.figures |= {
        "healthy": len(gauge.healthy_ms),
        "healthy_p95_ms": round(p95, 1),
        "memory_mb": round(gauge.memory_mb, 1),
        "grown_mb": round(grown, 1),
        "spooled_mb": round(gauge.spooled_mb, 2),
    }
    for what, seen, most in (
        ("a healthy request took (p95, ms)", p95, HEALTHY_MS),
        ("memory grew by (MB)", grown, GROWTH_MB),
        ("files were spooled (MB)", gauge.spooled_mb, SPOOL_MB),
    ):
        if seen > most:
            verdict.fail(f"{what} {seen:.1f}; allowed are {most:.0f}")


if __name__ == "__main__":
    sys.exit(run("bytes", proof))
