"""What does a meter value cost through stream and consumer, beside one Celery task each and a bare COPY? (T7)

CPU of all that takes part is counted: this process, the worker's, PostgreSQL's and Redis'. The same sessions tell their
meters on each way, a value each at a time. The task does for one value what the platform would do without a stream: it
takes the locks of order and session, judges, keeps and follows; the plain one only inserts a row, and so does COPY.
What is held against the bar is the plain one, though the stream does for its value all that the other does.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench import door

from django.conf import settings  # isort: skip
from django.utils import timezone  # isort: skip
from redis import Redis  # isort: skip

from bench.streaming import Meter, backends, family, meters, own_database, redis_pid  # isort: skip
from bench.telemetry_app import plain, whole  # isort: skip
from bpp.storing import conninfo  # isort: skip
from fulfillment.cloudevents import Incoming  # isort: skip
from fulfillment.models import Reading, Session  # isort: skip
from fulfillment.services.consuming import Consumer  # isort: skip
from fulfillment.services.meter_stream import Inlet, Outlet, stream_name  # isort: skip

ROOT = Path(__file__).resolve().parents[1]
QUEUE = "bench-telemetry"
BATCH = 50
STEP_S = 5
STEP_WH = 60
LEAST_RATIO = 50.0
WAIT_S = 120.0


@dataclass
class Bench:
    """The sessions, the clock of their meters, and the processes whose CPU counts beside this one."""

    meters: list[Meter]
    others: list[int] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: timezone.now() - timedelta(hours=6))
    number: int = 0
    copied: int = 0

    def values(self, count: int) -> list[Incoming]:
        """The next values of all meters in turn."""
        found = []
        for _ in range(count):
            place = self.number % len(self.meters)
            if place == 0:
                self.at += timedelta(seconds=STEP_S)
            self.number += 1
            event = self.meters[place].tell(self.at, STEP_WH, f"bench-{self.number}")
            found.append(Incoming(event["source"], event["id"], event["type"], self.at, event["data"]))
        return found

    def cost_us(self, count: int, deed: Callable[[], None]) -> float:
        """CPU µs a value that a deed takes for so many of them, of all that takes part."""
        before = time.process_time() + door.cpu_s(self.others)
        deed()
        return (time.process_time() + door.cpu_s(self.others) - before) / count * 1e6


def through_stream(values: list[Incoming]) -> None:
    """Into the stream in portions, then out of it into the tables."""
    inlet, outlet = Inlet(), Outlet("bench")
    outlet.open()
    outlet.tell_alive()
    for place in range(0, len(values), BATCH):
        if inlet.put(values[place : place + BATCH]):
            raise SystemExit("the stream does not take values")
    consumer = Consumer(outlet)
    while consumer.step():
        pass
    outlet.close()


def by_tasks(values: list[Incoming], task: Any) -> None:
    """One task each, until the worker has done all."""
    redis = Redis.from_url(settings.REDIS_URL)
    redis.delete(f"{QUEUE}:done")
    for value in values:
        task.apply_async([value.source, value.event_id, value.time.isoformat(), value.data], queue=QUEUE)
    until = time.monotonic() + WAIT_S
    while int(redis.get(f"{QUEUE}:done") or 0) < len(values):
        if time.monotonic() > until:
            raise SystemExit("the worker does not do its tasks")
        time.sleep(0.05)
    redis.close()


def measure(bench: Bench, *, rounds: int, count: int) -> dict[str, float]:
    """Medians of interleaved rounds, CPU µs a value, and how much more a task costs in the same round."""
    found: dict[str, list[float]] = {}
    few = max(100, count // 20)
    for _ in range(rounds):
        values = bench.values(count)
        stream_us = bench.cost_us(count, partial(through_stream, values))
        cost = {"stream_us": stream_us}
        for name, task in (("task_us", whole), ("task_plain_us", plain)):
            told = bench.values(few)
            cost[name] = bench.cost_us(few, partial(by_tasks, told, task))
        values = bench.values(count)
        bench.copied += count
        cost["copy_us"] = _copy_us(bench, values)
        cost["ratio"] = cost["task_us"] / stream_us
        cost["ratio_plain"] = cost["task_plain_us"] / stream_us
        cost["ratio_copy"] = cost["task_us"] / cost["copy_us"]
        for name, value in cost.items():
            found.setdefault(name, []).append(value)
    return {name: round(statistics.median(values), 1) for name, values in found.items()}


def _copy_us(bench: Bench, values: list[Incoming]) -> float:
    """CPU µs a row of COPY, of this process and of the database's."""
    ids = {meter.remote_id: meter.session_id for meter in bench.meters}
    with psycopg.connect(conninfo(), autocommit=True) as link:
        link.execute("CREATE TEMP TABLE bench_reading (LIKE fulfillment_reading INCLUDING ALL)")
        pid = link.info.backend_pid
        before = time.process_time() + door.cpu_s([pid])
        with link.cursor() as cursor:
            for place in range(0, len(values), 500):
                _copy(cursor, [(ids[value.data["sessionId"]], value) for value in values[place : place + 500]])
        return (time.process_time() + door.cpu_s([pid]) - before) / len(values) * 1e6


