"""Is it one slot, one start and one payment wherever a worker is killed? SIGKILL at five points of a session's way.

N sets how many sessions die at each point (20), once with tasks that are acknowledged late and once with others; the
points are those of `dying`. SABOTAGE=fresh_keys asks again with another key, which must do things twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from aiohttp import web

from sandbox.serving import serve
from sandbox.supplier import Supplier, SupplierSettings
from sandbox.supplier_api import SupplierApi
from tests.verify.rig import QUIET, Rig, Verdict, run, wanted

if TYPE_CHECKING:
    from fulfillment.models import Session

# Every call of a session's way, and the route that counts its effects; only asking has none.
CALLS = {
    "acquireSlot": "acquire",
    "lockSlot": "lock",
    "start": "start",
    "lightBlue": "leds",
    "end": "end",
    "pay": "pay",
    "unlock": "unlock",
    "flickerWhite": "leds",
}
TASKS = dict.fromkeys("abcd", tuple(CALLS)) | {"e": ("session-started", "session-ended")}
COMMANDS = ("acquire", "lock", "start", "end", "pay", "unlock")
PUBLIC = "com.ev-power-supplier.charging-station."
LIGHTS = [("on", "blue"), ("flicker", "white")]
# Every so many deaths take the whole worker along, the others the process of its pool that did the work.
WHOLE_EVERY = 10
LONGEST_S = float(os.environ.get("LONGEST_S", "300"))


class DyingRig(Rig):
    """The provider's workers as `dying_celery` makes them; beat is the product's own."""

    def _commands(self) -> dict[str, list[str]]:
        commands = super()._commands()
        for name, app in (("worker", "tests.verify.dying_celery:app"), ("beat", "bpp.celery:app")):
            place = commands[name].index("-A") + 1
            commands[name][place] = app
        return commands


@dataclass
class Far:
    """All far ends: the stations' supplier, a buyer app that takes every callback, and a sink that keeps (source, id),
    type and subject of what it hears."""

    supplier: Supplier = field(default_factory=lambda: Supplier(SupplierSettings(slots_per_station=1)))
    heard: list[tuple[tuple[str, str], str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api = SupplierApi(self.supplier, "verify-supplier")

    def app(self) -> web.Application:
        app = web.Application()
        self.api.add_routes(app)
        app.router.add_post("/sink", self._hear)
        app.router.add_post("/bap/{action}", self._acknowledge)
        return app

    async def _hear(self, request: web.Request) -> web.Response:
        event = await request.json()
        self.heard.append(((event["source"], event["id"]), event["type"], event["subject"]))
        return web.Response(status=202)

    async def _acknowledge(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"message": {"ack": {"status": "ACK"}}})

    def ids(self, type_: str, subject: str) -> list[tuple[str, str]]:
        """The ids under which the sink heard of one thing, as often as it did."""
        return [id_ for id_, heard, about in self.heard if (heard, about) == (type_, subject)]


async def proof(verdict: Verdict, sabotage: str) -> None:
    far = Far()
    listening = await serve(far.app())
    env = QUIET | {"EVENTS_SINK_URL": f"{listening.url}/sink", "WORKFLOW_LIFECYCLE_EVENTS": "0"}
    with DyingRig(listening.url, supplier_url=f"{listening.url}/api/v2", sabotage=sabotage, env=env) as rig:
        rig.prepare(seed_city=False)
        await asyncio.to_thread(_rounds, rig, far, verdict, f"{listening.url}/bap")
    await listening.stop()


def _rounds(rig: Rig, far: Far, verdict: Verdict, bap_uri: str) -> None:
    os.environ |= rig.env | {"DJANGO_SETTINGS_MODULE": "bpp.settings"}
    django.setup()
    from django.db import connections

    from tests.factories.orders import CONTEXT

    CONTEXT.update(version="1.1.0", bap_uri=bap_uri)
    try:
        for acks in ("late", "early"):
            Round(rig, far, verdict, acks).play()
    finally:
        connections.close_all()


class Round:
    """N sessions for each point, each killed once on its way from the wish to the bill."""

    def __init__(self, rig: Rig, far: Far, verdict: Verdict, acks: str) -> None:
        self.rig, self.far, self.verdict, self.acks = rig, far, verdict, acks
        self.place = Path(rig.log) / f"dying-{acks}"
        self.place.mkdir()
        self.plan: dict[str, dict[str, Any]] = {}
        self.restarts = 0

    def play(self) -> None:
        """Ask for the starts, let the workers die, and look at what came of it."""
        sessions = self._sessions()
        (self.place / "plan.json").write_text(json.dumps(self.plan))
        self.rig.env |= {"DYING": str(self.place), "ACKS_LATE": "1" if self.acks == "late" else "0"}
        self.rig.start("worker", "beat")
        started = time.monotonic()
        self._see_through(sessions)
        self.verdict.figures[f"{self.acks}_s"] = round(time.monotonic() - started, 1)
        for name in ("worker", "beat"):
            self.rig.kill(name)
        self._judge()

    def _sessions(self) -> list[Session]:
        """A session at a station of its own for each death, and when and where that is to be."""
        from django.utils import timezone

        from tests.factories.fulfillment import waiting_session

        made = []
        for place, (point, tasks) in enumerate(TASKS.items()):
            for number in range(wanted(20)):
                session = waiting_session(now=timezone.now())
                # Few deaths, too, are spread over the whole way, and take a whole worker along.
                task, whole = tasks[(number + 2 * place) % len(tasks)], number % WHOLE_EVERY == 4
                self.plan[session.card] = {"point": point, "task": task, "whole": whole}
                made.append(session)
        return made

    def _see_through(self, sessions: list[Session]) -> None:
        """Start all, stop each once it charges, and start the worker anew whenever it is dead, until all is done."""
        from django.utils import timezone

        from fulfillment import services as fulfillment
        from fulfillment.models import EventOut, Session, WorkflowInstance

        for session in sessions:
            fulfillment.request_start(session.order_id, timezone.now())
        ours = Session.objects.filter(card__in=self.plan)
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            self._revive()
            for order_id in ours.filter(state=Session.State.CHARGING).values_list("order_id", flat=True):
                fulfillment.request_stop(order_id, timezone.now())
            open_ = ours.exclude(state__in=[Session.State.ENDED, Session.State.FAILED]).exists()
            live = WorkflowInstance.objects.filter(status__in=WorkflowInstance.LIVE).exists()
            if not open_ and not live and not EventOut.objects.filter(next_at__isnull=False).exists():
                return
            time.sleep(0.5)
        self.verdict.fail(f"{self.acks}: not all is done after {LONGEST_S:.0f} s")

    def _revive(self) -> None:
        if self.rig.processes["worker"].poll() is not None:
            self.rig.kill("worker")
            self.rig.start("worker")
            self.restarts += 1

    def _judge(self) -> None:
        from fulfillment.models import Session, WorkflowInstance

        deaths: Counter[str] = Counter()
        for session in Session.objects.filter(card__in=self.plan).select_related("evse__station", "order"):
            plan = self.plan[session.card]
            died = (self.place / session.card).exists()
            deaths[plan["point"]] += died
            faults = [*self._at_station(session), *_here(session), *self._told(session, plan)]
            if not died:
                faults.append("no worker died there")
            for fault in faults:
                self.verdict.fail(f"{self.acks} acknowledged, killed at {plan['point']} of {plan['task']}: {fault}")
        self.verdict.n += deaths.total()
        states = Counter(WorkflowInstance.objects.filter(session__card__in=self.plan).values_list("status", flat=True))
        self.verdict.figures |= {
            f"{self.acks}_deaths": dict(sorted(deaths.items())),
            f"{self.acks}_whole_workers": self.restarts,
            f"{self.acks}_instances": dict(states),
        }
        if not self.restarts and any(plan["whole"] for plan in self.plan.values()):
            self.verdict.fail(f"{self.acks}: no worker died as a whole")

    def _at_station(self, session: Session) -> list[str]:
        """What is wrong at the station: one slot, each command once in effect, the lights once and in order."""
        supplier, code = self.far.supplier, session.evse.station.code
        there = [each for each in supplier.sessions.values() if each.station_id == code]
        if len(there) != 1:
            return [f"{len(there)} sessions at the station"]
        paths = (f"/stations/{code}", f"/sessions/{there[0].id}")
        calls = [call for call in self.far.api.calls if any(f"{path}/" in f"{call['path']}/" for path in paths)]
        done = Counter(call["route"] for call in calls if 0 < call["status"] < 300 and not call["replayed"])
        faults = [f"{route} took effect {done[route]} times" for route in COMMANDS if done[route] != 1]
        lights = [(order["action"], order["color"]) for order in supplier.leds if order["stationId"] == code]
        if lights != LIGHTS:
            faults.append(f"lights {lights}")
        if not there[0].paid or supplier.stations[code].slots[1].status != "free":
            faults.append(f"paid is {there[0].paid}, the slot is {supplier.stations[code].slots[1].status}")
        if session.energy_wh != there[0].final_wh:
            faults.append(f"{session.energy_wh} Wh here, {there[0].final_wh} Wh there")
        return faults + self._repeats(session, Counter(call["route"] for call in calls if call["replayed"]))

    def _repeats(self, session: Session, replayed: Counter[str]) -> list[str]:
        """Whether the death was where it was meant to be: what was asked for again, and answered again."""
        from fulfillment.models import TaskRun

        plan = self.plan[session.card]
        if plan["point"] not in "abc":
            return []
        asked = TaskRun.objects.filter(instance__session=session, name=plan["task"]).values_list("asked", flat=True)
        route = CALLS[plan["task"]]
        again = plan["point"] == "a" or not route or replayed[route] > 0
        return [] if max(asked, default=0) > 1 and again else [f"asked {list(asked)} times, given again {replayed}"]

    def _told(self, session: Session, plan: dict[str, Any]) -> list[str]:
        """What the sink would see wrong: anything told under two ids, or not at all."""
        faults = []
        for kind in ("session-started", "session-ended"):
            ids = self.far.ids(f"{PUBLIC}{kind}.v1", session.card)
            if len(set(ids)) != 1:
                faults.append(f"{kind} was told under {len(set(ids))} ids")
            if (plan["point"], plan["task"]) == ("e", kind) and len(ids) < 2:
                faults.append(f"{kind} was told once: nobody died after it")
        return faults


def _here(session: Session) -> list[str]:
    """What is wrong in our own rows: the session ended, the order billed once, both instances completed."""
    from orders.models import Quote

    faults = []
    if (session.state, session.order.state, session.fault) != ("ended", "complete", ""):
        faults.append(f"the session is {session.state}, the order {session.order.state}: {session.fault}")
    statuses = list(session.workflows.order_by("pk").values_list("status", flat=True))
    if statuses != ["completed", "completed"]:
        faults.append(f"the instances are {statuses}")
    bills = list(Quote.objects.filter(order=session.order, kind="bill").values_list("energy_wh", flat=True))
    if bills != [session.energy_wh]:
        faults.append(f"billed for {bills} Wh")
    return faults


if __name__ == "__main__":
    sys.exit(run("kill", proof))
