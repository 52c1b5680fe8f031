"""What do calls, listens, waits and timeouts wait for, and what comes of it?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fulfillment import workflow
from fulfillment.workflow import Fault, Host, UnknownEffectError
from tests.fulfillment.workflow.driving import HOST, NOW, STANDARD, Run, answer, fault_of, output_of

GET = "call: http, with: {method: get, endpoint: 'https://example.com/{id}'}"


def test_call_is_wanted_until_it_is_answered() -> None:
    run = Run(f"do: [{{get: {{{GET}}}}}, {{then: {{set: {{seen: '${{ .name }}'}}}}}}]", {"id": 7})
    (effect,) = run.wanted()
    assert (effect.id, effect.pointer, effect.visit, effect.attempt, effect.kind) == (
        "/do/0/get#1",
        "/do/0/get",
        "1",
        1,
        "http",
    )
    assert (effect.request["method"], effect.request["uri"]) == ("GET", "https://example.com/7")
    assert (effect.authentication, effect.deadline) == (None, None)
    assert (run.turn.status, run.turn.wake_at, run.turn.output) == ("running", None, None)
    run.answer(answer({"name": "Rex"}))
    assert (run.turn.status, run.turn.output, run.wanted()) == ("completed", {"seen": "Rex"}, ())
    assert run.told()[:2] == [("/do/0/get", "1", 1, "started"), ("/do/0/get", "1", 1, "completed")]


def test_answer_nobody_waits_for_is_refused() -> None:
    run = Run(f"do: [{{get: {{{GET}}}}}, {{again: {{{GET}}}}}]", {"id": 7})
    first = run.wanted()[0].id
    run.answer(answer({"id": 8}), first)
    for late in (first, "/do/9/none#1", "#"):
        with pytest.raises(UnknownEffectError, match="i-1 does not wait"):
            run.answer(answer({}), late)
    run.answer(answer({}))
    with pytest.raises(UnknownEffectError):
        run.answer(answer({}), "/do/1/again#1")


def test_state_is_left_as_it_was() -> None:
    run = Run(f"do: [{{get: {{{GET}}}}}]", {"id": 7})
    before = run.turn.state
    kept = repr(before)
    run.answer(answer({}))
    assert repr(before) == kept


def test_loop_wants_another_effect_each_turn() -> None:
    call = "{call: http, with: {method: get, endpoint: 'https://example.com/x'}}"
    run = Run(f"do: [{{loop: {{for: {{in: .}}, do: [{{get: {call}}}]}}}}]", [1, 2])
    ids = []
    while effects := run.wanted():
        ids.append(effects[0].id)
        run.answer(answer({}))
    assert ids == ["/do/0/loop/do/0/get#1.1.1", "/do/0/loop/do/0/get#1.2.1"]


def test_branches_are_answered_in_any_order() -> None:
    branches = f"[{{a: {{{GET}}}}}, {{b: {{{GET}}}}}, {{c: {{wait: PT1M}}}}]"
    run = Run(f"do: [{{f: {{fork: {{branches: {branches}}}}}}}]", {"id": 1})
    first, second = (effect.id for effect in run.wanted())
    run.answer(answer("two"), second)
    run.answer(answer("one"), first)
    assert (run.turn.status, run.turn.wake_at) == ("waiting", NOW + timedelta(minutes=1))
    run.after(minutes=1)
    assert run.turn.output == ["one", "two", {"id": 1}]


@pytest.mark.parametrize(
    ("failure", "kind", "status"),
    [
        ("timeout", "timeout", 408),
        ("connection", "communication", 500),
        ("refused", "communication", 500),
        ("configuration", "configuration", 400),
        ("unheard of", "communication", 500),
    ],
)
def test_call_without_an_answer_is_an_error(failure: str, kind: str, status: int) -> None:
    run = Run(f"do: [{{get: {{{GET}}}}}]", {"id": 7})
    run.answer({"failure": failure, "text": "cut off"})
    assert run.turn.fault is not None
    assert (run.turn.fault.type, run.turn.fault.status) == (STANDARD + kind, status)
    assert (run.turn.fault.detail, run.turn.fault.instance) == ("cut off", "/do/0/get")


def test_request_that_cannot_be_built_is_an_error_of_the_task() -> None:
    found = fault_of(f"do: [{{get: {{{GET}}}}}]", {"other": 7})
    assert (found["type"], found["status"], found["instance"]) == (STANDARD + "expression", 400, "/do/0/get")
    assert "{id}" in found["detail"]


def test_function_is_called_with_what_it_is_handed() -> None:
    run = Run(
        f"""
        use: {{functions: {{getPet: {{{GET}}}}}}}
        do: [{{handed: {{call: getPet, with: {{id: '${{ .number }}'}}}}}}, {{bare: {{call: getPet}}}}]
        """,
        {"number": 5},
    )
    assert run.wanted()[0].request["uri"] == "https://example.com/5"
    run.answer(answer({"id": 6}))
    assert run.wanted()[0].request["uri"] == "https://example.com/6"
    assert run.steps[0].kind == "call http"


AUTHENTICATED = """
use:
  secrets: [supplier, portal, gone]
  authentications:
    named: {bearer: {use: supplier}}
