"""What does a search cost from the request to the delivered on_search, in bare checks? (T3)

The whole web process with the seeded city answers 20 connectors a search to a receiver here; its CPU and the
database's are counted, the buyer app's are not. Every ACK is committed; every answer is waited for, so none is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

from bench import door  # sets Django up
from bench.serving import free_port, web_process

from django.core.management import call_command  # isort: skip
from django.db import connection  # isort: skip

from bpp.models import Subscriber  # isort: skip

ITEMS = 20
TARGET, BAR = 10.0, 12.0
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n" + door.ACK


@dataclass
class Receiver:
    """A buyer app that counts on_search messages and acknowledges each, over kept connections."""

    port: int = 0
    got: int = 0
    bytes: int = 0
    arrived: dict[str, float] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: int = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def expect(self, count: int) -> None:
        self.got, self.bytes, self.wanted = 0, 0, count
        self.enough.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                if b'"error"' in body[-400:] or b'"items"' not in body:
                    raise SystemExit(f"not a catalogue: {body[-300:].decode()}")
                writer.write(ANSWER)
                self.got += 1
                self.bytes += length
                if self.got >= self.wanted:
                    self.enough.set()
        except (asyncio.IncompleteReadError, ConnectionResetError, asyncio.CancelledError):
            writer.close()


# What the web process is told beside our own environment.
SETTINGS = {
    "BECKN_SEARCH_LIMIT": str(ITEMS),
    "BECKN_IP_RATE_PER_S": "1000000",
    "BECKN_IP_BURST": "1000000",
    "BECKN_ALLOW_PRIVATE_CALLBACKS": "1",
    "BECKN_SIGNING_PRIVATE_KEY": b64encode(bytes(32)).decode(),
    "DEBUG": "1",
    "LOG_LEVEL": "ERROR",
}


async def volley(receiver: Receiver, count: int, port: int, connections: int, watched: list[int]) -> dict[str, float]:
    """Send searches, wait for every on_search; CPU µs a search of the web process and the database, and the pace."""
    pid, *links = watched
    receiver.expect(count)
    made = door.shots(count)
    before, database_before, started = door.cpu_s([pid]), door.cpu_s(links), time.perf_counter()
    await door.fire(made, port, connections, pid, links)
    async with asyncio.timeout(60):
        await receiver.enough.wait()
    await asyncio.sleep(0.3)  # the outcomes of the last answers are still being written: they belong to the cost
    took_s = time.perf_counter() - started - 0.3
    return {
        "server_us": (door.cpu_s([pid]) - before) / count * 1e6,
        "database_us": (door.cpu_s(links) - database_before) / count * 1e6,
        "per_s": count / took_s,
        "answer_bytes": receiver.bytes / count,
    }


async def measure(rounds: int, count: int) -> dict[str, float]:
    receiver = Receiver()
    listening = await receiver.start()
    await asyncio.to_thread(prepare, receiver.port)
    port = free_port()
    found: dict[str, list[float]] = {}
    sample = door.shots(300)
    with web_process(port, env=SETTINGS) as pid:
        links = await asyncio.to_thread(backends)
        watched = [pid, *links]
        await volley(receiver, 300, port, door.HIGH, watched)
        for _ in range(rounds * door.SLICES):
            for load, connections, part in (("high", door.HIGH, count), ("low", door.LOW, count // 5)):
                before = door.bare_check_us(sample)
                cost = await volley(receiver, part // door.SLICES, port, connections, watched)
                bare = (before + door.bare_check_us(sample)) / 2
                total = cost["server_us"] + cost["database_us"]
                values = {f"{load}_{name}": value for name, value in cost.items()}
                for name, value in {**values, f"t3_{load}": total / bare, "bare_us": bare}.items():
                    found.setdefault(name, []).append(value)
    listening.close()
    return {name: round(statistics.median(values), 2) for name, values in found.items()}


def backends() -> list[int]:
    """Process ids of every connection to this database but our own; the server's own housekeeping is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def prepare(receiver_port: int) -> None:
    """The city, and the buyer's key with the receiver as its address."""
    call_command("migrate", verbosity=0)
    with open(os.devnull, "w") as silence:
        call_command("seed_city", seed=7, stdout=silence)
    door.prepare()
    Subscriber.objects.filter(subscriber_id=door.BUYER).update(url=f"http://127.0.0.1:{receiver_port}/beckn")
    connection.close()


def clean() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bpp_deliveryattempt")
        cursor.execute("DELETE FROM bpp_outboxmessage WHERE bap_id = %s", [door.BUYER])
    door.clean()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=3000, help="searches a round at high load")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        found: dict[str, Any] = asyncio.run(measure(options.rounds, options.count))
    finally:
        clean()
    print(f"bare check {found['bare_us']:.0f} µs · an answer has {found['high_answer_bytes'] / 1000:.1f} kB")
    for load, connections in (("high", door.HIGH), ("low", door.LOW)):
        cost = f"server {found[f'{load}_server_us']:6.0f} µs  database {found[f'{load}_database_us']:6.0f} µs"
        print(f"{load:5} {connections:3} connections  {cost}  {found[f'{load}_per_s']:6.0f} searches/s")
    print(f"T3 all CPU ÷ bare check: {found['t3_high']} (target {TARGET}, bar {BAR}; low load {found['t3_low']})")
    holds = {"T3": found["t3_high"] <= TARGET * 1.15, "bar": found["t3_high"] <= BAR}
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"name": "search", **found, "holds": holds, "seconds": seconds, "skipped": []}))
    return 0 if holds["bar"] else 1


if __name__ == "__main__":
    sys.exit(main())
