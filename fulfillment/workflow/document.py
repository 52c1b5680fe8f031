"""What does a definition say, once it is known to be sound? Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fulfillment.workflow import checking, events, yaml12
from fulfillment.workflow.events import EventFilter
from fulfillment.workflow.faults import DefinitionError, DefinitionFault
from fulfillment.workflow.places import Place, children, root


@dataclass(frozen=True, slots=True)
class Definition:
    """A sound definition, pinned by `hash` (SHA-256 of the text's bytes, in hex). Made by `load` alone."""

    namespace: str
    name: str
    version: str
    text: str = field(repr=False)
    hash: str
    document: dict[str, Any] = field(repr=False)
    triggers: tuple[EventFilter, ...] = field(repr=False)
    _places: Mapping[str, Place] = field(repr=False)
    _tasks: Mapping[str, dict[str, Any]] = field(repr=False)
    _lists: Mapping[str, tuple[str, ...]] = field(repr=False)

    def places(self) -> tuple[Place, ...]:
        """Every task in document order, without the workflow itself."""
        return tuple(place for pointer, place in self._places.items() if pointer)

    def place(self, pointer: str) -> Place:
        """Where a task stands; "" is the workflow itself. Raises KeyError."""
        return self._places[pointer]

    def task(self, pointer: str) -> dict[str, Any]:
        """A task's own mapping; that of "" is the document. Raises KeyError."""
        return self._tasks[pointer]

    def siblings(self, pointer: str) -> tuple[str, ...]:
        """The pointers of the list that a task stands in, itself included."""
        return self._lists[pointer.rsplit("/", 2)[0]]

    def tasks_in(self, pointer: str) -> tuple[str, ...]:
        """The pointers of a list of tasks, such as `/do` or `/do/0/fork/fork/branches`; none where there is no such."""
        return self._lists.get(pointer, ())

    def named(self, shelf: str, entry: Any) -> Any:
        """`entry` itself, or where it is a name what stands under it in `use.<shelf>`."""
        return self.document["use"][shelf][entry] if isinstance(entry, str) else entry

    def call(self, pointer: str) -> tuple[Any, dict[str, Any] | None]:
        """The arguments of a call task; and where it calls a function, what it hands that, else None."""
        task = self._tasks[pointer]
        if task["call"] in {"http", "openapi"}:
            return task["with"], None
        return self.document["use"]["functions"][task["call"]]["with"], task.get("with", {})


def load(text: str) -> Definition:
    """The definition in a YAML 1.2 (or JSON) text. Raises DefinitionError with all its faults at once."""
    try:
        document = yaml12.read(text)
    except yaml12.YamlError as err:
        raise DefinitionError([DefinitionFault("", str(err), "one YAML 1.2 document")]) from err
    places: dict[str, Place] = {}
    tasks: dict[str, Any] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for place, task in _walk(document):
        places[place.pointer] = place
        tasks[place.pointer] = task
        if place.pointer:
            around = place.pointer.rsplit("/", 2)[0]
            lists[around] = (*lists.get(around, ()), place.pointer)
    if faults := checking.faults(document, places, tasks):
        raise DefinitionError(faults)
    return Definition(
        namespace=document["document"]["namespace"],
        name=document["document"]["name"],
        version=document["document"]["version"],
        text=text,
        hash=hashlib.sha256(text.encode()).hexdigest(),
        document=document,
        triggers=events.filters(document.get("schedule", {}).get("on", {})),
        _places=places,
        _tasks=tasks,
        _lists=lists,
    )


def _walk(document: Any) -> Iterator[tuple[Place, Any]]:
    """Every task with its place, parents first, lists in the order they are written; bad shapes are passed over."""
    waiting = [(root(document), document)]
    while waiting:
        place, task = waiting.pop()
        yield place, task
        waiting += reversed(list(children(document, place, task)))
