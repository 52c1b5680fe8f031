"""Does the workflow keep its promises in every order of events, and is it the same every time? Seeded histories.

N sets the number of seeds (2,000), each of about 200 deeds: wishes that are doubled, lost, late and out of order, calls
that fail before or after they are done, workers that die or come back late, slots that break. The engine and its
definition are the product's, the supplier's rules the sandbox's; lanes, leases and the platform's part are a model. A
quarter of the seeds is lived twice, in processes whose hashes differ, and must log the same bytes.
Then every order of six messages about one order (T5), each also told twice, at the real services.
SABOTAGE names a guard of the definition that is dropped: absent, reserved, locked, charging, ended, started or late;
each process then stops at the first seed that finds it out.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib.resources import files
from multiprocessing import get_context

from fulfillment.workflow import Definition, load
from tests.verify.rig import QUIET, Rig, Verdict, run, wanted
from tests.verify.sim_history import History

DEEDS = 200
HANDS = 2
TWICE = 4
LARGE = 500  # below this only every eighth order of messages is tried
# The guards of the definition by the state of a session in which they count: what stands there, and what is left of it.
GUARDS = {
    "absent": (
        '(.type | endswith("/expression"))\n            then: giveBack',
        '(.type | endswith("/expression"))\n            then: refuseStart',
    ),
    "reserved": (
        "when: $context.session != null\n                  then: unlockHeld",
        "when: $context.session != null\n                  then: isBroken",
    ),
    "locked": (
        "when: $context.failure != null\n            then: giveBack",
        "when: $context.failure != null\n            then: showStarted",
    ),
    "charging": (
        'when: $context.session.status == "charging"\n                  then: endHeld',
        'when: $context.session.status == "charging"\n                  then: unlockHeld',
    ),
    "ended": (
        'when: $context.session.status == "ended"\n                  then: payHeld',
        'when: $context.session.status == "ended"\n                  then: unlockHeld',
    ),
    "started": (
        '$context.event.type == "com.voltbazaar.charging.start-requested.v1"\n              or $context.session.status',
        "$context.session.status",
    ),
    "late": (
        "when: $context.lookAgain\n                  then: waitForIt",
        "when: $context.lookAgain\n                  then: exit",
    ),
}

Share = tuple[list[str], dict[int, str], int]


async def proof(verdict: Verdict, sabotage: str) -> None:
    count = wanted(2_000)
    with Rig("http://127.0.0.1:1", env=QUIET) as rig:
        rig.prepare(seed_city=False)
        await asyncio.to_thread(_together, rig, verdict, count, sabotage)


def _together(rig: Rig, verdict: Verdict, count: int, sabotage: str) -> None:
    os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    first = verdict.seed * 10_000
    seeds = range(first, first + count)
    halves = [seeds[hand::HANDS] for hand in range(HANDS)]
    shares = [[*half, *other[::TWICE]] for half, other in zip(halves, reversed(halves), strict=True)]
    step = HANDS if count >= LARGE else HANDS * 8
    with ExitStack() as stack:
        pools = []
        for hand, share in enumerate(shares):
            os.environ["PYTHONHASHSEED"] = str(1 + hand)  # read as the process begins
            pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
            pools.append((pool, pool.submit(live, share, sabotage)))
        found = [future.result() for _, future in pools]
        if sabotage and any(violations for violations, _, _ in found):
            pools = []
        orders = [pool.submit(partial(_orders, verdict.seed, hand, step)) for hand, (pool, _) in enumerate(pools)]
        for violations, histories in (future.result() for future in orders):
            verdict.failures += violations
            verdict.figures["order_histories"] = verdict.figures.get("order_histories", 0) + histories
    verdict.n = count
    verdict.failures += [text for violations, _, _ in found for text in violations]
    verdict.figures["events"] = sum(deeds for _, _, deeds in found)
    _compare(found, verdict)


def _compare(found: list[Share], verdict: Verdict) -> None:
    """The same seed must have left the same log in both processes."""
    (_, one, _), (_, other, _) = found
    both = one.keys() & other.keys()
    verdict.failures += [
        f"seed {seed} went two ways: {one[seed]}, {other[seed]}" for seed in both if one[seed] != other[seed]
    ]
    verdict.figures["lived_twice"] = len(both)


def live(seeds: list[int], sabotage: str) -> Share:
    """The histories of some seeds: violations, the hash of each log, and how much happened."""
    definition = shipped(sabotage)
    violations: list[str] = []
    logs: dict[int, str] = {}
    deeds = 0
    for seed in seeds:
        world = History(definition, seed).run(DEEDS)
        violations += world.violations
        logs[seed] = world.digest.hexdigest()
        deeds += world.deeds
        if sabotage and violations:
            break
    return violations, logs, deeds


def shipped(sabotage: str = "") -> Definition:
    """The station's definition, without the guard that `sabotage` names. Raises ValueError."""
    place = files("fulfillment.workflow") / "definitions" / "managing-ev-charging-stations.yaml"
    text = place.read_text(encoding="utf-8")
    if sabotage and sabotage not in GUARDS:
        raise ValueError(f"SABOTAGE is {sabotage!r}; allowed are {', '.join(sorted(GUARDS))}")
    if sabotage:
        guard, rest = GUARDS[sabotage]
        if text.count(guard) != 1:
            raise ValueError(f"the definition has {guard!r} {text.count(guard)} times; the sabotage must follow it")
        text = text.replace(guard, rest)
    return load(text)


def _orders(seed: int, hand: int, step: int) -> tuple[list[str], int]:
    from tests.verify.sim_orders import every_order

    return every_order(seed, hand, step)


if __name__ == "__main__":
    sys.exit(run("sim", proof))
