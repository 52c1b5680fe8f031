"""Which life-cycle events of a workflow are owed to the event sink?

Source: Serverless Workflow DSL 1.0.3, Lifecycle Events. Ids are made of what they tell of, so that they stay the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings

from fulfillment.models import TaskRun, WorkflowInstance
from fulfillment.services.emitting import owe_all
from fulfillment.workflow import Step, Turn

TYPES = "io.serverlessworkflow."
SOURCE = "https://ev-power-supplier.com"
IDS = uuid.UUID("4c6f0f5e-1d0f-5a1b-8a0e-90b6b2a3f0a7")
# What a step of the engine is in the words of the specification, which calls suspended only what a person stopped.
TOLD: dict[str, tuple[str, ...]] = {
    "started": ("created", "started"),
    "waiting": ("created", "started"),
    "completed": ("completed",),
    "faulted": ("faulted",),
    "retried": ("retried",),
    "skipped": ("created", "completed"),
    "cancelled": ("cancelled",),
}
# Steps of these are over as soon as they are begun; any other may break before it is.
AT_ONCE = frozenset({"set", "switch", "raise", "emit"})


def tell(instance: WorkflowInstance, turn: Turn, *, begun: bool, now: datetime) -> None:
    """Owe the sink what happened to an instance and its tasks in a turn; nothing where nobody wants to hear it."""
    if not wanted():
        return
    told = [_event(instance, "workflow.started", _start(instance, now))] if begun else []
    for step in turn.steps:
        told += _of_task(instance, step)
    if instance.status in WorkflowInstance.OVER:
        # An operator may let a faulted instance go on, to fault again.
        again = str((turn.state.get("root") or {}).get("again") or "")
        told.append(_event(instance, f"workflow.{instance.status}", _end(instance, now), about=again))
    owe_all(told, subject=str(instance.uid), at=now)


def tell_status(instance: WorkflowInstance, word: str, *, now: datetime) -> None:
    """Owe the sink that somebody suspended, resumed or cancelled an instance."""
    if wanted():
        count = f"{word}/{instance.token}"
        event = _event(instance, f"workflow.{word}", {f"{word}At": now.isoformat()}, about=count)
        owe_all([event], subject=str(instance.uid), at=now)


def tell_cancelled(instance: WorkflowInstance, open_: Iterable[TaskRun], *, now: datetime) -> None:
    """Owe the sink that an instance was called off, with the tasks that were open in it."""
    if not wanted():
        return
    data = {"cancelledAt": now.isoformat()}
    told = [
        _event(instance, "task.cancelled", {"task": run.pointer} | data, about=_about(run, "cancelled"))
        for run in open_
    ]
    owe_all(told, subject=str(instance.uid), at=now)
    tell_status(instance, "cancelled", now=now)


def wanted() -> bool:
    """Whether anybody hears life-cycle events."""
    return bool(settings.EVENTS_SINK_URL and settings.WORKFLOW_LIFECYCLE_EVENTS)


def _of_task(instance: WorkflowInstance, step: Step) -> Iterator[dict[str, Any]]:
    words = TOLD[step.state]
    if step.state == "faulted" or (step.state == "completed" and step.kind in AT_ONCE):
        # Where its start was told before, the ids say so, and it is not told again.
        words = (*TOLD["started"], *words)
    for word in words:
        data: dict[str, Any] = {"task": step.pointer, f"{word}At": step.at.isoformat()}
        if word == "faulted":
            data["error"] = step.fault
        yield _event(instance, f"task.{word}", data, about=_about(step, word))


def _about(run: Step | TaskRun, word: str) -> str:
    return f"{run.pointer}/{run.visit}/{run.attempt}/{word}"


def _start(instance: WorkflowInstance, now: datetime) -> dict[str, Any]:
    definition = {"name": instance.definition.name, "version": instance.definition.version}
    return {"definition": definition, "startedAt": now.isoformat()}


def _end(instance: WorkflowInstance, now: datetime) -> dict[str, Any]:
    data: dict[str, Any] = {f"{instance.status}At": now.isoformat()}
    if instance.fault is not None:
        data["error"] = instance.fault
    return data


def _event(instance: WorkflowInstance, word: str, data: dict[str, Any], *, about: str = "") -> dict[str, Any]:
    name = f"{instance.definition.name}-{instance.uid}.voltbazaar"
    whose = {"workflow": name} if word.startswith("task.") else {"name": name}
    return {
        "id": str(uuid.uuid5(IDS, f"{instance.uid}/{word}/{about}")),
        "source": SOURCE,
        "type": f"{TYPES}{word}.v1",
        "data": whose | data,
    }
