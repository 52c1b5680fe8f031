"""What do the tasks do that need nothing from outside, and where does the flow go after them?"""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.workflow import machine
from tests.fulfillment.workflow.driving import NOW, STANDARD, Run, fault_of, output_of


def test_set_replaces_the_data() -> None:
    tasks = "do: [{first: {set: {a: 1}}}, {second: {set: {b: '${ .a + 1 }', c: [x, '${ . }']}}}]"
    assert output_of(tasks) == {"b": 2, "c": ["x", {"a": 1}]}


def test_set_may_be_one_expression_and_no_object() -> None:
    assert output_of("do: [{count: {set: '${ length }'}}, {more: {set: '${ . + 1 }'}}]", [1, 2]) == 3


def test_tasks_run_in_their_order() -> None:
    run = Run("do: [{a: {set: {v: '${ .v + [1] }'}}}, {b: {set: {v: '${ .v + [2] }'}}}]")
    assert run.turn.output == {"v": [1, 2]}
    assert run.names() == ["a", "b"]


def test_tasks_of_a_list_in_a_task_run_in_their_order() -> None:
    run = Run("do: [{all: {do: [{a: {set: {v: '${ .v + [1] }'}}}, {b: {set: {v: '${ .v + [2] }'}}}]}}]")
    assert run.turn.output == {"v": [1, 2]}
    assert run.names() == ["a", "b", "all"]


def test_then_jumps_forward_and_back_and_ends() -> None:
    run = Run(
        """
        do:
        - a: {set: {v: '${ .v + [1] }'}, then: c}
        - b: {set: {v: '${ .v + [2] }'}, then: end}
        - c: {set: {v: '${ .v + [3] }'}, then: b}
        """
    )
    assert run.turn.output == {"v": [1, 3, 2]}
    assert run.names() == ["a", "c", "b"]


def test_task_that_runs_again_is_another_visit() -> None:
    run = Run(
        """
        do:
        - count: {set: {n: '${ .n + 1 }'}}
        - enough: {switch: [{no: {when: .n < 3, then: count}}, {yes: {then: end}}]}
        """
    )
    assert run.turn.output == {"n": 3}
    assert [(step.name, step.visit) for step in run.steps if step.name == "count"] == [
        ("count", "1"),
        ("count", "2"),
        ("count", "3"),
    ]


SWITCH = """
do:
- choose:
    switch:
    - red: {when: .color == "red", then: seenRed}
    - green: {when: '${ .color == "green" }', then: seenGreen}
    {default}
    {then}
- seenRed: {set: {seen: red}, then: end}
- seenGreen: {set: {seen: green}, then: end}
- seenOther: {set: {seen: other}, then: end}
"""


@pytest.mark.parametrize(
    ("color", "default", "then", "output"),
    [
        ("red", "", "", {"seen": "red"}),
        ("green", "- other: {then: seenOther}", "", {"seen": "green"}),
        ("blue", "- other: {then: seenOther}", "", {"seen": "other"}),
        ("blue", "- other: {then: seenOther}", "then: end", {"seen": "other"}),
        ("blue", "", "then: end", {"color": "blue"}),
        ("blue", "", "", {"seen": "red"}),
    ],
)
def test_switch_takes_the_first_case_that_holds(color: str, default: str, then: str, output: Any) -> None:
    tasks = SWITCH.replace("{default}", default).replace("    {then}", f"  {then}" if then else "")
    assert output_of(tasks.replace("\n  then", "\n    then"), {"color": color}) == output


def test_condition_holds_only_where_it_is_true() -> None:
    tasks = "do: [{a: {switch: [{x: {when: .v, then: b}}], then: end}}, {b: {set: {held: true}}}]"
    assert output_of(tasks, {"v": True}) == {"held": True}
    values: tuple[Any, ...] = ("true", 1, {}, None, False)
    for value in values:
        assert output_of(tasks, {"v": value}) == {"v": value}


