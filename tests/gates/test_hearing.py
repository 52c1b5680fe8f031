"""Does the check of every message in the journeys close?"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.exchanges import Exchange, Ledger
from tests.at_hand import published
from tests.conftest import CHECKED
from tests.journeys.hearing import Hearing
from tests.journeys.schemas import PLACE

GOLDEN = Path(__file__).resolve().parents[1] / "fixtures" / "v1" / "on_confirm.json"


@dataclass
class Told:
    path: Path = Path("test_story.py")
    name: str = "test_end[1]"
    user_properties: list[tuple[str, object]] = field(default_factory=list)


@pytest.fixture
def hearing(tmp_path: Path) -> Hearing:
    """One that is to read a single ledger."""
    return Hearing(tmp_path, [Ledger()])


def golden() -> dict[str, Any]:
    message: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return message


def say(hearing: Hearing, message: dict[str, Any], *, direction: str = "in", genuine: bool = True) -> None:
    exchange = Exchange("", direction, "on_confirm", "", {}, json.dumps(message, indent=1), genuine=genuine)
    hearing.ledgers[0].note(exchange)


def test_unsigned_message_fails_its_story(hearing: Hearing) -> None:
    say(hearing, golden(), genuine=False)
    with pytest.raises(AssertionError, match="on_confirm"):
        hearing.note(Told())


def test_quote_that_does_not_add_up_fails_its_story(hearing: Hearing) -> None:
    message = golden()
    message["message"]["order"]["quote"]["price"]["value"] = "1.00"
    say(hearing, message)
    with pytest.raises(AssertionError):
        hearing.note(Told())


def test_every_message_is_checked_and_a_spoilt_one_named_with_its_story(hearing: Hearing) -> None:
    published(PLACE)
    story, spoilt = Told(), golden()
    spoilt["message"]["order"]["status"] = "Active"
    message_id = spoilt["context"]["message_id"] = str(uuid4())
    say(hearing, golden())
    say(hearing, {"context": {}}, direction="out")
    hearing.note(story)
    say(hearing, spoilt)
    told = rf"^test_story\.test_end\[1\], message 2, on_confirm {message_id}: core: \$.message.order.status "
    with pytest.raises(AssertionError, match=told):
        hearing.conclude()
    assert dict(story.user_properties) == {CHECKED: (2, 2)}  # the core and the domain both refuse it
