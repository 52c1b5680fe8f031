"""Where in a document do expressions stand, and which arguments does each see? Pure.

Fields that are expressions by definition (`if`, `when`, `in`, `as`, …) may be bare or wrapped in `${ … }`; in data
only a text that is wholly `${ … }` is one. Source: dsl.md, Runtime Expression Arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment.workflow import expressions
from fulfillment.workflow.places import CALLS, Place
from fulfillment.workflow.shape import part

BEFORE = frozenset({"context", "task", "workflow", "runtime", "authorization"})
BODY = BEFORE | {"input"}
EXPORT = BODY | {"output"}
AUTHENTICATION = BODY | {"secrets"}
WORKFLOW_IN = frozenset({"workflow", "runtime"})
WORKFLOW_OUT = WORKFLOW_IN | {"context"}


@dataclass(frozen=True, slots=True)
class Template:
    """Something with expressions in it; `bare` where a text is one as it stands, `without` pointers within."""

    pointer: str
    value: Any
    names: frozenset[str]
    bare: bool = False
    without: tuple[str, ...] = ()

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Each expression with its pointer."""
        if self.bare and isinstance(self.value, str):
            yield self.pointer, expressions.bare(self.value)
        else:
            yield from _within(self.pointer, self.value, self.without)


def templates(document: Any, places: Mapping[str, Place], tasks: Mapping[str, Any], place: Place) -> Iterator[Template]:
    """Every template of one task (not those of the tasks in it); the document must have its shape."""
    task = tasks[place.pointer]
    if place.kind == "workflow":
        yield from _transforms("", task, WORKFLOW_IN, WORKFLOW_OUT, frozenset())
        yield from _timeout(document, "", task, WORKFLOW_IN)
        return
    bound = _bound(places, tasks, place)
    if "if" in task:
        yield Template(f"{place.pointer}/if", task["if"], BEFORE | bound, bare=True)
    yield from _transforms(place.pointer, task, BEFORE | bound, BODY | bound, EXPORT | bound)
    yield from _timeout(document, place.pointer, task, BODY | bound)
    if own := _OWN.get(place.kind.split(" ", maxsplit=1)[0]):
        yield from own(document, place.pointer, task, BODY | bound)


def variables(task: Mapping[str, Any]) -> tuple[str, str]:
    """The names a `for` gives item and index."""
    return task["for"].get("each", "item"), task["for"].get("at", "index")


def error_variable(task: Mapping[str, Any]) -> str:
    """The name a `catch` gives its error."""
    return str(task["catch"].get("as", "error"))


def policies(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where the arguments of a call name an authentication, and what stands there."""
    endpoint = arguments.get("endpoint")
    outer = arguments.get("document")
    document = outer.get("endpoint") if isinstance(outer, Mapping) else None
    for where, holder in (("/endpoint", endpoint), ("/document/endpoint", document), ("", arguments)):
        policy = holder.get("authentication") if isinstance(holder, Mapping) else None
        if isinstance(policy, Mapping):
            yield f"{where}/authentication", policy


def _bound(places: Mapping[str, Place], tasks: Mapping[str, Any], place: Place) -> frozenset[str]:
    """The names that enclosing loops and catches have bound where a task stands."""
    found: set[str] = set()
    while place.pointer:
        around = places[place.parent]
        if around.kind == "for":
            found.update(variables(tasks[around.pointer]))
        if place.branch == "catch":
            found.add(error_variable(tasks[around.pointer]))
        place = around
    return frozenset(found)


def _transforms(
    pointer: str, task: Any, before: frozenset[str], after: frozenset[str], export: frozenset[str]
) -> Iterator[Template]:
    for member, field, names in (("input", "from", before), ("output", "as", after), ("export", "as", export)):
        if field in task.get(member, {}):
            yield Template(f"{pointer}/{member}/{field}", task[member][field], names, bare=True)


def _timeout(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
    timeout = task.get("timeout")
    if isinstance(timeout, str):
        yield Template(f"/use/timeouts{part(timeout)}", document["use"]["timeouts"][timeout], names)
    elif timeout is not None:
        yield Template(f"{pointer}/timeout", timeout, names)


def _data(*path: str) -> Any:
    """The templates of a kind whose only one is data under `path`."""

    def found(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
        value = task
        for step in path:
            value = value[step]
        yield Template(pointer + "".join(part(step) for step in path), value, names)

    return found


def _switch(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
    for number, item in enumerate(task["switch"]):
        for name, case in item.items():
            if "when" in case:
                yield Template(f"{pointer}/switch/{number}{part(name)}/when", case["when"], names, bare=True)


def _for(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
    yield Template(f"{pointer}/for/in", task["for"]["in"], names, bare=True)
    if "while" in task:
        yield Template(f"{pointer}/while", task["while"], names | {*variables(task)}, bare=True)


def _raise(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
    error = task["raise"]["error"]
    if isinstance(error, str):
        yield Template(f"/use/errors{part(error)}", document["use"]["errors"][error], names)
    else:
        yield Template(f"{pointer}/raise/error", error, names)


def _try(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
    names |= {error_variable(task)}
    catch, retry, where = task["catch"], task["catch"].get("retry", {}), f"{pointer}/catch/retry"
    if isinstance(retry, str):
        retry, where = document["use"]["retries"][retry], f"/use/retries{part(retry)}"
    for holder, at in ((catch, f"{pointer}/catch"), (retry, where)):
        for field in ("when", "exceptWhen"):
            if field in holder:
                yield Template(f"{at}/{field}", holder[field], names, bare=True)
    spans = {field: retry[field] for field in ("delay", "limit", "jitter") if field in retry}
    yield Template(where, spans, names)


def _call(document: Any, pointer: str, task: Any, names: frozenset[str]) -> Iterator[Template]:
    where, arguments = f"{pointer}/with", task.get("with", {})
    if task["call"] not in CALLS:
        yield Template(where, arguments, names)
        where = f"/use/functions{part(task['call'])}/with"
        arguments = document["use"]["functions"][task["call"]]["with"]
    found = list(policies(arguments))
    yield Template(where, arguments, names, without=tuple(where + at for at, _ in found))
    for at, policy in found:
        if name := policy.get("use"):
            kept = document["use"]["authentications"][name]
            yield Template(f"/use/authentications{part(name)}", kept, AUTHENTICATION | names)
        else:
            yield Template(where + at, policy, AUTHENTICATION | names)


def _within(pointer: str, value: Any, without: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if pointer in without:
        return
    if isinstance(value, str):
        expression = expressions.inner(value)
        if expression is not None:
            yield pointer, expression
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _within(pointer + part(name), each, without)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _within(f"{pointer}/{number}", each, without)


_OWN: dict[str, Any] = {
    "set": _data("set"),
    "emit": _data("emit", "event", "with"),
    "wait": _data("wait"),
    "listen": _data("listen", "to"),
    "switch": _switch,
    "for": _for,
    "raise": _raise,
    "try": _try,
    "call": _call,
}
