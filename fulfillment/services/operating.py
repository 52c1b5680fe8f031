"""What may a person do about a workflow instance: hold it, let it go on, send it back to a step, or end it?

Like everybody who works on instances: the order is locked first, the session second, the instance third. A worker that
is at it meanwhile finds its token gone and changes nothing; its call is made again with the same key, or given back.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from catalog.models import Evse
from core.errors import NotAllowed, NotFound
from core.nudges import nudge_on_commit
from fulfillment.models import Session, StationEvent, WalkIn, WorkflowInstance
from fulfillment.services import bridge, card_bridge, instances, lifecycle
from fulfillment.services.instances import EVENTS, RELEASE, START, STOP, may_come_late, pinned, trigger
from fulfillment.services.running import abandon
from fulfillment.services.sessions import lock_session
from fulfillment.services.workflows import AT_STATION, closed_meanwhile, host, write_down
from fulfillment.workflow import Definition, DefinitionError, NotRetriableError, Place, StateError
from fulfillment.workflow import retriable as retriable_in
from fulfillment.workflow import retry as retried

S = Session.State
W = WorkflowInstance.Status
PATH = "instance.status"
STEP = "instance.step"
ENERGY_FLOWS = f"{instances.ASKS}energy-flows.v1"
FAULTED, RECOVERED, SCANNED = (
    f"com.ev-power-supplier.charging-station.{word}.v1" for word in ("faulted", "recovered", "card-scanned")
)


class Held(NamedTuple):
    """An instance and, where it has one, the session or walk-in it drives; locked until the transaction ends."""

    instance: WorkflowInstance
    session: Session | None
    walk_in: WalkIn | None


@transaction.atomic
def suspend(instance_id: int, *, now: datetime, reason: str) -> WorkflowInstance:
    """Hold an instance until somebody lets it go on; time runs on, so a timeout may strike then.

    Raises NotFound `instance-unknown`, NotAllowed `not-in-this-state`.
    """
    instance = _lock(instance_id).instance
    if instance.status not in WorkflowInstance.LIVE:
        raise _refused(instance, f"only one of {', '.join(WorkflowInstance.LIVE)} can be suspended")
    instances.let_go(instance)
    instance.status, instance.reason = W.SUSPENDED, reason
    instance.save()
    lifecycle.tell_status(instance, "suspended", now=now)
    return instance


@transaction.atomic
def resume(instance_id: int, *, now: datetime) -> WorkflowInstance:
    """Let a suspended instance go on where it stood; what it had asked for is asked for again with the same key.

    Raises NotFound `instance-unknown`, NotAllowed `not-in-this-state`, `overtaken`.
    """
    instance = _lock(instance_id).instance
    if instance.status != W.SUSPENDED:
        raise _refused(instance, "only a suspended one can be resumed")
    _check_newest(instance)
    instance.status = W.PENDING if instance.state is None else W.RUNNING
    instance.reason, instance.attempts, instance.next_at = "", 0, now
    instance.save()
    lifecycle.tell_status(instance, "resumed", now=now)
    nudge_on_commit("advance")
    return instance


@transaction.atomic
def retry(instance_id: int, pointer: str, *, now: datetime) -> WorkflowInstance:
    """Let a faulted instance go on from the task at `pointer`, one of `retriable`.

    Refused where that could do harm: for a start or a stop whose session is settled, where a newer instance has acted
    for the same card, where another vehicle has taken the charge point, where the broken station works again.
    Raises NotFound `instance-unknown`, NotAllowed `not-in-this-state`, `overtaken`, `not-retriable`.
    """
    instance, session, walk_in = _lock(instance_id)
    if instance.status != W.FAULTED:
        raise _refused(instance, "only a faulted one can be retried")
    _check_harmless(instance, session or walk_in)
    _check_newest(instance)
    try:
        turn = retried(pinned(instance.definition), instance.state or {}, pointer, now=now, host=host())
    except (NotRetriableError, StateError, DefinitionError) as err:
        raise NotAllowed("not-retriable", f"the instance cannot go on from there: {err}", path=STEP) from err
    instance.fault, instance.output, instance.ended_at = None, None, None
    lifecycle.tell_status(instance, "resumed", now=now)
    if session is not None and instance.trigger == RELEASE:
        session.release_owed = True
        session.save(update_fields=["release_owed"])
    write_down(instance, session or walk_in, turn, begun=False, now=now, last=True)
    return instance


@transaction.atomic
def cancel(instance_id: int, *, now: datetime, reason: str) -> WorkflowInstance:
    """End an instance for good. What its card holds at the station is given back, unless energy flows by now.

    A start that has not come about fails its order with a full refund; a stop settles it on the newest believed
    register. Where giving back itself is cancelled, nothing more is asked of the station.
    Raises NotFound `instance-unknown`, NotAllowed `not-in-this-state`.
    """
    instance, session, walk_in = _lock(instance_id)
    if instance.status in WorkflowInstance.OVER:
        raise _refused(instance, "it is over, there is nothing to cancel")
    late = may_come_late(instance)
    instance.reason = reason
    if session is not None:
        if closed_meanwhile(session):
            abandon(session, now=now)
        else:
            bridge.over(instance, session, now=now)
        instance.refresh_from_db()
    elif walk_in is not None:
        card_bridge.over(instance, walk_in, now=now)
        instance.refresh_from_db()
    if instance.status not in WorkflowInstance.OVER:
        instances.cancel(instance, reason=reason, now=now)
    else:  # whoever gives back has called it off
        instance.reason = reason
        instance.save(update_fields=["reason"])
    lifecycle.tell_status(instance, "cancelled", now=now)
    if session is None and walk_in is None and _holds(instance):
        _give_back(instance, late=late, reason=reason, now=now)
    return instance


def retriable(instance: WorkflowInstance) -> list[Place]:
    """The tasks from which a faulted instance can be sent on, the one that faulted last; none of any other."""
    if instance.status != W.FAULTED or instance.state is None:
        return []
    try:
        definition: Definition = pinned(instance.definition)
        return [definition.place(pointer) for pointer in retriable_in(definition, instance.state)]
    except (DefinitionError, StateError, KeyError):
        return []


def why_not_retried(instance: WorkflowInstance) -> str:
    """Why a retry of a faulted instance would be refused now, in words; empty where it would not."""
    try:
        _check_harmless(instance, instance.session or instance.walk_in)
        _check_newest(instance)
    except NotAllowed as refusal:
        return refusal.text
    return ""


def _lock(instance_id: int) -> Held:
    found = WorkflowInstance.objects.filter(pk=instance_id).values_list("session__order_id", flat=True)
    if not found:
        raise NotFound("instance-unknown", f"there is no workflow instance {instance_id}", path="instance")
    session = lock_session(found[0]).session if found[0] is not None else None
    rows = WorkflowInstance.objects.select_for_update(no_key=True, of=("self",)).select_related("definition", "station")
    walk_in = card_bridge.lock_walk_in_of(instance_id) if session is None else None
    return Held(rows.get(pk=instance_id), session, walk_in)


def _refused(instance: WorkflowInstance, text: str) -> NotAllowed:
    return NotAllowed("not-in-this-state", f"the instance is {instance.status}; {text}", path=PATH)


def _check_newest(instance: WorkflowInstance) -> None:
    """Refuse to go back behind what has been done for the same card since."""
    if not instance.card:
        return
    newer = WorkflowInstance.objects.filter(station=instance.station_id, card=instance.card, pk__gt=instance.pk)
    acted = newer.filter(tasks__isnull=False).order_by("-pk").first()
    if acted is not None:
        text = f"instance {acted.uid} has acted for the same card since ({acted.trigger}), so this one would undo it"
        raise NotAllowed("overtaken", f"{text}; cancel it, or leave it as it is", path=PATH)


def _check_harmless(instance: WorkflowInstance, of: Session | WalkIn | None) -> None:
    """Refuse a retry that would act for a session that is settled, for another vehicle's, or against the facts."""
    text = ""
    if of is None:
        told = StationEvent.objects.filter(station=instance.station_id, type=RECOVERED, state=StationEvent.State.DONE)
        if instance.trigger == FAULTED and told.filter(received_at__gt=instance.created_at).exists():
            text = "the station has recovered since; a retry would call it broken again"
    elif instance.trigger in {START, SCANNED} and of.state in {S.CHARGING, S.PAUSED}:
        text = f"its session is {of.state} already; a start that failed now would give its slot back"
    elif instance.trigger in {START, SCANNED} and of.state not in {S.STARTING, S.ENDING}:
        text = f"its session is {of.state}: a start would charge a vehicle that nobody pays for; begin anew"
    elif instance.trigger == STOP and of.state != S.ENDING:
        text = f"its session is {of.state} and billed; an instance of its own gives back what the card holds"
    elif of.evse is not None and _taken_since(of, of.evse):
        text = f"another vehicle is at {of.evse.uid} by now; a retry could unlock its slot"
    if text:
        raise NotAllowed("overtaken", text, path=PATH)


