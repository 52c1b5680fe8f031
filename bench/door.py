"""What does a durable, verified ACK cost, measured in bare checks of the same message? (T1, T2)

The bare check (parse the header, hash, verify, parse the JSON, hold it against the schema) runs in a tight loop beside
each measurement of the same round, since times drift and ratios hold. Requests are signed beforehand.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import orjson
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
os.environ.setdefault("SECRET_KEY", "bench-only")
os.environ.setdefault("BECKN_REGISTRY_URL", "http://127.0.0.1:9")
django.setup()

from django.core.management import call_command  # noqa: E402 - after django.setup
from django.db import connection  # noqa: E402

from bench.serving import free_port, web_process  # noqa: E402
from bpp import dialects, signing  # noqa: E402
from bpp.models import Subscriber  # noqa: E402
from bpp.storing import Row, Writer, conninfo  # noqa: E402

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SEED = bytes(range(32))
BUYER = "bench.example.org"
HIGH, LOW = 32, 2
SLICES = 6
ACK = b'{"message":{"ack":{"status":"ACK"}}}'


@dataclass(frozen=True)
class Shot:
    """One signed request, ready to be sent."""

    body: bytes
    authorization: str

    def http(self, host: str) -> bytes:
        head = (
            f"POST /beckn/search HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"authorization: {self.authorization}\r\ncontent-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def shots(count: int) -> list[Shot]:
    """Distinct signed requests of about 1.3 KB."""
    document = _document()
    created = int(time.time())
    found = []
    for _ in range(count):
        document["context"]["message_id"] = str(uuid.uuid4())
        document["context"]["transaction_id"] = str(uuid.uuid4())
        body = orjson.dumps(document)
        found.append(
            Shot(
                body,
                signing.sign(
                    body, subscriber_id=BUYER, key_id="k1", seed=SEED, created=created, expires=created + 3000
                ),
            )
        )
    return found


def _document() -> dict[str, Any]:
    context = {
        "domain": "ev-charging:uei",
        "location": {"country": {"code": "IND"}, "city": {"code": "std:080"}},
        "action": "search",
        "version": "1.1.0",
        "bap_id": BUYER,
        "bap_uri": f"https://{BUYER}/beckn",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ttl": "PT1H",
    }
    tags = [
        {
            "descriptor": {"name": "Connector specifications", "code": "connector-specifications"},
            "list": [
                {"descriptor": {"name": "Connector type", "code": "connector-type"}, "value": "IEC_62196_T2_COMBO"},
                {"descriptor": {"name": "Charger type", "code": "charger-type"}, "value": "DC"},
                {"descriptor": {"name": "Power rating", "code": "power-rating"}, "value": "50kW"},
            ],
        }
    ]
    circle = {"gps": "12.971600,77.594600", "radius": {"type": "CONSTANT", "value": "8", "unit": "km"}}
    start = {"type": "start", "time": {"timestamp": "2026-02-01T10:00:00+05:30"}, "location": {"circle": circle}}
    end = {"type": "end", "time": {"timestamp": "2026-02-01T10:40:00+05:30"}}
    intent = {
        "descriptor": {"name": "EV charger"},
        "category": {"descriptor": {"code": "ev-charging"}},
        "fulfillment": {"type": "CHARGING", "stops": [start, end], "tags": tags},
    }
    return {"context": context, "message": {"intent": intent}}


def bare_check_us(sample: list[Shot]) -> float:
    """CPU microseconds of one bare check, median of 3 runs over the sample."""
    public = signing.public_half(SEED)
    dialect: Any = dialects.choose({"version": "1.1.0"})
    validator, _ = dialect._validator("search")
    runs = []
    for _ in range(3):
        started = time.process_time()
        for shot in sample:
            header = signing.parse_header(shot.authorization)
            signing.verify(header, shot.body, public)
            if not validator.is_valid(orjson.loads(shot.body)):
                raise SystemExit("the benchmark's own message does not pass the schema")
        runs.append((time.process_time() - started) / len(sample) * 1e6)
    return statistics.median(runs)


async def insert_us(rows: int, backends: list[int], writer: Writer) -> float:
    """CPU microseconds, ours and PostgreSQL's, of one row where 32 are put at once."""
    now = datetime.now(UTC)
    made = [_row(now) for _ in range(rows)]
    started = time.process_time() + cpu_s(backends)
    for at in range(0, rows, HIGH):
        await asyncio.gather(*(writer.put(row) for row in made[at : at + HIGH]))
    return (time.process_time() + cpu_s(backends) - started) / rows * 1e6


def _row(now: datetime) -> Row:
    text = str(uuid.uuid4())
    raw = b"x" * 1300
    return Row(
        BUYER, "search", text, text, bytes(64), raw, "a" * 300, "", "{}", "[]", now, now + timedelta(hours=1), now
    )


def cpu_s(pids: list[int]) -> float:
    """CPU seconds the threads of these processes have used, to the nanosecond where the kernel counts them."""
    return sum(_thread_s(thread) for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir())


