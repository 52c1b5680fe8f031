"""What does an open page cost its web process, and how soon does it hear the news? (T8)

So many clients follow a few orders in one web process, as it is served. The meters move, and each client is to hear of
it: memory for each client, CPU of the event loop for each event against the bare check of a signed message in the same
round (times drift, ratios hold), CPU of a picture, which is made once for all who watch an order, and the time from the
commit to the client. Then all leave and as many come again: nothing may stay behind. `N=200 ./vb bench sse` tries it
small.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import secrets
import statistics
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import uvloop

# A database of its own, named before Django reads its settings: what it writes is gone with it.
SERVER_URL = os.environ.get("DATABASE_URL", "postgresql:///voltbazaar")
DATABASE = f"bench_sse_{os.getpid()}_{secrets.token_hex(3)}"
os.environ["DATABASE_URL"] = urlunsplit(urlsplit(SERVER_URL)._replace(path=f"/{DATABASE}"))
os.environ.setdefault("SECRET_KEY", "bench-only")
os.environ.setdefault("ALLOWED_HOSTS", "127.0.0.1")

from bench import door  # noqa: E402 - sets Django up
from bench.serving import free_port, web_process  # noqa: E402

from django.core.management import call_command  # noqa: E402 # isort: skip
from django.db import connection, connections  # noqa: E402 # isort: skip

from catalog.models import Connector, Evse, Operator, Station, Tariff  # noqa: E402 # isort: skip
from core.live import announce  # noqa: E402 # isort: skip
from fulfillment.models import Session  # noqa: E402 # isort: skip
from fulfillment.services import open_link  # noqa: E402 # isort: skip
from fulfillment.services.following import picture, stands  # noqa: E402 # isort: skip
from orders.services import confirm_order, init_order, select_offer  # noqa: E402 # isort: skip

KILOBYTES, RATIO, LAG_P95_S, TOLERANCE = 20.0, 1.0, 2.0, 1.15
FREED = 0.10  # of a crowd's memory may be there still once as many have come again
POOL = 10  # files that come and go with whatever else the process does
STREAMS = 'live_streams{kind="track"}'
PICTURES = "live_snapshots_total"
WAIT_S = 60.0
BUYER = "bench.example.org"
PERSON = {"name": "Bench Driver", "email": "driver@example.org", "phone": "+910000000000"}
CONTEXT = {"domain": "ev-charging:uei", "bap_id": BUYER, "bap_uri": f"https://{BUYER}/beckn"}
ELEMENTS = [{"price_components": [{"type": "ENERGY", "price": "18.00"}]}]
MOVE = """
UPDATE fulfillment_session SET meter_wh = meter_wh + 100, power_w = 30000, read_at = now(), updated_at = now()
"""


class Page(asyncio.Protocol):
    """One client: counts the events it hears and notes when the newest came."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.events, self.heard_s = 0, 0.0
        self._wire: asyncio.Transport | None = None
        self._tail = b""

    def itself(self) -> Page:
        """What the event loop is handed for this client's connection."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._wire = transport  # type: ignore[assignment]  # uvloop's own kind
        assert self._wire is not None
        self._wire.write(self._request)

    def data_received(self, data: bytes) -> None:
        text = self._tail + data
        found = text.count(b"event: snapshot\n")
        self._tail = text[-15:]
        if found:
            self.events += found
            self.heard_s = time.perf_counter()

    def leave(self) -> None:
        if self._wire is not None:
            self._wire.abort()


def prepare(orders: int) -> list[str]:
    """So many orders that charge, and the tokens of their pages."""
    with psycopg.connect(SERVER_URL, autocommit=True) as link:
        link.execute(f'CREATE DATABASE "{DATABASE}"')
    call_command("migrate", verbosity=0)
    operator = Operator.objects.create(code="bench-live", name="Bench Live", support_phone="18001080")
    tariff = Tariff.objects.create(operator=operator, code="day", name="Day", elements=ELEMENTS)
    gps = {"latitude": Decimal("12.971600"), "longitude": Decimal("77.594600")}
    station = Station.objects.create(operator=operator, code="hub", name="Hub", published=True, **gps)
    return [_charging(station, tariff, number) for number in range(orders)]


def _charging(station: Station, tariff: Tariff, number: int) -> str:
    now = datetime.now(UTC)
    evse = Evse.objects.create(station=station, uid=f"IN*BEN*E{number:04}", slot_number=number + 1)
    item = f"{evse.uid}*1"
    kind = {"standard": "IEC_62196_T2_COMBO", "current": "DC", "max_power_w": 30_000}
    Connector.objects.create(evse=evse, number="1", item_id=item, tariff=tariff, **kind)
    whose: dict[str, Any] = {"bap_id": BUYER, "transaction_id": f"bench-{number}", "context": CONTEXT, "now": now}
    wish: dict[str, Any] = {"operator_code": "bench-live", "item_id": item}
    wish |= {"quantity_kind": "energy", "quantity": 40_000}
    select_offer(**whose, **wish)
    init_order(**whose, **wish, billing=PERSON, customer=PERSON)
    order = confirm_order(**whose, payment_status="PAID", billing=PERSON, customer=PERSON)
    meter = {"meter_start_wh": 0, "meter_wh": 100, "power_w": 30_000, "read_at": now}
    began = now - timedelta(minutes=5)
    Session.objects.create(order=order, evse=evse, state="charging", card="bench", started_at=began, **meter)
    return open_link(order.pk, now)


def clean() -> None:
    """Take the database away."""
    connections.close_all()
    with psycopg.connect(SERVER_URL, autocommit=True) as link:
        link.execute(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)')


class Crowd:
    """All clients at once, spread over the orders."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self._port = port
        head = "GET /track/{}/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
        self._requests = [head.format(token).encode() for token in tokens]
        self.pages: list[Page] = []

    async def come(self, count: int) -> None:
        """So many clients connect, 100 at a time, until each has its first picture."""
        loop = asyncio.get_running_loop()
        for start in range(0, count, 100):
            fresh = [Page(self._requests[n % len(self._requests)]) for n in range(start, min(count, start + 100))]
            made = (loop.create_connection(page.itself, "127.0.0.1", self._port) for page in fresh)
            await asyncio.gather(*made)
            self.pages += fresh
        await self.hear(1)

    async def hear(self, events: int) -> None:
        """Wait until each has heard so many events. Raises SystemExit where some do not."""
        until = time.monotonic() + WAIT_S
        while missing := sum(page.events < events for page in self.pages):
            if time.monotonic() > until:
                raise SystemExit(
                    f"{missing} of {len(self.pages)} clients did not hear event {events} in {WAIT_S:.0f} s"
                )
            await asyncio.sleep(0.02)

    async def move(self) -> list[float]:
        """All meters move once; gives the seconds from the commit until each client heard of it."""
        expected = max(page.events for page in self.pages) + 1
        committed_s = await asyncio.to_thread(_move)
        await self.hear(expected)
        return [page.heard_s - committed_s for page in self.pages]

    def leave(self) -> None:
        for page in self.pages:
            page.leave()
        self.pages.clear()


