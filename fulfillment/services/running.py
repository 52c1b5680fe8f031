"""How does a session change state: begun, paused, ending, ended, failed? Each verb works on locked rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from catalog import services as catalog
from catalog.models import Evse
from core.nudges import nudge_on_commit
from fulfillment import states
from fulfillment.drivers.base import Ack
from fulfillment.metering import Limits, Register
from fulfillment.models import Reading, Session, WalkIn
from fulfillment.selectors import meter_points
from fulfillment.services.instances import RELEASE, STOP, ask, call_off
from fulfillment.services.noticing import hear
from fulfillment.services.spending import used_up_at
from fulfillment.telemetry import CLOCK_SLACK, next_look
from orders import services as orders
from orders.models import Order

S = Session.State
STATION = "station"
FAULT = "fault"
BY_STATION = "ended by the station"
SILENT = "station silent"


def begin(order: Order, session: Session, ack: Ack, *, now: datetime) -> None:
    """Energy flows: the session charges, the order hears of it; a stop asked for meanwhile follows at once."""
    session.state = states.move(session.state, S.CHARGING)
    session.started_at = believable(ack.started_at, session.asked_at or now, now)
    session.meter_start_wh = first_register(ack)
    session.meter_wh = session.meter_start_wh
    session.power_w = ack.power_w or 0
    session.soc_percent = ack.soc_percent
    session.attempts, session.progress_at = 0, now
    session.next_at = look_again_at(order, session, spent_at=None, now=now)
    orders.mark_started(order.pk, now=now, actor=STATION, data={"session": session.remote_id})
    hear(order, now=now)
    show_evse(session, Evse.Status.CHARGING, now)
    nudge_on_commit("process")
    if session.stop_reason:
        begin_stop(order, session, now=now, reason=session.stop_reason, actor=order.bap_id)


def begin_stop(
    order: Order, session: Session, *, now: datetime, reason: str, actor: str = STATION, fault: str = ""
) -> None:
    """Charging shall end: the workflow is to stop it. Saves the session."""
    session.state = states.move(session.state, S.ENDING)
    session.stop_reason = reason[:40]
    session.fault = fault or session.fault
    session.asked_at = session.updated_at = now
    session.next_at, session.attempts = None, 0
    session.save()
    ask(STOP, session, now=now, broken=session.stop_reason == FAULT, reason=reason)
    orders.mark_ending(order.pk, now=now, actor=actor, data={"reason": reason})
    nudge_on_commit("process")


def finish(order: Order, session: Session, ack: Ack | None, *, now: datetime, release: bool = False) -> None:
    """Charging has ended: bill what the meter shows between start and stop.

    Without an Ack the newest believed register counts; `release` has the station give back what it may hold. Nothing
    delivered at a fault makes the order fail, so that all of it is refunded. Saves the session.
    """
    start_wh, stop_wh, doubt = final_registers(session, ack)
    session.meter_start_wh, session.meter_stop_wh = start_wh, stop_wh
    session.meter_wh, session.power_w = stop_wh, 0
    if ack is not None and ack.soc_percent is not None:
        session.soc_percent = ack.soc_percent
    session.fault = "; ".join(part for part in (session.fault, doubt) if part)
    session.provisional = ack is None
    started_at = session.started_at or now
    session.ended_at = max(started_at, believable(ack.ended_at if ack else None, started_at, now))
    session.state = states.move(session.state, S.ENDED)
    session.asked_at = session.updated_at = now
    session.next_at, session.attempts = None, 0
    if release:
        start_release(session, now=now)
    session.save()
    failed = session.stop_reason == FAULT
    close = orders.mark_failed if failed else orders.complete_order
    close(
        order.pk,
        energy_wh=session.energy_wh,
        started_at=started_at,
        ended_at=session.ended_at,
        now=now,
        reason=(session.fault if failed else session.stop_reason) or "ended",
        actor=STATION,
        readings=meter_points(session),
    )
    hear(order, now=now)
    session.evse.refresh_from_db(fields=["status", "status_at"])
    if not failed and session.evse.status not in Evse.OUT_OF_SERVICE:
        show_evse(session, Evse.Status.FINISHING, now)
    nudge_on_commit("process")


def fail(order: Order, session: Session, *, now: datetime, reason: str, release: bool = True) -> None:
    """The start did not come about: tell the buyer app. Saves the session.

    `release` has the station give back what it may hold; a workflow that failed does so itself.
    """
    session.state = states.move(session.state, S.FAILED)
    session.fault, session.ended_at = reason[:2000], now
    session.asked_at = session.updated_at = now
    if release:
        start_release(session, now=now, broken=True)
    session.save()
    orders.mark_failed(order.pk, now=now, reason=reason[:500], actor=STATION)
    hear(order, now=now)
    nudge_on_commit("process")


def abandon(session: Session, *, now: datetime) -> None:
    """The order was closed while its session ran: no bill is left to make, but the station must stop. Saves."""
    session.state = states.move(session.state, S.FAILED)
    session.fault, session.ended_at = "the order was closed while its session ran", now
    session.asked_at, session.next_at = now, None
    start_release(session, now=now)
    session.save()


def start_release(session: Session, *, now: datetime, broken: bool = False, late: bool = False) -> None:
    """Have the station give back whatever this session's card holds, instead of what was asked of it.

    `late` has it look again after a minute, for what was asked may still be done by then. The caller saves.
    """
    late = call_off(session, reason="what the card holds is to be given back", now=now) or late
    session.release_owed, session.updated_at = True, now
    broken = broken or session.stop_reason in {FAULT, SILENT}
    ask(RELEASE, session, now=now, lookAgain=late, broken=broken, reason=session.fault[:500])


def add_fault(session: Session | WalkIn, text: str) -> None:
    """Add a word to what went wrong with a session. The caller saves."""
    session.fault = "; ".join(part for part in (session.fault, text) if part)[:2000]


def follow(order: Order, session: Session, *, now: datetime) -> datetime | None:
    """After news of a charging session: pause or resume it, end it at its target, or say when to look again. Saves.

    Returns when its money will be used up; None where it ended, or no money limits it.
    """
    if session.state not in {S.CHARGING, S.PAUSED}:
        session.save()
        return None
    spent_at = used_up_at(order, session, now=now)
    reason = target_reached(order, session, spent_at=spent_at, now=now)
    if reason:
        begin_stop(order, session, now=now, reason=reason)
        return None
    _pause_or_resume(order, session, now=now)
    session.next_at = look_again_at(order, session, spent_at=spent_at, now=now)
    session.updated_at = now
    session.save()
    return spent_at


def target_reached(order: Order, session: Session, *, spent_at: datetime | None, now: datetime) -> str:
    """Why a charging session is to end now, in words; empty where it goes on. `spent_at`: when its money is used up."""
    if session.energy_wh >= order.energy_wh:
        return "ordered energy reached"
    if spent_at is not None and now >= spent_at:
        return "ordered money used up"
    ends_at = booked_end(order, session)
    if ends_at is not None and now >= ends_at:
        return "booked time over"
    return ""


def look_again_at(order: Order, session: Session, *, spent_at: datetime | None, now: datetime) -> datetime:
    """When to ask the station again: after 20 s of silence, when time or money are over, at the energy ordered."""
    heard_at = max(part for part in (session.started_at, session.read_at) if part is not None)
    target_wh = order.energy_wh + (session.meter_start_wh or 0)
    ends_at = min((at for at in (booked_end(order, session), spent_at) if at is not None), default=None)
    return next_look(heard_at, _newest_registers(session), target_wh, ends_at=ends_at, now=now)


def final_registers(session: Session | WalkIn, ack: Ack | None) -> tuple[int, int, str]:
    """The registers to bill between, Wh, and what is doubtful about them in words."""
    last = session.meter_wh
    start = session.meter_start_wh
    stop = ack.meter_wh if ack else None
    if start is None and ack is not None:
        start = first_register(ack)
    if stop is None and ack is not None and ack.energy_wh is not None:
        stop = (start or 0) + ack.energy_wh
    start = start if start is not None else (stop or 0)
    floor = max(start, last if last is not None else start)
    if stop is None:
        return start, floor, "settled on the newest believed register: the station gave no final one"
    if stop < floor:
        return start, floor, f"the station's final register {stop} Wh is below the believed {floor} Wh"
    return start, stop, ""


def limits(session: Session) -> Limits:
    """What the session's charge point can deliver at most: its strongest connector, W."""
    powers = [connector.max_power_w for connector in session.evse.connectors.all()]
    return Limits(power_w=max(powers, default=0), speed=max(1.0, settings.TIME_SCALE))


