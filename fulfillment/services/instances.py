"""How does a workflow instance come to be, and how is it called off?

An instance is a due row, written with the change that asks for it. Whoever works on instances locks the order first,
the session second, the instance third, everywhere.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from django.conf import settings
from django.db.models import Q

from catalog.models import Station
from core.nudges import nudge_on_commit
from fulfillment.models import Session, StationEvent, TaskRun, WorkflowDefinition, WorkflowInstance
from fulfillment.workflow import Definition, load

STATION_WORKFLOW = "managing-ev-charging-stations"
ASKS = "com.voltbazaar.charging."
START, STOP, RELEASE = (f"{ASKS}{wish}-requested.v1" for wish in ("start", "stop", "release"))
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
        event=told_by,
        next_at=now,
    )
    nudge_on_commit("advance")
    return instance


def ask(kind: str, session: Session, *, now: datetime, **data: Any) -> WorkflowInstance:
    """Owe the workflow one run for a wish about a session: START, STOP or RELEASE, with what `data` adds."""
    number = WorkflowInstance.objects.filter(session=session).count() + 1
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid5(EVENTS, f"{session.card}/{number}")),
        "source": settings.BECKN_SUBSCRIBER_URL,
        "type": kind,
        "subject": session.card,
        "time": now.isoformat(),
        "data": {
            "stationId": session.evse.station.code,
            "cardId": session.card,
            "slotNumber": session.slot_number or session.evse.slot_number,
            "sessionId": session.remote_id or None,
            **data,
        },
    }
    return trigger(event, station=session.evse.station, card=session.card, session=session, now=now)


def in_hand(session: Session) -> bool:
    """Whether an instance is at work for a session, or waits for an operator."""
    return WorkflowInstance.objects.filter(
        session=session, status__in=[*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]
    ).exists()


def call_off(session: Session, *, reason: str, now: datetime) -> bool:
    """End the instances of a session; True where a call of theirs may still take effect at the station.

    The caller holds the session's lock.
    """
    open_ = WorkflowInstance.objects.select_for_update(no_key=True).filter(
        session=session, status__in=[*WorkflowInstance.LIVE, WorkflowInstance.Status.SUSPENDED]
    )
    late = False
    for instance in open_.order_by("pk"):
        late = may_come_late(instance) or late
        cancel(instance, reason=reason, now=now)
    return late


def cancel(instance: WorkflowInstance, *, reason: str, now: datetime) -> None:
    """End a locked instance: what it had open is called off, and a worker that is still at it changes nothing."""
    instance.tasks.filter(state__in=[TaskRun.State.STARTED, TaskRun.State.WAITING, TaskRun.State.RETRIED]).update(
        state=TaskRun.State.CANCELLED, ended_at=now
    )
    instance.status, instance.reason, instance.ended_at = WorkflowInstance.Status.CANCELLED, reason, now
    let_go(instance)
    instance.save()


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