def test_default_case_may_stand_before_others() -> None:
    tasks = """
        do:
        - a: {switch: [{other: {then: c}}, {one: {when: . == 1, then: b}}]}
        - b: {set: {at: b}, then: end}
        - c: {set: {at: c}, then: end}
        """
    assert (output_of(tasks, 1), output_of(tasks, 2)) == ({"at": "b"}, {"at": "c"})


def test_nested_end_ends_the_whole_workflow() -> None:
    run = Run("do: [{a: {do: [{b: {do: [{c: {set: {n: 1}, then: end}}, {d: {set: {n: 2}}}]}}]}}, {e: {set: {n: 3}}}]")
    assert run.turn.output == {"n": 1}
    assert run.names() == ["c", "b", "a"]


def test_exit_ends_its_list() -> None:
    run = Run("do: [{a: {do: [{b: {set: {n: 1}, then: exit}}, {c: {set: {n: 2}}}]}}, {d: {set: {m: '${ .n }'}}}]")
    assert run.turn.output == {"m": 1}
    assert run.names() == ["b", "a", "d"]


def test_task_whose_condition_fails_is_skipped() -> None:
    run = Run("do: [{a: {if: .go, set: {n: 1}, then: end}}, {b: {set: {seen: '${ . }'}}}]", {"go": False})
    assert run.turn.output == {"seen": {"go": False}}
    assert run.names("skipped") == ["a"]


def test_raise_faults_at_its_place() -> None:
    error = "{type: 'https://example.com/full', status: 409, title: '${ .title }', detail: '${ \"no \\(.what)\" }'}"
    assert fault_of(f"do: [{{a: {{do: [{{b: {{raise: {{error: {error}}}}}}}]}}}}]", {"title": "Full", "what": 7}) == {
        "type": "https://example.com/full",
        "status": 409,
        "title": "Full",
        "detail": "no 7",
        "instance": "/do/0/a/do/0/b",
    }


def test_raise_without_texts_has_none() -> None:
    found = fault_of("do: [{stop: {raise: {error: {type: 'https://example.com/x', status: 400}}}}]")
    assert found == {"type": "https://example.com/x", "status": 400, "instance": "/do/0/stop"}


def test_raise_may_name_an_error_and_another_place() -> None:
    tasks = """
        use: {errors: {full: {type: 'https://example.com/full', status: 409, instance: /elsewhere, title: '${ null }'}}}
        do: [{stop: {raise: {error: full}}}]
        """
    assert fault_of(tasks) == {"type": "https://example.com/full", "status": 409, "instance": "/elsewhere"}


def test_raise_with_a_title_that_is_no_text_is_an_expression_error() -> None:
    found = fault_of("do: [{stop: {raise: {error: {type: 'https://example.com', status: 400, title: '${ [] }'}}}}]")
    assert (found["type"], found["status"]) == (STANDARD + "expression", 400)


def test_emit_sends_a_whole_event_and_yields_it() -> None:
    run = Run(
        """
        do:
        - tell:
            emit: {event: {with: {source: 'https://example.com', type: com.example.told.v1, data: {who: '${ .who }'}}}}
        """,
        {"who": "Ann"},
    )
    (event,) = run.events
    assert run.turn.output == event
    assert event.pop("id")
    assert event == {
        "specversion": "1.0",
        "time": "2026-11-21T12:00:00Z",
        "source": "https://example.com",
        "type": "com.example.told.v1",
        "datacontenttype": "application/json",
        "data": {"who": "Ann"},
    }


def test_event_has_an_id_of_its_run_and_its_instance() -> None:
    tasks = """
        do:
        - loop:
            for: {in: .}
            do: [{tell: {emit: {event: {with: {source: 'https://example.com', type: t, subject: '${ null }'}}}}}]
        """
    first, again = Run(tasks, [1, 2]), Run(tasks, [1, 2])
    ids = [event["id"] for event in first.events]
    assert len(set(ids)) == 2
    assert ids == [event["id"] for event in again.events]
    assert "subject" not in first.events[0]


