"""What is wished for, breaks and is repaired in one seeded history, and what must hold when all has come to rest?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fulfillment.workflow import Definition
from tests.verify.sim_promises import LIVE, STOP, Promise
from tests.verify.sim_world import FAULTED, SCANNED, World

STATIONS, SLOTS, PROMISES, WALK_INS = 2, 2, 4, 2
ERROR = {"code": "GroundFailure", "message": "current flows to earth"}
MOST_CALM = 4_000


class History:
    """Two stations of two slots, four orders and two cards, for so many deeds; then calm, until nothing is due."""

    def __init__(self, definition: Definition, seed: int) -> None:
        self.world = World(definition, seed)
        self.dice = self.world.dice
        self.stations = [f"LOC-{number}" for number in range(STATIONS)]
        for code in self.stations:
            self.world.supplier.add_station(code, slots=SLOTS)
        self.promises = [self._promise(number) for number in range(PROMISES)]
        self.cards = [(f"RFID-{number}", self.dice.choice(self.stations)) for number in range(WALK_INS)]
        self.deeds: dict[Callable[[], None], float] = {
            self._work: 30,
            self._call: 40,
            self._time: 12,
            self._start: 5,
            self._again: 2,
            self._stop: 4,
            self._cancel: 0.4,
            self._break: 1,
            self._repair: 2,
            self._unplug: 3,
            self._scan: 3,
            self._watch: 3,
            self._darken: 0.5,
        }

    def run(self, deeds: int) -> World:
        """Live through it; the world says what was wrong."""
        names, weights = list(self.deeds), list(self.deeds.values())
        for deed in self.dice.choices(names, weights, k=deeds):
            deed()
        self.world.calm = True
        self._come_to_rest()
        self._judge()
        return self.world

    # Deeds

    def _work(self) -> None:
        self.world.claim()

    def _call(self) -> None:
        if self.world.calls:
            self.world.perform()

    def _time(self) -> None:
        """A call takes no longer than it may, so that what is on the wire arrives before time goes on."""
        while self.world.calls:
            self.world.perform()
        self.world.pass_time(self.dice.choice([0.5, 2.0, 5.0, 20.0, 60.0]))

    def _start(self) -> None:
        self._send(self.dice.choice(self.promises).wish_start)

    def _again(self) -> None:
        self._send(self.dice.choice(self.promises).wish_again)

    def _stop(self) -> None:
        self._send(self.dice.choice(self.promises).wish_stop)

    def _cancel(self) -> None:
        self._send(self.dice.choice(self.promises).cancel)

    def _watch(self) -> None:
        promise = self.dice.choice(self.promises)
        if promise.remote_id:
            status = self.world.supplier.session(promise.remote_id).status
            self._send(lambda: promise.watched(status))

    def _scan(self) -> None:
        card, station = self.dice.choice(self.cards)
        self._send(lambda: self._scanned(card, station))

    def _scanned(self, card: str, station: str) -> None:
        self.world.trigger(SCANNED, station, card, cardId=card)

    def _break(self) -> None:
        station, number = self.dice.choice(self.stations), self.dice.randint(1, SLOTS)
        self.world.supplier.fault(station, number, ERROR)
        self.world.say(f"fault {station} {number}")
        self._send(lambda: self._broken(station, number))

    def _broken(self, station: str, number: int) -> None:
        for promise in self.promises:
            if (promise.station, promise.slot_number) == (station, number):
                promise.fault()
        self.world.trigger(FAULTED, station, "", slotNumber=number, error=ERROR)

    def _repair(self) -> None:
        self.world.supplier.recover(self.dice.choice(self.stations), None)

    def _darken(self) -> None:
        self.world.go_dark(self.dice.choice([10, 60, 120]))

    def _unplug(self) -> None:
        self.world.supplier.unplug(self.dice.choice(self.stations), self.dice.randint(1, SLOTS))

    def _send(self, deed: Callable[[], None]) -> None:
        """A word on its way to us: lost, doubled, late, and so out of order, or as it should be."""
        fate = self.dice.random()
        if fate < 0.1:
            return
        if fate < 0.3:
            self.world.later(self.dice.uniform(0.5, 40), deed)
        if fate < 0.2 or fate >= 0.3:
            deed()
        if fate >= 0.9:
            deed()

    def _promise(self, number: int) -> Promise:
        station, slot = self.stations[number % STATIONS], number // STATIONS % SLOTS + 1
        world = self.world
        return Promise(f"VB-{number}", station, slot, world.ask, world.call_off, world.say)

    # The end

    def _come_to_rest(self) -> None:
        world = self.world
        for _ in range(MOST_CALM):
            if world.calls:
                world.perform()
            elif world.claim():
                continue
            elif (wait_s := self._next_s()) is not None:
                world.pass_time(max(wait_s, 0.05))
            elif not self._tidy_up():
                return
        world.wrong("it does not come to rest")

    def _next_s(self) -> float | None:
        moments = [at for at, *_ in self.world.coming]
        for run in self.world.runs:
            if run.live:
                moments += [each for each in (run.due, run.lease_until) if each is not None and each > self.world.now]
        if not moments:
            return None
        return (min(moments) - self.world.now + timedelta(milliseconds=1)).total_seconds()

    def _tidy_up(self) -> bool:
        """Repair what is broken, end what still goes on; whether there was anything to end."""
        for station in self.stations:
            self.world.supplier.recover(station, None)
        ended = False
        for promise in self.promises:
            if promise.state in {"waiting", "charging"}:
                promise.cancel() if promise.state == "waiting" else promise.wish_stop()
                ended = True
        for card, station in self.cards:
            slots = self.world.supplier.stations[station].slots.values()
            if any(slot.session_id and self.world.supplier.sessions[slot.session_id].card == card for slot in slots):
                self._scanned(card, station)
                ended = True
        return self._watch_cards() or ended

    def _watch_cards(self) -> bool:
        """What the watch sees of walk-ins at last: those that ended by themselves are ended and paid by their id.

        It watches those that were told to charge; what was never, a start that failed must have given back and paid.
        """
        cards = {card for card, _ in self.cards} - self.world.in_debt
        for session in self.world.supplier.sessions.values():
            over = session.ended_at is not None and not session.paid and session.id in self.world.flowing
            if over and session.card in cards:
                self.world.trigger(
                    STOP,
                    session.station_id,
                    session.card,
                    cardId=session.card,
                    slotNumber=session.slot_number,
                    sessionId=session.id,
                )
                return True
        return False

    def _judge(self) -> None:
        world, supplier = self.world, self.world.supplier
        world.violations += [f"seed {world.seed}: {text}" for text in supplier.odd]
        for session, count in supplier.begun.items():
            if count > 1:
                world.wrong(f"{session} was started {count} times")
        for promise in self.promises:
            self._judge_promise(promise)
        for run in world.runs:
            if run.live:
                world.wrong(f"run {run.number} of {run.trigger} is left {run.status}")
        self._judge_stations()

    def _judge_stations(self) -> None:
        world, supplier = self.world, self.world.supplier
        for session in supplier.sessions.values():
            unpaid = session.started_at is not None and not session.paid and session.card not in world.in_debt
            if unpaid:
                world.wrong(f"{session.id} of {session.card} is {session.status} and was never paid")
        for station in supplier.stations.values():
            for slot in station.slots.values():
                if slot.status != "free":
                    holder = supplier.sessions.get(slot.session_id)
                    world.wrong(
                        f"slot {slot.number} of {station.id} is left {slot.status} for {holder and holder.card}"
                    )

    def _judge_promise(self, promise: Promise) -> None:
        world = self.world
        stays = world.supplier.stays(promise.card)
        for text in promise.faults:
            world.wrong(f"{promise.card}: {text}")
        if promise.state in LIVE or promise.release_owed:
            world.wrong(f"{promise.card} is left {promise.state}, release owed: {promise.release_owed}")
        if len(stays) > 1:
            world.wrong(f"{promise.card} has {len(stays)} sessions at the station")
        if world.supplier.charged[promise.card] > 1:
            world.wrong(f"{promise.card} has paid {world.supplier.charged[promise.card]} times")
        if promise.state == "ended" and promise.known and stays and promise.energy_wh != stays[0].final_wh:
            world.wrong(f"{promise.card} is billed {promise.energy_wh} of {stays[0].final_wh} Wh")
