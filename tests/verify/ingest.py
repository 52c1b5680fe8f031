"""Is every meter value kept once, however often its consumer is killed? Sessions stream noisily meanwhile.

N sets the number of kills (50), each while values are in hand; every other consumer has another name, so that the dead
one's share must be taken over. Values come doubled, shuffled, late and impossible. At the end each session is billed,
and the bill must be its meter's. SABOTAGE=ack_first acknowledges values before they are kept, which must lose some.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import django
from redis import Redis

from tests.verify.rig import QUIET, Rig, Verdict, run, wanted

if TYPE_CHECKING:
    from fulfillment.models import Session

SESSIONS = 20
STEP_S = 5
STEP_WH = 20
PAUSE_S = 0.05
TYPE = "com.ev-power-supplier.charging-station.meter-values.v1"
AGO = timedelta(hours=12)
LONGEST_S = 60.0
# A reading as the tables know it: the time and the register.
Key = tuple[datetime, int]


class IngestRig(Rig):
    """A provider whose consumer takes over soon, and is not the product's where its promise is to be broken."""

    def _commands(self) -> dict[str, list[str]]:
        commands = super()._commands()
        web = commands["web"]
        web[web.index("tests.verify.sabotaged_asgi:application") if self.env["SABOTAGE"] else 3] = (
            "bpp.asgi:application"
        )
        consumer = ["-m", "tests.verify.sabotaged_ingest"] if self.env["SABOTAGE"] else ["manage.py", "ingest"]
        commands["ingest"] = [sys.executable, *consumer, "--name", self.ingest_name, "--claim-after", "1"]
        return commands


@dataclass
class Meter:
    """A session's meter, and what it told that was acknowledged."""

    session: Session
    wh: int = 0
    step: int = 0
    late: list[tuple[datetime, int]] = field(default_factory=list)
    told: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.wh = self.session.meter_start_wh or 0
        self.began = self.session.started_at or datetime.min  # noqa: DTZ901

    def go_on(self) -> Key:
        """The next true value."""
        self.step += 1
        self.wh += STEP_WH
        return self.began + timedelta(seconds=STEP_S * self.step), self.wh

    def speak(self, dice: random.Random) -> list[Key]:
        """A few values in the order they are sent: in order, doubled, shuffled, kept for later, or impossible."""
        values = [self.go_on() for _ in range(dice.randint(1, 4))]
        fate = dice.random()
        if fate < 0.1:
            values.append(values[0])
        elif fate < 0.2:
            dice.shuffle(values)
        elif fate < 0.3 and len(values) > 1:
            self.late.append(values.pop(0))
        elif fate < 0.4:
            at, wh = values[-1]
            values.append((at + timedelta(seconds=1), wh + dice.choice([-10, 1_000_000])))
        elif self.late and fate < 0.6:
            values.append(self.late.pop())
        return values


async def proof(verdict: Verdict, sabotage: str) -> None:
    with IngestRig("http://127.0.0.1:1", sabotage=sabotage, env=QUIET) as rig:
        rig.prepare(seed_city=False)
        meters = await asyncio.to_thread(_meters, rig, random.Random(verdict.seed))
        rig.start("web", "ingest")
        await rig.ready()
        stop = asyncio.Event()
        killing = asyncio.create_task(_kill(rig, verdict, stop))
        try:
            await _stream(rig, meters, random.Random(verdict.seed + 1), stop)
            await killing
            await _drain(rig, verdict)
        finally:
            killing.cancel()
        await asyncio.to_thread(_judge, verdict, meters)


def _meters(rig: Rig, dice: random.Random) -> list[Meter]:
    """Sessions that charge since half a day ago; half of them will reach what was ordered while values come."""
    os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    django.setup()
    from django.utils import timezone

    from tests.factories.fulfillment import streaming_session

    began = timezone.now() - AGO
    return [
        Meter(
            streaming_session(now=began, meter_start_wh=dice.randint(0, 10**6), quantity=dice.choice([2_000, 40_000]))
        )
        for _ in range(SESSIONS)
    ]


async def _stream(rig: Rig, meters: list[Meter], dice: random.Random, stop: asyncio.Event) -> None:
    """Send what meters say until the killing is over, then what was kept back, and at last a true value of each."""
    headers = {"Authorization": "Bearer verify-events", "Content-Type": "application/cloudevents-batch+json"}
    number = 0
    async with aiohttp.ClientSession(headers=headers) as client:
        while not stop.is_set():
            for meter in dice.sample(meters, 5):
                number += 1
                await _send(client, rig, [(meter, key) for key in meter.speak(dice)], number)
            await asyncio.sleep(PAUSE_S)
        last = [(meter, key) for meter in meters for key in (*meter.late, meter.go_on())]
        await _send(client, rig, last, number + 1)