def _thread_s(thread: Path) -> float:
    try:
        return int((thread / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        # This kernel does not count so finely, or the thread has just ended.
        return _ticks_s(thread)


def _ticks_s(thread: Path) -> float:
    try:
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) * TICK_S


def backends(name: str) -> list[int]:
    """Process ids of the database connections of that application name."""
    with psycopg.connect(conninfo()) as link:
        found = link.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()", [name]
        )
        return [pid for (pid,) in found.fetchall()]


@dataclass(frozen=True)
class Fired:
    """What one volley cost: CPU µs a message of the server and of the database, messages a second, p95 in ms."""

    server_us: float
    database_us: float
    per_s: float
    p95_ms: float


async def fire(volley: list[Shot], port: int, connections: int, pid: int, links: list[int]) -> Fired:
    """Send the volley over so many connections; every answer must be an ACK."""
    host = f"127.0.0.1:{port}"
    requests = [shot.http(host) for shot in volley]
    waits: list[float] = []
    queue = iter(requests)
    before, database_before, started = cpu_s([pid]), cpu_s(links), time.perf_counter()
    await asyncio.gather(*(_shoot(queue, port, waits) for _ in range(connections)))
    took_s = time.perf_counter() - started
    count = len(volley)
    return Fired(
        (cpu_s([pid]) - before) / count * 1e6,
        (cpu_s(links) - database_before) / count * 1e6,
        count / took_s,
        statistics.quantiles(waits, n=20)[-1] * 1000,
    )


async def _shoot(queue: Iterator[bytes], port: int, waits: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in queue:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if body != ACK:
            raise SystemExit(f"not an ACK: {body[:300].decode()}")
        waits.append(time.perf_counter() - started)
    writer.close()


async def measure(rounds: int, count: int) -> dict[str, Any]:
    """Interleaved rounds; medians and ratios."""
    port = free_port()
    found: dict[str, list[float]] = {}
    sample = shots(300)
    local = Writer(conninfo())
    with web_process(port, application="bench.door_app:application") as pid:
        links = await asyncio.to_thread(backends, "voltbazaar-door")
        await local.start()
        ours = [each for each in await asyncio.to_thread(backends, "voltbazaar-door") if each not in links]
        await fire(shots(400), port, HIGH, pid, links)
        # The machine's pace drifts within seconds: many short rounds, each with the bare check before and after.
        for _ in range(rounds * SLICES):
            before = bare_check_us(sample)
            insert = await insert_us(512, ours, local)
            high = await fire(shots(count // SLICES), port, HIGH, pid, links)
            low = await fire(shots(count // SLICES // 6), port, LOW, pid, links)
            bare = (before + bare_check_us(sample)) / 2
            for name, value in {
                "bare_us": bare,
                "insert_us": insert,
                "high_server_us": high.server_us,
                "high_database_us": high.database_us,
                "high_per_s": high.per_s,
                "high_p95_ms": high.p95_ms,
                "low_server_us": low.server_us,
                "low_database_us": low.database_us,
                "low_per_s": low.per_s,
                "low_p95_ms": low.p95_ms,
                "t1_high": high.server_us / bare,
                "t1_low": low.server_us / bare,
                "t2_high": (high.server_us + high.database_us) / (bare + insert),
            }.items():
                found.setdefault(name, []).append(value)
        await local.stop()
    return {name: round(statistics.median(values), 2) for name, values in found.items()}


def prepare() -> None:
    """Tables and the buyer's key, fresh for long enough that no registry is needed."""
    call_command("migrate", verbosity=0)
    Subscriber.objects.update_or_create(
        subscriber_id=BUYER,
        key_id="k1",
        defaults={
            "type": "BAP",
            "domain": "ev-charging:uei",
            "url": f"https://{BUYER}/beckn",
            "signing_public_key": b64encode(signing.public_half(SEED)).decode(),
            "status": "SUBSCRIBED",
            "fetched_at": datetime.now(UTC),
        },
    )


def clean() -> None:
    """Take the benchmark's rows away."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bpp_inboxmessage WHERE bap_id = %s", [BUYER])
        cursor.execute("DELETE FROM bpp_subscriber WHERE subscriber_id = %s", [BUYER])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=6000, help="messages a round at high load")
    options = parser.parse_args()
    started = time.monotonic()
    prepare()
    try:
        found = asyncio.run(measure(options.rounds, options.count))
    finally:
        clean()
    print(f"bare check {found['bare_us']:.0f} µs · durable insert at {HIGH} a commit {found['insert_us']:.0f} µs")
    for load, connections in (("high", HIGH), ("low", LOW)):
        cost = f"server {found[f'{load}_server_us']:6.0f} µs  database {found[f'{load}_database_us']:6.0f} µs"
        pace = f"{found[f'{load}_per_s']:6.0f}/s  p95 {found[f'{load}_p95_ms']:.1f} ms"
        print(f"{load:5} {connections:3} connections  {cost}  {pace}")
    holds = {"T1": found["t1_high"] <= 2.0 * 1.15, "T2": found["t2_high"] <= 1.8 * 1.15}
    print(f"T1 server ÷ bare check: {found['t1_high']} (target 2.0; low load {found['t1_low']})")
    print(f"T2 server and database ÷ (bare check + insert): {found['t2_high']} (target 1.8)")
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"name": "door", **found, "holds": holds, "seconds": seconds, "skipped": []}))
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
