"""Which steps of a faulted instance may an operator send it back to, and does each of them work?"""

from __future__ import annotations

import pytest

from fulfillment import workflow
from fulfillment.workflow import NotRetriableError
from tests.fulfillment.workflow.driving import HOST, NOW, Run

FAULTS = "raise: {error: {type: 'https://e.com/broken', status: 500}}"
NESTED = f"""
do:
- first: {{set: {{a: 1}}}}
- around:
    do:
    - second: {{set: {{b: 2}}}}
    - third: {{{FAULTS}}}
    - never: {{set: {{c: 3}}}}
- later: {{set: {{d: 4}}}}
"""
FORKED = f"""
do:
- both:
    fork:
      branches:
      - slow: {{wait: PT1H}}
      - broken: {{{FAULTS}}}
"""


def steps(run: Run) -> list[str]:
    return [pointer.rsplit("/", 1)[1] for pointer in workflow.retriable(run.definition, run.turn.state)]


def test_what_ran_in_the_open_lists_can_be_retried_and_nothing_else() -> None:
    run = Run(NESTED)
    assert steps(run) == ["first", "around", "second", "third"]
    able = workflow.retriable(run.definition, run.turn.state)
    for place in run.definition.places():
        if place.pointer in able:
            again = workflow.retry(run.definition, run.turn.state, place.pointer, now=NOW, host=HOST)
            assert again.status == "faulted"
        else:
            with pytest.raises(NotRetriableError):
                workflow.retry(run.definition, run.turn.state, place.pointer, now=NOW, host=HOST)


def test_branch_of_a_fork_is_retried_alone() -> None:
    assert steps(Run(FORKED)) == ["both", "broken"]


@pytest.mark.parametrize(
    "tasks", ["do: [{a: {set: {n: 1}}}]", "do: [{a: {wait: PT1H}}]", "timeout: {after: PT1S}\ndo: [{a: {wait: PT1H}}]"]
)
def test_nothing_is_retried_where_no_task_faulted(tasks: str) -> None:
    run = Run(tasks)
    if "timeout" in tasks:
        run.after(seconds=2)
    assert steps(run) == []
