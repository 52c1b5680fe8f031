"""Of which parts are our JSON Schemas (draft 2020-12) built?

Each part carries a `description` that completes the sentence "send …", so that a fault can say what is allowed.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def text(description: str, *, limit: int = 255, pattern: str | None = None) -> Schema:
    """A text of 1 to `limit` characters."""
    schema: Schema = {"type": "string", "minLength": 1, "maxLength": limit, "description": description}
    return schema if pattern is None else {**schema, "pattern": pattern}


def formatted(description: str, form: str) -> Schema:
    """A text of a JSON Schema format: date-time, uri, uuid, email."""
    return {"type": "string", "format": form, "description": description}


def loose(description: str, *types: str) -> Schema:
    """Any of the JSON types, or null; read with care later."""
    return {"type": [*types, "null"], "description": description}


def one_of(*values: str) -> Schema:
    """One of a few words."""
    return {"enum": list(values), "description": "one of " + ", ".join(values)}


def thing(
    description: str, needed: dict[str, Schema], optional: dict[str, Schema] | None = None, *, closed: bool
) -> Schema:
    """An object with needed and optional members; `closed` allows no others."""
    schema: Schema = {
        "type": "object",
        "description": description,
        "properties": {**needed, **(optional or {})},
    }
    if needed:
        schema["required"] = list(needed)
    if closed:
        schema["additionalProperties"] = False
    return schema


def rows(item: Schema, *, least: int = 0) -> Schema:
    """A list of `item`, at least `least` long."""
    return {"type": "array", "items": item, "minItems": least, "description": f"an array of {item['description']}"}
