"""How does an instance begin, go on with an answer, with time or by an operator, and what does it wait for? Pure.

Each call takes a state and gives a Turn with a new one; the state handed in is left as it was. The same arguments
always give the same Turn, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from fulfillment.workflow import frames, waiting
from fulfillment.workflow.catching import CATCHING
from fulfillment.workflow.document import Definition
from fulfillment.workflow.durations import moment, stamp
from fulfillment.workflow.faults import Fault, NotRetriableError, StateError, UnknownEffectError, fault
from fulfillment.workflow.flow import FLOW
from fulfillment.workflow.frames import Frame, Stack
from fulfillment.workflow.machine import Enter, Kind, Machine, Move, fits
from fulfillment.workflow.turns import Effect, Host, Status, Turn
from fulfillment.workflow.waiting import WAITING

KINDS: Mapping[str, Kind] = FLOW | CATCHING | WAITING


def begin(definition: Definition, input_: Any, *, instance: str, now: datetime, host: Host) -> Turn:
    """Start an instance under the id `instance` and go on until everything waits or it is over.

    `input_` is JSON; for an instance that events started, the array of these events. Raises ValueError for an input
    that no state can keep.
    """
    state = {
        "version": frames.VERSION,
        "instance": instance,
        "definition": definition.hash,
        "started": stamp(now),
        "input": _kept(input_),
        "context": {},
        "status": "running",
    }
    machine = _machine(definition, state, now=now, host=host)
    machine.run([], Enter("", state["input"]))
    return _turn(machine)


def resume(
    definition: Definition,
    state: Mapping[str, Any],
    effect_id: str,
    outcome: Mapping[str, Any],
    *,
    now: datetime,
    host: Host,
) -> Turn:
    """Go on with the outcome of an effect (see `calls.output`; of a listen {events: […]}).

    Raises UnknownEffectError where the state waits for no such effect.
    """
    machine = _machine(definition, _copy(state), now=now, host=host)
    stack = next((each for each in _open(machine) if "request" in each[-1] and _is(each, effect_id)), None)
    if stack is None:
        raise UnknownEffectError(f"instance {state['instance']} does not wait for {effect_id!r}")
    answer = KINDS[machine.place(stack[-1]).kind].answer
    assert answer is not None  # what has a request takes an answer

    def act() -> Move:
        return answer(machine, stack, _copy(outcome))

    machine.take(stack, act)
    return _turn(machine)


def wake(definition: Definition, state: Mapping[str, Any], *, now: datetime, host: Host) -> Turn:
    """Go on with all waits and delays that are over by `now`, and strike with the timeouts that have passed."""
    machine = _machine(definition, _copy(state), now=now, host=host)
    while machine.state["status"] == "running":
        moments = [each for each in _moments(machine) if each[0] <= now]
        if not moments:
            break
        _, strikes, stack = min(moments, key=lambda each: each[:2])  # at the same time, a wait is over first
        _strike(machine, stack) if strikes else _due(machine, stack)
    return _turn(machine)


def retry(definition: Definition, state: Mapping[str, Any], pointer: str, *, now: datetime, host: Host) -> Turn:
    """An operator lets a faulted instance go on, from the task that faulted or one around it, or from a task that ran
    before it in one of the lists that are open.

    The task starts with the input it had then, and as the same visit: its effects keep their ids. The context stays
    as it is. Raises NotRetriableError.
    """
    machine = _machine(definition, _copy(state), now=now, host=host)
    if machine.state["status"] != "faulted":
        raise NotRetriableError(f"instance {state['instance']} is {state['status']}, not faulted")
    stack, raw = _retried(machine, pointer)
    machine.state["status"] = "running"
    machine.state.pop("error")
    frames.count_retry(stack, machine.state["root"])
    machine.run(stack, Enter(pointer, raw))
    return _turn(machine)


def retriable(definition: Definition, state: Mapping[str, Any]) -> tuple[str, ...]:
    """The tasks that `retry` can start again, outermost list first, each list as it ran; none of what did not fault."""
    if state["status"] != "faulted":
        return ()
    faulted = next((stack for stack in frames.stacks(state["root"]) if stack[-1].get("faulted")), [])
    found: list[str] = []
    for parent, frame in pairwise(faulted):
        tasks = frame["task"].rsplit("/", 2)[0][len(parent["task"]) :]
        seen = parent.get("seen", {}).get(tasks, {})
        alone = definition.place(frame["task"]).branch == "fork"
        found += [frame["task"]] if alone else sorted(seen, key=lambda pointer: seen[pointer][1])
    return tuple(found)


def wanted(definition: Definition, state: Mapping[str, Any], *, host: Host) -> tuple[Effect, ...]:
    """The effects that a state waits for, in the order they were started. Raises Fault where a secret is gone."""
    machine = _machine(definition, dict(state), now=moment(state["started"]), host=host)
    return tuple(waiting.effect(machine, stack) for stack in _open(machine) if "request" in stack[-1])


def _machine(definition: Definition, state: dict[str, Any], *, now: datetime, host: Host) -> Machine:
    if state.get("version") != frames.VERSION or state.get("definition") != definition.hash:
        seen = f"version {state.get('version')} of {state.get('definition')}"
        raise StateError(f"the state is {seen}; this is version {frames.VERSION} of {definition.hash}")
    return Machine(definition=definition, state=state, now=now, host=host, kinds=KINDS)


def _turn(machine: Machine) -> Turn:
    state = machine.state
    error = state.get("error")
    moments = list(_moments(machine))
    return Turn(
        state=state,
        status=_status(machine),
        steps=tuple(machine.steps),
        events=tuple(machine.events),
        output=state.get("output"),
        fault=Fault.of(error) if error else None,
        wake_at=min((each[0] for each in moments), default=None),
    )


def _status(machine: Machine) -> Status:
    status: Status = machine.state["status"]
    if status != "running":
        return status
    called = any("request" in each[-1] and machine.place(each[-1]).kind != "listen" for each in _open(machine))
    return "running" if called else "waiting"


def _open(machine: Machine) -> Iterator[Stack]:
    """Every open frame of an instance that is under way."""
    return frames.stacks(machine.state["root"]) if machine.state["status"] == "running" else iter(())


def _is(stack: Stack, effect_id: str) -> bool:
    return frames.effect_id(stack[-1]) == effect_id


def _moments(machine: Machine) -> Iterator[tuple[datetime, bool, Stack]]:
    """Every time at which something is to happen; whether that is a timeout; and to which frame."""
    for stack in _open(machine):
        for name, strikes in (("due", False), ("until", True)):
            if name in stack[-1]:
                yield moment(stack[-1][name]), strikes, stack


def _due(machine: Machine, stack: Stack) -> None:
    due = KINDS[machine.place(stack[-1]).kind].due
    assert due is not None  # what has a due time goes on when it has come

    def act() -> Move:
        return due(machine, stack)

    machine.take(stack, act)


def _strike(machine: Machine, stack: Stack) -> None:
    """A timeout: what is inside is cancelled, and the task faults."""
    until = stack[-1].pop("until")
    machine.cancel(stack)

    def act() -> Move:
        raise fault("timeout", f"{machine.place(stack[-1]).name} took longer than until {until}")

    machine.take(stack, act)


def _retried(machine: Machine, pointer: str) -> tuple[Stack, Any]:
    """The stack to start the task at `pointer` in again, and its input then."""
    faulted = next(each for each in frames.stacks(machine.state["root"]) if each[-1].get("faulted"))
    for depth in range(len(faulted) - 1, 0, -1):
        parent, frame = faulted[depth - 1], faulted[depth]
        tasks = pointer.rsplit("/", 2)[0][len(parent["task"]) :]
        seen: dict[str, list[Any]] = parent.get("seen", {}).get(tasks, {})
        beside = machine.place(frame).branch == "fork" and frame["task"] != pointer
        if pointer in seen and frame["task"] in seen and not beside:
            return _rewound(faulted[:depth], frame, seen, pointer)
    place = machine.place(faulted[-1])
    raise NotRetriableError(f"{pointer!r} is neither {place.pointer!r}, which faulted, nor a task that ran around it")


def _rewound(stack: Stack, frame: Frame, seen: dict[str, list[Any]], pointer: str) -> tuple[Stack, Any]:
    """Take a frame off, and count what ran since the task at `pointer` last did as not having run."""
    frames.fold([*stack, frame])
    frames.take_off(stack[-1], frame)
    order, raw = seen[pointer][1:]
    for entry in seen.values():
        if entry[1] >= order:
            entry[0] -= 1
    return stack, raw


def _kept(input_: Any) -> Any:
    copy = _copy(input_)
    try:
        fits(copy, "input")
    except Fault as err:
        raise ValueError(err.detail) from err
    return copy


def _copy(value: Any) -> Any:
    """Our own copy, as it will come back from wherever it is kept. Raises ValueError for what is no JSON."""
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError as err:
        raise ValueError(f"a state cannot keep this: {err}") from err
