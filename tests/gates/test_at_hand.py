"""Is a test that lacks something skipped, and does it fail where the thing must be there?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import at_hand
from tests.journeys import schemas

Outcome = type[BaseException]
SKIPPED: Outcome = pytest.skip.Exception
FAILED: Outcome = pytest.fail.Exception


@pytest.fixture
def nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without specifications; the folder where they would lie."""
    monkeypatch.setattr(at_hand, "BESIDE", tmp_path / "shared")
    monkeypatch.delenv("BECKN_SPECS", raising=False)
    return tmp_path / "shared"


def test_specification_is_skipped_without_its_folder_and_missed_in_it(nothing_beside: Path) -> None:
    with pytest.raises(SKIPPED, match="BECKN_SPECS"):
        at_hand.published("spec")
    nothing_beside.mkdir()
    with pytest.raises(FAILED, match="BECKN_SPECS"):
        at_hand.published("spec")
    (nothing_beside / "spec").mkdir()
    assert at_hand.published("spec") == nothing_beside / "spec"


def test_specification_is_missed_where_a_folder_was_named(
    nothing_beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BECKN_SPECS", str(nothing_beside))
    with pytest.raises(FAILED, match="is not at hand; name the folder"):
        at_hand.published("tools/none.py")


@pytest.mark.parametrize(("required", "outcome"), [("", SKIPPED), ("0", SKIPPED), ("1", FAILED)])
def test_program_is_missed_where_tools_are_required(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: Outcome
) -> None:
    monkeypatch.setenv("VB_REQUIRE_TOOLS", required)
    with pytest.raises(outcome, match="no-such-program is not at hand; apt-get install nothing"):
        at_hand.program("no-such-program", package="nothing")
    assert at_hand.program("no-such-program", "sh", package="nothing").endswith("/sh")


@pytest.mark.usefixtures("nothing_beside")
def test_message_is_not_called_sound_without_the_checker() -> None:
    with pytest.raises(SKIPPED):
        schemas.schema_faults({"context": {"action": "on_search"}})