do:
- get: {call: http, with: {method: get, endpoint: {uri: 'https://example.com/x', authentication: HOW}}}
"""


@pytest.mark.parametrize(
    ("how", "proof"),
    [
        ("{use: named}", {"scheme": "bearer", "token": "t0ken"}),
        ("{bearer: {use: supplier}}", {"scheme": "bearer", "token": "t0ken"}),
        ("{bearer: {token: '${ $secrets.supplier }'}}", {"scheme": "bearer", "token": "t0ken"}),
        ("{bearer: {token: '${ .token }'}}", {"scheme": "bearer", "token": "given"}),
        ("{basic: {use: portal}}", {"scheme": "basic", "username": "ann", "password": "s3cret"}),
        (
            "{basic: {username: bob, password: '${ $secrets[\"supplier\"] }'}}",
            {"scheme": "basic", "username": "bob", "password": "t0ken"},
        ),
    ],
)
def test_call_proves_itself(how: str, proof: dict[str, str]) -> None:
    run = Run(AUTHENTICATED.replace("HOW", how), {"token": "given"})
    (effect,) = run.wanted()
    assert effect.authentication == proof
    assert "t0ken" not in repr((run.turn, effect))
    assert "s3cret" not in repr((run.turn, effect, HOST))


@pytest.mark.parametrize(
    "how",
    [
        "{bearer: {use: gone}}",
        "{bearer: {token: '${ $secrets.gone }'}}",
        "{bearer: {token: ''}}",
        '{bearer: {token: "a\\nb"}}',
        "{basic: {use: supplier}}",
        "{basic: {username: a, password: '${ 5 }'}}",
    ],
)
def test_call_without_its_secret_is_an_authorization_error(how: str) -> None:
    found = fault_of(AUTHENTICATED.replace("HOW", how))
    assert (found["type"], found["status"], found["instance"]) == (STANDARD + "authorization", 403, "/do/0/get")


def test_secret_taken_away_is_told_when_the_effect_is_wanted() -> None:
    run = Run(AUTHENTICATED.replace("HOW", "{use: named}"))
    with pytest.raises(Fault) as refusal:
        workflow.wanted(run.definition, run.turn.state, host=Host())
    assert refusal.value.status == 403


def test_openapi_call_names_its_document_and_operation() -> None:
    run = Run(
        """
        use: {secrets: [supplier]}
        do:
        - find:
            call: openapi
            with:
              document: {endpoint: {uri: 'https://example.com/api.json'}}
              operationId: findPets
              parameters: {status: '${ .status }', limit: 5, none: '${ null }'}
              authentication: {bearer: {use: supplier}}
        """,
        {"status": "sold"},
    )
    (effect,) = run.wanted()
    assert effect.kind == "openapi"
    assert effect.request == {
        "document": "https://example.com/api.json",
        "operationId": "findPets",
        "parameters": {"status": "sold", "limit": 5},
        "redirect": False,
        "output": "content",
    }
    assert effect.authentication == {"scheme": "bearer", "token": "t0ken"}


def test_wait_goes_on_when_its_time_has_come() -> None:
    run = Run("do: [{pause: {wait: {minutes: 2}}}, {then: {set: {n: '${ .n + 1 }'}}}]", {"n": 1})
    assert (run.turn.status, run.turn.wake_at) == ("waiting", NOW + timedelta(minutes=2))
    run.after(minutes=1)
    assert (run.turn.status, run.turn.steps) == ("waiting", ())
    run.after(minutes=1)
    assert (run.turn.output, run.turn.wake_at) == ({"n": 2}, None)
    assert run.told()[:2] == [("/do/0/pause", "1", 1, "waiting"), ("/do/0/pause", "1", 1, "completed")]


def test_late_wake_starts_what_follows_then() -> None:
    run = Run("do: [{a: {wait: PT1M}}, {b: {wait: '${ \"PT1M\" }'}}]")
    run.after(hours=1)
    assert run.turn.wake_at == NOW + timedelta(hours=1, minutes=1)


def test_wait_for_nothing_is_over_at_once() -> None:
    assert output_of("do: [{a: {wait: PT0S}}]", 1) == 1


def test_wait_for_no_duration_is_a_configuration_error() -> None:
    found = fault_of("do: [{a: {wait: '${ .x }'}}]", {"x": "soon"})
    assert (found["type"], found["instance"]) == (STANDARD + "configuration", "/do/0/a")


def test_waking_a_finished_instance_changes_nothing() -> None:
    run = Run("do: [{a: {set: {n: 1}}}]")
    state = run.turn.state
    assert run.after(hours=1).state == state
    assert (run.turn.status, run.turn.output, run.turn.steps) == ("completed", {"n": 1}, ())


LISTEN = "do: [{hear: {listen: {to: HOW, read: envelope}}}]"
EVENT = {"specversion": "1.0", "id": "1", "source": "https://e.com", "type": "t", "data": {"card": "c-1"}}


@pytest.mark.parametrize(
    ("how", "request_"),
    [
        ("{one: {with: {type: t, subject: '${ .card }'}}}", {"one": [{"type": "t", "subject": "c-1"}]}),
        ("{any: [{with: {type: t}}, {with: {type: u}}]}", {"any": [{"type": "t"}, {"type": "u"}]}),
        ("{all: [{with: {type: t}}, {with: {data: {a: 1}}}]}", {"all": [{"type": "t"}, {"data": {"a": 1}}]}),
    ],
)
def test_listen_wants_events(how: str, request_: dict[str, Any]) -> None:
    run = Run(LISTEN.replace("HOW", how), {"card": "c-1"})
    (effect,) = run.wanted()
    assert (effect.kind, effect.request, run.turn.status) == ("listen", request_, "waiting")
    run.answer({"events": [EVENT]})
    assert run.turn.output == [EVENT]


def test_listen_yields_the_data_of_its_events() -> None:
    run = Run("do: [{hear: {listen: {to: {one: {with: {type: t}}}}}}]")
    run.answer({"events": [EVENT]})
    assert run.turn.output == [{"card": "c-1"}]


def test_listen_needs_an_event() -> None:
    run = Run("do: [{hear: {listen: {to: {one: {with: {type: t}}}}}}]")
    with pytest.raises(ValueError, match="at least one event"):
        run.answer({"events": []})


def test_timeout_of_a_call_is_an_error_that_can_be_caught() -> None:
    run = Run(
        f"""
        do:
        - t:
            try: [{{get: {{timeout: {{after: PT5S}}, {GET}}}}}]
            catch:
              errors: {{with: {{type: '{STANDARD}timeout', status: 408}}}}
              do: [{{mend: {{set: '${{ $error.instance }}'}}}}]
        """,
        {"id": 1},
    )
    assert run.wanted()[0].deadline == run.turn.wake_at == NOW + timedelta(seconds=5)
    effect = run.wanted()[0].id
    run.after(seconds=5)
    assert run.turn.output == "/do/0/t/try/0/get"
    with pytest.raises(UnknownEffectError):
        run.answer(answer({}), effect)


def test_timeout_of_a_list_cancels_what_is_in_it() -> None:
    run = Run(f"do: [{{slow: {{timeout: {{after: PT5S}}, do: [{{get: {{{GET}}}}}]}}}}]", {"id": 1})
    run.after(seconds=6)
    assert run.turn.fault is not None
    assert (run.turn.fault.status, run.turn.fault.instance) == (408, "/do/0/slow")
    assert (run.names("cancelled"), run.names("faulted")) == (["get"], ["slow"])


def test_timeout_of_a_try_is_not_its_own_to_catch() -> None:
    run = Run(f"do: [{{t: {{timeout: {{after: PT5S}}, try: [{{get: {{{GET}}}}}], catch: {{}}}}}}]", {"id": 1})
    run.after(seconds=5)
    assert (run.turn.status, run.wanted()) == ("faulted", ())


def test_timeout_of_the_workflow_faults_it() -> None:
    run = Run("use: {timeouts: {soon: {after: {seconds: 3}}}}\ntimeout: soon\ndo: [{a: {wait: PT1H}}]")
    assert run.turn.wake_at == NOW + timedelta(seconds=3)
    run.after(seconds=3)
    assert run.turn.fault is not None
    assert (run.turn.fault.status, run.turn.fault.instance) == (408, "")


def test_wait_over_at_the_time_of_its_timeout_is_over() -> None:
    run = Run("do: [{a: {timeout: {after: PT5S}, wait: PT5S}}, {b: {set: {n: 1}}}]")
    run.after(seconds=5)
    assert run.turn.output == {"n": 1}


def test_answer_after_the_deadline_still_counts() -> None:
    run = Run(f"do: [{{get: {{timeout: {{after: PT5S}}, {GET}}}}}]", {"id": 1})
    run.now += timedelta(seconds=9)
    assert run.answer(answer("late")).output == "late"


def test_deadline_is_the_nearest_of_all_around() -> None:
    run = Run(f"timeout: {{after: PT3S}}\ndo: [{{get: {{timeout: {{after: PT5S}}, {GET}}}}}]", {"id": 1})
    assert run.wanted()[0].deadline == NOW + timedelta(seconds=3)
