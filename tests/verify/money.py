"""Does every rupee stay accounted for, whatever happens to an order? Seeded lives of orders on a real database.

N sets the number of lives (2,000), each of up to 40 steps: paid, held, captured, told late or twice, billed, corrected
by a late meter, refunded, settled. After each step the books are summed up from outside; the bill is compared with a
second arithmetic. Most lives are rolled back at their end, every tenth is committed. SABOTAGE is float
or edit_in_place.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

import django

from tests.verify.rig import Rig, Verdict, run, wanted

SETTINGS = {"DEBUG": "0", "ALLOWED_HOSTS": "testserver,127.0.0.1", "SECURE_SSL_REDIRECT": "0", "LOG_LEVEL": "CRITICAL"}
STEPS = 40
KEPT_EVERY = 10
POOL = 24


async def proof(verdict: Verdict, sabotage: str) -> None:
    with Rig("http://127.0.0.1:1", sabotage=sabotage, env=SETTINGS) as rig:
        rig.prepare(seed_city=False)
        await asyncio.to_thread(_live, rig, verdict, sabotage)


def _live(rig: Rig, verdict: Verdict, sabotage: str) -> None:
    os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    django.setup()
    from django.db import connections

    from tests.verify import sabotage as switches
    from tests.verify.lives import Lives

    if sabotage:
        switches.apply(sabotage)
    try:
        lives = Lives(verdict, random.Random(verdict.seed), pool=POOL)
        for number in range(wanted(2_000)):
            lives.live(number, steps=STEPS, keep=number % KEPT_EVERY == 0)
            verdict.n += 1
        lives.count()
    finally:
        connections.close_all()


if __name__ == "__main__":
    sys.exit(run("money", proof))
