"""Does a value hold to the schema a definition gives for it? Pure. Source: dsl-reference.md, Schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from fulfillment.workflow.faults import fault
from fulfillment.workflow.shape import part, schema_validator, shown


def hold(holder: Mapping[str, Any], value: Any, what: str) -> None:
    """Check `value` against `holder.schema.document`, if there is one. Raises Fault (validation)."""
    schema = holder.get("schema")
    if schema is None:
        return
    found = next(_validator(orjson.dumps(schema["document"])).iter_errors(value), None)
    if found is not None:
        where = "".join(part(step) for step in found.instance_path)
        text = f"the {what}{' at ' + where if where else ''} is {shown(found.instance)}: {found.message}"
        raise fault("validation", text)


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return schema_validator(orjson.loads(schema))
