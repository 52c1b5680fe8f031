"""What happens at one station over its hours? Its supplier, its events on their way to us, our workers, a toy clock."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Min
from django.test import Client

from fulfillment import services as fulfillment
from fulfillment.drivers import Options
from fulfillment.drivers.workflow_http import Line
from fulfillment.models import Session, StationEvent, WorkflowInstance
from fulfillment.services import asking, workflows
from sandbox.faults import RouteFault
from sandbox.stations import Session as Stay
from sandbox.stations import Station as Posts
from sandbox.supplier import SupplierSettings
from tests.factories.fulfillment import waiting_session
from tests.factories.orders import connector_on_sale
from tests.fulfillment.supplier import TOKEN, FakeSupplier, running_supplier
from tests.verify.toy_supplier import CountedSupplier

# How long a call is waited for here, so that a station that hangs costs a proof no time.
PATIENCE_S = 0.4
SHORTEST_STEP_S = 0.5
MOST_STEPS = 600
MOST_ROUNDS = 30
SWEEP_EVERY_S = 5.0
LIVE = WorkflowInstance.LIVE
TYPES = "com.ev-power-supplier.charging-station."


@contextmanager
def served() -> Iterator[FakeSupplier]:
    """A supplier on loopback that the platform is pointed at, with workers that wait briefly."""
    with running_supplier() as fake:
        fake.rules = CountedSupplier(
            SupplierSettings(slots_per_station=4),
            clock=lambda: fake.at,
            on_event=lambda *event: fake.told.append(event),
        )
        fake.api.supplier = fake.rules
        settings.EV_POWER_SUPPLIER_URL, settings.EV_POWER_SUPPLIER_TOKEN = fake.url, TOKEN
        settings.TIME_SCALE = 1.0
        # The same, only briefer.
        vars(workflows)["Line"] = partial(Line, timeout_s=PATIENCE_S)
        vars(asking)["Options"] = partial(Options, timeout_s=PATIENCE_S)
        yield fake


@dataclass
class Noise:
    """How the station's events come to us: shares of those that are doubled, lost and held back."""

    doubled: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    shuffled: bool = False


