"""How is an instance that is under way written down? Pure: plain JSON, a tree of the tasks that are open.

state   {version, instance, definition: its hash, started, input, context, status, root, output?, error?}
frame   {task: pointer, visit, since, input} and, as far as needed:
        raw      the input before `input.from`
        runs     the frames open inside it; one, in a fork one a branch that still runs
        seen     list → {pointer: [how often it ran, order of its last run, raw input of that]}
        until    when its `timeout` strikes         vars     what it binds for the tasks inside it
        request  what a call or listen waits for    due      when a wait or the delay before a retry is over
        again    retries it made                    folded   retries that finished tasks inside it made
        faulted  true where an uncaught fault came from
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

Frame = dict[str, Any]
Stack = list[Frame]
VERSION = 1


def visit_of(parent: Frame, tasks: str, pointer: str, raw: Any) -> str:
    """Count a run of the task at `pointer` in one of its parent's lists; which visit that is."""
    seen = parent.setdefault("seen", {}).setdefault(tasks, {})
    count = seen.get(pointer, [0])[0] + 1
    order = max((entry[1] for entry in seen.values()), default=0) + 1
    seen[pointer] = [count, order, raw]
    return ".".join(part for part in (parent["visit"], str(parent.get("turn", "")), str(count)) if part)


def attempt(stack: Stack) -> int:
    """Which attempt the last frame of a stack is: one more than the retries of everything around it."""
    return 1 + sum(int(frame.get("again", 0)) for frame in stack[:-1])


def count_retry(stack: Stack, frame: Frame) -> None:
    """Count a retry of what is in the last frame of a stack: `frame`, which is in the stack, counts it.

    Afterwards no run in it has the attempt of an earlier one.
    """
    frame["again"] = frame.get("again", 0) + 1 + max(each.pop("folded", 0) for each in stack)


def fold(stack: Stack) -> None:
    """Before the last frame goes: keep its retries where a retry around it counts them."""
    frame = stack[-1]
    retries = frame.get("again", 0) + frame.get("folded", 0)
    if retries and len(stack) > 1:
        stack[-2]["folded"] = max(stack[-2].get("folded", 0), retries)


def take_off(parent: Frame, frame: Frame) -> None:
    """A frame is over: its parent has it no more."""
    parent["runs"] = [run for run in parent["runs"] if run is not frame]


def effect_id(frame: Frame) -> str:
    """The name of what a frame waits for; the same in every attempt."""
    return f"{frame['task']}#{frame['visit']}"


def stacks(root: Frame) -> Iterator[Stack]:
    """Every open frame as the way to it from the root, parents first, in the order they were started."""
    waiting: list[Stack] = [[root]]
    while waiting:
        stack = waiting.pop()
        yield stack
        waiting += [[*stack, run] for run in reversed(stack[-1].get("runs", ()))]


def alive(stack: Stack) -> bool:
    """Whether a stack is still part of its tree."""
    return all(any(run is below for run in above.get("runs", ())) for above, below in pairwise(stack))
