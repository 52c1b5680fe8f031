"""How is it written down what a workflow instance did, and what it is about to do?"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import F

from fulfillment.models import TaskRun, WorkflowInstance
from fulfillment.workflow import Effect, Step

KEYS = uuid.UUID("2d1f0f0a-6a37-5c0e-8f53-7b9f6f5f1f2e")
S = TaskRun.State
ENDS = frozenset({S.COMPLETED, S.FAULTED, S.RETRIED, S.SKIPPED, S.CANCELLED})
ACQUIRE = "acquireSlot"
NEWS = ["state", "output", "fault", "ended_at"]
ONCE = ["instance", "pointer", "visit", "attempt"]


def key_of(instance: WorkflowInstance, effect: Effect) -> uuid.UUID:
    """The idempotency key of an effect: the same over repeats and retries, another in the next round of a loop."""
    return uuid.uuid5(KEYS, f"{instance.uid}/{effect.id}")


def write(
    instance: WorkflowInstance, steps: Iterable[Step], intents: Iterable[Effect], *, asking: Effect | None
) -> None:
    """Put down the steps of a turn, and the effects that are wanted, before they are asked for.

    `asking` is the one that is asked for next; whoever asked for it before, if anybody did, has not come back.
    """
    rows: dict[tuple[str, str, int], TaskRun] = {}
    for step in steps:
        place = step.pointer, step.visit, step.attempt
        row = rows.get(place)
        if row is None:
            row = rows[place] = TaskRun(
                instance=instance,
                pointer=step.pointer,
                visit=step.visit,
                attempt=step.attempt,
                name=step.name[:100],
                kind=step.kind,
                input=step.input,
                started_at=step.at,
            )
        row.state, row.output, row.fault = step.state, step.output, step.fault
        row.ended_at = step.at if step.state in ENDS else None
    for effect in intents:
        row = rows.get((effect.pointer, effect.visit, effect.attempt))
        if row is not None:
            row.request, row.asked = effect.request, int(effect is asking)
            row.key = key_of(instance, effect) if effect.kind != "listen" else None
        elif effect is asking:
            _ask_again(instance, effect)
    TaskRun.objects.bulk_create(rows.values(), update_conflicts=True, unique_fields=ONCE, update_fields=NEWS)


def in_doubt(instance: WorkflowInstance) -> bool:
    """Whether the station may still hold something although it refused at last.

    An earlier try to acquire a slot was not answered, or by nothing that anybody understands, and may have been done.
    A last try without an answer is no such case: there the definition itself gives back.
    """
    tries = list(instance.tasks.filter(name=ACQUIRE).order_by("pk").values_list("state", "fault"))
    if not tries or tries[-1][0] == S.COMPLETED or _unanswered(tries[-1][1]):
        return False
    return any(_unanswered(fault) for _, fault in tries[:-1])


def _unanswered(fault: dict[str, Any] | None) -> bool:
    status = (fault or {}).get("status") or 0
    return status >= 500 or status == 408 or str((fault or {}).get("type", "")).endswith("/expression")


def _ask_again(instance: WorkflowInstance, effect: Effect) -> None:
    """Count that an effect on record since an earlier turn is asked for: the same again, with the same key."""
    instance.tasks.filter(pointer=effect.pointer, visit=effect.visit, attempt=effect.attempt).update(
        asked=F("asked") + 1
    )
