"""Which workflow instances wait for an event that has come?

Events are kept whole before anybody hears of them, so that a listener that needs several finds the earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from fulfillment.models import StationEvent, TaskRun, WorkflowInstance
from fulfillment.services.instances import pinned
from fulfillment.services.workflows import Claim, Told, host, settle
from fulfillment.workflow import EventFilter, wanted

# More events than this since it began to listen, and the oldest are not looked at again.
MOST_EVENTS = 1000


def tell_listeners(now: datetime) -> int:
    """Let the instances go on that have heard what they listen for; returns how many."""
    listening = TaskRun.objects.filter(
        kind="listen", state=TaskRun.State.STARTED, instance__status=WorkflowInstance.Status.WAITING
    )
    return sum(_tell(task, now) for task in listening.select_related("instance").order_by("pk"))


def _tell(task: TaskRun, now: datetime) -> bool:
    kept = StationEvent.objects.filter(received_at__gte=task.started_at).order_by("-pk")[:MOST_EVENTS]
    heard = satisfied(task.request or {}, [cloud_event(row) for row in reversed(kept)])
    if not heard:
        return False
    claim = _seize(task.instance_id)
    instance = WorkflowInstance.objects.select_related("definition").get(pk=task.instance_id)
    if claim is None or instance.state is None:
        return False
    effects = wanted(pinned(instance.definition), instance.state, host=host())
    effect = next((each for each in effects if (each.pointer, each.visit) == (task.pointer, task.visit)), None)
    if effect is None:
        return False
    settle(claim, Told(effect, {"events": heard}), now=now, last=True)
    return True


def satisfied(request: Mapping[str, Any], events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events that end a listening to {one|any|all: [filters]}; none while some are missing.

    For `all` it takes the first event of each filter, in their order; for the others the first that fits any.
    """
    ((how, wishes),) = request.items() or {"one": []}.items()
    filters = [EventFilter(attributes) for attributes in wishes]
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        for number, each in enumerate(filters):
            if number not in found and each.matches(event):
                found[number] = event
        if found and (how != "all" or len(found) == len(filters)):
            return [found[number] for number in sorted(found)] if how == "all" else [next(iter(found.values()))]
    return []


def cloud_event(row: StationEvent) -> dict[str, Any]:
    """A stored event as it came."""
    return {
        "specversion": "1.0",
        "id": row.event_id,
        "source": row.source,
        "type": row.type,
        "time": row.time.isoformat(),
        "data": row.data,
    }


def _seize(pk: int) -> Claim | None:
    """Take an instance that waits out of everybody's hands; None where a worker is at it."""
    with transaction.atomic():
        row = WorkflowInstance.objects.filter(pk=pk).select_related("session").get()
        free = WorkflowInstance.objects.filter(pk=pk, token=row.token, holding=False)
        if not free.update(token=row.token + 1):
            return None
    return Claim(pk, row.token + 1, row.session.order_id if row.session else None)
