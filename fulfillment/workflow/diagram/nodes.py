"""What does the picture of a workflow know of a task, and of how far it came?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

STATES = (
    "pending", "running", "waiting", "completed", "faulted", "skipped", "retried", "cancelled", "suspended",
)  # fmt: skip
# The first of these keys that a task has is its kind; `for` stands before the `do` inside it.
KINDS = ("try", "switch", "for", "fork", "do", "call", "emit", "listen", "raise", "run", "set", "wait")
DURATIONS = ("days", "hours", "minutes", "seconds", "milliseconds")


@dataclass(frozen=True, slots=True)
class Node:
    """A task: where it stands and where the flow goes from it.

    `parent` is the pointer of the task around it, empty at the top; `index` its place in its list. `branch` tells
    which list of the parent that is: one that begins with "catch" is the catch of a `try`. `then` is empty, continue,
    exit, end or the name of a task of the same list. `cases` are those of a switch: (name, when, then), `when` empty
    for the default. `detail` is what the task does in a few words, for a `try` what it catches.
    """

    pointer: str
    name: str
    kind: str
    parent: str = ""
    index: int = 0
    then: str = ""
    cases: tuple[tuple[str, str, str], ...] = ()
    branch: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a task came: one of STATES, its attempts, the seconds it took (None while unknown).

    `current` marks the step at which the instance stands. Raises ValueError on another state.
    """

    state: str
    attempts: int = 0
    seconds: float | None = None
    current: bool = False

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"a step's state is {self.state!r}; allowed: {', '.join(STATES)}")


class Place(Protocol):
    """What a definition says of one of its tasks."""

    @property
    def pointer(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def then(self) -> str: ...
    @property
    def cases(self) -> tuple[tuple[str, str, str], ...]: ...
    @property
    def branch(self) -> str: ...


class Drawable(Protocol):
    """A definition, as far as a picture needs it."""

    def places(self) -> Iterable[Place]: ...
    def task(self, pointer: str) -> Mapping[str, Any]: ...


def nodes_of(definition: Drawable) -> tuple[Node, ...]:
    """The tasks of a loaded definition in the order of the document, ready to be drawn."""
    found = []
    for place in definition.places():
        task = definition.task(place.pointer)
        kind = next((key for key in KINDS if key in task), "")
        found.append(
            Node(
                place.pointer, place.name, kind, place.parent or "", place.index, place.then or "",
                tuple((name, when or "", then or "") for name, when, then in place.cases), place.branch or "",
                detail_of(kind, task),
            )
        )  # fmt: skip
    return tuple(found)


def anchor(pointer: str) -> str:
    """The id under which a page tells about the task: letters, digits and hyphens. Different for each task."""
    return "step-" + re.sub(r"[^A-Za-z0-9]+", "-", pointer).strip("-")


def detail_of(kind: str, task: Mapping[str, Any]) -> str:
    """What a task does, in a few words from its own mapping; empty where there is nothing to say."""
    say = DETAILS.get(kind)
    body = task.get(kind)
    return say(body, task) if say else ""


def _call(protocol: Any, task: Mapping[str, Any]) -> str:
    given = _mapping(task.get("with"))
    if protocol == "openapi":
        return f"openapi {given.get('operationId', '')}".strip()
    endpoint = given.get("endpoint", "")
    address = str(_mapping(endpoint).get("uri", "") if isinstance(endpoint, Mapping) else endpoint)
    path = re.sub(r"^[a-z]+://[^/]*(?=/)", "", address)
    return f"{str(given.get('method', protocol)).upper()} {path}".strip()


def _emit(body: Any, _: Mapping[str, Any]) -> str:
    return str(_mapping(_mapping(_mapping(body).get("event")).get("with")).get("type", ""))


def _raise(body: Any, _: Mapping[str, Any]) -> str:
    error = _mapping(body).get("error", "")
    told = _mapping(error)
    return (
        str(error) if isinstance(error, str) else " ".join(str(told[key]) for key in ("status", "title") if key in told)
    )


def _wait(body: Any, _: Mapping[str, Any]) -> str:
    if isinstance(body, str):
        return body
    return " ".join(f"{body[unit]} {unit}" for unit in DURATIONS if unit in _mapping(body))


def _set(body: Any, _: Mapping[str, Any]) -> str:
    return ", ".join(str(key) for key in body) if isinstance(body, Mapping) else ""


def _for(body: Any, _: Mapping[str, Any]) -> str:
    told = _mapping(body)
    return f"each {told.get('each', 'item')} in {told.get('in', '')}"


def _fork(body: Any, _: Mapping[str, Any]) -> str:
    return "the first one wins" if _mapping(body).get("compete") else ""


def _listen(body: Any, _: Mapping[str, Any]) -> str:
    to = _mapping(_mapping(body).get("to"))
    for word in ("one", "any", "all"):
        if word in to:
            filters = to[word] if isinstance(to[word], list) else [to[word]]
            types = [str(_mapping(_mapping(each).get("with")).get("type", "event")) for each in filters]
            return " ".join([word, *types]) if word != "one" else " ".join(types)
    return ""


def _try(_: Any, task: Mapping[str, Any]) -> str:
    catch = _mapping(task.get("catch"))
    wanted = _mapping(_mapping(catch.get("errors")).get("with"))
    told = [str(wanted["status"])] if "status" in wanted else []
    if "type" in wanted:
        told.append(str(wanted["type"]).rstrip("/").rsplit("/", 1)[-1])
    text = "catch " + (" ".join(told) or "every error")
    text += " if …" if "when" in catch or "exceptWhen" in catch else ""
    return text + (", retry" if "retry" in catch else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


DETAILS = {
    "call": _call, "emit": _emit, "raise": _raise, "wait": _wait, "set": _set, "for": _for, "fork": _fork,
    "listen": _listen, "try": _try,
}  # fmt: skip
