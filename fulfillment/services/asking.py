"""Which call to the station does each step make? No tables, no transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import DriverError
from fulfillment import states
from fulfillment.drivers.base import Ack, Light, StationDriver

BLUE = Light("on", "blue")
WHITE = Light("flicker", "white", 3000)
RED = Light("on", "red")


@dataclass(frozen=True, slots=True)
class Claim:
    """A session one worker holds under a lease, with all that the step needs to know."""

    session_id: int
    order_id: int
    token: int
    state: str
    step: str
    station: str
    driver: str
    wished_slot: int
    slot_number: int | None
    card: str
    remote_id: str
    fault: str
    key: str
    repeated: bool

    @property
    def slot(self) -> int:
        """The slot the station gave, else the one we wished."""
        return self.slot_number if self.slot_number is not None else self.wished_slot


def ask(claim: Claim, driver: StationDriver) -> Ack | None:
    """Make the call of the claim's step. Raises DriverError."""
    return CALLS[claim.step](claim, driver)


def _acquire(claim: Claim, driver: StationDriver) -> Ack:
    ack = driver.acquire(
        claim.station, claim.card, slot_number=claim.wished_slot, key=claim.key, repeated=claim.repeated
    )
    if not ack.session_id:
        raise DriverError("the station gave a slot but no session id", permanent=True)
    return ack


def _lock(claim: Claim, driver: StationDriver) -> Ack:
    return driver.lock(claim.station, claim.slot, session_id=claim.remote_id, key=claim.key, repeated=claim.repeated)


def _start(claim: Claim, driver: StationDriver) -> Ack:
    return driver.start(claim.remote_id, key=claim.key, repeated=claim.repeated)


def _status(claim: Claim, driver: StationDriver) -> Ack | None:
    return driver.status(claim.remote_id)


def _stop(claim: Claim, driver: StationDriver) -> Ack:
    return driver.stop(claim.remote_id, key=claim.key, repeated=claim.repeated)


def _pay(claim: Claim, driver: StationDriver) -> Ack:
    return driver.settle(claim.remote_id, key=claim.key, repeated=claim.repeated)


def _unlock(claim: Claim, driver: StationDriver) -> Ack:
    return driver.unlock(claim.station, claim.slot, session_id=claim.remote_id, key=claim.key, repeated=claim.repeated)


def _undo(claim: Claim, driver: StationDriver) -> Ack | None:
    return driver.release(claim.station, claim.card, key=claim.key)


def _report(claim: Claim, driver: StationDriver) -> None:
    driver.support(claim.station, claim.fault or "a session did not come about", key=claim.key)


def _light(light: Light) -> Callable[[Claim, StationDriver], None]:
    def show(claim: Claim, driver: StationDriver) -> None:
        driver.signal(claim.station, claim.slot, light, key=claim.key)

    return show


CALLS: dict[str, Callable[[Claim, StationDriver], Ack | None]] = {
    "acquire": _acquire,
    "lock": _lock,
    "start": _start,
    states.CONFIRM: _status,
    states.LIGHT_ON: _light(BLUE),
    states.WATCH: _status,
    states.STOP: _stop,
    states.PAY: _pay,
    states.UNLOCK: _unlock,
    states.LIGHT_OFF: _light(WHITE),
    states.UNDO: _undo,
    states.LIGHT_ERROR: _light(RED),
    states.REPORT: _report,
}
