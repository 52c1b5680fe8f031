"""What does it cost to run a station's workflow durably, against the bare engine in memory?

The shipped definition is driven by scanned cards: the first scan opens, locks and starts a session, the second ends it,
takes the payment and unlocks. Bare, the supplier is a table of answers; durable, every step is in the journal and the
supplier's simulator answers over HTTP from a process of its own, whose CPU is counted apart. A step is one run of one
task: one row of the journal. At last many instances are due at once and two workers finish them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from bench import door  # sets Django up

from django.db import connection, connections  # isort: skip
from django.utils import timezone  # isort: skip

from bench import stations  # isort: skip
from fulfillment.models import TaskRun, WorkflowInstance  # isort: skip
from fulfillment.services.instances import station_workflow  # isort: skip
from fulfillment.services.workflows import run_due  # isort: skip
from fulfillment.workflow import Host, Turn, begin, resume, wanted  # isort: skip

NOW = datetime(2026, 2, 1, 4, 30, tzinfo=UTC)
BARE_HOST = Host(secrets={"evPowerSupplier": stations.TOKEN})
WORKERS = 2
PLACES = 10
PAUSE_S = 0.02
# What a durable step may cost, in times the bare one, with the database; up to 23 were measured.
MOST_OVERHEAD = 30.0


@dataclass
class Cost:
    """What a number of flows took: CPU by whose it is, and the steps they made."""

    ours_s: float
    database_s: float
    supplier_s: float
    steps: int
    took_s: float

    def us(self, part_s: float) -> float:
        """CPU µs a step."""
        return part_s / self.steps * 1e6


def bare_flow(number: int, answers: dict[str, dict[str, Any]]) -> int:
    """One flow in memory from its event to its end; how many steps it made."""
    definition = station_workflow()
    event = stations.scan(f"B-{number}", "VB-BARE", id_=f"{number}", now=NOW)
    turn = begin(definition, [event], instance=f"bare-{number}", now=NOW, host=BARE_HOST)
    places = _places(turn)
    while turn.status == "running":
        effect = wanted(definition, turn.state, host=BARE_HOST)[0]
        outcome = answers[effect.pointer.rsplit("/", 1)[1]]
        turn = resume(definition, turn.state, effect.id, outcome, now=NOW, host=BARE_HOST)
        places |= _places(turn)
    if turn.status != "completed":
        raise SystemExit(f"the bare flow ended {turn.status}: {turn.fault}")
    return len(places)


def _places(turn: Turn) -> set[tuple[str, str, int]]:
    return {(step.pointer, step.visit, step.attempt) for step in turn.steps}


def bare(count: int) -> float:
    """CPU µs a step of the engine alone, over as many starts as stops."""
    started, steps = time.process_time(), 0
    for number in range(count):
        steps += bare_flow(number, stations.START) + bare_flow(number, stations.STOP)
    return (time.process_time() - started) / steps * 1e6


def durable(cards: list[stations.Card], supplier_pid: int) -> Cost:
    """Scan every card and take its instance to the end, one after the other, in this process."""
    stations.scan_all(cards, now=timezone.now())
    database = [_backend()]
    rows = TaskRun.objects.count()
    before = time.process_time(), door.cpu_s(database), door.cpu_s([supplier_pid]), time.perf_counter()
    while run_due(limit=50):
        pass
    after = time.process_time(), door.cpu_s(database), door.cpu_s([supplier_pid]), time.perf_counter()
    ours_s, database_s, supplier_s, took_s = (late - early for early, late in zip(before, after, strict=True))
    _check()
    return Cost(ours_s, database_s, supplier_s, TaskRun.objects.count() - rows, took_s)


def statements(cards: list[stations.Card]) -> dict[str, float]:
    """Statements and journal rows of one instance, a step and a call; savepoints and commits are not counted."""
    stations.scan_all(cards, now=timezone.now())
    rows, calls = TaskRun.objects.count(), TaskRun.objects.filter(key__isnull=False).count()
    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        while run_due(limit=50):
            pass
    steps = TaskRun.objects.count() - rows
    made = TaskRun.objects.filter(key__isnull=False).count() - calls
    asked = sum(1 for sql in seen if not sql.startswith(("SAVEPOINT", "RELEASE")))
    return {"statements_per_step": asked / steps, "statements_per_call": asked / made, "steps_per_call": steps / made}


def at_once(cards: list[stations.Card], supplier: stations.SupplierProcess) -> dict[str, Any]:
    """Scan all cards in one moment and let two workers finish; what it took and what was left."""
    stations.scan_all(cards, now=timezone.now())
    supplier_s = door.cpu_s([supplier.pid])
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        shares = list(pool.map(work, [supplier.url] * WORKERS))
    took_s = max(share["ended"] for share in shares) - min(share["began"] for share in shares)
    _check()
    return {
        "seconds": round(took_s, 1),
        "instances_s": round(len(cards) / took_s, 1),
        "workers": [share["done"] for share in shares],
        "worker_cpu_s": round(sum(share["cpu_s"] for share in shares), 1),
        "supplier_cpu_s": round(door.cpu_s([supplier.pid]) - supplier_s, 1),
        "empty_rounds": sum(share["empty"] for share in shares),
    }


def work(supplier_url: str) -> dict[str, Any]:
    """One worker: take what is due until nothing is left."""
    stations.point_at(supplier_url)
    done, empty, began, started = 0, 0, time.monotonic(), time.process_time()
    try:
        while WorkflowInstance.objects.filter(status__in=WorkflowInstance.LIVE).exists():
            took = run_due(limit=16)
            done += took
            if not took:
                empty += 1
                time.sleep(PAUSE_S)
    finally:
        connections.close_all()
    cpu_s = time.process_time() - started
    return {"done": done, "empty": empty, "cpu_s": cpu_s, "began": began, "ended": time.monotonic()}


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _check() -> None:
    """Nothing may be left, and nothing may have gone wrong."""
    odd = WorkflowInstance.objects.exclude(status=WorkflowInstance.Status.COMPLETED).values_list("status", "reason")
    if odd:
        raise SystemExit(f"not every instance was completed: {list(odd[:5])}")


def measure(supplier: stations.SupplierProcess, *, rounds: int, count: int) -> dict[str, Any]:
    """Medians of interleaved rounds of bare and durable flows, CPU µs a step."""
    found: dict[str, list[float]] = {}
    counted = statements(stations.cards("S", stations=1, places=5))
    bare(20)  # compiles what there is to compile
    for number in range(rounds):
        bare_us = bare(count)
        cards = stations.cards(f"D{number}", stations=count // PLACES, places=PLACES)
        for phase in ("start", "stop"):
            cost = durable(cards, supplier.pid)
            both_us = cost.us(cost.ours_s) + cost.us(cost.database_s)
            for name, value in {
                "bare_us": bare_us,
                f"{phase}_us": cost.us(cost.ours_s),
                f"{phase}_database_us": cost.us(cost.database_s),
                f"{phase}_supplier_us": cost.us(cost.supplier_s),
                f"{phase}_overhead": cost.us(cost.ours_s) / bare_us,
                f"{phase}_overhead_with_database": both_us / bare_us,
                f"{phase}_steps_per_s": cost.steps / cost.took_s,
            }.items():
                found.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in found.items()}
    medians["bare_steps_per_cpu_s"] = 1e6 / medians["bare_us"]
    for phase in ("start", "stop"):
        medians[f"{phase}_steps_per_cpu_s"] = 1e6 / (medians[f"{phase}_us"] + medians[f"{phase}_database_us"])
    return {name: round(value, 2) for name, value in (medians | counted).items()}


def show(found: dict[str, Any], many: dict[str, dict[str, Any]]) -> None:
    print(f"bare engine   {found['bare_us']:7.0f} µs a step  {found['bare_steps_per_cpu_s']:7.0f} steps per CPU-second")
    for phase in ("start", "stop"):
        cost = {name.removeprefix(f"{phase}_"): value for name, value in found.items() if name.startswith(phase)}
        print(
            f"durable {phase:5} {cost['us']:7.0f} µs a step + database {cost['database_us']:.0f} µs"
            f"  {cost['steps_per_cpu_s']:5.0f} steps per CPU-second, {cost['overhead_with_database']:.1f} × bare"
            f" (without the database {cost['overhead']:.1f}); supplier {cost['supplier_us']:.0f} µs"
        )
    print(
        f"one journal row a step, {found['statements_per_step']:.2f} statements a step, "
        f"{found['statements_per_call']:.1f} a call, {found['steps_per_call']:.1f} steps a call"
    )
    for phase, what in many.items():
        print(f"{what['instances']} instances at once, {phase}: {what['seconds']} s, {what['instances_s']} a second")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=100, help="sessions a round")
    parser.add_argument("--at-once", type=int, default=2000, help="instances that are due in one moment")
    options = parser.parse_args()
    started = time.monotonic()
    many: dict[str, dict[str, Any]] = {}
    stations.prepare()
    try:
        with stations.supplier_process() as supplier:
            found = measure(supplier, rounds=options.rounds, count=options.count)
            crowd = stations.cards("M", stations=max(1, options.at_once // PLACES), places=PLACES)
            for phase in ("start", "stop"):
                many[phase] = {"instances": len(crowd)} | at_once(crowd, supplier)
    finally:
        stations.clean()
    show(found, many)
    worst = max(found["start_overhead_with_database"], found["stop_overhead_with_database"])
    holds = {"overhead": worst <= MOST_OVERHEAD, "finished": len(many) == 2}
    seconds = round(time.monotonic() - started, 1)
    line = {"name": "workflow", **found, "at_once": many, "holds": holds, "seconds": seconds, "skipped": []}
    print(json.dumps(line))
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    sys.exit(main())
