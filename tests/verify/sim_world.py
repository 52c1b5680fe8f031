"""What can happen to stations, calls and workers, in any order? One seeded history of the pure engine, from its clock.

Lanes are those of the runtime: one instance at a station at a time under a lease, those of one card in the order they
came; an answer that comes with an old token changes nothing; whoever died is followed by one who asks the same again.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import orjson

import sandbox.supplier
from fulfillment.workflow import Definition, Effect, Host, Turn, begin, resume, wake, wanted
from sandbox.supplier import SupplierSettings
from tests.verify.sim_promises import ASKS, START, Promise
from tests.verify.toy_supplier import CountedSupplier, Desk, Outcome

NOON = datetime(2026, 2, 1, 6, 30, tzinfo=UTC)
HOST = Host(secrets={"evPowerSupplier": "sim"})
SCANNED = "com.ev-power-supplier.charging-station.card-scanned.v1"
FAULTED = "com.ev-power-supplier.charging-station.faulted.v1"
LEASE_S = 15
# A late call reaches the station before anybody looks again.
LATEST_S = 45
LOST: Outcome = {"failure": "connection", "text": "the line was cut"}
KEYS = uuid.UUID("6f9a3a0c-3c39-5b53-9f0e-0f5d3a3c8b11")


@dataclass
class Run:
    """One instance: its state, and who has it in hand."""

    number: int
    trigger: str
    station: str
    card: str
    event: dict[str, Any]
    promise: Promise | None
    state: dict[str, Any] | None = None
    status: str = "pending"
    due: datetime | None = None
    lease_until: datetime | None = None
    token: int = 0
    unclear: bool = False
    called_off: bool = False
    open: Effect | None = None
    flowed: bool = False

    @property
    def live(self) -> bool:
        return self.status in {"pending", "running", "waiting"}

    @property
    def may_come_late(self) -> bool:
        """Whether it has sent a command whose outcome nobody knows."""
        return self.unclear or (self.open is not None and _commands(self.open))


@dataclass
class Call:
    """A call that a worker is about to make, with the token it was given."""

    run: Run
    token: int
    effect: Effect
    key: str


@dataclass
class World:
    """Everything of one history; `violations` is what must not have happened."""

    definition: Definition
    seed: int
    calm: bool = False
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        # The sandbox's ids come from these dice, too: nothing of a history is left to chance.
        dice = random.Random(self.seed + 1)
        vars(sandbox.supplier)["uuid"] = SimpleNamespace(uuid4=lambda: uuid.UUID(int=dice.getrandbits(128)))
        self.now = NOON
        self.digest = hashlib.blake2b(digest_size=16)
        self.deeds = 0
        self.supplier = CountedSupplier(SupplierSettings(reservation_s=10**9), clock=lambda: self.now)
        self.desk = Desk(self.supplier)
        self.runs: list[Run] = []
        self.calls: list[Call] = []
        self.coming: list[tuple[datetime, int, Callable[[], object]]] = []
        self.dark_until = NOON
        self.told: dict[str, tuple[str, Any]] = {}
        self.in_debt: set[str] = set()
        self.flowing: set[str] = set()  # sessions of which the platform was told that energy flows

    # The log

    def say(self, text: str) -> None:
        """Put a line into the log, of which only the hash is kept."""
        self.deeds += 1
        self.digest.update(f"{self.now.timestamp()} {text}\n".encode())

    def wrong(self, text: str) -> None:
        self.violations.append(f"seed {self.seed}: {text}")

    # Instances

    def trigger(self, kind: str, station: str, card: str, promise: Promise | None = None, **data: Any) -> Run:
        """Owe the workflow one run."""
        event = {
            "specversion": "1.0",
            "id": f"{len(self.runs)}",
            "source": "sim",
            "type": kind,
            "data": {"stationId": station, **data},
        }
        run = Run(len(self.runs), kind, station, card, event, promise, due=self.now)
        self.runs.append(run)
        self.say(f"run {run.number} {kind} {station} {card}")
        return run

    def ask(self, promise: Promise, kind: str, data: dict[str, Any]) -> None:
        slot = promise.held_slot or promise.slot_number
        place = {"cardId": promise.card, "slotNumber": slot, "sessionId": promise.remote_id or None}
        self.trigger(kind, promise.station, promise.card, promise, **place, **data)

    def call_off(self, promise: Promise) -> bool:
        """End what is under way for a session; whether a call of it may still take effect."""
        late = False
        for run in self.runs:
            if run.promise is promise and run.live:
                late = late or run.may_come_late
                run.status, run.due, run.lease_until = "cancelled", None, None
                run.token += 1
                run.called_off = True
        return late

    def claimable(self) -> list[Run]:
        """The instances that a worker may take now, the one due longest first."""
        live = [run for run in self.runs if run.live]
        held = {run.station for run in live if run.lease_until is not None and run.lease_until >= self.now}
        first: dict[tuple[str, str], int] = {}
        for run in live:
            first.setdefault((run.station, run.card), run.number)
        found = [
            run
            for run in live
            if run.station not in held
            and run.due is not None
            and run.due <= self.now
            and (not run.card or first[run.station, run.card] == run.number)
        ]
        return sorted(found, key=lambda run: (run.due, run.number))

    def claim(self) -> bool:
        """A worker takes what is due longest, up to its first call; whether there was anything."""
        found = self.claimable()
        if not found:
            return False
        run = found[0]
        run.token += 1
        run.lease_until = self.now + timedelta(seconds=LEASE_S)
        if run.state is None:
            turn = begin(self.definition, [run.event], instance=f"run-{run.number}", now=self.now, host=HOST)
        else:
            turn = wake(self.definition, run.state, now=self.now, host=HOST)
        self._keep(run, turn)
        return True

    def answer(self, call: Call, outcome: Outcome) -> None:
        """A worker comes back with an outcome; one that lost its lease changes nothing."""
        run = call.run
        if run.token != call.token or run.state is None:
            self.say(f"stale {run.number} {call.effect.id}")
            return
        if _commands(call.effect):
            run.unclear = run.unclear or "failure" in outcome or outcome["status"] >= 500
        self._keep(run, resume(self.definition, run.state, call.effect.id, outcome, now=self.now, host=HOST))

    def _keep(self, run: Run, turn: Turn) -> None:
        state = orjson.dumps(turn.state)
        self.digest.update(state)
        self.say(
            f"turn {run.number} {turn.status} {[f'{step.pointer}#{step.visit} {step.state}' for step in turn.steps]}"
        )
        run.state, run.status = orjson.loads(state), turn.status
        self._hear(run, turn.events)
        if not run.live:
            run.due, run.lease_until = None, None
            if turn.status == "faulted":
                self.wrong(f"run {run.number} of {run.trigger} faulted: {turn.fault}")
            if run.promise is not None and not run.called_off:
                run.promise.over(run.trigger)
            return
        run.open = None
        effects = wanted(self.definition, turn.state, host=HOST) if turn.status == "running" else ()
        if effects:
            run.lease_until = self.now + timedelta(seconds=LEASE_S)
            key = str(uuid.uuid5(KEYS, f"{run.number}/{effects[0].id}"))
            run.open = effects[0]
            self.calls.append(Call(run, run.token, effects[0], key))
            self._judge(run, effects[0])
        else:
            run.due, run.lease_until = turn.wake_at, None

    def _hear(self, run: Run, events: tuple[dict[str, Any], ...]) -> None:
        for event in events:
            self.say(f"event {event['type']} {event['id']}")
            # Told again where it is tried again, with the same id, by which a sink can tell that it is one.
            if self.told.setdefault(event["id"], (event["type"], event["data"])) != (event["type"], event["data"]):
                self.wrong(f"event {event['id']} of {event['type']} tells two things")
            if event["type"] == f"{ASKS}payment-due.v1":
                self.in_debt.add(run.card)
            if event["type"] == f"{ASKS}energy-flows.v1":
                run.flowed = True
                self.flowing.add(event["data"]["session"]["id"])
            if run.promise is not None and event["type"].startswith(ASKS):
                run.promise.hear(event)

    def _judge(self, run: Run, effect: Effect) -> None:
        """What an instance of this kind must never ask for."""
        verb = str(effect.request["uri"]).rsplit("/", 1)[1]
        gives_back = "/giveBack/" in effect.pointer and not run.flowed
        if run.trigger == START and verb in {"end", "pay", "unlock"} and not gives_back:
            self.wrong(f"a wish for a start goes on to {verb}")
        if run.trigger not in {START, SCANNED} and verb == "start":
            self.wrong(f"an instance of {run.trigger} starts a session")

    # Calls, workers and time

    def perform(self) -> None:
        """One of the calls that are to be made is made, and fares as the dice say."""
        call = self.calls.pop(self.dice.randrange(len(self.calls)))
        fate = 0.0 if self.calm else self.dice.random()
        if self.now < self.dark_until and not self.calm:
            fate = self.dice.choice([0.82, 0.87, 0.91, 0.94])
        if fate < 0.80:
            self.answer(call, self._done(call))
        elif fate < 0.85:
            self.answer(call, LOST)
        elif fate < 0.90:
            self._done(call)
            self.answer(call, LOST)
        elif fate < 0.93:
            self.answer(call, {"status": 503, "headers": {}, "body": ""})
        elif fate < 0.95:
            self.later(self.dice.uniform(1, LATEST_S), lambda: self._done(call))
            self.answer(call, LOST)
        elif fate < 0.97:  # the worker dies before its call, or after it
            self.say(f"crash before {call.effect.id}")
        elif fate < 0.985:
            self._done(call)
            self.say(f"crash after {call.effect.id}")
        else:  # it comes back when another has taken over
            outcome = self._done(call)
            self.later(LEASE_S + self.dice.uniform(1, 20), lambda: self.answer(call, outcome))

    def _done(self, call: Call) -> Outcome:
        self.now += timedelta(seconds=self.dice.uniform(0.01, 0.2))
        outcome = self.desk.ask(call.effect.request, call.key)
        self.say(f"call {call.run.number} {call.effect.id} {outcome['status']}")
        return outcome

    def go_dark(self, seconds: float) -> None:
        """For so long no call is answered, whether it is done or not."""
        self.dark_until = self.now + timedelta(seconds=seconds)
        self.say(f"dark for {seconds:.0f} s")

    def later(self, seconds: float, deed: Callable[[], object]) -> None:
        self.coming.append((self.now + timedelta(seconds=seconds), len(self.coming), deed))

    def pass_time(self, seconds: float) -> None:
        """Let time go by at the stations and on the lines."""
        until = self.now + timedelta(seconds=seconds)
        while True:
            due = sorted((each for each in self.coming if each[0] <= until), key=lambda each: each[:2])
            if not due:
                break
            self.coming.remove(due[0])
            self.now = max(self.now, due[0][0])
            self.supplier.tick()
            due[0][2]()
        self.now = until
        self.supplier.tick()


def _commands(effect: Effect) -> bool:
    return str(effect.request["method"]).upper() != "GET"
