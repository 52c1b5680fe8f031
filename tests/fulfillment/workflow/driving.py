"""How do tests drive the engine: definitions in a few lines, answers by hand, time as they like?"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import Any

from fulfillment import workflow
from fulfillment.workflow import Definition, Effect, Host, Step, Turn
from tests.fulfillment.workflow import official

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOST = Host(secrets={"supplier": "t0ken", "portal": "ann:s3cret"})
HEAD = "document: {dsl: 1.0.3, namespace: tests, name: told, version: 1.0.0}\n"
STANDARD = "https://serverlessworkflow.io/spec/1.0.0/errors/"

Outcome = dict[str, Any]


def define(tasks: str) -> Definition:
    """A definition with a head; `tasks` is the rest of the YAML."""
    text = HEAD + dedent(tasks)
    definition = workflow.load(text)
    official.hold(text)
    return definition


def answer(body: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Outcome:
    """A peer's answer; texts and bytes as they are, anything else as JSON."""
    kind = "text/plain" if isinstance(body, str) else "application/json"
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    content = b"" if body is None else raw
    return {
        "status": status,
        "headers": {"Content-Type": kind} if headers is None else dict(headers),
        "body": base64.b64encode(content).decode(),
    }


class Run:
    """An instance under way. `turn` is the last turn; `steps` and `events` are those of all turns."""

    def __init__(self, tasks: str | Definition, input_: Any = None, *, host: Host = HOST) -> None:
        self.definition = define(tasks) if isinstance(tasks, str) else tasks
        self.host = host
        self.now = NOW
        self.steps: list[Step] = []
        self.events: list[dict[str, Any]] = []
        self.turn = self._took(workflow.begin(self.definition, input_, instance="i-1", now=self.now, host=host))

    def wanted(self) -> tuple[Effect, ...]:
        return workflow.wanted(self.definition, self.turn.state, host=self.host)

    def answer(self, outcome: Outcome, effect: str | None = None) -> Turn:
        """Answer an effect, the first one wanted unless it is named."""
        effect = effect or self.wanted()[0].id
        return self._took(
            workflow.resume(self.definition, self.turn.state, effect, outcome, now=self.now, host=self.host)
        )

    def after(self, **span: float) -> Turn:
        """Let time pass and wake the instance."""
        self.now += timedelta(**span)
        return self._took(workflow.wake(self.definition, self.turn.state, now=self.now, host=self.host))

    def retry(self, pointer: str) -> Turn:
        return self._took(workflow.retry(self.definition, self.turn.state, pointer, now=self.now, host=self.host))

    def perform(self, performer: Callable[[Effect], Outcome]) -> Turn:
        """Answer every effect until none is wanted."""
        while effects := self.wanted():
            self.answer(performer(effects[0]), effects[0].id)
        return self.turn

    def names(self, state: str = "completed") -> list[str]:
        """The names of the tasks that came into a state, in order."""
        return [step.name for step in self.steps if step.state == state]

    def told(self) -> list[tuple[str, str, int, str]]:
        """(pointer, visit, attempt, state) of every step."""
        return [(step.pointer, step.visit, step.attempt, step.state) for step in self.steps]

    def _took(self, turn: Turn) -> Turn:
        kept = json.loads(json.dumps(turn.state))
        assert kept == turn.state
        self.steps += turn.steps
        self.events += turn.events
        self.turn = turn
        return turn


def fault_of(tasks: str, input_: Any = None) -> dict[str, Any]:
    """The fault that a definition ends with by itself."""
    turn = Run(tasks, input_).turn
    assert turn.fault is not None, turn.output
    assert turn.status == "faulted"
    return turn.fault.as_dict()


def output_of(tasks: str, input_: Any = None) -> Any:
    """The output that a definition ends with by itself."""
    turn = Run(tasks, input_).turn
    assert turn.fault is None, turn.fault
    assert turn.status == "completed"
    return turn.output
