"""Which errors does a try catch, does it try again, and when?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fulfillment.workflow.driving import NOW, STANDARD, Run, answer, fault_of, output_of

ERROR = "{type: 'https://example.com/full', status: 409, title: Full, detail: no slot}"


def caught(catch: str, input_: Any = None) -> Run:
    """A try whose only task raises ERROR; what follows sees the output."""
    return Run(f"do: [{{t: {{try: [{{a: {{raise: {{error: {ERROR}}}}}}}], catch: {catch}}}}}]", input_)


DO = "do: [{mend: {set: {mended: true}}}]"


@pytest.mark.parametrize(
    ("catch", "held"),
    [
        ("{}", True),
        ("{errors: {}}", True),
        ("{errors: {with: {status: 409}}}", True),
        ("{errors: {with: {status: 409, type: 'https://example.com/full', title: Full, detail: no slot}}}", True),
        ("{errors: {with: {details: no slot, instance: /do/0/t/try/0/a}}}", True),
        ("{errors: {with: {status: 404}}}", False),
        ("{errors: {with: {status: 409, title: Other}}}", False),
        ("{errors: {with: {detail: other}}}", False),
        ("{when: .status == 409}", True),
        ('{when: $error.detail == "no slot"}', True),
        ("{as: e, when: '${ $e.title == \"Full\" }'}", True),
        ("{when: .status == 404}", False),
        ("{exceptWhen: .status == 409}", False),
        ("{exceptWhen: .status == 404}", True),
        ("{errors: {with: {status: 409}}, when: .status == 409, exceptWhen: $input.never}", False),
        ("{errors: {with: {status: 409}}, when: .status == 409, exceptWhen: $input.always}", True),
    ],
)
def test_catch_takes_what_all_its_conditions_hold_for(catch: str, held: bool) -> None:
    run = caught(catch[:-1] + (", " if catch != "{}" else "") + DO + "}", {"never": True, "always": False})
    assert run.turn.status == ("completed" if held else "faulted")


def test_caught_error_is_seen_by_the_tasks_of_the_catch() -> None:
    run = caught("{as: e, do: [{tell: {set: {e: '${ $e }', data: '${ . }'}}}]}", {"x": 1})
    assert run.turn.output == {
        "e": {
            "type": "https://example.com/full",
            "status": 409,
            "title": "Full",
            "detail": "no slot",
            "instance": "/do/0/t/try/0/a",
        },
        "data": {"x": 1},
    }
    assert [(step.name, step.state) for step in run.steps] == [
        ("t", "started"),
        ("a", "faulted"),
        ("tell", "completed"),
        ("t", "completed"),
    ]


def test_error_caught_without_tasks_leaves_the_input() -> None:
    assert caught("{}", {"x": 1}).turn.output == {"x": 1}


def test_try_without_error_yields_its_last_output() -> None:
    tasks = "do: [{t: {try: [{a: {set: {n: 1}}}, {b: {set: {m: '${ .n }'}}}], catch: {do: [{c: {set: {n: 9}}}]}}}]"
    assert output_of(tasks) == {"m": 1}


def test_error_of_the_catch_goes_on_outwards() -> None:
    run = Run(
        f"""
        do:
        - outer:
            try:
            - inner:
                try: [{{a: {{raise: {{error: {ERROR}}}}}}}]
                catch: {{do: [{{b: {{raise: {{error: {{type: 'https://example.com/second', status: 400}}}}}}}}]}}
            catch: {{do: [{{c: {{set: '${{ $error }}'}}}}]}}
        """
    )
    assert run.turn.output["type"] == "https://example.com/second"
    assert run.turn.output["instance"] == "/do/0/outer/try/0/inner/catch/do/0/b"


def test_condition_that_fails_is_an_error_of_the_try() -> None:
    found = caught("{when: .status.x}").turn.fault
    assert found is not None
    assert (found.type, found.instance) == (STANDARD + "expression", "/do/0/t")


def test_error_of_the_try_itself_is_not_its_own() -> None:
    tasks = "do: [{t: {input: {from: .a.b}, try: [{a: {set: {n: 1}}}], catch: {do: [{c: {set: {n: 2}}}]}}}]"
    assert fault_of(tasks, {"a": 1})["instance"] == "/do/0/t"


@pytest.mark.parametrize("prefix", [STANDARD, "https://serverlessworkflow.io/dsl/errors/types/"])
def test_standard_types_have_two_names(prefix: str) -> None:
    catch = f"{{errors: {{with: {{type: '{prefix}expression'}}}}, {DO}}}"
    assert output_of(f"do: [{{t: {{try: [{{a: {{set: '${{ .x.y }}'}}}}], catch: {catch}}}}}]", {"x": 1}) == {
        "mended": True
    }


CALL = """
do:
- get:
    try: [{call: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}]
    catch: {errors: {with: {status: 503}}, retry: {retry}{rest}}
