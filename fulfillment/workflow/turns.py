"""What goes into a turn of an instance, and what comes out of it? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from fulfillment.workflow.faults import Fault

Status = Literal["running", "waiting", "completed", "faulted"]
StepState = Literal["started", "completed", "faulted", "skipped", "retried", "cancelled", "waiting"]


@dataclass(frozen=True, slots=True)
class Host:
    """What the runtime lends the engine. Secrets by the names of `use.secrets`; they never enter a state."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    runtime_name: str = "voltbazaar"
    runtime_version: str = "1.0.0"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a task. (pointer, visit, attempt) names the run of the task it happened to.

    `visit` counts, level by level, which run of each enclosing task this belongs to (`2.1`: the second run of the
    outer one, the first of the task in it; a loop adds its iteration); it stays the same over the attempts that
    `catch.retry` and operators add. Composite tasks start and complete; a pure task only completes.
    """

    pointer: str
    visit: str
    attempt: int
    name: str
    kind: str
    state: StepState
    at: datetime
    input: Any = None
    output: Any = None
    fault: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """Something the instance waits for from outside; `id` stays the same over attempts and names it for `resume`.

    `request` by kind, http: {method, uri, headers, query, body, redirect, output}; openapi: {document, operationId,
    parameters, redirect, output}; listen: {one|any|all: [attributes, …]}. Secrets are only in `authentication`
    ({scheme: basic, username, password} or {scheme: bearer, token}), which is not to be written down.
    """

    id: str
    pointer: str
    visit: str
    attempt: int
    kind: Literal["http", "openapi", "listen"]
    request: dict[str, Any]
    authentication: dict[str, str] | None = field(default=None, repr=False)
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """An instance after a turn: `state` is all there is to keep; the rest is what happened and what comes next.

    `running` waits for at least one http or openapi effect, `waiting` only for time or events. `wake_at` is the
    earliest time at which `wake` has something to do. `events` are complete CloudEvents to send.
    """

    state: dict[str, Any]
    status: Status
    steps: tuple[Step, ...]
    events: tuple[dict[str, Any], ...]
    output: Any = None
    fault: Fault | None = None
    wake_at: datetime | None = None
