"""Where does a faulted instance go on when an operator retries it?"""

from __future__ import annotations

import pytest

from fulfillment.workflow import NotRetriableError, UnknownEffectError
from tests.fulfillment.workflow.driving import Run, answer

CALLS = """
use: {functions: {ask: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}}
do:
- before: {set: {n: 1}, export: {as: .}}
- outer:
    do:
    - first: {call: ask, output: {as: '{first: .}'}}
    - second: {call: ask, output: {as: '{second: ., input: $input}'}}
- after: {set: '${ [., "after"] }'}
"""


def faulted() -> Run:
    """The second call has failed."""
    run = Run(CALLS)
    run.answer(answer(1))
    run.answer(answer(status=500))
    assert run.turn.status == "faulted"
    return run


def test_faulted_task_runs_again_with_its_input_and_the_same_effect() -> None:
    run = faulted()
    assert run.wanted() == ()
    run.retry("/do/1/outer/do/1/second")
    (effect,) = run.wanted()
    assert (effect.id, effect.attempt, run.turn.status, run.turn.fault) == (
        "/do/1/outer/do/1/second#1.1",
        2,
        "running",
        None,
    )
    run.answer(answer(2))
    assert run.turn.output == [{"second": 2, "input": {"first": 1}}, "after"]


def test_task_before_it_runs_again_as_the_same_visit() -> None:
    run = faulted()
    run.retry("/do/1/outer/do/0/first")
    assert (run.wanted()[0].id, run.wanted()[0].attempt) == ("/do/1/outer/do/0/first#1.1", 2)
    run.answer(answer(10))
    assert run.wanted()[0].id == "/do/1/outer/do/1/second#1.1"
    run.answer(answer(20))
    assert run.turn.output == [{"second": 20, "input": {"first": 10}}, "after"]


@pytest.mark.parametrize(("pointer", "runs"), [("/do/1/outer", 2), ("/do/0/before", 2)])
def test_task_around_it_or_before_that_runs_again(pointer: str, runs: int) -> None:
    run = faulted()
    run.retry(pointer)
    run.answer(answer(1))
    run.answer(answer(2))
    assert run.turn.status == "completed"
    assert len([step for step in run.steps if (step.name, step.state) == ("outer", "started")]) == runs


def test_no_attempt_of_a_run_is_told_twice() -> None:
    run = faulted()
    for _ in range(3):
        run.retry("/do/1/outer/do/0/first")
        run.answer(answer(1))
        run.answer(answer(status=500))
    for state in ("started", "completed", "faulted"):
        keys = [(step.pointer, step.visit, step.attempt) for step in run.steps if step.state == state]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("pointer", ["/do/2/after", "/do/9/none", "", "/do", "/do/1/outer/do/2/x", "second"])
def test_task_that_has_not_run_there_is_refused(pointer: str) -> None:
    with pytest.raises(NotRetriableError, match="neither '/do/1/outer/do/1/second', which faulted"):
        faulted().retry(pointer)


def test_instance_that_did_not_fault_is_refused() -> None:
    for run in (Run("do: [{a: {set: {n: 1}}}]"), Run("do: [{a: {wait: PT1S}}]")):
        with pytest.raises(NotRetriableError, match="not faulted"):
            run.retry("/do/0/a")


def test_fault_of_the_workflow_itself_is_refused() -> None:
    run = Run("output: {as: .n.x}\ndo: [{a: {set: {n: 1}}}]")
    with pytest.raises(NotRetriableError):
        run.retry("/do/0/a")


def test_retry_counts_on_from_the_retries_of_the_definition() -> None:
    run = Run(
        """
        do:
        - t:
            try: [{call: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}]
            catch: {retry: {limit: {attempt: {count: 1}}}}
        """
    )
    run.answer(answer(status=500))
    run.answer(answer(status=500))
    run.retry("/do/0/t")
    assert run.wanted()[0].attempt == 3
    run.answer(answer(status=500))
    assert run.wanted()[0].attempt == 4
    assert run.answer(answer("fine")).output == "fine"


def test_retry_inside_a_used_up_try_faults_at_once_again() -> None:
    run = Run(
        """
        do:
        - t:
            try: [{call: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}]
            catch: {retry: {limit: {attempt: {count: 0}}}}
        """
    )
    run.answer(answer(status=500))
    run.retry("/do/0/t/try/0/call")
    assert run.answer(answer(status=500)).status == "faulted"


def test_other_branches_go_on_where_they_were() -> None:
    run = Run(
        """
        use: {functions: {ask: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}}
        do: [{f: {fork: {branches: [{a: {call: ask}}, {b: {call: ask}}]}}}]
        """
    )
    first, second = (effect.id for effect in run.wanted())
    run.answer(answer(status=500), first)
    with pytest.raises(UnknownEffectError):
        run.answer(answer(2), second)
    with pytest.raises(NotRetriableError):
        run.retry("/do/0/f/fork/branches/1/b")
    run.retry("/do/0/f/fork/branches/0/a")
    assert {effect.id for effect in run.wanted()} == {first, second}
    run.answer(answer(2), second)
    run.answer(answer(1), first)
    assert run.turn.output == [1, 2]
