"""How does a workflow instance come to be, and how is it called off?

An instance is a due row, written with the change that asks for it. Whoever works on instances locks what they are about
first and the instance after it, everywhere: order, session, instance; or card account, walk-in, instance; EVSEs last.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from catalog.models import Station
from core.nudges import nudge_on_commit
from fulfillment.models import Session, StationEvent, TaskRun, WalkIn, WorkflowDefinition, WorkflowInstance
from fulfillment.services import lifecycle
from fulfillment.workflow import Definition, load

STATION_WORKFLOW = "managing-ev-charging-stations"
ASKS = "com.voltbazaar.charging."
START, STOP, RELEASE = (f"{ASKS}{wish}-requested.v1" for wish in ("start", "stop", "release"))
IN_WORDS = {
    "com.ev-power-supplier.charging-station.card-scanned.v1": "Card scanned",
    "com.ev-power-supplier.charging-station.faulted.v1": "Station fault",
    START: "Start",
    STOP: "Stop",
    RELEASE: "Give back",
}
EVENTS = uuid.UUID("b0a9d0c4-7d7e-5a5e-9a57-3c9f3d1f6e11")
UNKNOWN_FROM = 500


@lru_cache(maxsize=1)
def station_workflow() -> Definition:
    """The definition that stations are run by, as it is shipped. Raises DefinitionError."""
    place = files("fulfillment.workflow") / "definitions" / f"{STATION_WORKFLOW}.yaml"
    return load(place.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _loaded(hash_: str) -> Definition:
    return load(WorkflowDefinition.objects.values_list("text", flat=True).get(hash=hash_))


def pinned(row: WorkflowDefinition) -> Definition:
    """The definition that instances of `row` follow, whatever is shipped today. Raises DefinitionError."""
    return _loaded(row.hash)


def trigger(
    event: dict[str, Any],
    *,
    now: datetime,
    station: Station | None = None,
    card: str = "",
    session: Session | None = None,
    walk_in: WalkIn | None = None,
    told_by: StationEvent | None = None,
    definition: Definition | None = None,
) -> WorkflowInstance:
    """Owe a workflow one run for `event`, a whole CloudEvent; due at once, in the caller's transaction.

    The workflow is the stations' where no `definition` is named.
    """
    definition = definition or station_workflow()
    row, _ = WorkflowDefinition.objects.get_or_create(
        hash=definition.hash,
        defaults={"name": definition.name, "version": definition.version, "text": definition.text},
    )
    instance = WorkflowInstance.objects.create(
        uid=uuid.uuid4(),
        definition=row,
        trigger=event["type"],
        input=[event],
        station=station,
        card=card,
        session=session,
        walk_in=walk_in,
        event=told_by,
        next_at=now,
    )
    nudge_on_commit("advance")
    return instance


def ask(kind: str, session: Session, *, now: datetime, **data: Any) -> WorkflowInstance:
    """Owe the workflow one run for a wish about a session: START, STOP or RELEASE, with what `data` adds."""
    number = WorkflowInstance.objects.filter(session=session).count() + 1
    place = {
        "stationId": session.evse.station.code,
        "cardId": session.card,
        "slotNumber": session.slot_number or session.evse.slot_number,
        "sessionId": session.remote_id or None,
    }
    event = _wish(kind, session.card, f"{session.card}/{number}", place | data, now)
    return trigger(event, station=session.evse.station, card=session.card, session=session, now=now)


def ask_for_card(kind: str, walk_in: WalkIn, *, now: datetime, **data: Any) -> WorkflowInstance:
    """Owe the workflow one run for a wish about a walk-in: STOP or RELEASE, with what `data` adds."""
    number = WorkflowInstance.objects.filter(walk_in=walk_in).count() + 1
    card = walk_in.scanned_as
    place = {
        "stationId": walk_in.station.code,
        "cardId": card,
        "slotNumber": walk_in.slot_number,
        "sessionId": walk_in.remote_id or None,
    }
    event = _wish(kind, card, f"walk-in {walk_in.pk}/{number}", place | data, now)
    return trigger(event, station=walk_in.station, card=card, walk_in=walk_in, now=now)


def _wish(kind: str, card: str, about: str, data: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(EVENTS, about)),
        "source": settings.BECKN_SUBSCRIBER_URL,
        "type": kind,
        "subject": card,
        "time": now.isoformat(),
        "data": data,
    }


def in_hand(session: Session) -> bool:
    """Whether an instance is at work for a session, or waits for an operator."""
    return WorkflowInstance.objects.filter(
        session=session, status__in=[*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]
    ).exists()


def card_in_hand(walk_in: WalkIn) -> bool:
    """Whether an instance is at work for a walk-in, or waits for an operator."""
    return WorkflowInstance.objects.filter(
        walk_in=walk_in, status__in=[*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]
    ).exists()


def call_off(session: Session, *, reason: str, now: datetime) -> bool:
    """End the instances of a session; True where a call of theirs may still take effect at the station.

    The caller holds the session's lock.
    """
    return _call_off(WorkflowInstance.objects.filter(session=session), reason=reason, now=now)


def call_off_card(walk_in: WalkIn, *, reason: str, now: datetime) -> bool:
    """End the instances of a walk-in, whose lock the caller holds; True as `call_off` says it."""
    return _call_off(WorkflowInstance.objects.filter(walk_in=walk_in), reason=reason, now=now)


def _call_off(rows: QuerySet[WorkflowInstance], *, reason: str, now: datetime) -> bool:
    open_ = rows.filter(status__in=[*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED])
    late = False
    for instance in open_.select_for_update(no_key=True).order_by("pk"):
        late = may_come_late(instance) or late
        cancel(instance, reason=reason, now=now)
    return late


def cancel(instance: WorkflowInstance, *, reason: str, now: datetime) -> None:
    """End a locked instance: what it had open is called off, and a worker that is still at it changes nothing."""
    open_ = instance.tasks.filter(state__in=[TaskRun.State.STARTED, TaskRun.State.WAITING, TaskRun.State.RETRIED])
    called_off = list(open_.order_by("-pk"))  # innermost first
    open_.update(state=TaskRun.State.CANCELLED, ended_at=now)
    instance.status, instance.reason, instance.ended_at = WorkflowInstance.Status.CANCELLED, reason, now
    let_go(instance)
    instance.save()
    lifecycle.tell_cancelled(instance, called_off, now=now)


def let_go(instance: WorkflowInstance) -> None:
    """Take an instance out of every worker's hands; the caller saves."""
    instance.token += 1
    instance.holding, instance.lease_until, instance.next_at = False, None, None


def may_come_late(instance: WorkflowInstance) -> bool:
    """Whether an instance has sent a command whose outcome nobody knows."""
    unanswered = Q(state=TaskRun.State.STARTED, asked__gt=0)
    unclear = Q(fault__status__gte=UNKNOWN_FROM) | Q(fault__status=408)
    commands = instance.tasks.filter(key__isnull=False).exclude(request__method="get").exclude(request__method="GET")
    return commands.filter(unanswered | unclear).exists()
