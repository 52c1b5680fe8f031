"""Where do the tasks of a document stand, and of what kind are they? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment.workflow.shape import part

# The member that tells what a task does → its kind; a `for` has a `do`, too, so the order counts.
MARKS = ("for", "try", "set", "switch", "raise", "emit", "fork", "wait", "listen", "call", "do")
# The lists of tasks in a task of each kind: (path from the task, name of the branch).
LISTS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "workflow": ((("do",), "do"),),
    "do": ((("do",), "do"),),
    "for": ((("do",), "do"),),
    "try": ((("try",), "try"), (("catch", "do"), "catch")),
    "fork": ((("fork", "branches"), "fork"),),
}
CALLS = ("http", "openapi")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands. `kind` is the task's type, for calls with the protocol (`call http`).

    `parent` is the pointer of the task around it ("" the workflow), `branch` which of its lists (do, try, catch,
    fork), `index` the position there; `cases` of a switch are (name, when, then), `when` empty in a default.
    """

    pointer: str
    name: str
    kind: str
    parent: str
    index: int
    then: str = "continue"
    cases: tuple[tuple[str, str, str], ...] = ()
    branch: str = "do"


def root(document: Any) -> Place:
    """The workflow itself as a place."""
    head = document.get("document") if isinstance(document, Mapping) else None
    name = head.get("name") if isinstance(head, Mapping) else None
    return Place(pointer="", name=str(name), kind="workflow", parent="", index=0)


def children(document: Any, place: Place, task: Any) -> Iterator[tuple[Place, Any]]:
    """The tasks that stand in the lists of a task."""
    for path, branch in LISTS.get(place.kind, ()):
        found = task
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        pointer = place.pointer + "".join(part(step) for step in path)
        for index, item in enumerate(found if isinstance(found, list) else []):
            if isinstance(item, Mapping) and len(item) == 1:
                ((name, child),) = item.items()
                yield _place(document, place, f"{pointer}/{index}{part(name)}", name, index, child, branch), child


def kind_of(document: Any, task: Any) -> str:
    """`set`, `call http` and so on; "" for what is none or not run here."""
    if not isinstance(task, Mapping):
        return ""
    mark = next((mark for mark in MARKS if mark in task), "")
    if mark != "call":
        return mark
    called = task["call"]
    if called not in CALLS and isinstance(called, str):
        use = document.get("use")
        functions = use.get("functions") if isinstance(use, Mapping) else None
        function = functions.get(called) if isinstance(functions, Mapping) else None
        called = function.get("call") if isinstance(function, Mapping) else None
    return f"call {called}" if called in CALLS else ""


def _place(document: Any, parent: Place, pointer: str, name: str, index: int, task: Any, branch: str) -> Place:
    then = task.get("then", "continue") if isinstance(task, Mapping) else "continue"
    return Place(
        pointer=pointer,
        name=name,
        kind=kind_of(document, task),
        parent=parent.pointer,
        index=index,
        then=then if isinstance(then, str) else "continue",
        cases=tuple(_cases(task.get("switch"))) if isinstance(task, Mapping) else (),
        branch=branch,
    )


def _cases(cases: Any) -> Iterator[tuple[str, str, str]]:
    for item in cases if isinstance(cases, list) else []:
        if isinstance(item, Mapping) and len(item) == 1:
            ((name, case),) = item.items()
            if isinstance(case, Mapping):
                yield name, str(case.get("when", "")), str(case.get("then", ""))
