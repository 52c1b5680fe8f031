"""What does a walk-in learn from what a workflow tells?

As for orders, it is taken in within the transaction that writes down the workflow's progress; what is public goes to
the sink, the end of a session with what the card is charged for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from catalog.models import Evse
from catalog.services import set_evse_status
from core.money import from_paise
from fulfillment.drivers.base import Ack
from fulfillment.models import Card, WalkIn, WorkflowInstance
from fulfillment.services import walk_ins
from fulfillment.services.bridge import AT_WORK, ack_told, how_it_ended, pass_on, reason_told
from fulfillment.services.instances import ASKS, RELEASE, STOP, ask_for_card, cancel, trigger
from fulfillment.services.journal import in_doubt
from fulfillment.services.lifecycle import tell_status
from fulfillment.services.running import BY_STATION, add_fault
from fulfillment.services.walk_ins import finish, lock_walk_in

W = WalkIn.State
SESSION_ENDED = "com.ev-power-supplier.charging-station.session-ended.v1"
Heard = Callable[[WalkIn, dict[str, Any], datetime], None]


def lock_walk_in_of(instance_id: int) -> WalkIn | None:
    """The walk-in that an instance is about, with its account, both locked; None where there is none."""
    found = WorkflowInstance.objects.filter(pk=instance_id).values_list("walk_in_id", flat=True).first()
    return lock_walk_in(found) if found is not None else None


def hear(instance: WorkflowInstance, walk_in: WalkIn, events: Iterable[dict[str, Any]], *, now: datetime) -> None:
    """Take in what the locked instance of a locked walk-in told, in order, and how it ended. Saves the walk-in.

    An instance whose slot may not be used is called off, so that it does not go on.
    """
    told = list(events)
    for event in told:
        name = event["type"].removeprefix(ASKS)
        if not event["type"].startswith(ASKS) or instance.status == WorkflowInstance.Status.CANCELLED:
            continue
        if name == "slot-acquired.v1":
            walk_in = _acquired(instance, walk_in, event["data"], now)
        elif name in HEARD:
            HEARD[name](walk_in, event["data"], now)
    pass_on(instance, [_with_bill(event, walk_in) for event in told], now=now)
    if instance.status in {WorkflowInstance.Status.COMPLETED, WorkflowInstance.Status.FAULTED}:
        over(instance, walk_in, now=now)


def over(instance: WorkflowInstance, walk_in: WalkIn, *, now: datetime) -> None:
    """Nothing of a locked walk-in is left hanging when an instance of it ends in whatever way. Saves the walk-in."""
    text = how_it_ended(instance)
    if walk_in.state == W.STARTING and instance.trigger not in {STOP, RELEASE}:
        walk_ins.fail(walk_in, reason=text, now=now)
    elif walk_in.state == W.ENDING and instance.trigger == STOP:
        add_fault(walk_in, text)
        finish(walk_in, None, now=now, release=True)
    elif walk_in.state == W.ENDING and instance.trigger != RELEASE:
        # The scanned card could not be looked up, so that nothing was ended: now the session itself is.
        ask_for_card(STOP, walk_in, now=now, reason=walk_in.stop_reason)
    elif walk_in.state == W.FAILED and instance.trigger != RELEASE and in_doubt(instance):
        walk_ins.start_release(walk_in, now=now, late=True)
    elif instance.status == WorkflowInstance.Status.COMPLETED or walk_in.state == W.CHARGING:
        return
    elif instance.trigger == RELEASE:
        add_fault(walk_in, text)
        walk_in.save()
    else:
        # It told the end before it had given everything back.
        walk_ins.start_release(walk_in, now=now)


def _acquired(instance: WorkflowInstance, walk_in: WalkIn, data: dict[str, Any], now: datetime) -> WalkIn:
    """The station gave a slot: to this walk-in, or to one that follows it where the station knows it no more."""
    remote_id, number = str(data.get("sessionId") or "")[:128], data.get("slotNumber")
    if walk_in.state == W.STARTING and walk_in.evse_id is not None and walk_in.remote_id == remote_id:
        return walk_in  # told again
    if walk_in.state in {W.CHARGING, W.ENDING}:
        add_fault(walk_in, "the station began another session for the card")
        finish(walk_in, None, now=now)
    if walk_in.state != W.STARTING:
        walk_in = walk_ins.open_walk_in(
            walk_in.card, walk_in.station, scanned_as=walk_in.scanned_as, account=walk_in.account, now=now
        )
        instance.walk_in = walk_in
        instance.save(update_fields=["walk_in"])
    problem = f"the station gave no slot: {number!r}"
    if isinstance(number, int) and 0 < number <= 32_767:
        problem = walk_ins.take_slot(walk_in, remote_id=remote_id, slot_number=number, now=now)
    if not problem and walk_in.card.state != Card.State.ACTIVE:
        problem = f"the card is {walk_in.card.state}"
    if problem:
        _give_back(instance, walk_in, problem, now)
    return walk_in


def _give_back(instance: WorkflowInstance, walk_in: WalkIn, problem: str, now: datetime) -> None:
    """Nothing is broken, but the card may not charge there: the slot goes back, and the card gets its red light."""
    cancel(instance, reason=problem, now=now)
    tell_status(instance, "cancelled", now=now)
    walk_ins.fail(walk_in, reason=problem, now=now, release=False)
    walk_ins.start_release(walk_in, now=now)
    scanned = instance.input[0]
    data = {"stationId": walk_in.station.code, "cardId": walk_in.scanned_as, "refused": problem}
    refused = scanned | {"id": f"{scanned['id']}/refused", "data": data}
    trigger(refused, station=walk_in.station, told_by=instance.event, now=now)


def _flows(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    if walk_in.state != W.STARTING or walk_in.evse_id is None:
        return
    ack = ack_told(walk_in, data) or Ack(status="charging")
    walk_ins.begin(walk_in, ack, now=now)
    if ack.over:
        walk_ins.stop(walk_in, reason=BY_STATION, now=now)


def _start_failed(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    if walk_in.state == W.STARTING:
        walk_ins.fail(walk_in, reason=reason_told(data), now=now, release=False)


def _ended(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    if walk_in.state in {W.CHARGING, W.ENDING}:
        finish(walk_in, ack_told(walk_in, data), now=now)


def _lost(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    if walk_in.state in {W.CHARGING, W.ENDING}:
        add_fault(walk_in, reason_told(data))
        finish(walk_in, None, now=now)


def _payment_due(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    walk_in.payment_due = True
    add_fault(walk_in, f"pay: {reason_told(data)}")
    walk_in.save()


def _stuck(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    add_fault(walk_in, f"unlock: {reason_told(data)}")
    walk_in.save()


def _freed(walk_in: WalkIn, data: dict[str, Any], now: datetime) -> None:
    number = data.get("slotNumber")
    evse = walk_in.station.evses.filter(slot_number=number).first() if isinstance(number, int) else None
    if evse is not None and evse.status in AT_WORK:
        set_evse_status(evse, Evse.Status.AVAILABLE, now)


HEARD: dict[str, Heard] = {
    "energy-flows.v1": _flows,
    "start-failed.v1": _start_failed,
    "charging-ended.v1": _ended,
    "session-lost.v1": _lost,
    "payment-due.v1": _payment_due,
    "slot-stuck.v1": _stuck,
    "slot-freed.v1": _freed,
}


def _with_bill(event: dict[str, Any], walk_in: WalkIn) -> dict[str, Any]:
    """The public end of a session, with the energy and the amount that its card is charged."""
    if event["type"] != SESSION_ENDED or walk_in.amount_paise is None:
        return event
    amount = from_paise(walk_in.amount_paise, walk_in.account.currency)
    bill = {"energyWh": walk_in.energy_wh, "amount": amount.wire, "currency": amount.currency}
    return event | {"data": event["data"] | {"bill": bill}}