def test_event_may_bring_its_own_attributes() -> None:
    with_ = (
        "{source: 'https://example.com', type: t, id: mine, time: '2020-01-01T00:00:00Z', datacontenttype: text/plain}"
    )
    (event,) = Run(f"do: [{{tell: {{emit: {{event: {{with: {with_}}}}}}}}}]").events
    assert (event["id"], event["time"], event["datacontenttype"]) == ("mine", "2020-01-01T00:00:00Z", "text/plain")


def test_event_attribute_that_is_no_text_is_an_expression_error() -> None:
    found = fault_of("do: [{tell: {emit: {event: {with: {source: 'https://e.com', type: t, subject: '${ [1] }'}}}}}]")
    assert found["type"] == STANDARD + "expression"
    assert "subject" in found["detail"]


def test_loop_carries_its_output_from_turn_to_turn() -> None:
    tasks = """
        do:
        - loop:
            for: {each: color, at: place, in: .colors}
            do: [{mark: {set: '${ { done: (.done + [[$color, $place]]) } }'}}]
        """
    assert output_of(tasks, {"colors": ["red", "blue"]}) == {"done": [["red", 0], ["blue", 1]]}


def test_loop_names_item_and_index_by_default() -> None:
    run = Run("do: [{loop: {for: {in: '[5, 6]'}, do: [{a: {set: '${ [., $item, $index] }'}}]}}]", 0)
    assert run.turn.output == [[0, 5, 0], 6, 1]
    assert [step.visit for step in run.steps if step.name == "a"] == ["1.1.1", "1.2.1"]


def test_loop_over_nothing_yields_its_input() -> None:
    assert output_of("do: [{loop: {for: {in: '[]'}, do: [{a: {set: {x: 1}}}]}}]", {"y": 2}) == {"y": 2}


def test_loop_ends_where_its_condition_does() -> None:
    tasks = "do: [{loop: {for: {in: '[1, 2, 3]'}, while: $item < 3 and . < 9, do: [{a: {set: '${ . + $item }'}}]}}]"
    assert output_of(tasks, 0) == 3


def test_exit_in_a_loop_ends_the_turn() -> None:
    tasks = """
        do:
        - loop: {for: {in: '[1, 2]'}, do: [{a: {set: '${ . + $item }', then: exit}}, {b: {set: 100}}]}
        """.replace("set: 100", "set: '${ 100 }'")
    assert output_of(tasks, 0) == 3


def test_loop_over_something_else_is_an_expression_error() -> None:
    found = fault_of("do: [{loop: {for: {in: .}, do: [{a: {set: {x: 1}}}]}}]", {"a": 1})
    assert (found["type"], found["instance"]) == (STANDARD + "expression", "/do/0/loop")


def test_loop_over_what_no_state_can_keep_is_a_runtime_error() -> None:
    found = fault_of("do: [{loop: {for: {in: '[1e300]'}, do: [{a: {set: {x: 1}}}]}}]")
    assert (found["type"], found["instance"]) == (STANDARD + "runtime", "/do/0/loop")


def test_fork_yields_all_outputs_in_the_order_of_its_branches() -> None:
    run = Run(
        "do: [{f: {fork: {branches: [{a: {set: {n: 1}}}, {b: {do: [{c: {set: {n: 2}}}]}}]}}}, {g: {set: '${ . }'}}]"
    )
    assert run.turn.output == [{"n": 1}, {"n": 2}]
    assert run.names() == ["a", "c", "b", "f", "g"]


def test_race_yields_the_first_output() -> None:
    run = Run("do: [{f: {fork: {compete: true, branches: [{a: {set: {n: 1}}}, {b: {set: {n: 2}}}]}}}]")
    assert run.turn.output == {"n": 1}
    assert run.names() == ["a", "f"]


