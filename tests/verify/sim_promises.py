"""What does the platform make of what a workflow tells, and what does it wish for? A model without tables.

It follows the product's tables of states, and keeps to what `bridge`, `running` and `sessions` do on rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fulfillment.states import IllegalMoveError, move
from orders.states import FULFILLMENT_MOVES, may_move

ASKS = "com.voltbazaar.charging."
START, STOP, RELEASE = (f"{ASKS}{wish}-requested.v1" for wish in ("start", "stop", "release"))
# A session's state → what its order's fulfilment becomes with it.
ORDER_OF = {
    "starting": "charging-starting",
    "charging": "charging-started",
    "ending": "charging-ending",
    "ended": "charging-ended",
    "failed": "charger-error",
    "cancelled": "order-cancelled",
}
LIVE = frozenset({"waiting", "starting", "charging", "ending"})
Ask = Callable[["Promise", str, dict[str, Any]], None]
CallOff = Callable[["Promise"], bool]


@dataclass
class Promise:
    """One ordered session at one slot; `ask` owes the workflow a run, `call_off` ends those that are under way."""

    card: str
    station: str
    slot_number: int
    ask: Ask
    call_off: CallOff
    say: Callable[[str], None]
    state: str = "waiting"
    fulfillment: str = "payment-completed"
    remote_id: str = ""
    held_slot: int = 0
    energy_wh: int = 0
    known: bool = True
    stop_wanted: bool = False
    twice: bool = False
    broken: bool = False
    payment_due: bool = False
    release_owed: bool = False
    faults: list[str] = field(default_factory=list)

    # What is wished for

    def wish_start(self) -> None:
        if self.state == "waiting":
            self._become("starting")
            self.ask(self, START, {"patient": True})

    def wish_again(self) -> None:
        """A start is asked for once more, as if nobody had seen that one is at work."""
        if self.state == "starting" and not self.twice:
            self.twice = True
            self.ask(self, START, {"patient": True, "again": True})

    def wish_stop(self) -> None:
        if self.state == "starting":
            self.stop_wanted = True
        elif self.state == "charging":
            self._stop()

    def cancel(self) -> None:
        if self.state == "waiting":
            self._become("cancelled")

    def fault(self) -> None:
        """The station says that the slot is broken."""
        if self.state == "charging":
            self.broken = True
            self._stop()
        elif self.state in {"waiting", "starting"}:
            self._fail(release=self.state == "starting")

    def watched(self, status: str) -> None:
        """The station was asked how the charging goes."""
        if self.state == "charging" and status in {"ended", "paid", "closed"}:
            self._stop()

    # What is heard

    def hear(self, event: dict[str, Any]) -> None:
        """Take in what the workflow told."""
        word = event["type"].removeprefix(ASKS).removesuffix(".v1")
        data = event["data"]
        if word == "slot-acquired":
            self.remote_id = self.remote_id or data["sessionId"]
            self.held_slot = self.held_slot or data["slotNumber"]
        elif word == "energy-flows" and self.state == "starting":
            self._become("charging")
            if self.stop_wanted or data["session"]["status"] != "charging":
                self._stop()
        elif word == "start-failed" and self.state == "starting":
            self._fail(release=self.twice)
        elif word == "charging-ended" and self.state == "ending":
            self.energy_wh = data["session"]["energyWh"]
            self._become("ended")
        elif word == "session-lost" and self.state == "ending":
            self.known = False
            self._become("ended")
        elif word == "payment-due":
            self.payment_due = True

    def over(self, trigger: str) -> None:
        """An instance for this session has ended."""
        if self.state == "starting" and trigger == START:
            self._fail(release=True)
        elif self.state == "ending" and trigger == STOP:
            self.known = False
            self._become("ended")
            self._release()
        elif trigger == RELEASE:
            self.release_owed = False

    def _stop(self) -> None:
        self._become("ending")
        self.ask(self, STOP, {"broken": self.broken})

    def _fail(self, *, release: bool) -> None:
        self._become("failed")
        if release:
            self._release()

    def _release(self) -> None:
        late = self.call_off(self)
        self.release_owed = True
        self.ask(self, RELEASE, {"lookAgain": late, "broken": self.broken})

    def _become(self, state: str) -> None:
        try:
            self.state = move(self.state, state)
        except IllegalMoveError as err:
            self.faults.append(str(err))
        after = ORDER_OF[state]
        if not may_move(FULFILLMENT_MOVES, self.fulfillment, after):
            self.faults.append(f"an order that is {self.fulfillment} cannot become {after}")
        self.fulfillment = after
        self.say(f"{self.card} {state}")
