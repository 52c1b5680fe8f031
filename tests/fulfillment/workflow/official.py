"""Does the official schema of the DSL accept what our tests load, where that schema is at hand?"""

from __future__ import annotations

from functools import cache

import jsonschema_rs

from fulfillment.workflow import yaml12
from tests import at_hand

SCHEMA = "spec/serverlessworkflow/workflow.yaml"


def faults(text: str) -> list[str]:
    """What the official schema finds in a definition; nothing where the schema is not at hand."""
    validator = _validator()
    return [] if validator is None else [str(each) for each in validator.iter_errors(yaml12.read(text))]


def hold(text: str) -> None:
    """Fail where the official schema does not accept a definition."""
    assert faults(text) == []


@cache
def _validator() -> jsonschema_rs.Draft202012Validator | None:
    path = at_hand.specs() / SCHEMA
    return jsonschema_rs.Draft202012Validator(yaml12.read(path.read_text("utf-8"))) if path.exists() else None