def show_evse(session: Session, status: str, now: datetime) -> None:
    """Put what the session knows of its EVSE into the catalogue."""
    catalog.set_evse_status(session.evse, status, now)


def first_register(ack: Ack) -> int | None:
    """The register that a session began with, Wh, as far as its station's record says."""
    if ack.meter_start_wh is not None:
        return ack.meter_start_wh
    if ack.meter_wh is not None:
        return ack.meter_wh - (ack.energy_wh or 0)
    return None


def believable(said: datetime | None, earliest: datetime, now: datetime) -> datetime:
    """The station's time where it lies between what is possible, else ours."""
    if said is None or not earliest - CLOCK_SLACK <= said <= now + CLOCK_SLACK:
        return now
    return said


def booked_end(order: Order, session: Session) -> datetime | None:
    """When the time of a session is over: its window, or the minutes that were bought; None where neither limits it."""
    moments = [] if order.ends_at is None else [order.ends_at]
    if order.quantity_kind == Order.Quantity.TIME and session.started_at is not None:
        moments.append(session.started_at + timedelta(seconds=order.quantity))
    return min(moments, default=None)


def _newest_registers(session: Session) -> list[Register]:
    """The two newest believed registers, the one at the begin among them; none before that is known."""
    if session.meter_start_wh is None or session.started_at is None:
        return []
    rows = Reading.objects.filter(session=session, accepted=True).order_by("-at").values_list("at", "energy_wh")[:2]
    newest = [Register(*row) for row in reversed(rows)]
    return newest if len(newest) > 1 else [Register(session.started_at, session.meter_start_wh), *newest]


def _pause_or_resume(order: Order, session: Session, *, now: datetime) -> None:
    newest = list(Reading.objects.filter(session=session, accepted=True).order_by("-at")[:2])
    flows = bool(newest) and newest[0].power_w != 0
    stands = len(newest) == 2 and newest[0].power_w == 0 and newest[0].energy_wh == newest[1].energy_wh
    if session.state == S.CHARGING and stands:
        session.state = states.move(session.state, S.PAUSED)
        orders.mark_paused(order.pk, now=now, actor=STATION)
        hear(order, now=now)
        nudge_on_commit("process")
    elif session.state == S.PAUSED and flows:
        session.state = states.move(session.state, S.CHARGING)
        orders.mark_resumed(order.pk, now=now, actor=STATION)
        hear(order, now=now)
        nudge_on_commit("process")