"""


def retrying(retry: str, rest: str = "") -> Run:
    return Run(CALL.replace("{retry}", retry).replace("{rest}", rest))


def delays(run: Run, times: int) -> list[float]:
    """How long the instance waits before each of the next attempts, in seconds."""
    found = []
    for _ in range(times):
        run.answer(answer(status=503))
        assert run.turn.wake_at is not None
        found.append((run.turn.wake_at - run.now).total_seconds())
        run.after(seconds=found[-1])
    return found


@pytest.mark.parametrize(
    ("retry", "seconds"),
    [
        ("{delay: PT2S}", [2, 2, 2]),
        ("{delay: {seconds: 2}, backoff: {constant: {}}}", [2, 2, 2]),
        ("{delay: PT2S, backoff: {linear: {}}}", [2, 4, 6]),
        ("{delay: PT2S, backoff: {exponential: {}}}", [2, 4, 8]),
        ("{delay: '${ \"PT3S\" }'}", [3, 3, 3]),
        ("{delay: PT2S, jitter: {from: PT1S, to: PT1S}}", [3, 3, 3]),
    ],
)
def test_delay_grows_by_its_backoff(retry: str, seconds: list[float]) -> None:
    assert delays(retrying(retry), 3) == seconds


def test_jitter_is_within_its_bounds_and_always_the_same() -> None:
    retry = "{delay: PT1S, jitter: {from: {milliseconds: 100}, to: {milliseconds: 900}}}"
    found = delays(retrying(retry), 5)
    assert all(1.1 <= each <= 1.9 for each in found)
    assert len(set(found)) > 1
    assert delays(retrying(retry), 5) == found


def test_attempts_are_counted_and_the_effect_keeps_its_id() -> None:
    run = retrying("{delay: PT1S}")
    ids = {run.wanted()[0].id}
    for attempt in (2, 3):
        run.answer(answer(status=503))
        assert (run.turn.status, run.wanted()) == ("waiting", ())
        run.after(seconds=1)
        ids.add(run.wanted()[0].id)
        assert run.wanted()[0].attempt == attempt
    run.answer(answer({"ok": True}))
    assert ids == {"/do/0/get/try/0/call#1.1"}
    assert run.turn.output == {"ok": True}
    assert [step.attempt for step in run.steps if step.name == "call"] == [1, 1, 2, 2, 3, 3]
    assert run.names("retried") == ["get", "get"]


def test_retry_too_early_does_nothing() -> None:
    run = retrying("{delay: PT10S}")
    run.answer(answer(status=503))
    before = run.turn.state
    run.after(seconds=9)
    assert (run.turn.state, run.turn.steps) == (before, ())


def test_retry_without_delay_is_at_once() -> None:
    run = retrying("{limit: {attempt: {count: 1}}}")
    run.answer(answer(status=503))
    assert (run.turn.status, run.wanted()[0].attempt) == ("running", 2)


def test_used_up_retries_run_the_catch() -> None:
    run = retrying("{limit: {attempt: {count: 2}}}", ", do: [{mend: {set: '${ $error.status }'}}]")
    run.answer(answer(status=503))
    run.answer(answer(status=503))
    run.answer(answer(status=503))
    assert (run.turn.status, run.turn.output) == ("completed", 503)


def test_used_up_retries_without_tasks_let_the_error_go_on() -> None:
    run = retrying("{limit: {attempt: {count: 0}}}")
    run.answer(answer("down", status=503))
    assert run.turn.fault is not None
    assert (run.turn.fault.status, run.turn.fault.detail) == (503, "down")
    assert run.turn.fault.instance == "/do/0/get/try/0/call"
    assert run.names("faulted") == ["call", "get"]


def test_duration_limits_all_attempts_together() -> None:
    run = retrying("{delay: PT4S, limit: {duration: PT10S}}")
    assert delays(run, 2) == [4, 4]
    run.answer(answer(status=503))
    assert run.turn.status == "faulted"


@pytest.mark.parametrize(("retry", "again"), [("{when: .status == 503}", True), ("{when: .status == 500}", False)])
def test_retry_has_its_own_condition(retry: str, again: bool) -> None:
    run = retrying(retry)
    run.answer(answer(status=503))
    assert run.turn.status == ("running" if again else "faulted")


def test_other_errors_are_not_retried() -> None:
    run = retrying("{delay: PT1S}")
    run.answer(answer(status=500))
    assert run.turn.status == "faulted"


def test_named_policy_is_used() -> None:
    run = Run("use: {retries: {slowly: {delay: PT5S}}}" + CALL.replace("{retry}", "slowly").replace("{rest}", ""))
    assert delays(run, 1) == [5]


def test_delay_that_is_no_duration_is_a_configuration_error() -> None:
    run = retrying("{delay: '${ 5 }'}")
    run.answer(answer(status=503))
    assert run.turn.fault is not None
    assert (run.turn.fault.type, run.turn.fault.instance) == (STANDARD + "configuration", "/do/0/get")


def test_delay_beyond_the_calendar_is_a_configuration_error() -> None:
    run = retrying("{delay: P36000D, backoff: {exponential: {}}}")
    delays(run, 6)
    run.answer(answer(status=503))
    assert run.turn.fault is not None
    assert run.turn.fault.type == STANDARD + "configuration"


def test_retry_runs_all_tasks_of_the_try_again_as_the_same_visits() -> None:
    run = Run(
        """
        do:
        - t:
            try:
            - first: {set: {n: 1}}
            - call: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}
            catch: {retry: {limit: {attempt: {count: 1}}}}
        """
    )
    run.answer(answer(status=500))
    run.answer(answer({}))
    assert [(step.visit, step.attempt) for step in run.steps if step.name == "first"] == [("1.1", 1), ("1.1", 2)]


def test_no_run_of_a_task_shares_its_attempt_with_another_when_tries_are_nested() -> None:
    run = Run(
        """
        do:
        - outer:
            try:
            - inner:
                try: [{call: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}]
                catch: {errors: {with: {status: 503}}, retry: {limit: {attempt: {count: 2}}}}
            catch: {retry: {limit: {attempt: {count: 1}}}}
        """
    )
    while run.wanted():
        run.answer(answer(status=503))
    attempts = [step.attempt for step in run.steps if (step.name, step.state) == ("call", "started")]
    assert attempts == [1, 2, 3, 4, 5, 6]
    assert run.turn.status == "faulted"
    assert run.now == NOW
