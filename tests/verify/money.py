"""Does every rupee stay accounted for, whatever happens to an order? Seeded lives of orders on real databases.

N sets the number of lives (2,000), each of up to 40 steps: paid, held, captured, told late or twice, billed, corrected
by a late meter, refunded, settled. After each step the books are summed up from outside; the bill is compared with a
second arithmetic. Most lives are rolled back, every tenth is committed. SABOTAGE is float or edit_in_place.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import django

from tests.verify.rig import QUIET, Rig, Verdict, run, wanted

STEPS = 40
KEPT_EVERY = 10
POOL = 24
HANDS = 2
LARGE = 200  # below this a second database costs more than it saves

Job = tuple[dict[str, str], int, int, str]


async def proof(verdict: Verdict, sabotage: str) -> None:
    count = wanted(2_000)
    hands = HANDS if count >= LARGE else 1
    with ExitStack() as stack:
        rigs = [stack.enter_context(Rig("http://127.0.0.1:1", sabotage=sabotage, env=QUIET)) for _ in range(hands)]
        for rig in rigs:
            rig.prepare(seed_city=False)
        share = -(-count // hands)
        jobs: list[Job] = [(rig.env, verdict.seed + hand, share, sabotage) for hand, rig in enumerate(rigs)]
        await asyncio.to_thread(_together, verdict, jobs)


def _together(verdict: Verdict, jobs: list[Job]) -> None:
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("spawn")) as pool:
        for part in pool.map(live, jobs):
            verdict.n += part.n
            verdict.failures += part.failures
            verdict.figures = joined(verdict.figures, part.figures)


def joined(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """The figures of two parts: counts added, the worst error the greater."""
    found = dict(one)
    for name, value in other.items():
        before = found.get(name)
        if isinstance(value, dict):
            found[name] = joined(before if isinstance(before, dict) else {}, value)
        elif isinstance(value, int) and isinstance(before, int):
            found[name] = max(before, value) if name.startswith("max_") else before + value
        else:
            found[name] = value
    return found


def live(job: Job) -> Verdict:
    """One hand's lives in a process and on a database of its own."""
    env, seed, count, sabotage = job
    os.environ |= env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    django.setup()
    from django.db import connections

    from tests.verify import sabotage as switches
    from tests.verify.lives import Lives

    verdict = Verdict("money", seed)
    if sabotage:
        switches.apply(sabotage)
    try:
        lives = Lives(verdict, random.Random(seed), pool=POOL)
        for number in range(count):
            lives.live(number, steps=STEPS, keep=number % KEPT_EVERY == 0)
            verdict.n += 1
        lives.count()
    finally:
        connections.close_all()
    return verdict


if __name__ == "__main__":
    sys.exit(run("money", proof))
