"""Which misfortunes meet a station's sessions? Each a few planned deeds; a place meets one for each session, and noise.

F11 hangs, answers twice or after it was given up, accepts and never starts, is offline · F12 faults, unplugging,
emergency stop · F13 a power cut with registers that come hours later · F14 doubled, late and shuffled events.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from core.errors import DomainError
from fulfillment import services as fulfillment
from fulfillment.models import Session
from fulfillment.services.workflows import answer, claim_next, settle
from orders import services as orders
from sandbox import late_meter
from sandbox.supplier import SupplierError
from tests.verify.station_lives import PATIENCE_S, Noise, Place

Story = Callable[[Place, Session], None]
COMMANDS = ("acquire", "lock", "start", "end", "pay", "unlock")
GROUND_FAULT = {"code": "GroundFailure", "message": "current flows to earth"}
EMERGENCY = {"code": "EmergencyStop", "message": "the red button was pressed"}
MINUTE, HOUR = 60.0, 3_600.0
NOISES = (Noise(), Noise(), Noise(doubled=0.3), Noise(late=0.3, shuffled=True), Noise(0.3, 0.15, 0.3, shuffled=True))


def act_out(place: Place) -> None:
    """Let the sessions of a place begin, each meet its misfortune, and end; with whatever comes of it."""
    place.noise = place.dice.choice(NOISES)
    for session in place.sessions:
        story = place.dice.choices(list(STORIES), list(STORIES.values()))[0]
        place.story.append(story.__name__)
        begins_s = place.dice.choice([0.0, 0.0, place.dice.uniform(0, 20)])
        place.plan_at(begins_s, partial(start, session, place))
        place.plan_at(begins_s + place.dice.uniform(20, 200), partial(stop, session, place))
        story(place, session)
    place.live()
    # Who could not start, since his charger was out of service, goes away.
    for session in place.sessions:
        if session.state == Session.State.WAITING:
            _cancel(place, session)
    place.live()


def start(session: Session, place: Place) -> None:
    """The buyer app asks for the start, once or more often."""
    for _ in range(place.dice.choice([1, 1, 1, 3])):
        with suppress(DomainError):
            fulfillment.request_start(session.order_id, place.now)


def stop(session: Session, place: Place) -> None:
    for _ in range(place.dice.choice([1, 1, 2])):
        with suppress(DomainError):
            fulfillment.request_stop(session.order_id, place.now)


def plain(place: Place, session: Session) -> None:
    """Nothing happens but what was ordered."""


def hangs(place: Place, session: Session) -> None:
    route = place.dice.choice(COMMANDS)
    place.fail(route, n=place.dice.choice([1, 1, 2]), latency_s=PATIENCE_S * 1.6)


def cuts(place: Place, session: Session) -> None:
    """Calls are done, and the line is cut before the answer."""
    for route in place.dice.sample(COMMANDS, 2):
        place.fail(route, n=place.dice.choice([1, 2, 3]), reset="after-commit")


def refuses(place: Place, session: Session) -> None:
    for route in place.dice.sample(COMMANDS, 2):
        broken: dict[str, Any] = place.dice.choice([{"status": 503}, {"status": 500}, {"reset": "before-commit"}])
        place.fail(route, n=place.dice.choice([1, 2, 4]), **broken)


def refuses_for_good(place: Place, session: Session) -> None:
    place.fail(place.dice.choice(["acquire", "lock", "start", "pay"]), n=1, status=place.dice.choice([403, 409, 402]))


def starts_slowly(place: Place, session: Session) -> None:
    """From a moment to longer than anybody waits."""
    place.posts.start_delay_s = place.dice.choice([2.0, 6.0, 20.0, 59.0, 70.0])


def never_starts(place: Place, session: Session) -> None:
    place.posts.start_delay_s = 30 * HOUR


def given_up_and_done(place: Place, session: Session) -> None:
    """The start is done and its answer lost, again and again, until nobody waits any more."""
    place.fail("start", n=40, reset="after-commit")
    place.plan_at(150.0, place.supplier.api.faults.clear)


def offline(place: Place, session: Session) -> None:
    begins_s = place.dice.uniform(0, 90)
    place.plan_at(begins_s, partial(place.fail, "*", n=10**6, reset="before-commit"))
    place.plan_at(begins_s + place.dice.choice([20.0, 90.0, 400.0]), place.supplier.api.faults.clear)


def faults(place: Place, session: Session) -> None:
    number = place.dice.choice([session.evse.slot_number, session.evse.slot_number, None])
    error = GROUND_FAULT if number else EMERGENCY
    at_s = place.dice.uniform(0, 120)
    place.plan_at(at_s, lambda: place.supplier.rules.fault(place.code, number, error))
    place.plan_at(at_s + 10 * MINUTE, lambda: place.supplier.rules.recover(place.code, number))
    if place.dice.random() < 0.5:
        place.fail("support", n=1, reset="after-commit")


def unplugs(place: Place, session: Session) -> None:
    number = session.evse.slot_number
    place.plan_at(place.dice.uniform(5, 100), lambda: place.supplier.rules.unplug(place.code, number))


def power_cut(place: Place, session: Session) -> None:
    """Nothing is heard for longer than we wait; hours later the station tells what the meters really showed."""
    begins_s = place.dice.uniform(15, 60)
    back_s = begins_s + place.dice.choice([17, 25, 40]) * MINUTE
    place.plan_at(begins_s, lambda: late_meter.cut_off(place.supplier.rules, place.code))
    place.plan_at(begins_s, partial(place.fail, "*", n=10**6, reset="before-commit"))
    place.plan_at(back_s, place.supplier.api.faults.clear)
    place.plan_at(back_s + place.dice.choice([0.5, 3]) * HOUR, partial(_tell_late, place))


def cut_off(place: Place, session: Session) -> None:
    """The supplier answers with estimates, and the station tells later."""
    place.plan_at(place.dice.uniform(15, 60), lambda: late_meter.cut_off(place.supplier.rules, place.code))
    place.plan_at(2 * HOUR, partial(_tell_late, place))


def declines(place: Place, session: Session) -> None:
    place.supplier.rules.declines_left = place.dice.choice([1, 3])
    place.plan_at(HOUR, partial(setattr, place.supplier.rules, "declines_left", 0))


def cancelled(place: Place, session: Session) -> None:
    """The order is cancelled before energy flows, or as it begins to."""
    place.plan_at(place.dice.choice([0.0, 0.2, 2.0]), partial(_cancel, place, session))
    place.posts.start_delay_s = place.dice.choice([0.0, 1.0, 5.0])


def worker_dies(place: Place, session: Session) -> None:
    """Workers take an instance on and are gone, before the call or after it, some in the middle of the way."""
    for at_s in sorted(place.dice.uniform(0, 200) for _ in range(4)):
        place.plan_at(at_s, partial(_die, place))
    place.plan_at(0.0, partial(_die, place))
    place.plan_at(place.dice.uniform(60, 90), partial(_stop_and_die, place, session))


def _tell_late(place: Place) -> None:
    for stay in [each for each in place.supplier.rules.sessions.values() if each.station_id == place.code]:
        if stay.started_at is None:
            continue
        really_wh = int(stay.final_wh * place.dice.choice([0.5, 0.9, 1.0, 1.1]))
        with suppress(SupplierError):
            late_meter.tell_late(place.supplier.rules, stay.id, energy_wh=really_wh)
    place.posts.cut_off = False


def _cancel(place: Place, session: Session) -> None:
    with suppress(DomainError):
        orders.cancel_order(
            order_id=session.order_id, by="CONSUMER", reason_id="5", now=place.now, actor=session.order.bap_id
        )
        fulfillment.cancel_waiting(session.order_id, place.now)


def _stop_and_die(place: Place, session: Session) -> None:
    stop(session, place)
    _die(place)


def _die(place: Place) -> None:
    """A worker that leaves off somewhere on its way; its lease stays."""
    claim = claim_next(place.now)
    told = None
    while claim is not None:
        asked = settle(claim, told, now=place.now)
        if asked is None or place.dice.random() < 0.3:
            return
        told = answer(asked)
        if place.dice.random() < 0.3:
            return


STORIES: dict[Story, int] = {
    plain: 6,
    hangs: 6,
    cuts: 14,
    refuses: 10,
    refuses_for_good: 5,
    starts_slowly: 6,
    never_starts: 2,
    given_up_and_done: 4,
    offline: 10,
    faults: 10,
    unplugs: 6,
    power_cut: 6,
    cut_off: 5,
    declines: 5,
    cancelled: 6,
    worker_dies: 10,
}
