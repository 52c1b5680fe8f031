"""What data does a task see, what does it pass on, and what do expressions see around it?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment import workflow
from fulfillment.workflow import Host, StateError
from tests.fulfillment.workflow.driving import HOST, NOW, STANDARD, Run, answer, define, fault_of, output_of


def test_first_task_gets_the_transformed_input_of_the_workflow() -> None:
    tasks = "input: {from: .order}\ndo: [{a: {set: {now: '${ .id }', before: '${ $workflow.input.order.id }'}}}]"
    assert output_of(tasks, {"order": {"id": 7}}) == {"now": 7, "before": 7}


def test_output_of_the_workflow_is_transformed_last() -> None:
    tasks = "output: {as: '{id: .n, seen: $context.seen}'}\ndo: [{a: {set: {n: 1}, export: {as: '{seen: .n}'}}}]"
    assert output_of(tasks) == {"id": 1, "seen": 1}


def test_input_may_be_filtered_to_a_scalar() -> None:
    tasks = "do: [{a: {input: {from: .user.subject}, set: {player: '${ . }', raw: '${ $task.input.user.subject }'}}}]"
    assert output_of(tasks, {"user": {"subject": "6As"}}) == {"player": "6As", "raw": "6As"}


def test_input_may_be_built_from_an_object() -> None:
    assert output_of("do: [{a: {input: {from: {x: '${ .y }'}}, set: {seen: '${ . }'}}}]", {"y": 1}) == {
        "seen": {"x": 1}
    }


def test_output_may_be_built_from_an_object() -> None:
    tasks = "do: [{a: {set: {n: 1}, output: {as: {m: '${ .n }', raw: '${ $task.output.n }'}}}}]"
    assert output_of(tasks) == {"m": 1, "raw": 1}


def test_context_starts_empty_and_is_replaced_by_export() -> None:
    run = Run(
        """
        do:
        - a: {set: {n: 1}, export: {as: '$context + {a: .n}'}}
        - b: {set: {n: 2}, output: {as: .n}, export: {as: '$context + {b: ., c: $output, d: $task.output.n}'}}
        - c: {set: '${ $context }'}
        - d: {set: {n: 3}, export: {as: {only: '${ .n }'}}}
        - e: {set: '${ [., $context] }'}
        """
    )
    assert run.turn.output == [{"n": 3}, {"only": 3}]
    assert run.steps[2].output == {"a": 1, "b": 2, "c": 2, "d": 2}


def test_export_from_inside_is_seen_outside() -> None:
    tasks = "do: [{a: {do: [{b: {set: {n: 1}, export: {as: .}}}]}}, {c: {set: '${ $context }'}}]"
    assert output_of(tasks) == {"n": 1}


def test_caught_error_leaves_the_context() -> None:
    tasks = """
        do:
        - t:
            try: [{a: {set: {n: 1}, export: {as: .}}}, {b: {set: '${ .n.x }'}}]
            catch: {}
        - c: {set: '${ [., $context] }'}
        """
    assert output_of(tasks, 0) == [0, {"n": 1}]


SCHEMA = "{document: {type: object, required: [n], properties: {n: {type: integer}}}}"


@pytest.mark.parametrize(
    ("tasks", "pointer", "what"),
    [
        (f"input: {{schema: {SCHEMA}}}\ndo: [{{a: {{set: {{n: 1}}}}}}]", "", "the input"),
        (f"output: {{schema: {SCHEMA}}}\ndo: [{{a: {{set: {{m: 1}}}}}}]", "", "the output"),
        (f"do: [{{a: {{input: {{schema: {SCHEMA}}}, set: {{n: 1}}}}}}]", "/do/0/a", "the input"),
        (f"do: [{{a: {{output: {{schema: {SCHEMA}}}, set: {{n: x}}}}}}]", "/do/0/a", "the output at /n is x"),
        (f"do: [{{a: {{export: {{as: '{{}}', schema: {SCHEMA}}}, set: {{n: x}}}}}}]", "/do/0/a", "the context is {}"),
        (f"do: [{{a: {{export: {{schema: {SCHEMA}}}, set: {{n: x}}}}}}]", "/do/0/a", "the context is {}"),
    ],
)
def test_data_that_does_not_hold_to_its_schema_is_a_validation_error(tasks: str, pointer: str, what: str) -> None:
    found = fault_of(tasks)
    assert (found["type"], found["status"], found["instance"]) == (STANDARD + "validation", 400, pointer)
    assert found["detail"].startswith(what)


def test_data_that_holds_passes() -> None:
    tasks = f"input: {{schema: {SCHEMA}}}\ndo: [{{a: {{set: '${{ . }}', output: {{schema: {SCHEMA}, as: .}}}}}}]"
    assert output_of(tasks, {"n": 5}) == {"n": 5}


def test_expressions_see_workflow_task_and_runtime() -> None:
    host = Host(runtime_name="somewhere", runtime_version="2.1")
    run = Run("do: [{a: {set: {w: '${ $workflow }', t: '${ $task }', r: '${ $runtime }'}}}]", {"n": 1}, host=host)
    time = {"iso8601": "2026-11-21T12:00:00Z", "epoch": {"seconds": 1795262400, "milliseconds": 1795262400000}}
    output = run.turn.output
    assert output["w"] == {"id": "i-1", "definition": run.definition.document, "input": {"n": 1}, "startedAt": time}
    assert output["r"] == {"name": "somewhere", "version": "2.1", "metadata": {}}
    assert output["t"] == {
        "name": "a",
        "reference": "/do/0/a",
        "definition": run.definition.task("/do/0/a"),
        "input": {"n": 1},
        "startedAt": time,
    }


def test_tasks_have_their_own_time() -> None:
    run = Run(
        "do: [{a: {wait: PT90S}}, {b: {set: '${ $task.startedAt.epoch.seconds - $workflow.startedAt.epoch.seconds }'}}]"
    )
    assert run.after(seconds=90).output == 90


def test_scalars_pass_between_calls() -> None:
    run = Run(
        """
        do:
        - one: {call: http, with: {method: get, endpoint: 'https://example.com/{id}'}, output: {as: .id}}
        - two: {call: http, with: {method: get, endpoint: 'https://e.com/2'}, output: {as: '{ids: [$input, .id]}'}}
        """,
        {"id": 1},
    )
    run.answer(answer({"id": 1}))
    assert run.answer(answer({"id": 2})).output == {"ids": [1, 2]}


def test_expression_that_fails_is_an_expression_error_of_its_task() -> None:
    found = fault_of("do: [{a: {do: [{b: {set: {n: '${ .x.y }'}}}]}}]", {"x": 1})
    assert found == {
        "type": STANDARD + "expression",
        "status": 400,
        "title": "Expression Error",
        "detail": '.x.y: Cannot index number with string ("y")',
        "instance": "/do/0/a/do/0/b",
    }


@pytest.mark.parametrize("value", [{1, 2}, object(), 2**70, "\ud800", ["a\0b"], "x" * 1_000_001])
def test_input_that_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot keep|surrogates|NUL|at most"):
        workflow.begin(define("do: [{a: {set: {n: 1}}}]"), value, instance="i", now=NOW, host=HOST)


def test_state_of_another_definition_is_refused() -> None:
    run = Run("do: [{a: {wait: PT1S}}]")
    for state in (run.turn.state | {"version": 0}, run.turn.state | {"definition": "0" * 64}):
        with pytest.raises(StateError, match="the state is"):
            workflow.wake(run.definition, state, now=NOW, host=HOST)
