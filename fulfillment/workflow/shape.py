"""What may a document and each kind of task look like? Pure: our own JSON Schema of the DSL 1.0.x that we run.

It is stricter than the official one: it names what this engine does not do, instead of passing it over. Each task is
checked by itself, so that a fault is told at its place and not as «matches none of twelve schemas».
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import jsonschema_rs

from fulfillment.workflow.faults import DefinitionFault

LONGEST_SEEN = 80
_SHAPE: dict[str, Any] = json.loads(Path(__file__).with_name("shape.json").read_text("utf-8"))
KINDS = frozenset(_SHAPE["tasks"])


def document_faults(document: object) -> Iterator[DefinitionFault]:
    """What is wrong with a document outside its tasks."""
    yield from _faults("workflow", document, "")


def task_faults(kind: str, task: object, pointer: str) -> Iterator[DefinitionFault]:
    """What is wrong with one task of a known kind, outside the lists of tasks in it."""
    yield from _faults(kind, task, pointer)


def schema_validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """The validator of an `input.schema` and the like. Raises ValueError where it is no JSON Schema on its own."""
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_nothing_from_outside)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as err:
        raise ValueError(str(err).split("\n", maxsplit=1)[0]) from err


def part(name: object) -> str:
    """One step of a JSON pointer. Source: RFC 6901."""
    return "/" + str(name).replace("~", "~0").replace("/", "~1")


def shown(value: object) -> str:
    """A value for people, cut short."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= LONGEST_SEEN else text[: LONGEST_SEEN - 1] + "…"


def _faults(of: str, instance: object, pointer: str) -> Iterator[DefinitionFault]:
    schema, validator = _validator(of)
    for found in validator.iter_errors(instance):
        where = pointer + "".join(part(step) for step in found.instance_path)
        yield DefinitionFault(where, _seen(found), _allowed(schema, found))


@cache
def _validator(of: str) -> tuple[dict[str, Any], jsonschema_rs.Draft202012Validator]:
    if of == "workflow":
        body = _SHAPE["workflow"]
    else:
        properties = _SHAPE["every task"] | _SHAPE["tasks"][of]
        body = {
            "type": "object",
            "properties": properties,
            "required": _SHAPE["required"][of],
            "additionalProperties": False,
            "description": f"a task with {', '.join(properties)}",
        }
    schema = {"$defs": _SHAPE["$defs"], **body}
    return schema, jsonschema_rs.Draft202012Validator(schema)


def _seen(found: jsonschema_rs.ValidationError) -> str:
    if found.kind.name == "required":
        return f"{getattr(found.kind, 'property', 'a member')} is missing"
    if found.kind.name in {"additionalProperties", "propertyNames"}:
        return found.message[:LONGEST_SEEN]
    return shown(found.instance)


def _allowed(schema: Mapping[str, Any], found: jsonschema_rs.ValidationError) -> str:
    """The description nearest above the rule that failed."""
    node: Any = schema
    nearest = str(schema.get("description", ""))
    for step in found.schema_path:
        node = node[step]
        nearest = node.get("description", nearest) if isinstance(node, dict) else nearest
    return nearest or found.message


def _nothing_from_outside(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside this schema and not fetched")
