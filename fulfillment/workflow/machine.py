"""How does an instance move from task to task within one turn? Pure.

The machine walks the tree of frames with an explicit stack and three moves: Enter a task, be Done with one, or park
(None). What a kind of task does stands in the table `KINDS` of `kinds`; the machine knows the flow of data around
every task, the flow directives, and where faults go.

Source: dsl.md, Data Flow, Task Flow, Fault Tolerance.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from fulfillment.workflow import durations, expressions, frames, schemas
from fulfillment.workflow.durations import stamp
from fulfillment.workflow.faults import Fault, fault
from fulfillment.workflow.frames import Frame, Stack
from fulfillment.workflow.places import Place
from fulfillment.workflow.turns import Host, Step, StepState

if TYPE_CHECKING:
    from fulfillment.workflow.document import Definition

MOST_STEPS = 10_000
MOST_BYTES = 1_000_000
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Enter:
    """Start the task at `pointer` inside the last frame of the stack, with `raw` as its input."""

    pointer: str
    raw: Any


@dataclass(frozen=True, slots=True)
class Done:
    """The last frame of the stack yields `output`; `then` says where to go instead of the task's own `then`."""

    output: Any
    then: str | None = None


Move = Enter | Done | None
# What a task does about a fault it has caught, once what was inside it is gone. It raises no Fault.
Rescue = Callable[["Machine", Stack], Move]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of task does. Each may raise Fault.

    `enter` starts it, `inside` goes on when a list of tasks in it has ended with an output, `answer` takes the
    outcome of the effect it waited for, `due` goes on when the time it waited for has come, `caught` looks at a
    fault from inside and gives what to do about it, or None to let it go on. A kind lacks what it cannot do.
    """

    enter: Callable[[Machine, Stack], Move]
    inside: Callable[[Machine, Stack, Frame, Any], Move] | None = None
    answer: Callable[[Machine, Stack, Mapping[str, Any]], Move] | None = None
    due: Callable[[Machine, Stack], Move] | None = None
    caught: Callable[[Machine, Stack, Frame, Fault], Rescue | None] | None = None


@dataclass(slots=True)
class Machine:
    """One turn of one instance."""

    definition: Definition
    state: dict[str, Any]
    now: datetime
    host: Host
    kinds: Mapping[str, Kind]
    steps: list[Step] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    entered: int = 0
    queue: deque[tuple[Stack, Move]] = field(default_factory=deque)

    def run(self, stack: Stack, move: Move) -> None:
        """Go on until everything waits or the instance is over."""
        self.queue.append((stack, move))
        while self.queue and self.state["status"] == "running":
            stack, move = self.queue.popleft()
            if frames.alive(stack):
                self._run(stack, move)

    def take(self, stack: Stack, act: Callable[[], Move]) -> None:
        """Run what `act` says for the last frame of a stack, be it a move or a fault."""
        try:
            move = act()
        except Fault as err:
            move = self._fault(stack, err)
        self.run(stack, move)

    def evaluate(self, stack: Stack, expression: str, data: Any, **more: Any) -> Any:
        """An expression over `data` as the last frame of the stack sees it. Raises Fault (expression)."""
        return self._guarded(lambda: expressions.evaluate(expressions.bare(expression), data, self._sight(stack, more)))

    def holds(self, stack: Stack, condition: str, data: Any, **more: Any) -> bool:
        """Whether a condition yields true; anything else, even a text, does not. Raises Fault (expression)."""
        return self.evaluate(stack, condition, data, **more) is True

    def fill(self, stack: Stack, template: Any, **more: Any) -> Any:
        """A template over the input of the last frame. Raises Fault (expression)."""
        data = more.pop("data", stack[-1]["input"])
        return self._guarded(lambda: expressions.fill(template, data, self._sight(stack, more)))

    def span(self, stack: Stack, duration: Any) -> timedelta:
        """A duration, which may be or contain an expression. Raises Fault (configuration)."""
        value = self.fill(stack, duration)
        try:
            return durations.span(value)
        except ValueError as err:
            raise fault("configuration", str(err)) from err

    def place(self, frame: Frame) -> Place:
        return self.definition.place(frame["task"])

    def task(self, frame: Frame) -> dict[str, Any]:
        return self.definition.task(frame["task"])

    def first_of(self, stack: Stack, tasks: str, data: Any) -> Enter:
        """Start a list of tasks inside the last frame; `tasks` is its path from the task, such as `/do`."""
        return Enter(self.definition.tasks_in(stack[-1]["task"] + tasks)[0], data)

    def note(self, stack: Stack, state: StepState, **more: Any) -> None:
        """Write down what happened to the last frame; the workflow itself is no step."""
        frame = stack[-1]
        if not frame["task"]:
            return
        place = self.place(frame)
        self.steps.append(
            Step(
                pointer=place.pointer,
                visit=frame["visit"],
                attempt=frames.attempt(stack),
                name=place.name,
                kind=place.kind,
                state=state,
                at=self.now,
                **more,
            )
        )

    def emit(self, event: dict[str, Any]) -> None:
        """Send an event, once it is known that it can be kept. Raises Fault (runtime)."""
        fits(event, "event")
        self.events.append(event)

    def cancel(self, stack: Stack) -> None:
        """Take everything inside the last frame away, innermost first."""
        for inner in reversed(list(frames.stacks(stack[-1]))):
            if len(inner) > 1:
                self.note([*stack, *inner[1:]], "cancelled", input=inner[-1]["input"])
                frames.fold(inner)
        stack[-1].pop("runs", None)

    def _run(self, stack: Stack, move: Move) -> None:
        while move is not None and self.state["status"] == "running":
            try:
                move = self._enter(stack, move) if isinstance(move, Enter) else self._leave(stack, move)
            except _Endless as err:
                self._end_faulted(stack, self._placed(stack, fault("runtime", str(err))))
                return
            except Fault as err:
                move = self._fault(stack, err)

    def _enter(self, stack: Stack, move: Enter) -> Move:
        place = self.definition.place(move.pointer)
        task = self.definition.task(move.pointer)
        frame: Frame = {"task": move.pointer, "visit": "", "since": stamp(self.now), "input": move.raw}
        if not stack:
            self.state["root"] = frame
        else:
            tasks = move.pointer.rsplit("/", 2)[0][len(stack[-1]["task"]) :]
            frame["visit"] = frames.visit_of(stack[-1], tasks, move.pointer, move.raw)
            stack[-1].setdefault("runs", []).append(frame)
        stack.append(frame)
        self.entered += 1
        if self.entered > MOST_STEPS:
            raise _Endless(f"more than {MOST_STEPS} steps without waiting for anything: a loop without an end?")
        if "if" in task and not self.holds(stack, task["if"], move.raw):
            self.note(stack, "skipped", input=move.raw)
            return self._next(stack, move.raw, "continue")
        if "input" in task:
            schemas.hold(task["input"], move.raw, "input")
            if "from" in task["input"]:
                frame["input"] = self._transformed(stack, task["input"]["from"], move.raw)
                fits(frame["input"], "input")
                frame["raw"] = move.raw
        if "timeout" in task:
            timeout = self.definition.named("timeouts", task["timeout"])
            frame["until"] = stamp(self.now + self.span(stack, timeout["after"]))
        return self.kinds[place.kind].enter(self, stack)

    def _leave(self, stack: Stack, done: Done) -> Move:
        frame = stack[-1]
        task = self.definition.task(frame["task"])
        output = done.output
        if "output" in task:
            if "as" in task["output"]:
                output = self._transformed(stack, task["output"]["as"], output, raw_output=output)
            schemas.hold(task["output"], output, "output")
        fits(output, "output")
        if "export" in task:
            self._export(stack, task["export"], done.output, output)
        self.note(stack, "completed", input=frame["input"], output=output)
        return self._next(stack, output, done.then or task.get("then", "continue"))

    def _export(self, stack: Stack, export: Mapping[str, Any], raw_output: Any, output: Any) -> None:
        context = self.state["context"]
        if "as" in export:
            context = self._transformed(stack, export["as"], output, raw_output=raw_output, output=output)
            fits(context, "context")
        schemas.hold(export, context, "context")
        self.state["context"] = context

    def _next(self, stack: Stack, output: Any, then: str) -> Move:
        """Take the last frame off, and go where `then` says."""
        frames.fold(stack)
        frame = stack.pop()
        if not stack:
            self._complete(output)
            return None
        parent = stack[-1]
        frames.take_off(parent, frame)
        if then == "end":
            return self._end(stack, output)
        following = self._following(self.place(frame), then)
        if following is not None:
            return Enter(following, output)
        inside = self.kinds[self.place(parent).kind].inside
        assert inside is not None  # only kinds with tasks in them have frames inside
        return inside(self, stack, frame, output)

    def _following(self, place: Place, then: str) -> str | None:
        """The task after one in its list, or None where the list ends."""
        siblings = self.definition.siblings(place.pointer)
        if then == "exit" or place.branch == "fork":
            return None
        if then == "continue":
            return siblings[place.index + 1] if place.index + 1 < len(siblings) else None
        return next(pointer for pointer in siblings if self.definition.place(pointer).name == then)

    def _end(self, stack: Stack, output: Any) -> Move:
        """`then: end` ends the whole workflow, from wherever it stands; what else runs is cancelled."""
        while len(stack) > 1:
            self.cancel(stack)
            self.note(stack, "completed", input=stack[-1]["input"], output=output)
            frames.fold(stack)
            frame = stack.pop()
            frames.take_off(stack[-1], frame)
        self.cancel(stack)
        return Done(output)

    def _complete(self, output: Any) -> None:
        self.state["status"] = "completed"
        self.state["output"] = output
        self.state["root"].pop("seen", None)

    def _fault(self, stack: Stack, err: Fault) -> Move:
        """Give a fault to the nearest task around that catches it; without any the instance is faulted."""
        error = self._placed(stack, err)
        for depth in range(len(stack) - 1, 0, -1):
            around, below = stack[:depth], stack[depth]
            caught = self.kinds[self.place(around[-1]).kind].caught
            try:
                rescue = caught(self, around, below, error) if caught else None
            except Fault as other:  # its own condition failed: that is a fault of this task
                error, rescue = self._placed(around, other), None
            if rescue:
                self._drop(stack, depth, error)
                return rescue(self, stack)
        self._end_faulted(stack, error)
        return None

    def _drop(self, stack: Stack, depth: int, error: Fault) -> None:
        """Take all frames from `depth` on away, as faulted; what ran beside them is cancelled."""
        while len(stack) > depth:
            self.cancel(stack)
            self.note(stack, "faulted", input=stack[-1]["input"], fault=error.as_dict())
            frames.fold(stack)
            frame = stack.pop()
            frames.take_off(stack[-1], frame)

    def _end_faulted(self, stack: Stack, error: Fault) -> None:
        """The frames stay as they are, so that an operator can retry."""
        for depth in range(len(stack), 1, -1):
            self.note(stack[:depth], "faulted", input=stack[depth - 1]["input"], fault=error.as_dict())
        stack[-1]["faulted"] = True
        self.state["status"] = "faulted"
        self.state["error"] = error.as_dict()

    def _placed(self, stack: Stack, err: Fault) -> Fault:
        if not err.instance:
            err.instance = stack[-1]["task"]
        return err

    def _transformed(self, stack: Stack, template: Any, data: Any, **more: Any) -> Any:
        if isinstance(template, str):
            return self.evaluate(stack, template, data, **more)
        return self.fill(stack, template, data=data, **more)

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except expressions.ExpressionError as err:
            raise fault("expression", str(err)) from err

    def _sight(self, stack: Stack, more: dict[str, Any]) -> dict[str, Any]:
        """Every argument an expression of the last frame may name."""
        frame = stack[-1]
        raw_output = {"output": more.pop("raw_output")} if "raw_output" in more else {}
        found: dict[str, Any] = {
            "context": self.state["context"],
            "input": frame["input"],
            "authorization": {},
            "runtime": {"name": self.host.runtime_name, "version": self.host.runtime_version, "metadata": {}},
            "workflow": {
                "id": self.state["instance"],
                "definition": self.definition.document,
                "input": self.state["input"],
                "startedAt": _descriptor(self.state["started"]),
            },
        }
        if frame["task"]:
            found["task"] = {
                "name": self.place(frame).name,
                "reference": frame["task"],
                "definition": self.definition.task(frame["task"]),
                "input": frame.get("raw", frame["input"]),
                **raw_output,
                "startedAt": _descriptor(frame["since"]),
            }
        for above in stack:
            found.update(above.get("vars", {}))
        return found | more


class _Endless(Exception):
    """A turn without an end: nothing may catch it, or it would go on."""


def fits(value: Any, what: str) -> None:
    """What a state can keep: JSON of at most MOST_BYTES with numbers of 64 bits and texts without NUL. Raises Fault."""
    try:
        text = orjson.dumps(value)
    except (TypeError, ValueError) as err:
        raise fault("runtime", f"the {what} cannot be kept: {err}") from err
    if len(text) > MOST_BYTES:
        raise fault("runtime", f"the {what} has {len(text)} bytes; at most {MOST_BYTES}")
    if b"\\u0000" in text and _NUL.search(text):
        raise fault("runtime", f"the {what} has a NUL character in it")


def _descriptor(text: str) -> dict[str, Any]:
    """A time as expressions see it. Source: dsl.md, DateTime Descriptor."""
    milliseconds = round(durations.moment(text).timestamp() * 1000)
    return {"iso8601": text, "epoch": {"seconds": milliseconds // 1000, "milliseconds": milliseconds}}
