"""Which errors does a `try` catch, does it try again, and when? Pure.

In this order: `errors.with`, `when`, `exceptWhen`, then `retry`, then `do`. Once the retries are used up, `do` runs;
without one the error goes on as if it had not been caught. An error that is caught with neither `retry` nor `do` is
passed over, and the output is the input of the `try`.

Source: dsl-reference.md, Try, Catch, Retry.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from fulfillment.workflow import frames, templates
from fulfillment.workflow.durations import moment, stamp
from fulfillment.workflow.faults import Fault, fault, same_type
from fulfillment.workflow.frames import Frame, Stack
from fulfillment.workflow.machine import Done, Kind, Machine, Move, Rescue

_NAMESPACE = UUID("b6d0a1fd-9a5e-5b0b-a5a5-3a4cf0f2c6d1")
# Beyond so many doublings every delay is too long to be told.
MOST_DOUBLINGS = 40


def enter_try(machine: Machine, stack: Stack) -> Move:
    machine.note(stack, "started", input=stack[-1]["input"])
    return machine.first_of(stack, "/try", stack[-1]["input"])


def inside_try(machine: Machine, stack: Stack, frame: Frame, output: Any) -> Move:
    """The tasks, or those of the catch, have ended."""
    return Done(output)


def caught(machine: Machine, stack: Stack, frame: Frame, error: Fault) -> Rescue | None:
    """What the last frame of the stack does about an error from `frame` in it; errors of its catch go on."""
    catch, facts = machine.task(stack[-1])["catch"], error.as_dict()
    wanted = catch.get("errors", {}).get("with", {})
    if machine.place(frame).branch != "try" or not all(_equal(name, wanted[name], facts) for name in wanted):
        return None
    if not _holds(machine, stack, catch, facts):
        return None
    if "retry" in catch:
        delay = _delay(machine, stack, machine.definition.named("retries", catch["retry"]), facts)
        if delay is not None:
            return lambda machine, stack: _again(machine, stack, delay, facts)
        if "do" not in catch:
            return None
    if "do" in catch:
        return lambda machine, stack: _mend(machine, stack, facts)
    return lambda machine, stack: Done(stack[-1]["input"])


def due(machine: Machine, stack: Stack) -> Move:
    """The delay is over: the tasks run again, from the first, and as the same visit."""
    frame = stack[-1]
    frame.pop("due")
    frame.pop("seen", None)
    frames.count_retry([frame], frame)
    return machine.first_of(stack, "/try", frame["input"])


def _again(machine: Machine, stack: Stack, delay: timedelta, facts: dict[str, Any]) -> Move:
    frame = stack[-1]
    machine.note(stack, "retried", input=frame["input"], fault=facts)
    frame["tries"] = frame.get("tries", 0) + 1
    frame["due"] = stamp(machine.now + delay)
    return None if delay else due(machine, stack)


def _mend(machine: Machine, stack: Stack, facts: dict[str, Any]) -> Move:
    frame = stack[-1]
    frame["vars"] = {templates.error_variable(machine.task(frame)): facts}
    return machine.first_of(stack, "/catch/do", frame["input"])


def _equal(name: str, wanted: Any, facts: dict[str, Any]) -> bool:
    seen = facts.get("detail" if name == "details" else name)
    return same_type(wanted, str(seen)) if name == "type" else bool(wanted == seen)


def _holds(machine: Machine, stack: Stack, holder: dict[str, Any], facts: dict[str, Any]) -> bool:
    """`when` and `exceptWhen` of a catch or a retry, over the error."""
    named = {templates.error_variable(machine.task(stack[-1])): facts}
    if "when" in holder and not machine.holds(stack, holder["when"], facts, **named):
        return False
    return not ("exceptWhen" in holder and machine.holds(stack, holder["exceptWhen"], facts, **named))


def _delay(machine: Machine, stack: Stack, policy: dict[str, Any], facts: dict[str, Any]) -> timedelta | None:
    """How long until the next attempt, or None where there is to be none."""
    frame, limit = stack[-1], policy.get("limit", {})
    tries = frame.get("tries", 0)
    if tries >= limit.get("attempt", {}).get("count", tries + 1) or not _holds(machine, stack, policy, facts):
        return None
    delay = machine.span(stack, policy["delay"]) if "delay" in policy else timedelta()
    backoff = policy.get("backoff", {})
    if "linear" in backoff:
        delay *= tries + 1
    elif "exponential" in backoff:
        delay *= 2 ** min(tries, MOST_DOUBLINGS)
    try:
        delay += _jitter(machine, stack, policy)
        again = machine.now + delay
        last = _last(machine, stack, limit)
    except OverflowError as err:
        raise fault("configuration", f"the delay before retry {tries + 1} is too long") from err
    return None if last is not None and again > last else delay


def _last(machine: Machine, stack: Stack, limit: dict[str, Any]) -> datetime | None:
    return moment(stack[-1]["since"]) + machine.span(stack, limit["duration"]) if "duration" in limit else None


def _jitter(machine: Machine, stack: Stack, policy: dict[str, Any]) -> timedelta:
    """A part of the jitter that is spread over instances and attempts, yet the same whenever it is asked."""
    if "jitter" not in policy:
        return timedelta()
    shortest = machine.span(stack, policy["jitter"]["from"])
    longest = machine.span(stack, policy["jitter"]["to"])
    frame = stack[-1]
    key = f"{machine.state['instance']}/{frames.effect_id(frame)}/{frame.get('tries', 0)}"
    share = uuid5(_NAMESPACE, key).int % 1_000_000
    return shortest + max(longest - shortest, timedelta()) * share / 1_000_000


CATCHING = {"try": Kind(enter_try, inside=inside_try, due=due, caught=caught)}
