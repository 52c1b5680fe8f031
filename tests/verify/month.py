"""Does a whole month of an operator's business add up? Sessions through the product's own services, to the last paper.

N sets the number of sessions (20,000) over 40 tariffs of 4 operators. Prices are compared with a second arithmetic;
ledger, refunds, invoices and notes with each other. SABOTAGE is float or edit_in_place.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

import django

from tests.verify.rig import QUIET, Rig, Verdict, run, wanted

SETTINGS = {**QUIET, "PAYMENT_PROVIDER": "", "BOOK_AHEAD_DAYS": "40"}
OPERATORS = 4
HANDS = min(OPERATORS, max(2, os.cpu_count() or 2))


async def proof(verdict: Verdict, sabotage: str) -> None:
    with Rig("http://127.0.0.1:1", sabotage=sabotage, env=SETTINGS) as rig:
        rig.prepare(seed_city=False)
        await asyncio.to_thread(_month, rig, verdict, sabotage)


def _month(rig: Rig, verdict: Verdict, sabotage: str) -> None:
    os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    started = time.monotonic()
    each = max(wanted(20_000) // OPERATORS, 10)
    jobs = [(verdict.seed + place, place, each, sabotage) for place in range(OPERATORS)]
    with ProcessPoolExecutor(HANDS, mp_context=get_context("spawn")) as pool:
        for failures in pool.map(business, jobs):
            verdict.failures += failures
    verdict.n = each * OPERATORS
    verdict.figures["sessions_s"] = round(time.monotonic() - started, 1)
    django.setup()
    from django.db import connections

    from tests.verify.month_end import close_month

    try:
        close_month(verdict)
    finally:
        connections.close_all()


def business(job: tuple[int, int, int, str]) -> list[str]:
    """One operator's month in a process of its own; what went wrong."""
    seed, place, sessions, sabotage = job
    django.setup()
    from django.db import connections

    from tests.factories import orders as factories
    from tests.verify import sabotage as switches
    from tests.verify.trade import Trade

    gc.freeze()  # what the imports left stays for good, and need not be looked through again
    factories._numbers = count(place * 1_000_000 + 1)  # processes must not make the same ids

    if sabotage:
        switches.apply(sabotage)
    try:
        return Trade(seed, place).month(sessions)
    finally:
        connections.close_all()


if __name__ == "__main__":
    sys.exit(run("month", proof))