@dataclass
class Place:
    """One station with its ordered sessions; `at(seconds, deed)` plans what happens there."""

    supplier: FakeSupplier
    dice: random.Random
    name: str
    count: int
    noise: Noise = field(default_factory=Noise)
    story: list[str] = field(default_factory=list)
    plan: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    on_the_way: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    swept_at: datetime | None = None
    steps: int = 0

    def __post_init__(self) -> None:
        self.supplier.move_to(self.supplier.at + timedelta(days=1))
        self.supplier.told.clear()
        self.supplier.api.calls.clear()
        self.supplier.api.faults.clear()
        self.began = self.supplier.at
        first = connector_on_sale()
        self.station = first.evse.station
        connectors = [first, *(connector_on_sale(station=self.station) for _ in range(self.count - 1))]
        wh = [self.dice.randrange(500, 2_500, 250) for _ in connectors]
        self.sessions = [
            waiting_session(connector, now=self.now, quantity=wish)
            for connector, wish in zip(connectors, wh, strict=True)
        ]
        self.supplier.rules.add_station(self.code, slots=self.count)
        self._ids = 0

    @property
    def now(self) -> datetime:
        return self.supplier.at

    @property
    def code(self) -> str:
        return self.station.code

    @property
    def rules(self) -> CountedSupplier:
        """The supplier's own side of it."""
        found = self.supplier.rules
        assert isinstance(found, CountedSupplier)
        return found

    @property
    def posts(self) -> Posts:
        return self.supplier.rules.stations[self.code]

    def stays(self, session: Session) -> list[Stay]:
        """Everything the supplier ever gave to the card of a session."""
        return [stay for stay in self.supplier.rules.sessions.values() if stay.card == session.card]

    def plan_at(self, seconds: float, deed: Callable[[], object]) -> None:
        """Have something happen so many seconds after the beginning."""
        self.plan.append((seconds, len(self.plan), deed))
        self.plan.sort()

    def fail(self, route: str, **fault: Any) -> None:
        """Let the next calls of a route fail."""
        self.supplier.api.faults.ask(route, RouteFault(**fault))

    def live(self) -> None:
        """Let time pass until nothing is planned, on its way or due any more."""
        for _ in range(MOST_STEPS):
            self._happen()
            self.work()
            self._look()
            soon = self._next_s()
            if soon is None:
                return
            self.steps += 1
            self.supplier.move_to(self.began + timedelta(seconds=max(soon, self._elapsed_s + SHORTEST_STEP_S)))
        self.unresolved.append("it does not come to rest")

    def work(self) -> None:
        """What our workers do at one moment, until they find nothing."""
        for _ in range(MOST_ROUNDS):
            if self.deliver():
                self.take_in()
            fulfillment.advance_due(self.now, limit=50)
            if not self._sweep() and not self.supplier.told:
                return

    def take_in(self) -> None:
        """Take in the events that were posted, which the database's clock dates for today."""
        StationEvent.objects.filter(state=StationEvent.State.NEW, attempts=0).update(next_at=self.now)
        fulfillment.process_events_due(self.now)

    def _sweep(self) -> int:
        """What looks after the others' work comes by now and then."""
        if self.swept_at is not None and (self.now - self.swept_at).total_seconds() < SWEEP_EVERY_S:
            return 0
        self.swept_at = self.now
        did = fulfillment.adopt_due(self.now) + fulfillment.bill_late_due(now=self.now)
        return did + fulfillment.close_sessions_due(self.now)

    def deliver(self) -> int:
        """Put what the station told on its way, with its noise, and post what has arrived; how many."""
        for station, kind, data in list(self.supplier.told):
            self._send(station, kind, data)
        self.supplier.told.clear()
        due = [event for at, event in self.on_the_way if at <= self._elapsed_s]
        self.on_the_way = [each for each in self.on_the_way if each[0] > self._elapsed_s]
        if self.noise.shuffled:
            self.dice.shuffle(due)
        for first in range(0, len(due), 50):
            answer = post(due[first : first + 50])
            assert answer == 202, answer
        return len(due)

    def event(self, kind: str, data: dict[str, Any], *, station: str = "") -> dict[str, Any]:
        """A CloudEvent of this station that was made now."""
        self._ids += 1
        return {
            "specversion": "1.0",
            "id": f"{self.name}/{self._ids}",
            "source": f"https://supplier.example/stations/{station or self.code}",
            "type": f"{TYPES}{kind}.v1",
            "time": self.now.isoformat(),
            "data": {"stationId": station or self.code, **data},
        }

    def _send(self, station: str, kind: str, data: dict[str, Any]) -> None:
        if self.dice.random() < self.noise.lost and data.get("context") is None:
            return
        event = self.event(kind, data, station=station)
        wait_s = self.dice.uniform(1, 45) if self.dice.random() < self.noise.late else 0.0
        self.on_the_way.append((self._elapsed_s + wait_s, event))
        if self.dice.random() < self.noise.doubled:
            again = event if self.dice.random() < 0.5 else event | {"id": f"{event['id']}-again"}
            self.on_the_way.append((self._elapsed_s + self.dice.uniform(0, 60), again))

    def _happen(self) -> None:
        while self.plan and self.plan[0][0] <= self._elapsed_s:
            self.plan.pop(0)[2]()

    def _look(self) -> None:
        """Whatever waits for its station for longer than 15 minutes, and nobody was told."""
        from tests.verify.station_checks import unresolved

        for session in self.sessions:
            session.refresh_from_db()
            found = unresolved(session, self.now)
            if found and found not in self.unresolved:
                self.unresolved.append(found)

    @property
    def _elapsed_s(self) -> float:
        return (self.now - self.began).total_seconds()

    def _next_s(self) -> float | None:
        mine = Session.objects.filter(pk__in=[session.pk for session in self.sessions])
        live = WorkflowInstance.objects.filter(station=self.station, status__in=LIVE)
        moments = [
            mine.filter(state__in=["charging", "paused"]).aggregate(at=Min("next_at"))["at"],
            live.aggregate(at=Min("next_at"))["at"],
            live.aggregate(at=Min("lease_until"))["at"],
        ]
        found = [(moment - self.began).total_seconds() for moment in moments if moment is not None]
        found += [at for at, *_ in self.plan[:1]] + [at for at, _ in self.on_the_way]
        late = mine.filter(state="ended", provisional=True, meter_wh__gt=0).exclude(meter_wh=None)
        if not found and any((each.meter_wh or 0) > (each.meter_stop_wh or 0) for each in late):
            found.append(self._elapsed_s + SWEEP_EVERY_S)
        return min(found, default=None)


def post(events: list[dict[str, Any]], *, token: str | None = None, scheme: str = "Bearer") -> int:
    """Post events at the door as a batch; the status it answers."""
    given = settings.EVENTS_TOKEN if token is None else token
    headers = {"Authorization": f"{scheme} {given}"} if given else {}
    response = Client().post(
        "/events", data=json.dumps(events), content_type="application/cloudevents-batch+json", headers=headers
    )
    return response.status_code