def test_branch_that_never_started_stays_out_of_what_follows_the_race() -> None:
    run = Run(
        "do: [{f: {fork: {compete: true, branches: [{a: {set: {n: 1}}}, {b: {wait: PT1H}}]}}}, {c: {wait: PT1M}}]"
    )
    assert run.names() == ["a", "f"]
    assert run.after(minutes=1).output == {"n": 1}


def test_race_cancels_what_still_waits() -> None:
    run = Run(
        """
        do:
        - f:
            fork:
              compete: true
              branches:
              - slow: {do: [{long: {wait: PT1H}}, {a: {set: {n: 1}}}]}
              - fast: {do: [{short: {wait: PT1M}}, {b: {set: {n: 2}}}]}
        """
    )
    assert run.turn.status == "waiting"
    run.after(minutes=1)
    assert run.turn.output == {"n": 2}
    assert run.names("cancelled") == ["long", "slow"]


def test_fault_in_a_branch_cancels_the_others() -> None:
    run = Run(
        """
        do:
        - t:
            try:
            - f:
                fork:
                  branches:
                  - waits: {wait: PT1H}
                  - fails: {raise: {error: {type: 'https://example.com/x', status: 400}}}
                  - never: {set: {n: 1}}
            catch: {do: [{mend: {set: '${ $error.instance }'}}]}
        """
    )
    assert run.turn.output == "/do/0/t/try/0/f/fork/branches/1/fails"
    assert run.names("cancelled") == ["waits"]
    assert run.names("faulted") == ["fails", "f"]
    assert run.names() == ["mend", "t"]


def test_end_in_a_branch_ends_everything() -> None:
    run = Run("do: [{f: {fork: {branches: [{a: {wait: PT1H}}, {b: {set: {n: 1}, then: end}}, {c: {set: {n: 2}}}]}}}]")
    assert (run.turn.status, run.turn.output) == ("completed", {"n": 1})
    assert run.names("cancelled") == ["a"]


def test_loop_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_STEPS", 50)
    tasks = """
        do:
        - t:
            try: [{a: {set: {n: 1}}}, {b: {set: {n: 2}, then: a}}]
            catch: {do: [{again: {set: {n: 3}}}]}
        """
    found = fault_of(tasks)
    assert (found["type"], found["status"]) == (STANDARD + "runtime", 500)
    assert "a loop without an end?" in found["detail"]


def test_output_too_large_to_keep_is_a_runtime_error() -> None:
    found = fault_of("do: [{a: {set: {text: '${ [range(300000)] }'}}}]")
    assert (found["type"], found["status"], found["instance"]) == (STANDARD + "runtime", 500, "/do/0/a")
    assert "at most 1000000" in found["detail"]


@pytest.mark.parametrize(("expression", "reason"), [("1e300", "cannot be kept"), ('"\\u0000"', "NUL")])
def test_output_that_no_state_can_keep_is_a_runtime_error(expression: str, reason: str) -> None:
    assert reason in fault_of(f"do: [{{a: {{set: {{x: '${{ {expression} }}'}}}}}}]")["detail"]


def test_text_about_nul_is_no_nul() -> None:
    text = "\\u0000"
    assert output_of("do: [{a: {set: {x: '${ . }'}}}]", text) == {"x": text}


def test_loop_without_an_end_faults_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_STEPS", 3)
    assert fault_of("do: [{a: {set: {n: 1}}}, {b: {set: {n: 2}, then: a}}]")["instance"] == "/do/0/a"


def test_steps_tell_input_output_and_time() -> None:
    run = Run("do: [{a: {input: {from: .x}, set: {n: '${ . }'}, output: {as: .n}}}]", {"x": 5})
    (step,) = run.steps
    assert (step.name, step.kind, step.state, step.at) == ("a", "set", "completed", NOW)
    assert (step.input, step.output, step.fault) == (5, 5, None)
