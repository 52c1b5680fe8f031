"""Do the published examples of Beckn 1.1 for charging parse, or are they refused for a real reason?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpp.dialects import choose
from tests.at_hand import published, specs
from tests.bpp.dialects.samples import CONTEXT

POSTMAN = "spec/uei-postman/ev-charging_uei_postman_collection.json"
EXAMPLES = sorted(
    path for path in (specs() / "spec").glob("deg*-v1-*examples/*/*.json") if not path.name.startswith("on_")
)


def bodies(items: list[dict[str, Any]]) -> list[str]:
    """The request bodies of a Postman collection, its variables filled in."""
    texts = [text for item in items for text in bodies(item.get("item", []))]
    texts += [item["request"]["body"]["raw"] for item in items if "request" in item]
    for name in ("bap_id", "bap_uri", "bpp_id", "bpp_uri"):
        texts = [text.replace(f"{{{{{name}}}}}", CONTEXT[name]) for text in texts]
    return [text.replace("{{$randomUUID}}", CONTEXT["message_id"]) for text in texts]


def understood(document: dict[str, Any]) -> None:
    action = document["context"]["action"]
    dialect = choose(document["context"])
    assert dialect.check(action, document).faults == ()
    dialect.parse(action, document)


def test_postman_collection_is_understood() -> None:
    found = [json.loads(text) for text in bodies(json.loads(published(POSTMAN).read_text(encoding="utf-8"))["item"])]
    assert len(found) == 10
    for document in found:
        understood(document)


def test_examples_are_at_hand() -> None:
    published("spec")
    assert len(EXAMPLES) > 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_published_request_is_understood(path: Path) -> None:
    understood(json.loads(path.read_text(encoding="utf-8")))
