"""What do the tasks do that wait: calls, listen and wait? Pure.

A call or listen writes down its request and parks; the answer comes by `resume`. No secret is in what it writes down:
those are looked up each time the effect is wanted.

Source: dsl-reference.md, Call, Listen, Wait, Authentication.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from fulfillment.workflow import calls, frames, templates
from fulfillment.workflow.durations import moment, stamp
from fulfillment.workflow.frames import Stack
from fulfillment.workflow.machine import Done, Kind, Machine, Move, fits
from fulfillment.workflow.turns import Effect

Build = Callable[[Mapping[str, Any], Any, calls.Fill], dict[str, Any]]


def _enter_call(build: Build) -> Callable[[Machine, Stack], Move]:
    def enter(machine: Machine, stack: Stack) -> Move:
        arguments, data, fill = _call(machine, stack)
        stack[-1]["request"] = build(arguments, data, fill)
        fits(stack[-1]["request"], "request")
        authentication(machine, stack)  # a secret we may not have is told now, where it can be caught
        machine.note(stack, "started", input=stack[-1]["input"])
        return None

    return enter


def answer_call(machine: Machine, stack: Stack, outcome: Mapping[str, Any]) -> Move:
    """The peer has answered, or failed to."""
    return Done(calls.output(stack[-1]["request"], outcome))


def authentication(machine: Machine, stack: Stack) -> dict[str, str] | None:
    """What the last frame's call proves itself with: {scheme, username, password} or {scheme, token}. Raises Fault."""
    arguments, _ = machine.definition.call(stack[-1]["task"])
    found = next((policy for _, policy in templates.policies(arguments)), None)
    if found is None:
        return None
    ((scheme, details),) = machine.definition.named("authentications", found.get("use", found)).items()
    secrets = machine.host.secrets
    if "use" in details:
        return calls.credentials(scheme, details["use"], secrets.get(details["use"]))
    declared = machine.definition.document.get("use", {}).get("secrets", ())
    seen = {name: secrets[name] for name in declared if name in secrets}
    _, _, fill = _call(machine, stack, secrets=seen)
    return calls.inline_credentials(scheme, fill(details))


def enter_listen(machine: Machine, stack: Stack) -> Move:
    """Wait for events; expressions in the filters are evaluated now, over the task's input."""
    strategy = machine.fill(stack, machine.task(stack[-1])["listen"]["to"])
    ((how, found),) = strategy.items()
    stack[-1]["request"] = {how: [each["with"] for each in (found if isinstance(found, list) else [found])]}
    fits(stack[-1]["request"], "request")
    machine.note(stack, "started", input=stack[-1]["input"])
    return None


def answer_listen(machine: Machine, stack: Stack, outcome: Mapping[str, Any]) -> Move:
    """The events have come: the output is the array of their data, or of the events themselves."""
    read = machine.task(stack[-1])["listen"].get("read", "data")
    events = outcome["events"]
    if not events:
        raise ValueError("an outcome of listen needs at least one event")
    return Done([event.get("data") if read == "data" else event for event in events])


def enter_wait(machine: Machine, stack: Stack) -> Move:
    """Wait for a time that starts now."""
    span = machine.span(stack, machine.task(stack[-1])["wait"])
    if span <= timedelta():
        return Done(stack[-1]["input"])
    stack[-1]["due"] = stamp(machine.now + span)
    machine.note(stack, "waiting", input=stack[-1]["input"])
    return None


def due_wait(machine: Machine, stack: Stack) -> Move:
    """The time has come."""
    stack[-1].pop("due")
    return Done(stack[-1]["input"])


def effect(machine: Machine, stack: Stack) -> Effect:
    """What the last frame, which has a request, waits for. Raises Fault (authorization) without its secret."""
    frame, place = stack[-1], machine.place(stack[-1])
    deadlines = [moment(each["until"]) for each in stack if "until" in each]
    kind = place.kind.removeprefix("call ")
    return Effect(
        id=frames.effect_id(frame),
        pointer=place.pointer,
        visit=frame["visit"],
        attempt=frames.attempt(stack),
        kind=kind,  # type: ignore[arg-type]  # only calls and listen have a request
        request=frame["request"],
        authentication=None if kind == "listen" else authentication(machine, stack),
        deadline=min(deadlines, default=None),
    )


def _call(machine: Machine, stack: Stack, **more: Any) -> tuple[Mapping[str, Any], Any, calls.Fill]:
    """The arguments of a call, the data they are evaluated over, and how. A function sees what it is handed."""
    arguments, handed = machine.definition.call(stack[-1]["task"])
    data = machine.fill(stack, handed) if handed else stack[-1]["input"]
    return arguments, data, lambda template: machine.fill(stack, template, data=data, **more)


WAITING = {
    "call http": Kind(_enter_call(calls.http_request), answer=answer_call),
    "call openapi": Kind(_enter_call(calls.openapi_request), answer=answer_call),
    "listen": Kind(enter_listen, answer=answer_listen),
    "wait": Kind(enter_wait, due=due_wait),
}
