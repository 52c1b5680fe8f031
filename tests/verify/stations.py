"""Is each order charged once and billed by the meter, whatever its station does? Faults F11–F14 and impersonation, S18.

N sets the number of ordered sessions (500), four at a station: the supplier's simulator answers over real HTTP, late,
twice, after it was given up, not at all; stations fault, unplug, are cut off; events are doubled, shuffled and held
back; workers die between intent and result. The clock is a toy one, so that hours pass in no time. Nothing may be held
at the end, each order is closed, and what is unknown is resolved or flagged within 15 minutes.
SABOTAGE is key_per_attempt, no_takeover or any_token.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import django

from tests.verify.money import joined
from tests.verify.rig import QUIET, Rig, Verdict, run, wanted

HANDS = 2
LARGE = 60  # below this a second database costs more than it saves
AT_A_STATION = 4
UNSPOKEN = ["OCPP stations (no listener yet)", "MQTT stations (no listener yet)"]

Job = tuple[dict[str, str], int, int, str]


async def proof(verdict: Verdict, sabotage: str) -> None:
    count = wanted(500)
    hands = HANDS if count >= LARGE else 1
    verdict.skipped += UNSPOKEN
    with ExitStack() as stack:
        rigs = [stack.enter_context(Rig("http://127.0.0.1:1", sabotage=sabotage, env=QUIET)) for _ in range(hands)]
        for rig in rigs:
            rig.prepare(seed_city=False)
        share = -(-count // hands)
        jobs: list[Job] = [(rig.env, verdict.seed + hand, share, sabotage) for hand, rig in enumerate(rigs)]
        await asyncio.to_thread(_together, verdict, jobs)


def _together(verdict: Verdict, jobs: list[Job]) -> None:
    with ProcessPoolExecutor(len(jobs), mp_context=get_context("spawn")) as pool:
        for part in pool.map(work, jobs):
            verdict.n += part.n
            verdict.failures += part.failures
            verdict.figures = joined(verdict.figures, part.figures)


def work(job: Job) -> Verdict:
    """One hand's stations in a process and on a database of its own."""
    env, seed, count, sabotage = job
    os.environ |= env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    django.setup()
    from django.db import connections

    from tests.verify import sabotaged_stations as switches
    from tests.verify.impersonation import impersonate
    from tests.verify.station_checks import check
    from tests.verify.station_lives import Place, served
    from tests.verify.station_stories import act_out

    # Refusals at the door are what is tried here.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    verdict = Verdict("stations", seed)
    if sabotage:
        switches.apply(sabotage)
    dice = random.Random(seed)
    try:
        with served() as supplier:
            for number in range(max(1, count // AT_A_STATION)):
                place = Place(supplier, random.Random(dice.getrandbits(64)), f"{seed}/{number}", AT_A_STATION)
                act_out(place)
                check(place, verdict)
                if number % 5 == 0:
                    impersonate(place, verdict)
                verdict.n += AT_A_STATION
    finally:
        connections.close_all()
    return verdict


if __name__ == "__main__":
    sys.exit(run("stations", proof))
