"""What is wrong with a document that is read, all of it at once? Pure.

Shapes task by task, `then` targets, names twice in a list, names of `use` that do not exist, expressions that do not
compile or see what is not there, schemas that are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fulfillment.workflow import expressions, shape
from fulfillment.workflow.faults import DefinitionFault
from fulfillment.workflow.places import CALLS, MARKS, Place
from fulfillment.workflow.shape import part
from fulfillment.workflow.templates import Template, policies, templates

DIRECTIVES = ("continue", "exit", "end")
_SECRET = re.compile(r"\$secrets\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*\"([^\"]*)\"\s*\])")


def faults(document: Any, places: Mapping[str, Place], tasks: Mapping[str, Any]) -> list[DefinitionFault]:
    """Every fault of a document and its tasks, by the pointers of both, in document order."""
    found = list(shape.document_faults(document))
    for pointer, place in places.items():
        if pointer:
            found += _shape_faults(document, place, tasks[pointer])
            found += _flow_faults(place, _names(places, place))
    if found:  # what follows may rely on shapes
        return list(dict.fromkeys(found))
    for pointer, place in places.items():
        found += _reference_faults(document, place, tasks[pointer])
    if found:
        return list(dict.fromkeys(found))
    for pointer, place in places.items():
        found += _schema_faults(place, tasks[pointer])
        for template in templates(document, places, tasks, place):
            found += _expression_faults(document, template)
    return list(dict.fromkeys(found))


def _names(places: Mapping[str, Place], place: Place) -> list[str]:
    around = place.pointer.rsplit("/", 2)[0]
    return [each.name for each in places.values() if each.pointer and each.pointer.rsplit("/", 2)[0] == around]


def _shape_faults(document: Any, place: Place, task: Any) -> Iterator[DefinitionFault]:
    if not isinstance(task, Mapping):
        yield DefinitionFault(place.pointer, shape.shown(task), "a task: an object")
        return
    marks = [mark for mark in MARKS if mark in task and not (mark == "do" and "for" in task)]
    if place.kind and len(marks) == 1:
        own = place.kind if marks != ["call"] or task["call"] in CALLS else "call function"
        yield from shape.task_faults(own, task, place.pointer)
    elif marks == ["call"]:
        functions = _shelf(document, "functions")
        allowed = ", ".join([*CALLS, *(str(name) for name in functions)])
        yield DefinitionFault(f"{place.pointer}/call", shape.shown(task["call"]), f"one of {allowed}")
    elif "run" in task and not marks:
        allowed = "a task other than run: containers, scripts, shells and other workflows are not started from here"
        yield DefinitionFault(f"{place.pointer}/run", "a run task", allowed)
    else:
        seen = f"a task with {', '.join(str(name) for name in task) or 'nothing in it'}"
        yield DefinitionFault(place.pointer, seen, f"exactly one of {', '.join(MARKS)}")


def _flow_faults(place: Place, names: list[str]) -> Iterator[DefinitionFault]:
    if names.index(place.name) != place.index and names.count(place.name) > 1:
        yield DefinitionFault(
            place.pointer, f"the name {place.name!r} for a second time", "one task of a name in a list"
        )
    allowed = list(DIRECTIVES) if place.branch == "fork" else [*DIRECTIVES, *names]
    targets = [("/then", place.then)]
    targets += [(f"/switch/{number}{part(case[0])}/then", case[2]) for number, case in enumerate(place.cases)]
    for where, target in targets:
        if target not in allowed:
            yield DefinitionFault(place.pointer + where, f"then: {target}", f"one of {', '.join(allowed)}")


def _reference_faults(document: Any, place: Place, task: Any) -> Iterator[DefinitionFault]:
    """Names of `use.*` that nothing stands under."""
    named = [("timeouts", "/timeout", task.get("timeout"))]
    if place.kind == "try":
        named.append(("retries", "/catch/retry", task["catch"].get("retry")))
    if place.kind == "raise":
        named.append(("errors", "/raise/error", task["raise"]["error"]))
    for shelf, where, name in named:
        if isinstance(name, str) and name not in _shelf(document, shelf):
            yield _unknown(document, shelf, place.pointer + where, name)
    if place.kind.startswith("call "):
        yield from _authentication_faults(document, place, task)


def _authentication_faults(document: Any, place: Place, task: Any) -> Iterator[DefinitionFault]:
    own = task["call"] in CALLS
    pointer = f"{place.pointer}/with" if own else f"/use/functions{part(task['call'])}/with"
    arguments = task["with"] if own else _shelf(document, "functions")[task["call"]]["with"]
    for where, policy in policies(arguments):
        name = policy.get("use")
        if name is not None and name not in _shelf(document, "authentications"):
            yield _unknown(document, "authentications", f"{pointer}{where}/use", name)
            continue
        at = f"/use/authentications{part(name)}" if name else pointer + where
        for scheme, details in (_shelf(document, "authentications")[name] if name else policy).items():
            secret = details.get("use")
            if secret is not None and secret not in _secrets(document):
                yield _unknown(document, "secrets", f"{at}/{scheme}/use", secret)


def _schema_faults(place: Place, task: Any) -> Iterator[DefinitionFault]:
    for member in ("input", "output", "export"):
        schema = task.get(member, {}).get("schema", {}).get("document")
        if schema is None:
            continue
        try:
            shape.schema_validator(schema)
        except ValueError as err:
            where = f"{place.pointer}/{member}/schema/document"
            yield DefinitionFault(where, str(err), "a JSON Schema (draft 2020-12) without outside references")


def _expression_faults(document: Any, template: Template) -> Iterator[DefinitionFault]:
    for where, expression in template.expressions():
        unknown = {dotted or quoted for dotted, quoted in _SECRET.findall(expression)} - _secrets(document)
        for name in sorted(unknown) if "secrets" in template.names else []:
            yield _unknown(document, "secrets", where, name)
        try:
            expressions.check(expression, template.names)
        except expressions.ExpressionError as err:
            seen = ", ".join(f"${name}" for name in sorted(template.names))
            yield DefinitionFault(where, str(err), f"a jq expression that sees {seen} and its data")


def _shelf(document: Any, name: str) -> Mapping[str, Any]:
    use = document.get("use") if isinstance(document, Mapping) else None
    found = use.get(name) if isinstance(use, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _secrets(document: Any) -> set[str]:
    return set(document.get("use", {}).get("secrets", ()))


def _unknown(document: Any, shelf: str, pointer: str, name: str) -> DefinitionFault:
    known = sorted(_secrets(document)) if shelf == "secrets" else sorted(_shelf(document, shelf))
    return DefinitionFault(
        pointer, f"the name {name!r}", f"a name of use.{shelf}: {', '.join(known) or 'there is none'}"
    )