def _copy(cursor: psycopg.Cursor[Any], rows: list[tuple[int, Incoming]]) -> None:
    sql = "COPY bench_reading (session_id, at, energy_wh, power_w, accepted, reason) FROM STDIN"
    with cursor.copy(sql) as copy:
        for session_id, value in rows:
            copy.write_row([session_id, value.time, value.data["energyWh"], value.data["powerW"], True, ""])


def worker_process() -> subprocess.Popen[bytes]:
    """A worker with one pool process, as a naive platform would start."""
    command = [sys.executable, "-m", "celery", "-A", "bench.telemetry_app:app", "worker", "--queues", QUEUE]
    options = ["--concurrency", "1", "--loglevel", "ERROR", "--without-gossip", "--without-mingle"]
    return subprocess.Popen([*command, *options], cwd=ROOT, start_new_session=True)


def show(found: dict[str, float], *, kept: bool, seconds: float) -> int:
    """Print the figures, and whether they hold, as the exit code."""
    for name, text in (
        ("stream_us", "stream and consumer"),
        ("task_us", "one task each, under locks"),
        ("task_plain_us", "one task each, a bare INSERT"),
        ("copy_us", "bare COPY, 500 a commit"),
    ):
        print(f"{text:<30} {found[name]:8.0f} µs  {1e6 / found[name]:8.0f} values per CPU-second")
    print(f"{found['ratio']:.0f} × the task, {found['ratio_plain']:.0f} × the task that only inserts")
    holds = {"T7": found["ratio_plain"] >= LEAST_RATIO, "kept": kept}
    print(json.dumps({"name": "telemetry", **found, "holds": holds, "seconds": round(seconds, 1), "skipped": []}))
    return 0 if all(holds.values()) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    # More than METER_STREAM_LONG at a time would be shed.
    parser.add_argument("--count", type=int, default=4_000, help="values a round")
    parser.add_argument("--sessions", type=int, default=500)
    options = parser.parse_args()
    started = time.monotonic()
    with own_database():
        bench = Bench(meters(options.sessions))
        Session.objects.update(started_at=bench.at, next_at=None)
        worker = worker_process()
        try:
            by_tasks(bench.values(20), whole)
            bench.others = [redis_pid(), *family(worker.pid), *backends()]
            # As the consumer's own process does.
            gc.collect()
            gc.freeze()
            found = measure(bench, rounds=options.rounds, count=options.count)
        finally:
            worker.terminate()
            worker.wait(20)
            Redis.from_url(settings.REDIS_URL).delete(stream_name(), f"{stream_name()}:counts", f"{QUEUE}:done")
        kept = Reading.objects.filter(accepted=True).count() == bench.number - bench.copied
    return show(found, kept=kept, seconds=time.monotonic() - started)


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    sys.exit(main())
