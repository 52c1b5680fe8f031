"""What do the tasks do that need nothing from outside: set, switch, raise, emit, do, for and fork? Pure.

Source: dsl-reference.md, Tasks.
"""

from __future__ import annotations

from typing import Any

from fulfillment.workflow import events, templates
from fulfillment.workflow.durations import stamp
from fulfillment.workflow.faults import Fault, fault
from fulfillment.workflow.frames import Frame, Stack
from fulfillment.workflow.machine import Done, Enter, Kind, Machine, Move, fits

# What an attribute of an event may be; null leaves it out.
_ATTRIBUTE = str | int | None


def enter_set(machine: Machine, stack: Stack) -> Move:
    """The data is replaced, not merged."""
    return Done(machine.fill(stack, machine.task(stack[-1])["set"]))


def enter_switch(machine: Machine, stack: Stack) -> Move:
    """The first case that holds, else the case without a condition, else the task's own `then`; data passes through."""
    data = stack[-1]["input"]
    default = None
    for _, when, then in machine.place(stack[-1]).cases:
        if not when:
            default = default or then
        elif machine.holds(stack, when, data):
            return Done(data, then)
    return Done(data, default)


def enter_raise(machine: Machine, stack: Stack) -> Move:
    """Fault with the given error, at this task unless it names another."""
    error = machine.fill(stack, machine.definition.named("errors", machine.task(stack[-1])["raise"]["error"]))
    texts = {name: _words(error[name], name) for name in ("type", "title", "detail", "instance") if name in error}
    raise Fault(texts.pop("type"), error["status"], **texts)


def enter_emit(machine: Machine, stack: Stack) -> Move:
    """Send a CloudEvent; the whole event is the output. Its id tells this run of the task, whatever the attempt."""
    attributes = machine.fill(stack, machine.task(stack[-1])["emit"]["event"]["with"])
    for name, value in attributes.items():
        fits = isinstance(value, str) and value if name in {"source", "type"} else isinstance(value, _ATTRIBUTE)
        if name != "data" and not fits:
            raise fault(
                "expression", f"the event's {name} is {value!r}; a text, a whole number or a boolean is allowed"
            )
    frame = stack[-1]
    identity = f"{machine.state['instance']}/{frame['task']}#{frame['visit']}"
    event = events.cloud_event(attributes, identity=identity, time=stamp(machine.now))
    machine.emit(event)
    return Done(event)


def enter_do(machine: Machine, stack: Stack) -> Move:
    """The tasks of a list, one after the other; the workflow itself is one, too."""
    machine.note(stack, "started", input=stack[-1]["input"])
    return machine.first_of(stack, "/do", stack[-1]["input"])


def inside_do(machine: Machine, stack: Stack, frame: Frame, output: Any) -> Move:
    """The list has ended."""
    return Done(output)


def enter_for(machine: Machine, stack: Stack) -> Move:
    """The tasks of a list for each item; the collection is evaluated once, each turn starts with the last output."""
    frame = stack[-1]
    items = machine.evaluate(stack, machine.task(frame)["for"]["in"], frame["input"])
    if not isinstance(items, list):
        raise fault("expression", f"for.in gives {items!r}, which is no array")
    fits(items, "collection")
    frame["items"] = items
    machine.note(stack, "started", input=frame["input"])
    return _turn(machine, stack, 0, frame["input"])


def inside_for(machine: Machine, stack: Stack, frame: Frame, output: Any) -> Move:
    """One turn of the loop has ended."""
    return _turn(machine, stack, stack[-1]["turn"], output)


def enter_fork(machine: Machine, stack: Stack) -> Move:
    """All branches side by side: each goes on until it waits, in their order."""
    frame = stack[-1]
    branches = machine.definition.tasks_in(frame["task"] + "/fork/branches")
    frame["outputs"] = [None] * len(branches)
    frame["open"] = len(branches)
    machine.note(stack, "started", input=frame["input"])
    machine.queue.extendleft((list(stack), Enter(pointer, frame["input"])) for pointer in reversed(branches))
    return None


def inside_fork(machine: Machine, stack: Stack, frame: Frame, output: Any) -> Move:
    """A branch has ended: in a race its output is the fork's, else the array of all outputs is, once there are all."""
    fork = stack[-1]
    if machine.task(fork)["fork"].get("compete", False):
        machine.cancel(stack)
        return Done(output)
    fork["outputs"][machine.place(frame).index] = output
    fork["open"] -= 1
    return None if fork["open"] else Done(fork["outputs"])


def _turn(machine: Machine, stack: Stack, index: int, data: Any) -> Move:
    """Start the loop's turn for the item at `index`, or end the loop."""
    frame, task = stack[-1], machine.task(stack[-1])
    if index >= len(frame["items"]):
        return Done(data)
    each, at = templates.variables(task)
    frame["vars"] = {each: frame["items"][index], at: index}
    if "while" in task and not machine.holds(stack, task["while"], data):
        return Done(data)
    frame["turn"] = index + 1
    frame.pop("seen", None)
    return machine.first_of(stack, "/do", data)


def _words(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise fault("expression", f"the error's {name} is {value!r}, which is no text")
    return str(value)


FLOW = {
    "workflow": Kind(enter_do, inside=inside_do),
    "do": Kind(enter_do, inside=inside_do),
    "set": Kind(enter_set),
    "switch": Kind(enter_switch),
    "raise": Kind(enter_raise),
    "emit": Kind(enter_emit),
    "for": Kind(enter_for, inside=inside_for),
    "fork": Kind(enter_fork, inside=inside_fork),
}