def _move() -> float:
    with connection.cursor() as cursor:
        cursor.execute(MOVE + "RETURNING order_id")
        moved = [order_id for (order_id,) in cursor.fetchall()]
    committed_s = time.perf_counter()
    announce(moved)
    return committed_s


def picture_us() -> float:
    """CPU microseconds of one picture of an order, ours alone, as a median of 20."""
    order_id = Session.objects.values_list("order_id", flat=True)[0]
    spent = []
    for _ in range(20):
        before = time.thread_time()
        picture(order_id, stands([order_id])[order_id], datetime.now(UTC))
        spent.append((time.thread_time() - before) * 1e6)
    return statistics.median(spent)


def rss_kb(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def files(pid: int) -> int:
    """Open files of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def loop_s(pid: int) -> float:
    """CPU seconds of the process's first thread, which runs the event loop; pictures are made in others."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def counted(port: int, name: str) -> float:
    """One figure of the process's own /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def gone(port: int, pid: int, before: int) -> tuple[float, int]:
    """Streams and files, beyond those before, that are open once all have left and a moment has passed.

    The database's pool may have grown meanwhile by some connections, the web server keeps the line of who asks here.
    """
    until = time.monotonic() + 10
    while time.monotonic() < until:
        left = await asyncio.to_thread(counted, port, STREAMS)
        more = max(0, files(pid) - before - POOL)
        if not left and not more:
            break
        await asyncio.sleep(0.2)
    return left, more


async def measure(tokens: list[str], *, clients: int, rounds: int) -> dict[str, Any]:
    """Two crowds after one another; what each client and each event cost, and what remains."""
    port = free_port()
    with web_process(port) as pid:
        crowd = Crowd(port, tokens)
        await crowd.come(len(tokens))
        await crowd.move()
        crowd.leave()
        await gone(port, pid, 0)
        files_before, rss_before = files(pid), rss_kb(pid)
        await crowd.come(clients)
        client_kb = (rss_kb(pid) - rss_before) / clients
        costs = await events(crowd, port, pid, rounds=rounds)
        first_kb = rss_kb(pid)
        crowd.leave()
        first = await gone(port, pid, files_before)
        await crowd.come(clients)
        second_kb = rss_kb(pid)
        crowd.leave()
        second = await gone(port, pid, files_before)
    kept = (second_kb - first_kb) / max(1, first_kb - rss_before)
    return {
        "clients": clients,
        "orders": len(tokens),
        "client_kb": round(client_kb, 1),
        **costs,
        "streams_left": first[0] + second[0],
        "files_left": first[1] + second[1],
        "kept": round(kept, 3),
    }


async def events(crowd: Crowd, port: int, pid: int, *, rounds: int) -> dict[str, float]:
    """What an event costs the event loop, and a picture the other threads, with the bare check before and after."""
    sample, clients = door.shots(300), len(crowd.pages)
    costs, ratios, lags, pictures = [], [], [], []
    for _ in range(rounds):
        bare, made = door.bare_check_us(sample), await asyncio.to_thread(counted, port, PICTURES)
        loop_before_s, whole_before_s = loop_s(pid), door.cpu_s([pid])
        lags += await crowd.move()
        in_loop_s, in_all_s = loop_s(pid) - loop_before_s, door.cpu_s([pid]) - whole_before_s
        costs.append(in_loop_s / clients * 1e6)
        made = await asyncio.to_thread(counted, port, PICTURES) - made
        pictures.append((in_all_s - in_loop_s) / max(1.0, made) * 1e6)
        ratios.append(costs[-1] / ((bare + door.bare_check_us(sample)) / 2))
        # An order is shown twice a second at most: let that time pass.
        await asyncio.sleep(0.6)
    return {
        "event_us": round(statistics.median(costs), 1),
        "thread_us": round(statistics.median(pictures)),
        "t8": round(statistics.median(ratios), 2),
        "lag_p50_ms": round(statistics.median(lags) * 1000, 1),
        "lag_p95_ms": round(statistics.quantiles(lags, n=20)[-1] * 1000, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=int(os.environ.get("N") or 2000))
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    started = time.monotonic()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        tokens = prepare(options.orders)
        one_us = picture_us()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measure(tokens, clients=options.clients, rounds=options.rounds))
    finally:
        clean()
    return show(found | {"picture_us": round(one_us)}, seconds=time.monotonic() - started)


def show(found: dict[str, Any], *, seconds: float) -> int:
    """The figures in words and as one JSON line; 1 where a bound does not hold."""
    print(f"{found['clients']} clients on {found['orders']} orders, one web process")
    print(f"memory {found['client_kb']} KB a client (target {KILOBYTES:.0f})")
    print(f"CPU of the event loop {found['event_us']} µs an event")
    print(f"CPU of a picture {found['thread_us']} µs in the process's threads, {found['picture_us']} µs alone")
    print(f"T8 event ÷ bare check: {found['t8']} (target {RATIO})")
    print(f"lag from commit to client p50 {found['lag_p50_ms']} ms, p95 {found['lag_p95_ms']} ms")
    left = f"{found['streams_left']:.0f} streams, {found['files_left']} files"
    print(f"after all have left: {left}; memory of a second crowd {found['kept']:+.1%} on the first")
    holds = {
        "memory": found["client_kb"] <= KILOBYTES * TOLERANCE,
        "T8": found["t8"] <= RATIO * TOLERANCE,
        "lag": found["lag_p95_ms"] <= LAG_P95_S * 1000,
        "freed": not found["streams_left"] and not found["files_left"] and found["kept"] <= FREED,
    }
    print(json.dumps({"name": "sse", **found, "holds": holds, "seconds": round(seconds, 1), "skipped": []}))
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
