"""Does the engine pass the official conformance kit of the Serverless Workflow DSL?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests import at_hand
from tests.fulfillment.workflow import features, peers
from tests.fulfillment.workflow.features import Scenario

KIT = "spec/serverlessworkflow/ctk/features"
FOUND = {f"{each.file}: {each.title}": each for each in features.scenarios(at_hand.specs() / KIT)}
ABSENT = "the conformance kit"


def test_kit_has_all_its_scenarios() -> None:
    assert at_hand.published(KIT)
    assert len(FOUND) == 21


@pytest.mark.parametrize("name", FOUND or [ABSENT])
def test_scenario_passes(name: str) -> None:
    at_hand.published(KIT)
    with peers.serving() as address:
        features.play(FOUND[name], partial(peers.perform, address=address))


def test_step_that_does_not_hold_fails(tmp_path: Path) -> None:
    text = '''Feature: Told\n  Scenario: Wrong order\n    Given a workflow with definition:\n    """yaml
    document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}
    do: [{first: {set: {n: 1}}}, {second: {set: {n: 2}}}]
    """\n    When the workflow is executed\n    Then the workflow should complete\n'''
    (tmp_path / "told.feature").write_text(text)
    (fine,) = features.scenarios(tmp_path)
    features.play(fine, lambda effect: {})
    for sentence, block in (
        ("second should run first", ""),
        ("first should run after second", ""),
        ("the workflow should fault", ""),
        ("the workflow should complete with output:", "n: 3"),
        ("the workflow output should have a 'n' property with value:", "3"),
    ):
        with pytest.raises(AssertionError):
            features.play(Scenario("told", "x", (*fine.steps, (sentence, block))), lambda effect: {})
    with pytest.raises(KeyError, match="dances"):
        features.play(Scenario("told", "x", (*fine.steps, ("the workflow dances", ""))), lambda effect: {})