def _taken_since(of: Session | WalkIn, evse: Evse) -> bool:
    """Whether another session, of an order or a card, is at the charge point."""
    sessions = Session.objects.filter(evse=evse, state__in=AT_STATION)
    walk_ins = WalkIn.objects.filter(evse=evse, state__in=AT_STATION)
    if isinstance(of, Session):
        return sessions.exclude(pk=of.pk).exists() or walk_ins.exists()
    return sessions.exists() or walk_ins.exclude(pk=of.pk).exists()


def _holds(instance: WorkflowInstance) -> bool:
    """Whether the card of an instance without a session may hold a slot that nobody would give back."""
    if not instance.card or instance.station is None or instance.trigger == RELEASE:
        return False
    return not instance.tasks.filter(kind="emit", output__type=ENERGY_FLOWS).exists()


def _give_back(instance: WorkflowInstance, *, late: bool, reason: str, now: datetime) -> None:
    """Have the station give back what a card holds that nobody knows a session of."""
    assert instance.station is not None, "cards are scanned at stations"
    data: dict[str, Any] = {"stationId": instance.station.code, "cardId": instance.card, "slotNumber": None}
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid5(EVENTS, f"{instance.uid}/release")),
        "source": settings.BECKN_SUBSCRIBER_URL,
        "type": RELEASE,
        "subject": instance.card,
        "time": now.isoformat(),
        "data": data | {"sessionId": None, "lookAgain": late, "broken": False, "reason": reason[:500]},
    }
    trigger(event, station=instance.station, card=instance.card, now=now)