async def _send(client: aiohttp.ClientSession, rig: Rig, values: list[tuple[Meter, Key]], number: int) -> None:
    events = [_event(meter.session, at, wh, f"{number}-{n}") for n, (meter, (at, wh)) in enumerate(values)]
    async with client.post(f"{rig.url}/events", data=json.dumps(events)) as answer:
        if answer.status != 202:
            raise RuntimeError(f"/events answered {answer.status}: {await answer.text()}")
    for meter, key in values:
        meter.told.add(key)


def _event(session: Session, at: datetime, wh: int, number: str) -> dict[str, Any]:
    data = {
        "stationId": session.evse.station.code,
        "slotNumber": session.slot_number,
        "sessionId": session.remote_id,
        "timestamp": at.isoformat(),
        "energyWh": wh,
        "powerW": STEP_WH * 3600 // STEP_S,
    }
    return {"specversion": "1.0", "id": number, "source": "verify", "type": TYPE, "time": at.isoformat(), "data": data}


async def _kill(rig: Rig, verdict: Verdict, stop: asyncio.Event) -> None:
    """Kill the consumer N times, each time a moment after it has begun to take values; start the next at once."""
    dice = random.Random(verdict.seed + 2)
    client = Redis.from_url(rig.env["REDIS_URL"])
    try:
        for number in range(wanted(50)):
            await _until_working(client, rig)
            await asyncio.sleep(dice.uniform(0.0, 0.6))
            await asyncio.to_thread(rig.kill, "ingest")
            verdict.n += 1
            rig.ingest_name = f"ingest-{number % 4 // 2}"  # twice the same, then the other
            rig.start("ingest")
        await _until_working(client, rig)
    finally:
        client.close()
        stop.set()


async def _until_working(client: Redis, rig: Rig) -> None:
    """Until the consumer says that it is there, and something was done since it was started."""
    key = f"vb:meter:{rig.database}"
    before = client.hgetall(f"{key}:counts")
    until = time.monotonic() + LONGEST_S
    while client.hgetall(f"{key}:counts") == before:
        process = rig.processes["ingest"]
        if time.monotonic() > until or process.poll() is not None:
            raise RuntimeError("the consumer takes nothing:\n" + (rig.log / "ingest.log").read_text()[-3000:])
        await asyncio.sleep(0.02)


async def _drain(rig: Rig, verdict: Verdict) -> None:
    """Until nothing is left in the stream."""
    client = Redis.from_url(rig.env["REDIS_URL"])
    key = f"vb:meter:{rig.database}"
    began = time.monotonic()
    try:
        while client.xlen(key):
            if time.monotonic() > began + LONGEST_S:
                verdict.fail(f"{client.xlen(key)} values are left in the stream after {LONGEST_S:.0f} s")
                break
            await asyncio.sleep(0.1)
        found: dict[Any, Any] = client.hgetall(f"{key}:counts")
        counts = {name.decode(): int(number) for name, number in found.items()}
        verdict.figures["counts"] = {name: n for name, n in sorted(counts.items()) if not name.startswith("lag")}
    finally:
        client.delete(key, f"{key}:counts", f"{key}:alive")
        client.close()


def _judge(verdict: Verdict, meters: list[Meter]) -> None:
    from django.db import connections
    from django.utils import timezone

    from fulfillment import services as fulfillment

    try:
        while fulfillment.process_events_due(timezone.now()):
            pass
        verdict.figures["told"] = sum(len(meter.told) for meter in meters)
        for meter in meters:
            for fault in (*_kept(meter), *_billed(meter)):
                verdict.fail(f"session {meter.session.pk}: {fault}")
    finally:
        connections.close_all()


def _kept(meter: Meter) -> list[str]:
    """What is wrong with the readings: each that was told stands there once, and no other."""
    from fulfillment.models import Reading

    rows = list(Reading.objects.filter(session=meter.session).values_list("at", "energy_wh", "accepted", "reason"))
    kept = [(at, wh) for at, wh, _, _ in rows]
    faults = [f"{len(kept) - len(set(kept))} readings are doubled"] if len(kept) != len(set(kept)) else []
    if lost := meter.told - set(kept):
        faults.append(f"{len(lost)} of {len(meter.told)} readings are lost")
    if made := set(kept) - meter.told:
        faults.append(f"{len(made)} readings were never told")
    if any(accepted == bool(reason) for _, _, accepted, reason in rows):
        faults.append("a reading is refused without a reason, or believed with one")
    return faults


def _billed(meter: Meter) -> list[str]:
    """What is wrong with the bill: it is made of what the tables believe, and must be what the meter showed."""
    from django.db import transaction
    from django.utils import timezone

    from fulfillment.services.running import finish
    from fulfillment.services.sessions import lock_session
    from orders.models import Quote

    with transaction.atomic():
        order, session = lock_session(meter.session.order_id)
        finish(order, session, None, now=timezone.now())
    true_wh = meter.wh - (meter.session.meter_start_wh or 0)
    billed = list(Quote.objects.filter(order=order, kind="bill").values_list("energy_wh", flat=True))
    return [] if billed == [true_wh] else [f"billed for {billed} Wh, the meter showed {true_wh} Wh"]


if __name__ == "__main__":
    sys.exit(run("ingest", proof))
